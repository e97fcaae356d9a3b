package pool

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/pressure"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// memoryRecords are Records that outlive a pool and nothing else; the store's are tested in records_test.go.
type memoryRecords struct {
	mu  sync.Mutex
	all map[int64]Record
}

func (r *memoryRecords) Hibernated(context.Context) ([]Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.all)), nil
}

func (r *memoryRecords) Keep(_ context.Context, rec Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[rec.UserID] = rec
	return nil
}

func (r *memoryRecords) Forget(_ context.Context, userID int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, userID)
	return nil
}

func (r *memoryRecords) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// asleep is a pool in which user 7's instance has hibernated.
func asleep(t *testing.T) (*bench, *memoryRecords, Stats) {
	t.Helper()
	records := &memoryRecords{all: map[int64]Record{}}
	b := start(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute; o.Records = records })
	before := b.get(t, 7).Stats()
	b.clock.forward(11 * time.Minute)
	b.sweep()
	st := b.until(t, 7, "hibernation", func(s Stats) bool { return s.Status == StatusHibernated })
	if b.rt.Len() != 0 {
		t.Fatal("something of it runs")
	}
	if st.ID != before.ID || !st.CreatedAt.Equal(before.CreatedAt) || st.Usage.MemoryBytes != 0 || st.Usage.PIDs != 0 ||
		st.Processes == nil || len(st.Processes) != 0 || st.Health.Status != healthy || st.Quota != quota.Default() {
		t.Fatalf("got %+v", st)
	}
	if records.len() != 1 {
		t.Fatal("no record of it was kept")
	}
	return b, records, st
}

// TestStored: what a user stores is known once it was measured, also while the instance hibernates, and measured for nobody.
func TestStored(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) {
		o.IdleTimeout = 10 * time.Minute
		o.Records = &memoryRecords{all: map[int64]Record{}}
	})
	b.get(t, 7)
	if stored := b.Stored(); len(stored) != 0 {
		t.Errorf("got %v before it was measured", stored)
	}
	if _, err := b.Look(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	want := map[int64]int64{7: 4096}
	if stored := b.Stored(); !maps.Equal(stored, want) {
		t.Errorf("got %v; want %v", stored, want)
	}
	b.clock.forward(11 * time.Minute)
	b.sweep()
	b.until(t, 7, "hibernation", func(s Stats) bool { return s.Status == StatusHibernated })
	if stored := b.Stored(); !maps.Equal(stored, want) {
		t.Errorf("got %v of a hibernated one; want %v", stored, want)
	}
}

func TestWake(t *testing.T) {
	t.Parallel()
	b, records, slept := asleep(t)
	if all := b.All(t.Context()); len(all) != 1 || all[0].Status != StatusHibernated {
		t.Fatalf("the list has %+v", all)
	}
	if _, ok := b.Current(7); ok {
		t.Fatal("a hibernated one is given")
	}
	inst, created, err := b.Get(t.Context(), 7)
	if err != nil || created {
		t.Fatalf("got %v, created %v; want the same one, awake", err, created)
	}
	if st := inst.Stats(); st.ID != slept.ID || !st.CreatedAt.Equal(slept.CreatedAt) || st.Status != StatusActive {
		t.Fatalf("got %+v; want %+v awake", st, slept)
	}
	if records.len() != 1 {
		t.Fatal("the next server would not know since when there is one")
	}
	b.Stop()
	o := options(t, b.rt, b.owners, b.clock)
	o.Records = records
	next := &bench{Pool: New(o), rt: b.rt, owners: b.owners, clock: b.clock}
	t.Cleanup(next.Stop)
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := next.Look(t.Context(), 7); err != nil || st.ID != slept.ID || !st.CreatedAt.Equal(slept.CreatedAt) || st.Status != StatusActive {
		t.Fatalf("adopted: %+v, %v; want %+v awake", st, err, slept)
	}
	if err := next.Destroy(t.Context(), 7); err != nil || records.len() != 0 {
		t.Fatalf("got %v, %d records", err, records.len())
	}
	if b.rt.Creates(7) != 2 {
		t.Fatalf("%d creations", b.rt.Creates(7))
	}
}

