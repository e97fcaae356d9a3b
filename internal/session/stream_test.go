package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// reader is a subscription that remembers what it was sent.
type reader struct {
	mu   sync.Mutex
	seqs []int64
	done chan struct{}
	err  error
	stop context.CancelFunc
}

func (b *bench) follow(t testing.TB, userID int64, id string, after int64) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{done: make(chan struct{}), stop: cancel}
	go func() {
		defer close(r.done)
		last := after
		for {
			r.err = b.Subscribe(ctx, userID, id, last, func(ev *protocol.Event) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.seqs = append(r.seqs, ev.Seq)
				last = ev.Seq
				return nil
			})
			if fault.CodeOf(r.err) != fault.Conflict { // else the instance was ended under it, while it was made: it comes again
				return
			}
		}
	}()
	t.Cleanup(r.end)
	return r
}

func (r *reader) end() { r.stop(); <-r.done }

func (r *reader) got() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seqs)
}

// wantAll waits until the reader has everything from after+1 to last, and
// says whether each came once and in order.
func (r *reader) wantAll(t pollT, after, last int64) {
	poll(t, fmt.Sprintf("event %d", last), func() (bool, any) {
		got := r.got()
		select {
		case <-r.done:
			return len(got) > 0 && got[len(got)-1] >= last, fmt.Sprintf("%v, and the end: %v", got, r.err)
		default:
			return len(got) > 0 && got[len(got)-1] >= last, got
		}
	})
	got := r.got()
	if int64(len(got)) != last-after {
		t.Fatalf("got %v; want %d to %d", got, after+1, last)
	}
	for i, seq := range got {
		if seq != after+int64(i)+1 {
			t.Fatalf("got %v; want %d to %d, once each and in order", got, after+1, last)
		}
	}
}

// pollT is what testing.T and rapid.T share.
type pollT interface {
	Fatalf(format string, args ...any)
}

func poll(t pollT, what string, ok func() (bool, any)) {
	deadline := time.Now().Add(10 * time.Second)
	var last any
	for time.Now().Before(deadline) {
		var done bool
		if done, last = ok(); done {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("%s did not come; last seen: %v", what, last)
}

// TestNoGapNoDouble lets a conversation grow while the supervisor is killed,
// the instance is restarted, destroyed or moved to a next server: every
// subscriber, whenever it came, gets every event once and in order.
func TestNoGapNoDouble(t *testing.T) {
	b := start(t)
	rapid.Check(t, func(rt *rapid.T) {
		ss := b.create(t, ana)
		last := b.prompt(t, ana, ss.ID, "begin") + 2
		type follower struct {
			*reader
			after int64
		}
		readers := []follower{{b.follow(t, ana.ID, ss.ID, 0), 0}}
		for range rapid.IntRange(3, 8).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"prompt", "prompt", "subscribe", "kill", "restart", "destroy"}).Draw(rt, "step") {
			case "prompt":
				last = b.prompt(t, ana, ss.ID, "more") + 2
			case "subscribe":
				after := rapid.Int64Range(0, last).Draw(rt, "after")
				readers = append(readers, follower{b.follow(t, ana.ID, ss.ID, after), after})
			case "kill":
				if s := b.rt.Supervisor(ana.ID); s != nil {
					s.Kill()
				}
			case "restart":
				_, _ = b.pool.Restart(context.Background(), ana.ID)
			case "destroy":
				_ = b.pool.Destroy(context.Background(), ana.ID)
			}
		}
		last = b.prompt(t, ana, ss.ID, "end") + 2
		for _, r := range readers {
			r.wantAll(rt, r.after, last)
			r.end()
		}
	})
}

func TestSubscribeSurvivesAReplacedInstance(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	r := b.follow(t, ana.ID, ss.ID, 0)
	b.prompt(t, ana, ss.ID, "one")
	r.wantAll(t, 0, 3)
	b.rt.Supervisor(ana.ID).Kill()
	b.prompt(t, ana, ss.ID, "two") // waits for the replacement
	r.wantAll(t, 0, 6)
	b.until(t, ana, ss.ID, "the process, ready again", func(s Session) bool { return s.State == protocol.StateReady })
}

func TestSubscribeWaitsForAnEndedInstance(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	r := b.follow(t, ana.ID, ss.ID, 0)
	b.prompt(t, ana, ss.ID, "one")
	r.wantAll(t, 0, 3)
	made := b.rt.Creates(ana.ID)
	if err := b.pool.Destroy(t.Context(), ana.ID); err != nil {
		t.Fatal(err)
	}
	poll(t, "the wait", func() (bool, any) {
		_, ok := b.pool.Current(ana.ID)
		return !ok, nil
	})
	if n := b.rt.Creates(ana.ID); n != made {
		t.Fatalf("watching made an instance: %d, then %d", made, n)
	}
	b.prompt(t, ana, ss.ID, "two")
	r.wantAll(t, 0, 6)
}

