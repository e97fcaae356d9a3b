package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
	"github.com/carrel-dev/carrel/internal/scriptedmodel"
)

// launched is a `carrel serve` that is given its settings as a script gives them.
type launched struct {
	t    *testing.T
	base string
	data string
	cmd  *exec.Cmd
}

// launch starts one with flags and variables, and makes an administrator by the command line.
func launch(t *testing.T, args []string, env ...string) *launched {
	t.Helper()
	l := &launched{t: t, data: filepath.Join(t.TempDir(), "d")}
	listen := freeAddress(t)
	l.base = "http://" + listen
	if !strings.Contains(strings.ToLower(strings.Join(args, " ")+strings.Join(env, " ")), "listen") {
		args = append(args, "--listen", listen)
	} else {
		l.base = ""
	}
	cmd := l.program(append([]string{"serve", "--data-dir", l.data}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	l.cmd = cmd
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		if out, err := l.program("stop", "--data-dir", l.data).CombinedOutput(); err != nil {
			t.Errorf("carrel stop: %v %s", err, out)
		}
		<-ended
		if left := carrel.Leftovers(l.data); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		b, _ := os.ReadFile(log.Name())
		log.Close()
		if t.Failed() {
			t.Logf("carrel serve printed:\n%s", b)
		}
		_ = os.RemoveAll(carrel.StateDir(l.data))
	})
	carrel.Await(t, "the server", func() error {
		select {
		case <-ended:
			b, _ := os.ReadFile(log.Name())
			t.Fatalf("carrel serve ended:\n%s", b)
		default:
		}
		b, err := os.ReadFile(log.Name())
		if err != nil {
			return err
		}
		if l.base == "" {
			m := regexp.MustCompile(`serves (http://\S+)`).FindSubmatch(b)
			if m == nil {
				return fmt.Errorf("it printed %s", b)
			}
			l.base = strings.Replace(string(m[1]), "[::]", "127.0.0.1", 1)
		}
		res, err := http.Get(l.base + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			return fmt.Errorf("readyz: %s", res.Status)
		}
		return nil
	})
	return l
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (l *launched) program(args ...string) *exec.Cmd {
	cmd := exec.Command(carrel.Binary(l.t), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	if p := carrel.ClaudePath(); p != "" {
		cmd.Env = append(cmd.Env, "CARREL_CLAUDE_PATH="+p)
	}
	return cmd
}

// user adds a person by the command line and gives the headers that they ask with.
func (l *launched) user(name, role string) map[string]string {
	l.t.Helper()
	add := l.program("user", "add", name, "--role", role, "--password-stdin", "--data-dir", l.data)
	add.Stdin = strings.NewReader("a long password\n")
	if out, err := add.CombinedOutput(); err != nil {
		l.t.Fatalf("user add: %v %s", err, out)
	}
	out, err := l.program("token", "create", "--user", name, "--data-dir", l.data).Output()
	if err != nil || !regexp.MustCompile(`^carrel_\S+\n$`).Match(out) {
		l.t.Fatalf("token create: %v %q; want the token alone on standard output", err, out)
	}
	return map[string]string{"Authorization": "Bearer " + strings.TrimSpace(string(out))}
}

// ask asks the API as somebody.
func (l *launched) ask(as map[string]string, status int, method, path string, body, into any) carrel.Response {
	l.t.Helper()
	res := request{method: method, path: path, body: body, header: as}.send(l.t, l.base)
	if res.StatusCode != status {
		l.t.Fatalf("%s %s: %s %s; want %d", method, path, res.Status, res.Text, status)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(res.Text), into); err != nil {
			l.t.Fatalf("%s %s: %v in %s", method, path, err, res.Text)
		}
	}
	return res
}

// TestContractSettings gives every setting of the contract once by the
// environment and once by flags.
func TestContractSettings(t *testing.T) {
	t.Parallel()
	model := scriptedmodel.New(scriptedmodel.Options{APIKey: "the-key"})
	upstream := httptest.NewServer(model)
	t.Cleanup(func() { model.Close(); upstream.Close() })
	for how, launchIt := range map[string]func(settings map[string]string) *launched{
		"environment": func(settings map[string]string) *launched {
			var env []string
			for name, value := range settings {
				env = append(env, "CARREL_"+strings.ToUpper(strings.ReplaceAll(name, ".", "_"))+"="+value)
			}
			return launch(t, nil, env...)
		},
		"flags": func(settings map[string]string) *launched {
			var args []string
			for name, value := range settings {
				args = append(args, "--"+strings.NewReplacer(".", "-", "_", "-").Replace(name)+"="+value)
			}
			return launch(t, args)
		},
	} {
		listen := freeAddress(t)
		l := launchIt(map[string]string{
			"listen": listen, "runtime": "oci", "registration": "open", "claude.path": carrel.ClaudePath(),
			"gateway.base_url": upstream.URL, "gateway.api_key": "the-key", "pool.idle_timeout": "1500ms", "pool.max_live_sessions": "1",
			"quota.live_sessions": "2", "quota.cpu": "1.5", "quota.memory_bytes": "1500000000", "quota.pids": "300",
			"quota.storage_bytes": "2000000000", "quota.inodes": "40000", "quota.tokens_per_day": "100000", "quota.tokens_per_month": "1000000",
		})
		if l.base != "http://"+listen {
			t.Errorf("%s: it serves %s; want %s", how, l.base, listen)
		}
		ada := l.user("ada", "admin")
		if res := l.ask(nil, 200, "GET", "/config", nil, nil); !strings.Contains(res.Text, `"registration":"open"`) {
			t.Errorf("%s: %s; want registration open", how, res.Text)
		}
		var new struct{ Quota map[string]float64 }
		l.ask(ada, 201, "POST", "/users", map[string]any{"username": "bob", "password": "a long password"}, &new)
		want := map[string]float64{"instances": 1, "live_sessions": 2, "cpu": 1.5, "memory_bytes": 1500000000, "pids": 300, "storage_bytes": 2000000000, "inodes": 40000, "tokens_per_day": 100000, "tokens_per_month": 1000000}
		for k, v := range want {
			if new.Quota[k] != v {
				t.Errorf("%s: quota.%s is %v; want %v", how, k, new.Quota[k], v)
			}
		}
		var i instance
		l.ask(ada, 201, "PUT", "/instance", nil, &i)
		if i.Runtime != "oci" {
			t.Errorf("%s: runtime %s", how, i.Runtime)
		}
		// The model is ours, with the key; of two sessions the server keeps one.
		l.ask(ada, 201, "POST", "/projects", map[string]any{"name": "demo"}, nil)
		var ids [2]string
		for n := range ids {
			var s conversation
			l.ask(ada, 201, "POST", "/sessions", map[string]any{"project": "demo"}, &s)
			ids[n] = s.ID
			l.turn(ada, s.ID, "[echo through our model]")
		}
		if model.Count(func(r scriptedmodel.Request) bool { return r.Kind == scriptedmodel.Turn && r.SessionID == ids[1] }) == 0 {
			t.Errorf("%s: the model of gateway.base_url was not asked", how)
		}
		carrel.Await(t, "one session to be kept", func() error {
			var first, second conversation
			l.ask(ada, 200, "GET", "/sessions/"+ids[0], nil, &first)
			l.ask(ada, 200, "GET", "/sessions/"+ids[1], nil, &second)
			if first.State != "dormant" || second.State != "ready" {
				return fmt.Errorf("states %s, %s", first.State, second.State)
			}
			return nil
		})
		// An instance without a process of its person hibernates.
		l.ask(ada, 204, "DELETE", "/sessions/"+ids[1], nil, nil)
		carrel.Await(t, "the idle instance to hibernate", func() error {
			var now instance
			if l.ask(ada, 200, "GET", "/instance", nil, &now); now.Status != "hibernated" {
				return fmt.Errorf("it is %s", now.Status)
			}
			return nil
		})
	}
}

// turn runs one prompt to its end.
func (l *launched) turn(as map[string]string, id, content string) {
	l.t.Helper()
	l.ask(as, 202, "POST", "/sessions/"+id+"/prompts", map[string]any{"id": content, "content": content}, nil)
	carrel.Await(l.t, "the turn's result", func() error {
		res := l.ask(as, 200, "GET", "/sessions/"+id+"/events?limit=1000", nil, nil)
		if !strings.Contains(res.Text, `"type":"result"`) || !strings.Contains(res.Text, `"is_error":false`) {
			return fmt.Errorf("%.2000s", res.Text[max(0, len(res.Text)-2000):])
		}
		return nil
	})
}

// TestContractProgram runs the commands that scripts rely on.
func TestContractProgram(t *testing.T) {
	t.Parallel()
	l := launch(t, []string{"--runtime", "bare"})
	run := func(stdin string, args ...string) (string, int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), carrel.Patience)
		defer cancel()
		cmd := l.program(args...)
		c := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
		c.Env, c.Stdin = cmd.Env, strings.NewReader(stdin)
		out, err := c.CombinedOutput()
		if c.ProcessState == nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out), c.ProcessState.ExitCode()
	}
	// Also while a server runs, which knows them at once.
	for name, role := range map[string]string{"ann": "admin", "max": "moderator", "ursula": "user"} {
		as := l.user(name, role)
		if res := l.ask(as, 200, "GET", "/me", nil, nil); !strings.Contains(res.Text, `"role":"`+role+`"`) {
			t.Errorf("%s: %s; want role %s", name, res.Text, role)
		}
		cookieIn(t, l.base, name, "a long password")
	}
	for _, c := range []struct {
		what, stdin string
		args        []string
		says        string
	}{
		{"the same name", "a long password\n", []string{"user", "add", "ann", "--role", "user", "--password-stdin"}, "ann"},
		{"a bad name", "a long password\n", []string{"user", "add", "No Name", "--password-stdin"}, "name"},
		{"a short password", "short\n", []string{"user", "add", "bea", "--password-stdin"}, "password"},
		{"no password", "", []string{"user", "add", "bea"}, "--password-stdin"},
		{"a bad role", "a long password\n", []string{"user", "add", "bea", "--role", "king", "--password-stdin"}, "role"},
		{"nobody's token", "", []string{"token", "create", "--user", "nobody"}, "user"},
		{"a token without a user", "", []string{"token", "create"}, "--user"},
	} {
		if out, code := run(c.stdin, append(c.args, "--data-dir", l.data)...); code == 0 || !strings.Contains(out, c.says) {
			t.Errorf("%s: %d %q; want an error that says %q", c.what, code, out, c.says)
		}
	}
	if out, code := run("a long password\n", "user", "add", "plain", "--password-stdin", "--data-dir", l.data); code != 0 {
		t.Errorf("without a role: %d %s", code, out)
	}
	if out, code := run("", "version"); code != 0 || !regexp.MustCompile(`^carrel \S+\n$`).MatchString(out) {
		t.Errorf("version: %d %q", code, out)
	}
	// It says of each thing how it is, and where one is missing, what mends it.
	out, code := run("", "doctor", "--data-dir", l.data)
	if (code == 0) == strings.Contains(out, "FAIL") || !strings.Contains(out, "runc") || !strings.Contains(out, "claude") {
		t.Errorf("doctor: %d\n%s", code, out)
	}
	out, code = run("", "doctor", "--data-dir", l.data, "--claude-path", "/nowhere/claude")
	if code == 0 || !strings.Contains(out, "FAIL") || !strings.Contains(out, "→") {
		t.Errorf("doctor without a CLI: %d; want a failure with its remedy\n%s", code, out)
	}
	for _, bad := range [][]string{{"serve", "--runtime", "magic"}, {"serve", "--no-such-flag"}, {"serve", "--pool-idle-timeout", "soon"}, {"nothing"}, {"serve", "--listen", strings.TrimPrefix(l.base, "http://")}} {
		if out, code := run("", append(bad, "--data-dir", filepath.Join(t.TempDir(), "other"))...); code == 0 || len(out) < 10 {
			t.Errorf("%v: %d %q; want an error", bad, code, out)
		}
	}
	// A second server on the same data is refused.
	if out, code := run("", "serve", "--data-dir", l.data, "--listen", "127.0.0.1:0"); code == 0 || !strings.Contains(out, "carrel stop") {
		t.Errorf("a second server: %d %q", code, out)
	}
	if out, code := run("", "stop", "--data-dir", filepath.Join(t.TempDir(), "empty")); code != 0 {
		t.Errorf("stop of nothing: %d %s", code, out)
	}
	// The process that was started is the server itself, and has given up root.
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
	if err != nil || os.Getuid() == 0 && regexp.MustCompile(`(?m)^Uid:\t0`).Match(status) {
		t.Errorf("the process that was started: %v\n%s", err, status)
	}
	begin := time.Now()
	if out, code := run("", "stop", "--data-dir", l.data); code != 0 || time.Since(begin) > 15*time.Second {
		t.Errorf("stop: %d %s in %v", code, out, time.Since(begin))
	}
}
