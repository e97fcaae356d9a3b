package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is for what takes a second when the machine is quiet.
const patience = 30 * time.Second

// TestScripts runs the program as its users do: each file in testdata/script is
// a session at a terminal, with a data folder of its own. Beside testscript's
// own commands there are
//
//	start NAME [args…]       carrel serve in the background, until it serves; sets $NAME_URL and $NAME_PID. $AS_UID says who starts it
//	signal NAME TERM|INT|KILL
//	ended NAME               wait for its end; its output is then in NAME.log
//	get STATUS URL           ask for a page, until that is the answer; negated, nobody answers
//	murder ROLE              kill -9 the keeper or the gateway
//	owner PATH UID MODE
//
// After a script nothing may be left but files, however it ended.
func TestScripts(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("the keeper needs root: run this test as root")
	}
	bin := binary(t)
	claude := claudeFile(t)
	work := walkable(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		WorkdirRoot:         work,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			s := &session{bin: filepath.Join(bin, "carrel"), data: filepath.Join(env.WorkDir, "data"), state: filepath.Join(env.WorkDir, "state"), servers: map[string]*process{}}
			env.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			env.Setenv("CARREL_DATA_DIR", s.data)
			env.Setenv("CARREL_STATE_DIR", s.state)
			env.Setenv("CARREL_LISTEN", "127.0.0.1:0")
			env.Setenv("CLAUDE", claude)
			env.Values[sessionKey{}] = s
			env.Defer(func() {
				if err := s.end(); err != nil {
					t.Error(err)
				}
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "signal": sendSignal, "ended": ended, "get": get, "owner": owner, "murder": murder,
		},
	})
}