func TestDestroyHibernated(t *testing.T) {
	t.Parallel()
	b, records, _ := asleep(t)
	changes := make(chan Change, 10)
	t.Cleanup(b.Watch(func(c Change) { changes <- c }))
	if c := <-changes; c.Instance == nil || c.Instance.Status != StatusHibernated {
		t.Fatalf("told %+v", c)
	}
	if err := b.Destroy(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if c := <-changes; c.UserID != 7 || c.Instance != nil {
		t.Fatalf("told %+v; want that there is none", c)
	}
	if err := b.Destroy(t.Context(), 7); !errors.Is(err, fault.NotFoundError) || records.len() != 0 {
		t.Fatalf("the second time: %v, %d records", err, records.len())
	}
	if _, created, err := b.Get(t.Context(), 7); err != nil || !created {
		t.Fatalf("after it: %v, created %v", err, created)
	}
}

// TestDestroyWhileItFallsAsleep leaves nothing.
func TestDestroyWhileItFallsAsleep(t *testing.T) {
	t.Parallel()
	records := &memoryRecords{all: map[int64]Record{}}
	b := start(t, func(o *Options) { o.IdleTimeout = 10 * time.Minute; o.Records = records })
	b.get(t, 7)
	ending, release := make(chan struct{}), make(chan struct{})
	b.rt.OnDestroy(func(context.Context, string) error { close(ending); <-release; return nil })
	b.clock.forward(11 * time.Minute)
	b.sweep()
	<-ending
	done := make(chan error, 1)
	go func() { done <- b.Destroy(context.Background(), 7) }()
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := b.Look(t.Context(), 7); !errors.Is(err, fault.NotFoundError) || records.len() != 0 {
		t.Fatalf("got %v, %d records; want nothing", err, records.len())
	}
}

// TestWakeFails: what cannot be woken now is asleep still.
func TestWakeFails(t *testing.T) {
	t.Parallel()
	b, records, slept := asleep(t)
	b.rt.OnCreate(func(context.Context, runtime.Spec) error { return errors.New("no disk") })
	if _, _, err := b.Get(t.Context(), 7); fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Fatalf("got %v", err)
	}
	if st, err := b.Look(t.Context(), 7); err != nil || st.Status != StatusHibernated || st.ID != slept.ID || records.len() != 1 {
		t.Fatalf("got %+v, %v", st, err)
	}
	b.rt.OnCreate(nil)
	if inst := b.get(t, 7); inst.ID() != slept.ID {
		t.Fatal("it came back as another")
	}
}

func TestHibernatedOverARestart(t *testing.T) {
	t.Parallel()
	b, records, slept := asleep(t)
	b.get(t, 8)
	records.all[8] = Record{UserID: 8, ID: "i-stale"} // it was woken, and the server died before it forgot
	records.all[9] = Record{UserID: 9, ID: "i-gone"}
	b.owners.mu.Lock()
	b.owners.gone[9] = true
	b.owners.mu.Unlock()
	b.Stop()
	o := options(t, b.rt, b.owners, b.clock)
	o.Records = records
	next := &bench{Pool: New(o), rt: b.rt, owners: b.owners, clock: b.clock}
	t.Cleanup(next.Stop)
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := next.All(t.Context())
	if len(all) != 2 || all[0].Status != StatusHibernated || all[0].ID != slept.ID || !all[0].CreatedAt.Equal(slept.CreatedAt) ||
		all[0].Quota != quota.Default() || all[1].ID == "i-stale" || records.len() != 1 {
		t.Fatalf("got %+v and %d records", all, records.len())
	}
	if err := next.Shutdown(t.Context()); err != nil || records.len() != 1 {
		t.Fatalf("a shut-down: %v, %d records; what sleeps stays", err, records.len())
	}
}

func TestQuotaOfHibernated(t *testing.T) {
	t.Parallel()
	b, records, _ := asleep(t)
	q := quota.Default()
	q.PIDs = 77
	if err := b.SetQuota(t.Context(), 7, q); err != nil {
		t.Fatal(err)
	}
	if st, _ := b.Look(t.Context(), 7); st.Quota.PIDs != 77 || st.Status != StatusHibernated {
		t.Fatalf("got %+v", st)
	}
	q.Instances = 0
	if err := b.SetQuota(t.Context(), 7, q); err != nil || records.len() != 0 {
		t.Fatalf("got %v, %d records", err, records.len())
	}
	if _, err := b.Look(t.Context(), 7); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("got %v", err)
	}
}

func TestEraseAndRestartHibernated(t *testing.T) {
	t.Parallel()
	b, records, slept := asleep(t)
	if st, err := b.Restart(t.Context(), 7); err != nil || st.ID != slept.ID || st.Status != StatusActive {
		t.Fatalf("restart: %+v, %v", st, err)
	}
	b.clock.forward(11 * time.Minute)
	b.sweep()
	b.until(t, 7, "hibernation", func(s Stats) bool { return s.Status == StatusHibernated })
	if err := b.Erase(t.Context(), 7); err != nil || records.len() != 0 {
		t.Fatalf("erase: %v, %d records", err, records.len())
	}
	if _, err := b.Look(t.Context(), 7); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("got %v", err)
	}
}

// TestWarm: instances are started ahead one after the other, and are the first to make room.
func TestWarm(t *testing.T) {
	t.Parallel()
	b := start(t, func(o *Options) { o.MaxInstances = 4; o.WarmEvery = time.Millisecond })
	b.get(t, 1)
	for user := range int64(9) {
		b.Warm(user + 1)
	}
	pooltest.Poll(t, "as many as may be", func() (bool, any) { n := b.rt.Len(); return n == 3, n })
	pooltest.Poll(t, "the end of the list", func() (bool, any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.warm.queue) == 0, b.warm.queue
	})
	if n := b.rt.Len(); n != 3 { // one place is kept for who comes
		t.Fatalf("%d instances; want 3", n)
	}
	b.get(t, 2) // its person has come
	b.get(t, 8)
	b.get(t, 9)
	b.until(t, 3, "the end of the one nobody came for", func(s Stats) bool { return s.Status == StatusHibernated })
	for _, user := range []int64{1, 2, 8, 9} {
		if _, ok := b.Current(user); !ok {
			t.Errorf("user %d has none", user)
		}
	}
}

