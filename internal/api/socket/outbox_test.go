package socket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
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
		if _, err := o.take(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if put != maxQueued+1 {
			t.Errorf("%d messages went in after one was taken; want one more", put)
		}
		cancel(endSlow)
		wg.Wait()
		if _, err := o.take(ctx); !errors.Is(err, endSlow) {
			t.Errorf("got %v; want the ending", err)
		}
	})
}

func TestOutboxBytes(t *testing.T) {
	o := newOutbox()
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
		o := newOutbox()
		var model []frame
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			session := rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "session")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				f := frame{data: fmt.Append(nil, i), session: session}
				if err := o.put(context.Background(), f); err != nil {
					t.Fatal(err)
				}
				model = append(model, f)
			case 2:
				if len(model) == 0 {
					continue
				}
				f, err := o.take(context.Background())
				if err != nil || string(f.data) != string(model[0].data) {
					t.Fatalf("got %s, %v; want %s", f.data, err, model[0].data)
				}
				model = model[1:]
			case 3:
				if session == "" {
					continue // only a session's events are withdrawn
				}
				o.withdraw(session)
				model = slices.DeleteFunc(slices.Clone(model), func(f frame) bool { return f.session == session })
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

func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		l := &lanes{wg: &wg, jobs: map[string][]job{}}
		gate := make(chan struct{})
		var mu sync.Mutex
		done := map[string][]int{}
		add := func(session string, i, size int) error {
			return l.add(session, job{size: size, run: func() {
				<-gate
				mu.Lock()
				defer mu.Unlock()
				done[session] = append(done[session], i)
			}})
		}
		for i := range 10 {
			for _, s := range []string{"a", "b"} {
				if err := add(s, i, 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := add("a", 99, maxLaneBytes); err == nil {
			t.Error("more bytes than are allowed wait")
		}
		for i := range maxLanes - 2 {
			if err := add(fmt.Sprint("s", i), 0, 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := add("one too many", 0, 1); err == nil {
			t.Error("more sessions than are allowed are worked for")
		}
		close(gate)
		wg.Wait()
		for _, s := range []string{"a", "b"} {
			if got := fmt.Sprint(done[s]); got != "[0 1 2 3 4 5 6 7 8 9]" {
				t.Errorf("session %s: got the order %s", s, got)
			}
		}
		if l.bytes != 0 || len(l.jobs) != 0 {
			t.Errorf("%d bytes in %d lanes are left", l.bytes, len(l.jobs))
		}
		if err := add("again", 0, 2*maxLaneBytes); err != nil {
			t.Errorf("an empty connection refuses a message: %v", err)
		}
		wg.Wait()
	})
}