// binary gives a folder with the program under test: the shipped one, else one
// that is built now.
func binary(t *testing.T) string {
	t.Helper()
	dir := walkable(t)
	to := filepath.Join(dir, "carrel")
	if bin := os.Getenv("CARREL_BIN"); bin != "" {
		bin, err := filepath.Abs(bin)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Link(bin, to); err == nil {
			return dir
		}
		b, err := os.ReadFile(bin)
		if err != nil {
			t.Fatalf("CARREL_BIN: %v", err)
		}
		if err := os.WriteFile(to, b, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", to, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

func claudeFile(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CARREL_CLAUDE_PATH")
	if path == "" {
		var err error
		if path, err = filepath.Abs("../../.cache/claude/node_modules/@anthropic-ai/claude-code-linux-x64/claude"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no Claude CLI: %v; install it with `make claude`, or set CARREL_CLAUDE_PATH", err)
	}
	return path
}

// walkable is a folder that every uid can walk to, and whose path leaves room
// for that of a socket.
func walkable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "carrel-script-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

type sessionKey struct{}

// session is what one script has started.
type session struct {
	bin, data, state string
	servers          map[string]*process
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	out  output
}

// output is written by the process and read by the test.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var servesPattern = regexp.MustCompile(`serves (http://\S+)`)

func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: start NAME [args…]")
	}
	s := ts.Value(sessionKey{}).(*session)
	name := args[0]
	p := &process{done: make(chan struct{})}
	p.cmd = exec.Command(s.bin, append([]string{"serve"}, args[1:]...)...)
	p.cmd.Dir = ts.MkAbs(".")
	for _, v := range []string{"PATH", "HOME", "CARREL_DATA_DIR", "CARREL_STATE_DIR", "CARREL_LISTEN", "CARREL_GATEWAY_API_KEY"} {
		p.cmd.Env = append(p.cmd.Env, v+"="+ts.Getenv(v))
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.WaitDelay = time.Second
	if as := ts.Getenv("AS_UID"); as != "" {
		uid, err := strconv.ParseUint(as, 10, 32)
		ts.Check(err)
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), Groups: []uint32{}}}
		s.data = ts.Getenv("CARREL_DATA_DIR")
		s.state = filepath.Join(s.data, "run")
	}
	ts.Check(p.cmd.Start())
	s.servers[name] = p
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	deadline := time.Now().Add(patience)
	for {
		if m := servesPattern.FindStringSubmatch(p.out.String()); m != nil {
			ts.Setenv(name+"_URL", m[1])
			ts.Setenv(name+"_PID", strconv.Itoa(p.cmd.Process.Pid))
			return
		}
		select {
		case <-p.done:
			ts.Fatalf("carrel serve ended at once: %s", p.out.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			ts.Fatalf("carrel serve does not serve after %s: %s", patience, p.out.String())
		}
	}
}

func named(ts *testscript.TestScript, name string) *process {
	p := ts.Value(sessionKey{}).(*session).servers[name]
	if p == nil {
		ts.Fatalf("%s was not started", name)
	}
	return p
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	if neg || len(args) != 2 || signals[args[1]] == 0 {
		ts.Fatalf("usage: signal NAME TERM|INT|KILL")
	}
	ts.Check(named(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// ended waits for the end of a server that went well, or, negated, did not.
func ended(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: ended NAME")
	}
	p := named(ts, args[0])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s has not ended after %s", args[0], patience)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".log"), []byte(p.out.String()), 0o600))
	if p.cmd.ProcessState.Success() == neg {
		ts.Fatalf("%s ended with %s: %s", args[0], p.cmd.ProcessState, p.out.String())
	}
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: get STATUS URL")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, args[1], nil)
	ts.Check(err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
	for {
		res, err := client.Do(r)
		status := 0
		if err == nil {
			res.Body.Close()
			status = res.StatusCode
		}
		if neg {
			if status != 0 {
				ts.Fatalf("%s answered %d", args[1], status)
			}
			return
		}
		if strconv.Itoa(status) == args[0] {
			return
		}
		select { // the keeper and the gateway come up beside the server
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			ts.Fatalf("%s answered %d, %v after %s; want %s", args[1], status, err, patience, args[0])
		}
	}
}

func murder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: murder ROLE")
	}
	s := ts.Value(sessionKey{}).(*session)
	deadline := time.Now().Add(patience)
	for {
		left := s.left()
		for _, l := range left {
			var pid int
			if _, err := fmt.Sscanf(l, "process %d (carrel "+args[0]+" )", &pid); err == nil {
				ts.Check(syscall.Kill(pid, syscall.SIGKILL))
				return
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no %s after %s, there are: %s", args[0], patience, strings.Join(left, ", "))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func owner(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: owner PATH UID MODE")
	}
	fi, err := os.Lstat(ts.MkAbs(args[0]))
	ts.Check(err)
	got := fmt.Sprintf("%d %s", fi.Sys().(*syscall.Stat_t).Uid, fi.Mode())
	if want := args[1] + " " + args[2]; got != want {
		ts.Fatalf("%s is %s; want %s", args[0], got, want)
	}
}

// end ends whatever the script left running, and says what then is still there.
func (s *session) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var errs []error
	if _, err := os.Stat(s.state); err == nil {
		cmd := exec.CommandContext(ctx, s.bin, "stop")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "CARREL_DATA_DIR=" + s.data, "CARREL_STATE_DIR=" + s.state}
		if out, err := cmd.CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("carrel stop at the end: %w: %s", err, out))
		}
	}
	for name, p := range s.servers {
		select {
		case <-p.done:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s is still there after carrel stop", name))
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
	// Processes of an instance end a moment after it was destroyed.
	for {
		left := s.left()
		if len(left) == 0 {
			return errors.Join(errs...)
		}
		select {
		case <-ctx.Done():
			return errors.Join(append(errs, fmt.Errorf("left: %s", strings.Join(left, ", ")))...)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// left names processes and mounts of the session's folders.
func (s *session) left() []string {
	var left []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// What cannot be read has gone. A zombie has neither.
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if said := append(env, cmdline...); bytes.Contains(said, []byte(s.data)) || bytes.Contains(said, []byte(s.state)) {
			left = append(left, fmt.Sprintf("process %d (%s)", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return append(left, err.Error())
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && (strings.HasPrefix(f[4], s.data+"/") || strings.HasPrefix(f[4], s.state+"/")) {
			left = append(left, "mount "+f[4])
		}
	}
	return left
}
