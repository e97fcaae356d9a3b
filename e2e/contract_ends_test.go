package e2e

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// TestContractEnds ends the server in each of the ways that scripts rely on.
func TestContractEnds(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t)
	ada := s.Setup("ada")
	ws, id := open(t, ada, "demo")
	var before, after instance
	ada.Must(200, "GET", "/instance", nil, &before)
	ada.Must(201, "POST", "/terminals", map[string]any{}, nil)

	// SIGTERM and SIGKILL end the server alone; the next one takes over, in the middle of a turn.
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		prompt := fmt.Sprintf("long %d", i)
		_, from := ws.Turn(id, "short "+prompt, "[echo here]")
		ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": prompt, "content": "[say 100] [pace 20ms]"})
		ws.WaitEvent("first words", id, from, func(e carrel.Event) bool { return e.Event.Delta.Text != "" })
		s.Signal(sig)
		if pids := supervisors(t, s); len(pids) != 1 {
			t.Fatalf("after %v: supervisors %v; want one", sig, pids)
		}
		s.Serve()
		ws = ada.Dial()
		ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": from})
		if result, _ := ws.WaitEvent("the end of the turn", id, from, isResult); result.IsError {
			t.Errorf("after %v: %+v", sig, result)
		}
		ws.CheckOrder()
		ada.Must(200, "GET", "/instance", nil, &after)
		if after.ID != before.ID || len(after.Processes) != 2 {
			t.Errorf("after %v: %+v; want %s with claude and a terminal", sig, after, before.ID)
		}
	}

	// Ctrl-C ends everything within 15 s, also what is at work.
	ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "at work", "content": "[bash sleep 600]"})
	ada.Must(200, "PATCH", "/sessions/"+id, map[string]any{"permission_mode": "plan"}, nil)
	begin := time.Now()
	s.Signal(syscall.SIGINT)
	carrel.Await(t, "nothing to be left", func() error {
		if left := carrel.Leftovers(s.DataDir); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("Ctrl-C took %v", took)
	}
	// Nothing was lost but what ran.
	s.Serve()
	ada.Login()
	refused(t, "the instance", ada.Do("GET", "/instance", nil, nil), 404, "not_found")
	var c conversation
	if ada.Must(200, "GET", "/sessions/"+id, nil, &c); c.State != "dormant" {
		t.Errorf("state %q; want dormant", c.State)
	}
	again := ada.Dial()
	again.Send(map[string]any{"type": "subscribe", "session_id": id, "after": c.LastSeq})
	if result, _ := again.Turn(id, "afterwards", "[echo back]"); !strings.Contains(result.Result, "back") {
		t.Errorf("afterwards: %+v", result)
	}

	// Killed, and not started again: `carrel stop` ends what is left. A second one has nothing to do.
	s.Signal(syscall.SIGKILL)
	for range 2 {
		if out, err := s.Command("", "stop", "--data-dir", s.DataDir); err != nil {
			t.Errorf("carrel stop: %v %s", err, out)
		}
		if left := carrel.Leftovers(s.DataDir); len(left) > 0 {
			t.Errorf("left after carrel stop: %v", left)
		}
	}
}

// TestContractElsewhere asks from another address of the machine, where nobody
// is trusted, and a server behind https.
func TestContractElsewhere(t *testing.T) {
	t.Parallel()
	far := otherAddress(t)
	_, port, _ := net.SplitHostPort(freeAddress(t))
	l := launch(t, []string{"--listen", "0.0.0.0:" + port, "--public-url", "https://carrel.example.org", "--trusted-proxies", "127.0.0.1"})
	near, far := "http://127.0.0.1:"+port, "http://"+net.JoinHostPort(far, port)
	admin, user := l.user("ada", "admin"), l.user("bob", "user")
	for _, path := range []string{"!/metrics", "/metrics"} {
		if res := (request{method: "GET", path: path}).send(t, near); res.StatusCode != 200 || !strings.Contains(res.Text, "# TYPE") || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("metrics from loopback: %s %.200s", res.Status, res.Text)
		}
		refused(t, "metrics from elsewhere", request{method: "GET", path: path}.send(t, far), 401, "unauthenticated")
		refused(t, "metrics for a user", request{method: "GET", path: path, header: user}.send(t, far), 403, "forbidden")
		if res := (request{method: "GET", path: path, header: admin}).send(t, far); res.StatusCode != 200 {
			t.Errorf("metrics for an administrator: %s", res.Status)
		}
		refused(t, "metrics through a proxy here", request{method: "GET", path: path, header: map[string]string{"X-Forwarded-For": "203.0.113.9"}}.send(t, near), 401, "unauthenticated")
	}
	for _, path := range []string{"!/healthz", "/healthz", "!/readyz", "/readyz"} {
		res := request{method: "GET", path: path}.send(t, far)
		if res.StatusCode != 200 || strings.Contains(res.Text, l.data) || strings.Contains(res.Text, `"detail"`) {
			t.Errorf("%s from elsewhere: %s %s", path, res.Status, res.Text)
		}
		wellFormed(t, res)
	}
	ready := request{method: "GET", path: "/readyz"}.send(t, near)
	for _, check := range []string{"store", "runtime", "claude", "gateway"} {
		if !strings.Contains(ready.Text, `"name":"`+check+`","state":"ok"`) {
			t.Errorf("readyz: %s; want a check of %s", ready.Text, check)
		}
	}
	login := request{method: "POST", path: "/auth/login", body: map[string]any{"username": "bob", "password": "a long password"}}
	if c := login.send(t, near).Cookies(); len(c) != 1 || !c[0].Secure || !c[0].HttpOnly {
		t.Errorf("the cookie of an https site: %v; want it Secure", c)
	}
	cookie := cookieIn(t, near, "bob", "a long password")
	for origin, may := range map[string]bool{"https://carrel.example.org": true, "https://carrel.example.org:443": true, "https://evil.example.org": false, "http://carrel.example.org": false, "https://carrel.example.org:444": false, "https://sub.carrel.example.org": false} {
		res := request{method: "PATCH", path: "/me", body: map[string]any{"language": "en"}, header: map[string]string{"Cookie": cookie, "Origin": origin}}.send(t, near)
		if got := res.StatusCode == 200; got != may {
			t.Errorf("a change from %s: %s; want it: %v", origin, res.Status, may)
		}
	}
}

// otherAddress is one of this machine that is not loopback.
func otherAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but loopback's; these checks need one")
	return ""
}
