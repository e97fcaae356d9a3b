package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The tests' person: a uid that nobody has, and groups for two dozen trees.
const (
	testUID      = 61234
	testGIDFirst = 61300
	testGIDLast  = 61323
)

var testEnv = []string{"PATH=/usr/bin:/bin"}

func newTable(t *testing.T, opt Options) *Table {
	t.Helper()
	table := New(opt)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := table.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return table
}

// eachMode runs a test with trees marked by the environment, and, as root, by groups.
func eachMode(t *testing.T, f func(t *testing.T, opt Options)) {
	t.Run("variable", func(t *testing.T) { f(t, Options{UID: -1, GID: -1}) })
	t.Run("group", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Fatal("needs root to become another user")
		}
		f(t, Options{UID: testUID, GID: testUID, TreeGIDs: [2]int{testGIDFirst, testGIDLast}})
	})
}

func start(t *testing.T, table *Table, s Spec) *Process {
	t.Helper()
	if s.Env == nil {
		s.Env = testEnv
	}
	if s.Kind == "" {
		s.Kind = protocol.KindCommand
	}
	p, err := table.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func waitFor(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not happen within 20 s", what)
	}
}

// output starts a shell script and gives a reader of what it writes.
func output(t *testing.T, table *Table, script string) (*Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return start(t, table, Spec{Argv: []string{"sh", "-c", script}, Stdout: w, Stderr: nil}), bufio.NewReader(r)
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("read a line: %v (got %q)", err, s)
	}
	return strings.TrimSpace(s)
}

func TestExitCodes(t *testing.T) {
	eachMode(t, func(t *testing.T, opt Options) {
		table := newTable(t, opt)
		for script, want := range map[string]Exit{
			"exit 0":     {},
			"exit 42":    {Code: 42},
			"kill -9 $$": {Code: 137, Signal: syscall.SIGKILL},
			"kill -2 $$": {Code: 130, Signal: syscall.SIGINT},
		} {
			p := start(t, table, Spec{Argv: []string{"sh", "-c", script}})
			waitFor(t, p.Done(), "the end of "+script)
			if got := p.Exit(); got != want {
				t.Errorf("%s: got %+v, want %+v", script, got, want)
			}
			if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("%s: signal to what is gone: %v", script, err)
			}
		}
	})
}

// stubborn starts a child that detaches by setsid, a grandchild by a double fork with a new session and an ignored
// TERM, and tells their pids and its own.
const stubborn = `
trap '' TERM
setsid sh -c 'trap "" TERM HUP; echo $$; while :; do sleep 1; done' &
( ( setsid sh -c 'trap "" TERM HUP; echo $$; exec </dev/null; while :; do sleep 1; done' & ) & )
echo $$
while :; do sleep 1; done`

func TestEndTakesTheWholeTree(t *testing.T) {
	eachMode(t, func(t *testing.T, opt Options) {
		table := newTable(t, opt)
		p, r := output(t, table, stubborn)
		bystander, other := output(t, table, "echo $$; while :; do sleep 1; done")
		line(t, other)
		pids := []string{line(t, r), line(t, r), line(t, r)}
		begin := time.Now()
		p.End(50 * time.Millisecond)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("process %s is alive after End", pid)
			}
		}
		if p.Exit().Signal != syscall.SIGKILL {
			t.Errorf("got %+v; the leader ignores TERM", p.Exit())
		}
		select {
		case <-bystander.Done():
			t.Error("a process of another tree was ended too")
		default:
		}
		p.End(0) // twice is harmless
		bystander.End(time.Second)
		if bystander.Exit().Signal != syscall.SIGTERM {
			t.Errorf("got %+v, want TERM", bystander.Exit())
		}
	})
}

func TestTreeEndsWithItsLeader(t *testing.T) {
	eachMode(t, func(t *testing.T, opt Options) {
		table := newTable(t, opt)
		stdin, hold, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		p := start(t, table, Spec{Stdin: stdin, Stdout: w, Argv: []string{"sh", "-c",
			`( ( setsid sh -c 'trap "" TERM HUP; echo $$; while :; do sleep 1; done' & ) & ); read x; exit 3`}})
		pid := line(t, bufio.NewReader(r))
		hold.Close() // the leader reads to its end
		waitFor(t, p.Done(), "the end of the tree")
		if alive(pid) {
			t.Errorf("process %s outlived its leader", pid)
		}
		if p.Exit().Code != 3 {
			t.Errorf("got %+v, want 3", p.Exit())
		}
	})
}

