package socket

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/api/allowance"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(plenty(), func() {})
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		put := 0
		wg.Go(func() {
			for o.put(ctx, frame{data: make([]byte, 100)}) == nil {
				put++
			}
		})
		synctest.Wait()
		if put != maxQueued {
			t.Errorf("%d messages went into the queue; want %d", put, maxQueued)
		}
		if _, ok := o.take(ctx); !ok {
			t.Fatal("a full queue has nothing to write")
		}
		synctest.Wait()
		if put != maxQueued+1 {
			t.Errorf("%d messages went in after one was taken; want one more", put)
		}
		cancel(endSlow)
		wg.Wait()
		if _, ok := o.take(ctx); ok {
			t.Error("something is written after the ending")
		}
	})
}

// plenty is the allowance of a user who may hold much.
func plenty() *allowance.Allowance { return allowance.NewUsers(1 << 30).Enter(1) }

// TestReadersShareAnAllowance: what waits on all connections of a user is bounded, and let go of however a queue ends.
func TestReadersShareAnAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := allowance.NewUsers(1000).Enter(1)
		one, two, other := newOutbox(held, func() {}), newOutbox(held, func() {}), newOutbox(held, func() {})
		event := frame{event: &protocol.Event{Event: make([]byte, 400)}, of: &subscription{}}
		for _, o := range []*outbox{one, two} {
			if err := o.put(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		}
		put := make(chan error, 1)
		for _, letGo := range []func(){
			func() {
				f, _ := one.take(t.Context())
				one.sent(f)
			},
			func() { two.withdraw(event.of) },
		} {
			go func() { put <- other.put(t.Context(), event) }()
			synctest.Wait()
			if len(put) > 0 {
				t.Fatal("more is held than is allowed")
			}
			letGo()
			if err := <-put; err != nil {
				t.Error(err)
			}
		}
		ended, end := context.WithCancel(t.Context())
		end()
		other.take(ended)
		<-other.close()
		_ = other.put(t.Context(), event) // nobody will write it
		if !held.Take(1000) {
			t.Error("what ended holds on to something")
		}
	})
}

func TestOutboxBytes(t *testing.T) {
	o := newOutbox(plenty(), func() {})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	// A message of any size goes into an empty queue, else nothing of that size would ever get out.
	if err := o.put(ended, frame{data: make([]byte, 2*maxQueuedBytes)}); err != nil {
		t.Error(err)
	}
	if err := o.put(ended, frame{data: []byte("x")}); err == nil {
		t.Error("a second one went beyond the bound")
	}
}

// TestOutboxKeepsOrder: of each session what is taken is what was put, in
// order, but for what was withdrawn.
func TestOutboxKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOutbox(plenty(), func() {})
		subs := map[string]*subscription{"a": {}, "b": {}}
		var model []frame
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			session := rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "session")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				f := frame{data: fmt.Append(nil, i), of: subs[session]}
				if err := o.put(context.Background(), f); err != nil {
					t.Fatal(err)
				}
				model = append(model, f)
			case 2:
				if len(model) == 0 {
					continue
				}
				f, ok := o.take(context.Background())
				if !ok || string(f.data) != string(model[0].data) {
					t.Fatalf("got %s, %v; want %s", f.data, ok, model[0].data)
				}
				o.sent(f)
				model = model[1:]
			case 3:
				if session == "" {
					continue // only a session's events are withdrawn
				}
				o.withdraw(subs[session])
				model = slices.DeleteFunc(slices.Clone(model), func(f frame) bool { return f.of == subs[session] })
			}
			bytes := 0
			for _, f := range model {
				bytes += len(f.data)
			}
			if o.bytes != bytes || len(o.queue) != len(model) {
				t.Fatalf("got %d messages of %d bytes; want %d of %d", len(o.queue), o.bytes, len(model), bytes)
			}
		}
	})
}

// TestOneWriter: whoever puts and whenever, there is one writer at a time, what
// was put is written, and after close none is left.
func TestOneWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const putters, each = 8, 200
		ctx, cancel := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		var running, started, written atomic.Int64
		var o *outbox
		o = newOutbox(plenty(), func() {
			started.Add(1)
			writers.Go(func() {
				if running.Add(1) != 1 {
					t.Error("two writers at a time")
				}
				for {
					running.Add(-1) // before take, which may let another start
					_, ok := o.take(ctx)
					if !ok {
						return
					}
					running.Add(1)
					written.Add(1)
				}
			})
		})
		var wg sync.WaitGroup
		for range putters {
			wg.Go(func() {
				for i := range each {
					_ = o.put(ctx, frame{data: []byte("x")}) // it has not ended
					if i%50 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if n := written.Load(); n != putters*each {
			t.Errorf("%d written; want %d", n, putters*each)
		}
		if n := started.Load(); n < 2 {
			t.Errorf("%d writers; want a new one after a pause", n)
		}
		cancel()
		<-o.close()
		_ = o.put(ctx, frame{data: []byte("late")})
		before := started.Load()
		synctest.Wait()
		if started.Load() != before {
			t.Error("a writer started after the end")
		}
		writers.Wait()
	})
}

func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		l := &lanes{wg: &wg, jobs: map[string][]func(){}}
		gate := make(chan struct{})
		var mu sync.Mutex
		done := map[string][]int{}
		add := func(session string, i int) error {
			return l.add(session, func() {
				<-gate
				mu.Lock()
				defer mu.Unlock()
				done[session] = append(done[session], i)
			})
		}
		for i := range 10 {
			for _, s := range []string{"a", "b"} {
				if err := add(s, i); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range maxLanes - 2 {
			if err := add(fmt.Sprint("s", i), 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := add("one too many", 0); err == nil {
			t.Error("more sessions than are allowed are worked for")
		}
		close(gate)
		wg.Wait()
		for _, s := range []string{"a", "b"} {
			if got := fmt.Sprint(done[s]); got != "[0 1 2 3 4 5 6 7 8 9]" {
				t.Errorf("session %s: got the order %s", s, got)
			}
		}
		if len(l.jobs) != 0 {
			t.Errorf("%d lanes are left", len(l.jobs))
		}
	})
}
