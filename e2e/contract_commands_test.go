package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

func contractCommands(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "command-bob")
	bob.Must(201, "POST", "/projects", map[string]any{"name": "demo 项目"}, nil)
	type output struct {
		ExitCode       int `json:"exit_code"`
		Stdout, Stderr string
		Truncated      bool
		DurationS      float64 `json:"duration_s"`
	}
	sh := func(script string) []string { return []string{"sh", "-c", script} }
	for _, c := range []struct {
		what           string
		body           map[string]any
		code           int
		stdout, stderr string
	}{
		{"streams", map[string]any{"argv": sh("echo out; echo err >&2; exit 3")}, 3, "out\n", "err\n"},
		{"no shell", map[string]any{"argv": []string{"printf", "%s|", "a b", "$HOME", "*"}}, 0, "a b|$HOME|*|", ""},
		{"home", map[string]any{"argv": []string{"pwd"}}, 0, "/home/command-bob\n", ""},
		{"project", map[string]any{"argv": []string{"pwd"}, "project": "demo 项目"}, 0, "/home/command-bob/projects/demo 项目\n", ""},
		{"env", map[string]any{"argv": sh("echo $A-$B"), "env": map[string]string{"A": "1", "B": "二 x"}}, 0, "1-二 x\n", ""},
		{"stdin", map[string]any{"argv": []string{"cat"}, "stdin": "in\n输入"}, 0, "in\n输入", ""},
		{"no stdin", map[string]any{"argv": []string{"cat"}}, 0, "", ""},
		{"stdin unread", map[string]any{"argv": []string{"true"}, "stdin": strings.Repeat("x", 1<<20)}, 0, "", ""},
		{"a signal", map[string]any{"argv": sh("kill -9 $$")}, 137, "", ""},
		{"no UTF-8", map[string]any{"argv": []string{"printf", `a\377b`}}, 0, "a\uFFFDb", ""},
		{"a timeout", map[string]any{"argv": sh("echo before; sleep 60"), "timeout_s": 0.5}, 124, "before\n", ""},
		{"a person", map[string]any{"argv": sh("id -un; id -u")}, 0, "command-bob\n1000\n", ""},
	} {
		var out output
		res := bob.Do("POST", "/commands", c.body, &out)
		if res.StatusCode != 200 || out.ExitCode != c.code || out.Stdout != c.stdout || out.Stderr != c.stderr || out.Truncated || out.DurationS <= 0 || out.DurationS > 30 {
			t.Errorf("%s: %s %.500s; want %d %q %q", c.what, res.Status, res.Text, c.code, c.stdout, c.stderr)
		}
		wellFormed(t, res, "exit_code", "stdout", "stderr", "truncated", "duration_s")
	}
	var big output
	bob.Must(200, "POST", "/commands", map[string]any{"argv": sh("yes 一二三四 | head -c 20000000; yes e | head -c 5 >&2")}, &big)
	if !big.Truncated || len(big.Stdout) == 0 || len(big.Stdout) >= 20000000 || strings.Contains(big.Stdout, "\uFFFD") || big.ExitCode != 0 || len(big.Stderr) != 5 {
		t.Errorf("20 MB: %d bytes, truncated %v, exit code %d, stderr %d", len(big.Stdout), big.Truncated, big.ExitCode, len(big.Stderr))
	}
	refused(t, "no such project", bob.Do("POST", "/commands", map[string]any{"argv": []string{"true"}, "project": "none"}, nil), 404, "not_found")
	for field, body := range map[string]map[string]any{
		"body.argv":      {"argv": []string{}},
		"body.timeout_s": {"argv": []string{"true"}, "timeout_s": -1},
		"body.env":       {"argv": []string{"true"}, "env": map[string]string{"A=B": "x"}},
		"body":           {},
	} {
		names(t, field, bob.Do("POST", "/commands", body, nil), field)
	}
	// Whatever there is to say of a program that is not there, it is no fault of the server's.
	if res := bob.Do("POST", "/commands", map[string]any{"argv": []string{"no-such-program"}}, nil); res.StatusCode >= 500 || res.StatusCode == 200 && !strings.Contains(res.Text, `"exit_code":127`) {
		t.Errorf("no such program: %s %s", res.Status, res.Text)
	}
	for _, argv := range [][]string{{"a\x00b"}, {""}} {
		refused(t, "argv", bob.Do("POST", "/commands", map[string]any{"argv": argv}, nil), 0, "invalid")
	}
	// Giving up the request ends the command, children and all.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gaveUp, token := make(chan struct{}), tokenOf(bob)
	go func() {
		defer close(gaveUp)
		sendAndGiveUp(ctx, t, bob, token, map[string]any{"argv": sh("touch temp/began; sleep 600 & sleep 600")})
	}()
	carrel.Await(t, "the command", func() error {
		if res := bob.Do("GET", filesPath("temp/began"), nil, nil); res.StatusCode != 200 {
			return fmt.Errorf("%s", res.Status)
		}
		return nil
	})
	cancel()
	<-gaveUp
	carrel.Await(t, "nothing to run", func() error {
		var i instance
		if bob.Must(200, "GET", "/instance", nil, &i); len(i.Processes) > 0 || i.ActiveProcesses != 0 {
			return fmt.Errorf("%+v", i.Processes)
		}
		return nil
	})
}