// A tree that forks all the time is ended too: what is stopped forks no more.
func TestForkingTreeEnds(t *testing.T) {
	eachMode(t, func(t *testing.T, opt Options) {
		table := newTable(t, opt)
		p, r := output(t, table, `echo up; f() { while :; do (sleep 0.2) & (:) ; done; }; f & f & f`)
		line(t, r)
		p.End(0)
		if n := len(p.mark.members()); n != 0 {
			t.Errorf("%d members are left", n)
		}
	})
}

func alive(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return false
	}
	state, _ := parseStatus(b)
	return state != 'Z' && state != 'X'
}

// What a child of the person's starts with: nothing of the supervisor's.
func TestChildIsBare(t *testing.T) {
	// What is caught is the default in a child. A test that runs in the background, or under nohup, would hand on
	// what it ignores. What it ignores of 32 and 33, the threads' own, it cannot help.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught)
	defer signal.Stop(caught)
	threads := regexp.MustCompile(`SigIgn:\t0000000[01][08]0000000`)
	eachMode(t, func(t *testing.T, opt Options) {
		table := newTable(t, opt)
		t.Setenv("CARREL_SECRET", "s")
		p, r := output(t, table, `sh -c 'exec ls /proc/self/fd' | tr '\n' ' '; echo; cat /proc/self/status; cat /proc/$$/oom_score_adj; tr '\0' '\n' < /proc/$$/environ; pwd; cat /proc/$$/stat | cut -d' ' -f6,7; echo end`)
		var all []string
		for {
			s := line(t, r)
			if s == "end" {
				break
			}
			all = append(all, s)
		}
		waitFor(t, p.Done(), "the end")
		if all[0] != "0 1 2 3" { // 3 is the listing itself

			t.Errorf("descriptors: got %q, want 0 1 2 3", all[0])
		}
		text := threads.ReplaceAllString(strings.Join(all, "\n"), "SigIgn:\t0000000000000000")
		want := []string{"SigIgn:\t0000000000000000", "SigBlk:\t0000000000000000", "\n" + strconv.Itoa(oomScore) + "\n", fmt.Sprintf("\n%d 0", p.PID())}
		if opt.UID >= 0 {
			want = append(want, fmt.Sprintf("Uid:\t%d\t%[1]d\t%[1]d\t%[1]d", testUID), fmt.Sprintf("Gid:\t%d\t%[1]d\t%[1]d\t%[1]d", testUID),
				"CapEff:\t0000000000000000", fmt.Sprintf("Groups:\t%d", p.mark.gid))
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%q is missing in\n%s", w, text)
			}
		}
		if strings.Contains(text, "CARREL_SECRET") {
			t.Error("the environment was inherited")
		}
	})
}

// No exit is lost or given to another, while orphans are reaped beside.
func TestStormOfChildrenAndOrphans(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	table := newTable(t, Options{UID: -1, Orphans: true})
	const children, workers = 500, 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < children; i += workers {
				want := i%250 + 1
				p, err := table.Start(Spec{Kind: protocol.KindCommand, Env: testEnv, Argv: []string{"/bin/sh", "-c", fmt.Sprintf("(exit 7 &); exit %d", want)}})
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-p.Done():
				case <-time.After(30 * time.Second):
					t.Errorf("child %d: no exit", i)
					return
				}
				if got := p.Exit(); got.Code != want {
					t.Errorf("child %d: got %+v, want %d", i, got, want)
				}
			}
		})
	}
	wg.Wait()
	if n := len(table.List()); n != 0 {
		t.Errorf("%d processes are still listed", n)
	}
	// Whatever became ours is collected: in the end there is no child at all.
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.ECHILD) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there are children left (wait4: %v)", err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestListAndChanged(t *testing.T) {
	table := newTable(t, Options{UID: -1})
	changed := table.Changed()
	helper := start(t, table, Spec{Kind: KindHelper, Argv: []string{"cat"}})
	waitFor(t, helper.Done(), "the helper's end")
	select {
	case <-changed:
		t.Error("a helper is not a change")
	default:
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p := start(t, table, Spec{Kind: protocol.KindClaude, SessionID: "s", Argv: []string{"sh", "-c", "cat\n#" + strings.Repeat("x", 300)}, Stdin: r})
	waitFor(t, changed, "a change")
	changed = table.Changed()
	list := table.List()
	// The kernel counts pages in batches: a process that has just begun may show none.
	for deadline := time.Now().Add(5 * time.Second); list[0].MemoryBytes == 0 && time.Now().Before(deadline); list = table.List() {
		time.Sleep(time.Millisecond)
	}
	if len(list) != 1 || list[0].PID != p.PID() || list[0].Kind != protocol.KindClaude || list[0].SessionID != "s" || list[0].MemoryBytes == 0 {
		t.Fatalf("got %+v", list)
	}
	if c := list[0].Command; len([]rune(c)) != maxCommandText+1 || !strings.HasPrefix(c, "sh -c cat·#x") {
		t.Errorf("command text is %q", c)
	}
	w.Close()
	waitFor(t, changed, "a change at the end")
	waitFor(t, p.Done(), "the end")
	if n := len(table.List()); n != 0 {
		t.Errorf("%d are listed, want none", n)
	}
}

