package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owners has every user, but for what is set.
type owners struct {
	mu    sync.Mutex
	users map[int64]Owner
	gone  map[int64]bool
}

func (o *owners) Owner(_ context.Context, id int64) (Owner, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone[id] {
		return Owner{}, fault.New(fault.NotFound, "There is no such user.")
	}
	if u, ok := o.users[id]; ok {
		return u, nil
	}
	return Owner{ID: id, Name: fmt.Sprintf("user%d", id), Language: "en", Active: true, Quota: quota.Default()}, nil
}

func (o *owners) set(u Owner) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.users == nil {
		o.users = map[int64]Owner{}
	}
	o.users[u.ID] = u
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

type bench struct {
	*Pool
	rt     *pooltest.Runtime
	owners *owners
	clock  *clock
}

// testLog shows the pool's log when a test fails.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func options(t testing.TB, rt runtime.Runtime, o *owners, c *clock) Options {
	return Options{Runtime: rt, Owners: o, Log: testLog(t), Now: c.now,
		HealthInterval: 20 * time.Millisecond, CheckTimeout: 200 * time.Millisecond, DestroyTimeout: 5 * time.Second}
}

func start(t testing.TB, change func(*Options)) *bench {
	t.Helper()
	b := &bench{rt: pooltest.NewRuntime(t), owners: &owners{gone: map[int64]bool{}}, clock: &clock{}}
	o := options(t, b.rt, b.owners, b.clock)
	if change != nil {
		change(&o)
	}
	b.Pool = New(o)
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b
}

func (b *bench) get(t testing.TB, user int64) *Instance {
	t.Helper()
	inst, _, err := b.Get(t.Context(), user)
	if err != nil {
		t.Fatalf("get for user %d: %v", user, err)
	}
	return inst
}

// until waits for the instance of a user to be what ok says.
func (b *bench) until(t testing.TB, user int64, what string, ok func(Stats) bool) Stats {
	t.Helper()
	var st Stats
	pooltest.Poll(t, what, func() (bool, any) {
		var err error
		st, err = b.Look(context.Background(), user)
		return err == nil && ok(st), fmt.Sprintf("%+v, %v", st, err)
	})
	return st
}

