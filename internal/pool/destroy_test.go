package pool

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestDestroy(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	if err := b.Destroy(t.Context(), 7); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("destroy of none: %v; want not_found", err)
	}
	old := b.get(t, 7)
	sup := b.rt.Supervisor(7)
	if err := b.Destroy(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if b.rt.Len() != 0 {
		t.Fatal("something is left")
	}
	if !slices.Contains(sup.Calls(), protocol.Shutdown) {
		t.Fatalf("the supervisor was not asked to end: %v", sup.Calls())
	}
	if err := b.Destroy(t.Context(), 7); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("the second destroy: %v; want not_found", err)
	}
	if again := b.get(t, 7); again.ID() == old.ID() {
		t.Fatal("got the old one again")
	}
}

func TestGetDuringDestroyMakesANewOne(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	old := b.get(t, 7)
	begun, release := make(chan struct{}), make(chan struct{})
	b.rt.OnDestroy(func(context.Context, string) error { close(begun); <-release; return nil })
	ended := make(chan error, 1)
	go func() { ended <- b.Destroy(t.Context(), 7) }()
	<-begun
	if st, err := b.Look(t.Context(), 7); err != nil || st.Status != StatusStopping {
		t.Fatalf("look: %+v, %v; want stopping", st, err)
	}
	got := make(chan *Instance, 1)
	go func() { inst, _, _ := b.Get(t.Context(), 7); got <- inst }()
	select {
	case inst := <-got:
		t.Fatalf("got %v while the old one was being ended", inst)
	case <-time.After(20 * time.Millisecond): // it must go on waiting; this only gives it the chance not to
	}
	b.rt.OnDestroy(nil)
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if inst := <-got; inst == nil || inst.ID() == old.ID() {
		t.Fatalf("got %v; want a new one", inst)
	}
}

func TestDestroyWhileItIsMade(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	begun := make(chan struct{})
	b.rt.OnCreate(func(ctx context.Context, _ runtime.Spec) error { close(begun); <-ctx.Done(); return ctx.Err() })
	got := make(chan error, 1)
	go func() { _, _, err := b.Get(t.Context(), 7); got <- err }()
	<-begun
	if st, err := b.Look(t.Context(), 7); err != nil || st.Status != StatusStarting {
		t.Fatalf("look: %+v, %v; want starting", st, err)
	}
	if err := b.Destroy(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if err := <-got; fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("the get: %v; want conflict", err)
	}
	if b.rt.Len() != 0 {
		t.Fatal("something is left")
	}
}

func TestAnEndThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.get(t, 7)
	b.rt.OnDestroy(func(context.Context, string) error { return errors.New("device busy") })
	if err := b.Destroy(t.Context(), 7); fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Fatalf("got %v; want instance_unavailable", err)
	}
	if st, err := b.Look(t.Context(), 7); err != nil || st.Status != StatusUnhealthy {
		t.Fatalf("look: %+v, %v; want unhealthy", st, err)
	}
	b.rt.OnDestroy(nil)
	b.sweep()
	pooltest.Poll(t, "the end", func() (bool, any) { n := b.rt.Len(); return n == 0, n })
	b.get(t, 7)
}

func TestGetAfterAnEndThatFailed(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	old := b.get(t, 7)
	b.rt.OnDestroy(func(context.Context, string) error { return errors.New("device busy") })
	_ = b.Destroy(t.Context(), 7) // tested above
	b.rt.OnDestroy(nil)
	inst, created, err := b.Get(t.Context(), 7)
	if err != nil || !created || inst.ID() == old.ID() || b.rt.Len() != 1 {
		t.Fatalf("got %v, created %v, %v, %d instances", inst, created, err, b.rt.Len())
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	if _, err := b.Restart(t.Context(), 7); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("restart of none: %v", err)
	}
	old := b.get(t, 7)
	st, err := b.Restart(t.Context(), 7)
	if err != nil || st.ID == old.ID() || st.Status != StatusActive || st.Health.Status != "healthy" || st.Health.Detail == "" || b.rt.Len() != 1 {
		t.Fatalf("got %+v, %v", st, err)
	}
}