// A child may have whoever started it trace it, who then is told of every signal that it gets. That is no end.
func TestTracedChildIsNotTakenForDead(t *testing.T) {
	eachMode(t, func(t *testing.T, opt Options) {
		table := newTable(t, opt)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		p := start(t, table, Spec{Argv: []string{"python3", "-c", strings.Join([]string{
			"import ctypes, os, signal",
			"ctypes.CDLL(None).ptrace(0, 0, 0, 0)",
			"print('traced', flush=True)",
			"os.kill(os.getpid(), signal.SIGUSR1)",
		}, "\n")}, Stdout: w})
		if got := line(t, bufio.NewReader(r)); got != "traced" {
			t.Fatalf("got %q", got)
		}
		// What stands still here was told to its parent before; the table may have collected that, or does now.
		buf := make([]byte, 8<<10)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			if state, _ := parseStatus(readProc("/proc/"+strconv.Itoa(p.PID())+"/status", buf)); state == 't' {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not stand still")
			}
		}
		table.collect()
		select {
		case <-p.Exited():
			t.Fatalf("it lives, and is told to have ended with %+v", p.Exit())
		default:
		}
		p.End(0)
		if want := (Exit{Code: 137, Signal: syscall.SIGKILL}); p.Exit() != want {
			t.Errorf("got %+v, want %+v", p.Exit(), want)
		}
	})
}

func TestStartFails(t *testing.T) {
	eachMode(t, func(t *testing.T, opt Options) {
		table := newTable(t, opt)
		dir := t.TempDir()
		if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		loop, script, busy, closed := filepath.Join(dir, "loop"), filepath.Join(dir, "script"), filepath.Join(dir, "busy"), filepath.Join(dir, "closed")
		written, err := os.OpenFile(busy, os.O_CREATE|os.O_WRONLY, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		defer written.Close()
		program, err := os.ReadFile("/bin/true")
		if err == nil {
			_, err = written.Write(program)
		}
		if err := errors.Join(err, os.Symlink("loop", loop), os.WriteFile(script, []byte("#!"+script+"\n"), 0o755), os.Mkdir(closed, 0)); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 && opt.UID < 0 {
			closed = "/no/such/folder" // nothing is closed to root
		}
		for name, s := range map[string]Spec{
			"no argv":       {},
			"no program":    {Argv: []string{"no-such-program-here"}},
			"no path":       {Argv: []string{"/no/such/program"}},
			"no folder":     {Argv: []string{"true"}, Dir: "/no/such/folder"},
			"not a program": {Argv: []string{"/etc/passwd"}},
			"closed folder": {Argv: []string{"true"}, Dir: closed},
			"long name":     {Argv: []string{strings.Repeat("x", 300)}},
			"long path":     {Argv: []string{"/" + strings.Repeat("x", 300)}},
			"link to self":  {Argv: []string{loop}},
			"folder a loop": {Argv: []string{"true"}, Dir: loop},
			"its own #!":    {Argv: []string{script}},
			"written to":    {Argv: []string{busy}},
			"zero byte":     {Argv: []string{"true", "a\x00b"}},
		} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			s.Kind, s.Env, s.Stdout = protocol.KindCommand, testEnv, w
			if _, err := table.Start(s); fault.CodeOf(err) != fault.Invalid {
				t.Errorf("%s: got %v, want invalid", name, err)
			}
			if _, err := r.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%s: the child's end is still open: %v", name, err)
			}
			r.Close()
		}
	})
}

func TestTreesRunOut(t *testing.T) {
	s := marks{first: 10, last: 12, used: map[int]bool{}}
	var held []mark
	for range 3 {
		m, err := s.take()
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, m)
	}
	if _, err := s.take(); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Fatalf("got %v, want quota_exceeded", err)
	}
	s.release(held[1])
	if m, err := s.take(); err != nil || m.gid != 11 {
		t.Fatalf("got %v, %v; want the one that was given back", m, err)
	}
}

func TestStopEndsAll(t *testing.T) {
	table := New(Options{UID: -1})
	p := start(t, table, Spec{Argv: []string{"sleep", "1000"}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := table.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	waitFor(t, p.Done(), "the child's end")
	if _, err := table.Start(Spec{Argv: []string{"true"}}); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}