func TestOneHundredGetsMakeOne(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	release := make(chan struct{})
	b.rt.OnCreate(func(context.Context, runtime.Spec) error { <-release; return nil })
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids, made := map[string]int{}, 0
	for range 100 {
		wg.Go(func() {
			inst, created, err := b.Get(t.Context(), 7)
			if err != nil {
				t.Errorf("get: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[inst.ID()]++
			if created {
				made++
			}
		})
	}
	pooltest.Poll(t, "the creation", func() (bool, any) { n := b.rt.Creates(7); return n == 1, n })
	close(release)
	wg.Wait()
	if len(ids) != 1 || made != 1 || b.rt.Creates(7) != 1 {
		t.Fatalf("got %d instances (%v), %d created, %d asked of the runtime; want 1 of each", len(ids), ids, made, b.rt.Creates(7))
	}
}

func TestNewInstance(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	before := time.Now().Add(-time.Second)
	inst, created, err := b.Get(t.Context(), 7)
	if err != nil || !created {
		t.Fatalf("get: %v, created %v; want a new one", err, created)
	}
	st, err := b.Look(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if st.Status != StatusActive || st.Health.Status != "healthy" || st.Health.ConsecutiveFailures != 0 ||
		st.ActiveProcesses != 0 || st.Processes == nil || len(st.Processes) != 0 || st.UserID != 7 || st.ID != inst.ID() ||
		st.Runtime != "fake" || !strings.HasSuffix(st.Workspace, "/user-7") || st.CreatedAt.Before(before) || st.LastActivityAt.Before(before) ||
		st.Usage.MemoryBytes == 0 || st.Quota != quota.Default() {
		t.Fatalf("got %+v", st)
	}
	again, created, err := b.Get(t.Context(), 7)
	if err != nil || created || again != inst {
		t.Fatalf("the second get: %v, created %v, same %v", err, created, again == inst)
	}
	if _, err := b.Look(t.Context(), 8); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("look at none: %v; want not_found", err)
	}
	if all := b.All(t.Context()); len(all) != 1 || all[0].UserID != 7 {
		t.Fatalf("all: %+v", all)
	}
}

func TestReuseIsQuick(t *testing.T) {
	b := start(t, nil)
	b.get(t, 7)
	const n = 1000
	began := time.Now()
	for range n {
		b.get(t, 7)
	}
	if each := time.Since(began) / n; each > time.Millisecond {
		t.Fatalf("a reuse takes %s; want well under 1 ms", each)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	none := quota.Default()
	none.Instances = 0
	b.owners.set(Owner{ID: 1, Name: "a", Active: true, Quota: none})
	b.owners.set(Owner{ID: 2, Name: "b", Active: false, Quota: quota.Default()})
	b.owners.gone[3] = true
	for user, want := range map[int64]fault.Code{1: fault.QuotaExceeded, 2: fault.Forbidden, 3: fault.NotFound} {
		if _, _, err := b.Get(t.Context(), user); fault.CodeOf(err) != want {
			t.Errorf("user %d: got %v; want %s", user, err, want)
		}
		if _, err := b.Look(t.Context(), user); !errors.Is(err, fault.NotFoundError) {
			t.Errorf("user %d has something after the refusal: %v", user, err)
		}
	}
	if b.rt.Len() != 0 {
		t.Fatalf("%d instances were made", b.rt.Len())
	}
}

func TestFailedCreation(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.rt.OnCreate(func(context.Context, runtime.Spec) error { return errors.New("open /srv/secret/path: no") })
	_, _, err := b.Get(t.Context(), 7)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.InstanceUnavailable || strings.Contains(f.Detail, "/srv") {
		t.Fatalf("got %v; want instance_unavailable without a path", err)
	}
	b.rt.OnCreate(func(context.Context, runtime.Spec) error {
		return fault.New(fault.RuntimeUnavailable, "runc is missing: apt-get install runc")
	})
	if _, _, err := b.Get(t.Context(), 7); fault.CodeOf(err) != fault.RuntimeUnavailable {
		t.Fatalf("got %v; want runtime_unavailable", err)
	}
	b.rt.OnCreate(nil)
	b.get(t, 7)
}

// One that dies before it was ever known is made anew, and in the end said to
// be unavailable.
func TestLostWhileStarting(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	deaths := 0
	e.rt.OnStart(func(s *pooltest.Supervisor) {
		if deaths++; deaths <= 2 {
			s.Kill()
		}
	})
	inst := e.get(t, 1)
	if _, err := inst.Client().Ping(t.Context()); err != nil || e.rt.Creates(1) != 3 || e.rt.Len() != 1 {
		t.Fatalf("ping %v after %d creations, %d instances; want none after 3, 1", err, e.rt.Creates(1), e.rt.Len())
	}
	e.rt.OnStart(func(s *pooltest.Supervisor) { s.Kill() })
	if _, _, err := e.Get(t.Context(), 2); fault.CodeOf(err) != fault.InstanceUnavailable || e.rt.Len() != 1 {
		t.Fatalf("got %v with %d instances; want instance_unavailable with 1", err, e.rt.Len())
	}
}

func TestGivingUpDoesNotCancelForOthers(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	release, begun := make(chan struct{}), make(chan struct{})
	b.rt.OnCreate(func(context.Context, runtime.Spec) error { close(begun); <-release; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, _, err := b.Get(ctx, 7); first <- err }()
	<-begun
	second := make(chan error, 1)
	go func() { _, _, err := b.Get(t.Context(), 7); second <- err }()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Fatalf("the one who gave up got %v", err)
	}
	close(release)
	if err := <-second; err != nil {
		t.Fatalf("the one who stayed got %v", err)
	}
	if n := b.rt.Creates(7); n != 1 {
		t.Fatalf("%d creations; want 1", n)
	}
	// One that takes too long says when to come again.
	slow := make(chan struct{})
	defer close(slow)
	b.rt.OnCreate(func(context.Context, runtime.Spec) error { <-slow; return nil })
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err := b.Get(short, 8)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.InstanceUnavailable || f.RetryAfter == 0 {
		t.Fatalf("got %v; want instance_unavailable with a time", err)
	}
}

func TestOneHungUserBlocksNobody(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.CheckTimeout = 5 * time.Second })
	release := make(chan struct{})
	defer close(release)
	b.rt.OnCreate(func(_ context.Context, s runtime.Spec) error {
		if s.UserID == 1 {
			<-release
		}
		return nil
	})
	go func() { _, _, _ = b.Get(t.Context(), 1) }()
	pooltest.Poll(t, "the first creation", func() (bool, any) { n := b.rt.Creates(1); return n == 1, n })
	b.get(t, 2)
	unhang := b.rt.Supervisor(2).Hang()
	defer unhang()
	began := time.Now()
	b.get(t, 3)
	if _, err := b.Look(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if err := b.Destroy(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Fatalf("user 3 waited %s for others", took)
	}
	began = time.Now()
	if all := b.All(t.Context()); len(all) != 2 { // one starts, one hangs
		t.Fatalf("all: %+v", all)
	}
	if took := time.Since(began); took > measureTimeout+time.Second {
		t.Fatalf("a list took %s; want about %s", took, measureTimeout)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	inst := b.get(t, 7)
	b.mu.Lock()
	err := b.moveLocked(inst, StatusStarting)
	still := inst.status
	b.mu.Unlock()
	if err == nil || !strings.Contains(err.Error(), "from active to starting") || still != StatusActive {
		t.Fatalf("an illegal move: %v, and it is %s", err, still)
	}
	for from, tos := range moves {
		for _, to := range tos {
			if _, known := moves[to]; !known {
				t.Errorf("%s may move to %s, which has no row", from, to)
			}
		}
	}
}
