package pool

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestIdle(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute })
	inst := b.get(t, 7)
	b.sweep()
	if st := inst.Stats(); st.Status != StatusActive {
		t.Fatalf("a new one is %s", st.Status)
	}
	b.clock.forward(idleAfter + time.Second)
	b.sweep()
	if st := inst.Stats(); st.Status != StatusIdle {
		t.Fatalf("after %s it is %s; want idle", idleAfter, st.Status)
	}
	if b.get(t, 7) != inst || inst.Stats().Status != StatusActive {
		t.Fatal("a touch does not wake it")
	}
	b.clock.forward(9 * time.Minute)
	inst.Touch()
	b.clock.forward(9 * time.Minute)
	b.sweep()
	if _, ok := b.Current(7); !ok {
		t.Fatal("one that was touched was ended")
	}
	pid := b.rt.Supervisor(7).StartProcess(protocol.KindTerminal, "")
	b.until(t, 7, "the process", func(s Stats) bool { return s.ActiveProcesses == 1 && s.Status == StatusActive })
	b.clock.forward(time.Hour)
	b.sweep()
	if _, ok := b.Current(7); !ok {
		t.Fatal("one with a terminal was ended")
	}
	b.rt.Supervisor(7).EndProcess(pid)
	b.until(t, 7, "its end", func(s Stats) bool { return s.ActiveProcesses == 0 })
	first, second := inst.Use(), inst.Use() // as two downloads
	b.clock.forward(time.Hour)
	first()
	b.clock.forward(time.Hour)
	b.sweep()
	if _, ok := b.Current(7); !ok || inst.Stats().Status != StatusActive {
		t.Fatalf("one that is held was ended, or is %s", inst.Stats().Status)
	}
	second()
	b.clock.forward(9 * time.Minute)
	b.sweep()
	if _, ok := b.Current(7); !ok {
		t.Fatal("one that was held a moment ago was ended")
	}
	b.clock.forward(2 * time.Minute)
	b.sweep()
	pooltest.Poll(t, "the clean-up", func() (bool, any) { n := b.rt.Len(); return n == 0, n })
	b.until(t, 7, "hibernation", func(s Stats) bool { return s.Status == StatusHibernated && s.ID == inst.ID() })
	b.get(t, 7)
}

func TestNeverIdle(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.get(t, 7)
	b.clock.forward(1000 * time.Hour)
	b.sweep()
	if _, ok := b.Current(7); !ok {
		t.Fatal("without a time-out it was ended")
	}
}

func TestUnusedSessionsAreClosed(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.IdleTimeout = time.Hour; o.SessionIdleTimeout = 10 * time.Minute })
	inst := b.get(t, 7)
	c := inst.Client()
	for _, id := range []string{"ready", "running"} {
		if _, err := c.Open(t.Context(), &protocol.OpenRequest{SessionID: id, Project: "p"}); err != nil {
			t.Fatal(err)
		}
	}
	b.rt.Supervisor(7).SetState("running", func(s *protocol.Session) { s.State = protocol.StateRunning })
	state := func(id string) string { s, _ := inst.Session(id); return s.State }
	pooltest.Poll(t, "both states", func() (bool, any) {
		return state("ready") == protocol.StateReady && state("running") == protocol.StateRunning, inst.Sessions()
	})
	b.clock.forward(9 * time.Minute)
	b.sweep()
	if _, err := c.Ping(t.Context()); err != nil || state("ready") != protocol.StateReady {
		t.Fatal("closed too early")
	}
	b.clock.forward(2 * time.Minute)
	b.sweep()
	pooltest.Poll(t, "the end of the ready one", func() (bool, any) { return state("ready") == protocol.StateDormant, inst.Sessions() })
	if state("running") != protocol.StateRunning {
		t.Fatal("a running turn was cut")
	}
}

func TestTheLongestUnusedSessionsGo(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.MaxLiveSessions = 2 })
	inst := b.get(t, 7)
	for _, id := range []string{"a", "b", "c"} {
		if _, err := inst.Client().Open(t.Context(), &protocol.OpenRequest{SessionID: id, Project: "p"}); err != nil {
			t.Fatal(err)
		}
		pooltest.Poll(t, "the session", func() (bool, any) { s, ok := inst.Session(id); return ok, s })
	}
	pooltest.Poll(t, "the end of a", func() (bool, any) {
		s, _ := inst.Session("a")
		return s.State == protocol.StateDormant, inst.Sessions()
	})
	for _, id := range []string{"b", "c"} {
		if s, _ := inst.Session(id); s.State != protocol.StateReady {
			t.Errorf("%s is %s", id, s.State)
		}
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.MaxInstances = 2 })
	b.get(t, 1)
	b.get(t, 2)
	_, _, err := b.Get(t.Context(), 3)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.InstanceUnavailable || f.RetryAfter == 0 {
		t.Fatalf("got %v; want instance_unavailable", err)
	}
	b.clock.forward(2 * idleAfter)
	b.get(t, 2) // used now
	b.get(t, 3)
	if b.rt.Supervisor(1) != nil || b.rt.Len() != 2 {
		t.Fatal("the longest unused one did not make room")
	}
}

func TestAwait(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	got := make(chan *Instance, 1)
	go func() { inst, _ := b.Await(t.Context(), 7); got <- inst }()
	b.get(t, 8) // wakes nobody of 7's
	inst := b.get(t, 7)
	if a := <-got; a != inst {
		t.Fatalf("got %v; want %v", a, inst)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Await(ctx, 9); !errors.Is(err, context.Canceled) || b.rt.Creates(9) != 0 {
		t.Fatalf("got %v, %d creations", err, b.rt.Creates(9))
	}
}

func TestWatchTellsEverything(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	inst := b.get(t, 7)
	b.rt.Supervisor(7).SetState("s1", func(s *protocol.Session) { s.State = protocol.StateRunning })
	pooltest.Poll(t, "the session", func() (bool, any) { s, ok := inst.Session("s1"); return ok, s })
	changes := make(chan Change, 100)
	stop := b.Watch(func(c Change) { changes <- c })
	next := func(what string, ok func(Change) bool) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			select {
			case c := <-changes:
				if ok(c) {
					return
				}
			case <-deadline:
				t.Fatalf("%s was not told", what)
			}
		}
	}
	next("what was there", func(c Change) bool { return c.Session != nil && c.Session.State == protocol.StateRunning })
	if err := b.Destroy(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	next("the session's end", func(c Change) bool { return c.Session != nil && c.Session.State == protocol.StateDormant })
	next("the instance's end", func(c Change) bool { return c.UserID == 7 && c.Session == nil && c.Instance == nil })
	stop()
	stop()
}