func TestSetQuota(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	q := quota.Default()
	q.MemoryBytes = 1 << 30
	if err := b.SetQuota(t.Context(), 7, q); err != nil {
		t.Fatalf("without an instance: %v", err)
	}
	b.get(t, 7)
	if err := b.SetQuota(t.Context(), 7, q); err != nil {
		t.Fatal(err)
	}
	st, _ := b.Look(t.Context(), 7)
	if st.Quota.MemoryBytes != 1<<30 || b.rt.Supervisor(7).Spec.Limits.MemoryBytes != 1<<30 {
		t.Fatalf("shown %d, applied %d", st.Quota.MemoryBytes, b.rt.Supervisor(7).Spec.Limits.MemoryBytes)
	}
	q.LiveSessions = 9
	if err := b.SetQuota(t.Context(), 7, q); err != nil || b.rt.Supervisor(7).Limits().LiveSessions != 9 {
		t.Fatalf("%v, the supervisor has %+v; want 9 live sessions", err, b.rt.Supervisor(7).Limits())
	}
	b.rt.OnResize(func(runtime.Limits) error { return fault.New(fault.Conflict, "More is stored than that.") })
	small := q
	small.StorageBytes = 32 << 20
	if err := b.SetQuota(t.Context(), 7, small); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("got %v; want the runtime's conflict", err)
	}
	if st, _ := b.Look(t.Context(), 7); st.Quota.StorageBytes != q.StorageBytes {
		t.Fatal("a refused limit is shown as if it held")
	}
	q.Instances = 0
	if err := b.SetQuota(t.Context(), 7, q); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Look(t.Context(), 7); !errors.Is(err, fault.NotFoundError) || b.rt.Len() != 0 {
		t.Fatalf("with a quota of 0 there is still one: %v", err)
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.get(t, 7)
	if err := b.Erase(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if b.rt.Len() != 0 {
		t.Fatal("the instance is left")
	}
	if err := b.rt.DeleteVolume(t.Context(), 7); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("the volume is left: %v", err)
	}
	if err := b.Erase(t.Context(), 8); err != nil {
		t.Fatalf("a user without anything: %v", err)
	}
}

// TestManyAtOnce lets everything happen at the same time: at the end there is
// at most one instance per user, and the pool and the runtime agree.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	var wg sync.WaitGroup
	for user := int64(1); user <= 3; user++ {
		for range 8 {
			wg.Go(func() {
				for i := range 10 {
					switch i % 5 {
					case 0, 1, 2:
						_, _, _ = b.Get(t.Context(), user)
					case 3:
						_ = b.Destroy(t.Context(), user)
					case 4:
						if s := b.rt.Supervisor(user); s != nil && i == 4 {
							s.Kill()
						} else {
							_, _ = b.Restart(t.Context(), user)
						}
					}
				}
			})
		}
	}
	wg.Wait()
	for user := int64(1); user <= 3; user++ {
		pooltest.Poll(t, "an instance that answers", func() (bool, any) {
			inst, _, err := b.Get(t.Context(), user)
			if err != nil {
				return false, err
			}
			_, err = inst.Client().Ping(t.Context())
			return err == nil, err
		})
	}
	if n := b.rt.Len(); n != 3 {
		t.Fatalf("the runtime has %d instances; want 3", n)
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for user := range int64(5) {
		b.get(t, user+1)
	}
	begun := make(chan struct{})
	b.rt.OnCreate(func(ctx context.Context, _ runtime.Spec) error { close(begun); <-ctx.Done(); return ctx.Err() })
	got := make(chan error, 1)
	go func() { _, _, err := b.Get(t.Context(), 9); got <- err }()
	<-begun
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.rt.Len() != 0 {
		t.Fatalf("%d are left", b.rt.Len())
	}
	if err := <-got; fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Fatalf("the get: %v; want instance_unavailable", err)
	}
	if _, _, err := b.Get(t.Context(), 1); fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Fatalf("a get afterwards: %v; want instance_unavailable", err)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatalf("again: %v", err)
	}
}

func TestStopWhileCreating(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.get(t, 1)
	begun := make(chan struct{})
	b.rt.OnCreate(func(ctx context.Context, _ runtime.Spec) error { close(begun); <-ctx.Done(); return nil }) // it finishes all the same
	got := make(chan error, 1)
	go func() { _, _, err := b.Get(t.Context(), 2); got <- err }()
	<-begun
	b.Stop()
	if err := <-got; fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Fatalf("the get: %v; want instance_unavailable", err)
	}
	if b.rt.Supervisor(1) == nil || b.rt.Len() != 1 {
		t.Fatalf("%d instances; want user 1's alone, still running", b.rt.Len())
	}
}

// TestStartStop calls both from many goroutines.
func TestStartStop(t *testing.T) {
	t.Parallel()
	for range 20 {
		rt := pooltest.NewRuntime(t)
		p := New(options(t, rt, &owners{}, &clock{}))
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if i%2 == 0 {
					_ = p.Start(t.Context())
				} else {
					p.Stop()
				}
			})
		}
		wg.Wait()
		p.Stop()
	}
}