func TestSubscribeEnds(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	b.prompt(t, ana, ss.ID, "one")

	broken := errors.New("the connection broke")
	if err := b.Subscribe(t.Context(), ana.ID, ss.ID, 0, func(*protocol.Event) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("when send fails: %v", err)
	}
	left := b.follow(t, ana.ID, ss.ID, 0)
	left.wantAll(t, 0, 3)
	left.end()
	if !errors.Is(left.err, context.Canceled) {
		t.Fatalf("when the caller leaves: %v", left.err)
	}
	told := b.follow(t, ana.ID, ss.ID, 0)
	told.wantAll(t, 0, 3)
	if err := b.Delete(t.Context(), ana.ID, ss.ID); err != nil {
		t.Fatal(err)
	}
	<-told.done
	if told.err != nil {
		t.Fatalf("when the session is deleted: %v; want nil", told.err)
	}
	ss = b.create(t, ana)
	stopped := b.follow(t, ana.ID, ss.ID, 0)
	b.prompt(t, ana, ss.ID, "one")
	stopped.wantAll(t, 0, 3)
	b.Service.Stop()
	<-stopped.done
	if fault.CodeOf(stopped.err) != fault.InstanceUnavailable {
		t.Fatalf("when the server ends: %v", stopped.err)
	}
}

func TestASlowReaderHoldsUpNobody(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	b.prompt(t, ana, ss.ID, "one")
	release := make(chan struct{})
	slow := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		slow <- b.Subscribe(ctx, ana.ID, ss.ID, 0, func(*protocol.Event) error { <-release; return nil })
	}()
	quick := b.follow(t, ana.ID, ss.ID, 0)
	quick.wantAll(t, 0, 3)
	b.prompt(t, ana, ss.ID, "two")
	quick.wantAll(t, 0, 6)
	cancel()
	close(release)
	<-slow
}

func TestStreamsAreCounted(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	var ends []func()
	for range maxSubscriptions {
		_, end, err := b.begin(t.Context(), key{ana.ID, ss.ID})
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if _, _, err := b.Events(t.Context(), ana.ID, ss.ID, 0, 0, 0, anyRoom); fault.CodeOf(err) != fault.RateLimited {
		t.Fatalf("one too many: %v; want rate_limited", err)
	}
	if _, end, err := b.begin(t.Context(), key{ben.ID, ss.ID}); err != nil {
		t.Fatalf("another user: %v", err)
	} else {
		end()
	}
	if !b.Followed(ana.ID, ss.ID) {
		t.Error("nobody follows it")
	}
	for _, end := range ends {
		end()
	}
	if b.Followed(ana.ID, ss.ID) || b.Followed(ben.ID, ss.ID) {
		t.Error("somebody follows it still")
	}
	if _, _, err := b.Events(t.Context(), ana.ID, ss.ID, 0, 0, 0, anyRoom); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.streams) != 0 || len(b.streamN) != 0 {
		t.Fatalf("left: %v, %v", b.streams, b.streamN)
	}
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	if evs, _, err := b.Events(t.Context(), ana.ID, ss.ID, 0, 0, 0, anyRoom); err != nil || evs == nil || len(evs) != 0 {
		t.Fatalf("of a new session: %v, %v; want none", evs, err)
	}
	if evs, _, err := b.Events(t.Context(), ana.ID, ss.ID, 0, 0, 20*time.Millisecond, anyRoom); err != nil || len(evs) != 0 {
		t.Fatalf("a wait in vain: %v, %v", evs, err)
	}
	got := make(chan []protocol.Event, 1)
	go func() {
		evs, _, _ := b.Events(context.Background(), ana.ID, ss.ID, 0, 0, time.Minute, anyRoom)
		got <- evs
	}()
	b.prompt(t, ana, ss.ID, "one")
	if evs := <-got; len(evs) == 0 || evs[0].Seq != 1 {
		t.Fatalf("got %v; want the first event", evs)
	}
	for range 3 {
		b.prompt(t, ana, ss.ID, "more")
	}
	evs, _, err := b.Events(t.Context(), ana.ID, ss.ID, 2, 4, 0, anyRoom)
	if err != nil || len(evs) != 4 || evs[0].Seq != 3 || evs[3].Seq != 6 {
		t.Fatalf("a page: %v, %v", evs, err)
	}
	if _, _, err := b.Events(t.Context(), ana.ID, ss.ID, -1, 4, 0, anyRoom); fault.CodeOf(err) != fault.Invalid {
		t.Fatalf("after -1: %v", err)
	}
}

func TestNotices(t *testing.T) {
	t.Parallel()
	b := start(t)
	notices := make(chan Notice, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = b.Watch(ctx, ana.ID, func(n Notice) error { notices <- n; return nil }) })
	pooltest.Poll(t, "the watch", func() (bool, any) {
		b.notices.mu.Lock()
		defer b.notices.mu.Unlock()
		return len(b.notices.watchers[ana.ID]) == 1, nil
	})
	next := func(what string, ok func(Notice) bool) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			select {
			case n := <-notices:
				if ok(n) {
					return
				}
			case <-deadline:
				t.Fatalf("no notice of %s", what)
			}
		}
	}
	ss := b.create(t, ana)
	next("the session", func(n Notice) bool { return n.Kind == "session" && n.Session.ID == ss.ID })
	b.prompt(t, ana, ss.ID, "words")
	next("its title", func(n Notice) bool { return n.Kind == "session" && n.Session.Title == "words" })
	if err := b.Delete(t.Context(), ana.ID, ss.ID); err != nil {
		t.Fatal(err)
	}
	next("its end", func(n Notice) bool { return n.Kind == "session_deleted" && n.Session.ID == ss.ID })
	if err := b.pool.Destroy(t.Context(), ana.ID); err != nil {
		t.Fatal(err)
	}
	next("the instance's end", func(n Notice) bool { return n.Kind == "instance" && n.Instance == nil })
	cancel()
	watching.Wait()
	b.notices.mu.Lock()
	defer b.notices.mu.Unlock()
	if len(b.notices.watchers) != 0 {
		t.Fatal("the watcher is left")
	}
}