// attached is one attachment to a terminal.
type attached struct {
	t    *testing.T
	conn *websocket.Conn
	text strings.Builder
}

func attach(t *testing.T, p *carrel.Person, id string) *attached {
	t.Helper()
	conn := p.Connect("/terminals/" + id)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &attached{t: t, conn: conn}
}

func (a *attached) write(typ websocket.MessageType, text string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), carrel.Patience)
	defer cancel()
	if err := a.conn.Write(ctx, typ, []byte(text)); err != nil {
		a.t.Fatalf("write to the terminal: %v", err)
	}
}

// until reads until the bytes hold a text, or a control message of a type came.
func (a *attached) until(text, control string) string {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), carrel.Patience)
	defer cancel()
	for {
		if text != "" && strings.Contains(a.text.String(), text) {
			return ""
		}
		typ, b, err := a.conn.Read(ctx)
		if err != nil {
			a.t.Fatalf("wait for %q%q: %v; so far %q", text, control, err, a.text.String())
		}
		if typ == websocket.MessageBinary {
			a.text.Write(b)
			continue
		}
		var m struct{ Type string }
		if err := json.Unmarshal(b, &m); err != nil {
			a.t.Fatalf("a text frame that is no JSON: %q", b)
		}
		if m.Type == control {
			return string(b)
		}
	}
}

func contractTerminals(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "terminal-bob")
	bob.Must(201, "POST", "/projects", map[string]any{"name": "demo"}, nil)
	var term struct{ ID string }
	wellFormed(t, bob.Must(201, "POST", "/terminals", map[string]any{"project": "demo", "cols": 100, "rows": 30}, &term), "id")
	a := attach(t, bob, term.ID)
	a.write(websocket.MessageBinary, "stty -echo; PS1=; stty size; pwd; tty\n")
	a.until("30 100", "")
	a.until("/home/terminal-bob/projects/demo", "")
	a.until("/dev/pts/", "")
	a.until("\r\n\x1b[?2004h", "") // before it, readline sets the size anew that it has read a moment earlier
	a.write(websocket.MessageText, `{"type":"resize","cols":132,"rows":50}`)
	a.write(websocket.MessageBinary, "stty size\n")
	a.until("50 132", "")
	a.write(websocket.MessageBinary, "printf '\\001\\377\\200bytes\\n'\n")
	a.until("\x01\xff\x80bytes", "")
	for _, bad := range []string{"{", `{"type":"sudo"}`, `{"type":"resize","cols":0,"rows":10}`, `{"type":"resize","cols":100000,"rows":10}`} {
		a.write(websocket.MessageText, bad)
		if m := a.until("", "error"); !strings.Contains(m, `"code":"invalid"`) {
			t.Errorf("%s is answered with %s", bad, m)
		}
	}
	a.write(websocket.MessageBinary, "echo still-$((40+2))\n")
	a.until("still-42", "")

	// It outlives the connection, and what was written is shown again, to as many as look.
	_ = a.conn.CloseNow()
	b, c := attach(t, bob, term.ID), attach(t, bob, term.ID)
	b.until("still-42", "")
	c.until("still-42", "")
	b.write(websocket.MessageBinary, "echo both-$((40+3))\n")
	b.until("both-43", "")
	c.until("both-43", "")

	// Its end, by itself: both learn how.
	b.write(websocket.MessageBinary, "exit 7\n")
	for _, x := range []*attached{b, c} {
		if m := x.until("", "exit"); !strings.Contains(m, `"exit_code":7`) {
			t.Errorf("the end is told as %s", m)
		}
	}
	bob.Must(204, "DELETE", "/terminals/"+term.ID, nil, nil)
	refused(t, "deleting it again", bob.Do("DELETE", "/terminals/"+term.ID, nil, nil), 404, "not_found")

	// Its end, by DELETE, with a job in it that does not want to.
	bob.Must(201, "POST", "/terminals", nil, &term)
	d := attach(t, bob, term.ID)
	d.write(websocket.MessageBinary, "stty -echo; (trap '' HUP TERM; echo job-$((1+1)); sleep 600) & \n")
	d.until("job-2", "")
	begin := time.Now()
	bob.Must(204, "DELETE", "/terminals/"+term.ID, nil, nil)
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("DELETE took %v", took)
	}
	var i instance
	if bob.Must(200, "GET", "/instance", nil, &i); len(i.Processes) != 0 {
		t.Errorf("left: %+v", i.Processes)
	}
	bob.Must(201, "POST", "/terminals", map[string]any{"argv": []string{"sh", "-c", "echo mine; sleep 600"}}, &term)
	attach(t, bob, term.ID).until("mine", "")
	refused(t, "in no project", bob.Do("POST", "/terminals", map[string]any{"project": "none"}, nil), 404, "not_found")
	names(t, "no columns", bob.Do("POST", "/terminals", map[string]any{"cols": 0, "rows": 10}, nil), "body.cols")
	refused(t, "no WebSocket", bob.Do("GET", "/terminals/"+term.ID, nil, nil), 0, "invalid")
	refused(t, "no terminal", bob.Do("GET", "/terminals/none", nil, nil), 0, "invalid")
}