// TestMemoryIsShort: idle processes go one at a time, ahead ones first, then instances that nobody came for; what is at
// work stays, and nothing is started beyond it until there is memory again.
func TestMemoryIsShort(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	reading := pressure.Reading{Total: 100 << 30, Available: 90 << 30, PSI: true}
	b := start(t, func(o *Options) {
		o.MemoryShare, o.CheckTimeout = 0.9, 10*time.Second
		o.Memory = func() (pressure.Reading, error) { mu.Lock(); defer mu.Unlock(); return reading, nil }
		o.WarmEvery = time.Millisecond
	})
	set := func(change func(*pressure.Reading)) {
		mu.Lock()
		change(&reading)
		mu.Unlock()
		b.feel()
		b.rearrange()
	}
	b.rt.Granted()
	b.rt.OnStart(func(s *pooltest.Supervisor) { s.Hold(true) })
	b.Warm(5)
	pooltest.Poll(t, "one ahead", func() (bool, any) { n := b.rt.Creates(5); return n == 1, n })
	for _, s := range []string{"a1", "a2", "a3"} {
		b.prompt(t, 1, s)
	}
	b.eventually(t, "work", map[string]string{"a1": running, "a2": running, "a3": running})
	b.rt.Supervisor(1).Finish("a1")
	b.eventually(t, "idle", map[string]string{"a1": ready})
	if _, err := b.get(t, 2).Client().Open(t.Context(), &protocol.OpenRequest{SessionID: "b1", Project: "p"}); err != nil {
		t.Fatal(err)
	}
	b.eventually(t, "ahead", map[string]string{"b1": ready})

	set(func(r *pressure.Reading) { r.Some = 30 })
	b.eventually(t, "the one ahead first", map[string]string{"b1": dormant, "a1": ready})
	b.clock.forward(2 * time.Second)
	set(func(*pressure.Reading) {})
	b.eventually(t, "the idle one next", map[string]string{"a1": dormant})
	b.feel()
	b.until(t, 5, "an instance that nobody came for", func(s Stats) bool { return s.Status == StatusHibernated })
	b.prompt(t, 2, "b2")
	b.told(t, 2, "b2", 1)
	b.rt.Supervisor(1).Finish("a2")
	b.eventually(t, "one for one", map[string]string{"a2": dormant, "b2": running, "a3": running})
	f := b.Figures()
	if !f.Tight || f.MemoryOK || f.Evictions["memory"] != 2 || f.Evictions["instance_memory"] != 1 {
		t.Errorf("got %+v", f)
	}

	// A moment without pressure is not enough.
	b.prompt(t, 2, "b3")
	b.told(t, 2, "b3", 1)
	set(func(r *pressure.Reading) { r.Some = 1 })
	if !b.Figures().Tight {
		t.Error("it was eased at once")
	}
	b.clock.forward(easedFor + time.Second)
	set(func(*pressure.Reading) {})
	b.eventually(t, "room again", map[string]string{"b3": running, "b2": running, "a3": running})
}

func TestMemoryReadings(t *testing.T) {
	t.Parallel()
	t0 := time.Now()
	m := memory{share: 0.8}
	if m.room(1000) < 1<<40 {
		t.Error("what is not measured has a bound")
	}
	at := func(seconds int, available int64, some float64) {
		m.take(pressure.Reading{Total: 10 << 30, Available: available, Some: some, PSI: true}, t0.Add(time.Duration(seconds)*time.Second))
	}
	at(0, 3<<30, 0)
	if m.tight || m.room(5) != 8 { // 1 GiB above the reserve
		t.Errorf("tight %v, room %d", m.tight, m.room(5))
	}
	m.started()
	if m.room(6) != 7 {
		t.Errorf("room %d after a start", m.room(6))
	}
	at(2, 2<<30-1<<20, 0)
	if !m.tight {
		t.Error("below the reserve is not tight")
	}
	at(4, 2<<30+1<<20, 0)
	at(20, 2<<30+1<<20, 0)
	if !m.tight {
		t.Error("eased without distance")
	}
	at(22, 3<<30, 5)
	at(40, 3<<30, 5)
	if !m.tight {
		t.Error("eased under pressure")
	}
	at(50, 3<<30, 0)
	at(55, 3<<30, 0)
	at(57, 1<<30, 0)
	at(59, 3<<30, 0)
	at(65, 3<<30, 0)
	if !m.tight {
		t.Error("eased too early")
	}
	at(70, 3<<30, 0)
	if m.tight {
		t.Error("never eased")
	}
}
