package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// soon is what a process that was killed may take to be back, on a machine that
// others load too.
const soon = 10 * time.Second

func TestGatewayIsKilled(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t)
	ada := s.Setup("ada")
	made := put(t, ada)
	id := newSession(ada, "demo")
	ws := ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.Turn(id, "p1", "[say 3]")
	keeper := role(t, s, "keeper")
	for round := range 2 {
		before := role(t, s, "gateway")
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		// The next turn waits for it, and knows nothing of it.
		if r, _ := ws.Turn(id, fmt.Sprint("after ", round), "[say 3]"); r.IsError {
			t.Errorf("the turn after the gateway was killed: %+v", r)
		}
		if took := time.Since(begin); took > soon {
			t.Errorf("the turn took %v", took)
		}
		if now := role(t, s, "gateway"); now == before {
			t.Errorf("the gateway is still %d", now)
		}
	}
	ws.CheckOrder()
	if now := role(t, s, "keeper"); now != keeper {
		t.Errorf("the keeper is %d; want %d", now, keeper)
	}
	sameInstance(t, ada, made)
}

func TestKeeperIsKilled(t *testing.T) {
	t.Parallel()
	// What it asks this machine's tools goes with it, also when one takes its time.
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, "npm"), []byte("#!/bin/sh\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := carrel.Start(t, "PATH="+tools+":"+os.Getenv("PATH"))
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	bob.Do("DELETE", "/instance", nil, nil) // the one that was started ahead of him, at his sign-in
	made := put(t, ada)
	id := newSession(ada, "demo")
	ws := ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.Turn(id, "p1", "[say 3]")
	before, gateway := role(t, s, "keeper"), role(t, s, "gateway")
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	carrel.Await(t, "the keeper's end", func() error {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", before)); err == nil {
			return fmt.Errorf("%d is there", before)
		}
		return nil
	})
	// What runs goes on: commands, files, and turns, by way of a gateway that has the sockets.
	if r := command(t, ada, "", "echo", "on"); r.Stdout != "on\n" {
		t.Errorf("command without a keeper: %+v", r)
	}
	if r, _ := ws.Turn(id, "p2", "[say 3]"); r.IsError {
		t.Errorf("turn without a keeper: %+v", r)
	}
	// What needs one is refused, with the way out of it.
	if res := bob.Do("PUT", "/instance", nil, nil); res.Code() != "runtime_unavailable" {
		t.Errorf("a new instance without a keeper: %s %s; want runtime_unavailable", res.Status, res.Text)
	}
	// `carrel serve` brings it back, and finds the instance.
	s.Signal(syscall.SIGTERM)
	s.Serve()
	if now := role(t, s, "keeper"); now == before {
		t.Errorf("the keeper is still %d", now)
	}
	awaitInstance(t, ada, made)
	if now := role(t, s, "gateway"); now != gateway {
		t.Errorf("the gateway is %d; want %d, which nobody ended", now, gateway)
	}
	again := ada.Dial()
	again.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	if r, _ := again.Turn(id, "p3", "[say 3]"); r.IsError {
		t.Errorf("turn with the new keeper: %+v", r)
	}
	again.CheckOrder()
	put(t, bob)
	ada.Must(204, "DELETE", "/instance", nil, nil)
}

func TestNextServerAdopts(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"asked": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := carrel.Start(t)
			ada := s.Setup("ada")
			made := put(t, ada)
			id := newSession(ada, "demo")
			ws := ada.Dial()
			ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
			ws.Turn(id, "p1", "[say 3]")
			// A turn that goes on meanwhile, and a command that nobody waits for.
			ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "p2", "content": "[pace 20ms] [say 60]"})
			ws.Wait("ack", func(m carrel.Message) bool { return m.Type == "ack" && m.ID == "p2" })
			keeper, gateway := role(t, s, "keeper"), role(t, s, "gateway")
			s.Signal(sig)
			if role(t, s, "keeper") != keeper || role(t, s, "gateway") != gateway || len(supervisors(t, s)) != 1 {
				t.Errorf("the server did not end alone: keeper %d, gateway %d, supervisors %v", role(t, s, "keeper"), role(t, s, "gateway"), supervisors(t, s))
			}
			s.Serve()
			awaitInstance(t, ada, made)
			if role(t, s, "keeper") != keeper || role(t, s, "gateway") != gateway {
				t.Errorf("keeper %d, gateway %d; want the same", role(t, s, "keeper"), role(t, s, "gateway"))
			}
			again := ada.Dial()
			again.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
			_, first := again.WaitEvent("first result", id, 0, func(e carrel.Event) bool { return e.Type == "result" })
			if r, _ := again.WaitEvent("the result of the turn that went on", id, first, func(e carrel.Event) bool { return e.Type == "result" }); r.IsError {
				t.Errorf("the turn that went on: %+v", r)
			}
			again.CheckOrder()
		})
	}
}

func TestEndsAll(t *testing.T) {
	for name, end := range map[string]struct {
		signal syscall.Signal
		env    []string
	}{
		"interrupted":       {syscall.SIGINT, nil},
		"terminated, if so": {syscall.SIGTERM, []string{"CARREL_SIGTERM=end"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endsAll(t, end.signal, end.env...)
		})
	}
}

func endsAll(t *testing.T, signal syscall.Signal, env ...string) {
	s := carrel.Start(t, env...)
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	put(t, ada)
	put(t, bob)
	id := newSession(ada, "demo")
	ws := ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "p1", "content": "[pace 50ms] [say 2000]"})
	ws.WaitEvent("a running turn", id, 0, func(e carrel.Event) bool { return e.Event.Delta.Text != "" })
	bob.Must(201, "POST", "/terminals", map[string]any{"argv": []string{"/bin/sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done"}, "cols": 80, "rows": 24}, nil)
	begin := time.Now()
	s.Signal(signal)
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it took %v; want 15 s at most", took)
	} else {
		t.Logf("it took %v", took.Round(time.Millisecond))
	}
	// The keeper ends right after it has answered.
	carrel.Await(t, "the end of all", func() error {
		if left := carrel.Leftovers(s.DataDir); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
	if res, err := http.Get(s.URL + "/healthz"); err == nil {
		res.Body.Close()
		t.Errorf("the server still answers: %s", res.Status)
	}
	if sockets, _ := filepath.Glob(filepath.Join(carrel.StateDir(s.DataDir), "instances", "*", "run", "*")); len(sockets) > 0 {
		t.Errorf("sockets are left: %v", sockets)
	}
}

func sameInstance(t *testing.T, p *carrel.Person, made instance) {
	t.Helper()
	var now instance
	p.Must(200, "GET", "/instance", nil, &now)
	if now.ID != made.ID || now.CreatedAt != made.CreatedAt || now.Health.Status != "healthy" {
		t.Errorf("instance %s of %s, %+v; want %s of %s", now.ID, now.CreatedAt, now.Health, made.ID, made.CreatedAt)
	}
}

// awaitInstance waits until the server has found the instance again.
func awaitInstance(t *testing.T, p *carrel.Person, made instance) {
	t.Helper()
	carrel.Await(t, "the instance", func() error {
		var now instance
		if res := p.Do("GET", "/instance", nil, &now); res.StatusCode != 200 {
			return fmt.Errorf("%s %s", res.Status, res.Text)
		}
		if now.ID != made.ID {
			t.Fatalf("the instance is %s; want %s, adopted", now.ID, made.ID)
		}
		if now.Status != "active" && now.Status != "idle" {
			return fmt.Errorf("status %s", now.Status)
		}
		return nil
	})
	sameInstance(t, p, made)
}
