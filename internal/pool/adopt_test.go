package pool

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// again starts a second server on what the first left.
func again(t *testing.T, b *bench, change func(*Options)) *bench {
	t.Helper()
	o := options(t, b.rt, b.owners, b.clock)
	if change != nil {
		change(&o)
	}
	n := &bench{Pool: New(o), rt: b.rt, owners: b.owners, clock: b.clock}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	old := b.get(t, 1)
	b.rt.Supervisor(1).StartProcess(protocol.KindCommand, "")
	b.rt.Supervisor(1).SetState("s", func(s *protocol.Session) { s.State = protocol.StateRunning })
	b.get(t, 2) // dead when the next server comes
	b.get(t, 3) // hangs
	b.get(t, 4) // its user is no more
	b.get(t, 5) // its user was switched off
	b.Stop()
	b.rt.Supervisor(2).Kill()
	unhang := b.rt.Supervisor(3).Hang()
	b.owners.gone[4] = true
	b.owners.set(Owner{ID: 5, Name: "user5", Active: false, Quota: quota.Default()})
	more := quota.Default()
	more.CPU = 4
	b.owners.set(Owner{ID: 1, Name: "renamed", Active: true, Quota: more})

	n := again(t, b, func(o *Options) { o.HealthInterval = time.Hour; o.CheckTimeout = 250 * time.Millisecond })
	st, err := n.Look(t.Context(), 1)
	if err != nil || st.ID != old.ID() || st.Status != StatusActive || st.ActiveProcesses != 1 || st.Quota.CPU != 4 {
		t.Fatalf("user 1: %+v, %v; want the same instance, its process, its new limits", st, err)
	}
	if got := b.rt.Supervisor(1).Spec; got.Limits.CPU != 4 || got.Name != "user1" {
		t.Fatalf("got %+v; want 4 cores, and the name it was made with", got)
	}
	if s, ok := n.get(t, 1).Session("s"); !ok || s.State != protocol.StateRunning {
		t.Fatalf("its session: %+v, %v", s, ok)
	}
	for _, user := range []int64{2, 4, 5} {
		if _, err := n.Look(t.Context(), user); !errors.Is(err, fault.NotFoundError) || b.rt.Supervisor(user) != nil {
			t.Errorf("user %d: %v; want nothing left", user, err)
		}
	}
	st, err = n.Look(t.Context(), 3)
	if err != nil || st.Status != StatusUnhealthy || st.Health.ConsecutiveFailures != 1 {
		t.Fatalf("user 3: %+v, %v; want it kept, unhealthy", st, err)
	}
	if _, _, err := n.Get(t.Context(), 3); fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Fatalf("get of one that hangs: %v", err)
	}
	unhang()
}

func TestAnAdoptedOneThatAnswersLaterIsWell(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	old := b.get(t, 3)
	b.Stop()
	unhang := b.rt.Supervisor(3).Hang()
	n := again(t, b, func(o *Options) { o.CheckTimeout = 250 * time.Millisecond; o.HealthInterval = 100 * time.Millisecond })
	unhang()
	n.until(t, 3, "a good answer", func(s Stats) bool { return s.ID == old.ID() && s.Status == StatusActive })
}

func TestOfTwoTheOneThatAnswersStays(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	alive := b.get(t, 7)
	b.Stop()
	two := &twice{Runtime: b.rt}
	p := New(options(t, two, b.owners, b.clock))
	defer p.Stop()
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if two.destroyed != "i-aaaaaaaaaaaa" {
		t.Fatalf("destroyed %q; want the one that is dead", two.destroyed)
	}
	if st, err := p.Look(t.Context(), 7); err != nil || st.ID != alive.ID() {
		t.Fatalf("got %+v, %v; want %s", st, err, alive.ID())
	}
}

// twice lists a dead instance beside each that is there.
type twice struct {
	*pooltest.Runtime
	destroyed string
}

func (w *twice) List(ctx context.Context) ([]runtime.Handle, error) {
	hs, err := w.Runtime.List(ctx)
	for _, h := range hs {
		h.Spec.ID = "i-aaaaaaaaaaaa"
		hs = append(hs, h)
	}
	return hs, err
}

func (w *twice) Destroy(ctx context.Context, id string) error {
	if id == "i-aaaaaaaaaaaa" {
		w.destroyed = id
		return nil
	}
	return w.Runtime.Destroy(ctx, id)
}

// A page that reconnects before the next server knows what is there must not
// end what runs.
func TestNobodyIsServedBeforeTheAdoption(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	old := b.get(t, 7)
	b.Stop()
	p := New(options(t, b.rt, b.owners, b.clock))
	defer p.Stop()
	got := make(chan *Instance, 1)
	go func() { inst, _, _ := p.Get(context.Background(), 7); got <- inst }()
	select {
	case inst := <-got:
		t.Fatalf("got %v before Start", inst)
	case <-time.After(20 * time.Millisecond): // it must go on waiting; this only gives it the chance not to
	}
	b.rt.Away(true)
	if err := p.Start(t.Context()); fault.CodeOf(err) != fault.RuntimeUnavailable {
		t.Fatalf("start without a keeper: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := p.Get(short, 7); fault.CodeOf(err) != fault.RuntimeUnavailable {
		t.Fatalf("get meanwhile: %v; want the reason", err)
	}
	b.rt.Away(false)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if inst := <-got; inst == nil || inst.ID() != old.ID() {
		t.Fatalf("got %v; want the one that runs", inst)
	}
}

func TestStartNeedsARuntime(t *testing.T) {
	t.Parallel()
	rt := pooltest.NewRuntime(t)
	rt.Away(true)
	p := New(options(t, rt, &owners{}, &clock{}))
	defer p.Stop()
	if err := p.Start(t.Context()); fault.CodeOf(err) != fault.RuntimeUnavailable {
		t.Fatalf("got %v; want runtime_unavailable", err)
	}
}
