package sessions

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// server is the least that gives places: what a test says.
type server struct {
	w    *world
	mu   sync.Mutex
	last protocol.Places
	news chan struct{}
}

// granted is a world whose places a test gives.
func granted(t *testing.T) (*world, *server) {
	w := newWorld(t)
	w.stop()
	w.granted = true
	w.start()
	s := &server{w: w, news: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.WatchPlaces(ctx, func(p protocol.Places) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.last = p
			select {
			case s.news <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return w, s
}

// until waits for a statement.
func (s *server) until(what string, ok func(protocol.Places) bool) protocol.Places {
	s.w.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		p := s.last
		s.mu.Unlock()
		if ok(p) {
			return p
		}
		select {
		case <-s.news:
		case <-deadline:
			s.w.t.Fatalf("%s was not told; last: %+v", what, p)
		}
	}
}

func (s *server) say(r protocol.PlaceRequest) *protocol.PlaceResponse {
	s.w.t.Helper()
	res, err := s.w.Place(s.w.ctx(), &r)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return res
}

func wants(id string) func(protocol.Places) bool {
	return func(p protocol.Places) bool {
		for _, w := range p.Wants {
			if w.SessionID == id {
				return true
			}
		}
		return false
	}
}

func holds(id string, yes bool) func(protocol.Places) bool {
	return func(p protocol.Places) bool { return yes == strings.Contains(strings.Join(p.Held, " "), id) }
}

// TestNoProcessWithoutAPlace: a prompt waits on disk, is told its place, and runs once it is given one.
func TestNoProcessWithoutAPlace(t *testing.T) {
	w, s := granted(t)
	id := uuid.NewString()
	sent := make(chan error, 1)
	go func() {
		_, err := w.tryPrompt(id, "[echo at last]", "p1")
		sent <- err
	}()
	s.until("the want", wants(id))
	s.say(protocol.PlaceRequest{Line: map[string]int{id: 7}})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	f := w.follow(id, 0)
	f.state(protocol.StateQueued)
	// Nothing is new to the server, if it has not seen the want go that was there before the prompt was on disk.
	f.until("place 7", func(e event) bool {
		return e.Type == protocol.EventQueue && strings.Contains(e.Raw, `"place":7`) && !strings.Contains(e.Raw, `"own"`)
	})
	s.say(protocol.PlaceRequest{Line: map[string]int{id: 2}, Crowded: true})
	f.until("place 2", func(e event) bool { return e.Type == protocol.EventQueue && strings.Contains(e.Raw, `"place":2`) })
	if n := len(w.table.List()); n != 0 {
		t.Errorf("%d processes without a place", n)
	}
	s.say(protocol.PlaceRequest{Give: []string{id, uuid.NewString()}})
	if e := f.result(); e.IsError || !strings.Contains(e.Result, "at last") {
		t.Errorf("got %v", e)
	}
	s.until("that it is held", holds(id, true))
	if res := s.say(protocol.PlaceRequest{Give: []string{id}, Take: []string{id}}); len(res.Busy) != 0 {
		t.Errorf("busy %v; want it to go", res.Busy)
	}
	s.until("that it was given back", holds(id, false))
}

// TestAheadIsRefused: a process that is only to be ready is not there at once or not at all.
func TestAheadIsRefused(t *testing.T) {
	w, s := granted(t)
	id := uuid.NewString()
	opened := make(chan error, 1)
	go func() {
		_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: id, Project: "demo"})
		opened <- err
	}()
	s.until("the want ahead", func(p protocol.Places) bool { return len(p.Wants) == 1 && p.Wants[0].Ahead })
	s.say(protocol.PlaceRequest{Refuse: []string{id}})
	wantCode(t, <-opened, fault.QuotaExceeded)
	s.until("that nothing is wanted", func(p protocol.Places) bool { return len(p.Wants) == 0 && len(p.Held) == 0 })
}

// TestYield: in a crowd a session keeps its place for the work that it had, and what came meanwhile waits for another.
func TestYield(t *testing.T) {
	w, s := granted(t)
	id := uuid.NewString()
	sent := make(chan error, 1)
	go func() {
		_, err := w.tryPrompt(id, "[say 3] [wait crowd]")
		sent <- err
	}()
	s.until("the want", wants(id))
	s.say(protocol.PlaceRequest{Give: []string{id}})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	f := w.follow(id, 0)
	f.typed("stream_event")
	if res := s.say(protocol.PlaceRequest{Crowded: true, Take: []string{id}}); len(res.Busy) != 1 {
		t.Errorf("busy %v; want what is at work", res.Busy)
	}
	for i := range 3 {
		w.prompt(id, fmt.Sprintf("[echo held back %d]", i))
	}
	w.model.Release("crowd")
	f.result()
	f.until("to yield", func(e event) bool { return e.State == protocol.StateDormant && e.Reason == reasonYielded })
	f.state(protocol.StateQueued)
	s.until("the next want", func(p protocol.Places) bool { return wants(id)(p) && holds(id, false)(p) })
	if p := w.table.List(); len(p) != 0 {
		t.Errorf("processes: %v", p)
	}
	s.say(protocol.PlaceRequest{Give: []string{id}, Crowded: true})
	last := f.until("the last of them", func(e event) bool {
		var r struct{ Result string }
		return e.Type == "result" && json.Unmarshal([]byte(e.Raw), &r) == nil && strings.Contains(r.Result, "held back 2")
	})
	if last.IsError {
		t.Errorf("got %v", last)
	}
	f.until("to yield", func(e event) bool { return e.State == protocol.StateDormant && e.Reason == reasonYielded })
	s.until("nothing wanted", func(p protocol.Places) bool { return len(p.Wants) == 0 && len(p.Held) == 0 })
}

// TestSuspend: what waits for its person gives its place up, and is asked again with the next one.
func TestSuspend(t *testing.T) {
	w, s := granted(t)
	id := uuid.NewString()
	sent := make(chan error, 1)
	go func() {
		_, err := w.tryPrompt(id, "[bash touch suspended] [say done]")
		sent <- err
	}()
	s.until("the want", wants(id))
	s.say(protocol.PlaceRequest{Give: []string{id}, Crowded: true})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	f := w.follow(id, 0)
	f.state(protocol.StateWaiting)
	if res := s.say(protocol.PlaceRequest{Crowded: true, Take: []string{id}}); len(res.Busy) != 1 {
		t.Fatal("it was taken as idle")
	}
	s.say(protocol.PlaceRequest{Crowded: true, Take: []string{id}, Suspend: []string{id}})
	f.until("the suspension", func(e event) bool { return e.State == protocol.StateDormant && e.Reason == reasonSuspended })
	s.until("that it was given back", holds(id, false))

	// Its person comes back: the session stands in line like one with a prompt.
	opened := make(chan error, 1)
	go func() {
		_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: id, Project: "demo"})
		opened <- err
	}()
	s.until("the want", func(p protocol.Places) bool { return wants(id)(p) && !p.Wants[0].Ahead })
	s.say(protocol.PlaceRequest{Crowded: true, Line: map[string]int{id: 1}})
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	f.state(protocol.StateQueued)
	s.until("the want of one in line", wants(id))
	s.say(protocol.PlaceRequest{Give: []string{id}})
	again := f.until("the request again", func(e event) bool { return e.Type == "control_request" })
	if err := w.answer(id, again.RequestID, "allow"); err != nil {
		t.Fatal(err)
	}
	if e := f.result(); e.IsError || !strings.Contains(e.Result, "done") {
		t.Errorf("got %v", e)
	}
}

// TestEase: what was held back in a crowd is brought when the crowd has gone.
func TestEase(t *testing.T) {
	w, s := granted(t)
	id := uuid.NewString()
	sent := make(chan error, 1)
	go func() {
		_, err := w.tryPrompt(id, "[say 3] [wait crowd]")
		sent <- err
	}()
	s.until("the want", wants(id))
	s.say(protocol.PlaceRequest{Give: []string{id}, Crowded: true})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	f := w.follow(id, 0)
	f.typed("stream_event")
	w.prompt(id, "[echo held back]")
	s.say(protocol.PlaceRequest{Crowded: false})
	w.model.Release("crowd")
	f.result()
	if e := f.result(); !strings.Contains(e.Result, "held back") {
		t.Errorf("got %v", e)
	}
	s.until("that it is held", holds(id, true))
}

// TestLeaveTheServersLine: an interrupt gives up what waits for a place of the server's.
func TestLeaveTheServersLine(t *testing.T) {
	w, s := granted(t)
	id := uuid.NewString()
	sent := make(chan error, 1)
	go func() {
		_, err := w.tryPrompt(id, "[echo never]")
		sent <- err
	}()
	s.until("the want", wants(id))
	s.say(protocol.PlaceRequest{Line: map[string]int{id: 3}})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	f := w.follow(id, 0)
	f.state(protocol.StateQueued)
	s.until("the want of one in line", wants(id))
	if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	f.until("to be withdrawn", func(e event) bool { return e.State == protocol.StateDormant && e.Reason == reasonWithdrawn })
	s.until("nothing wanted", func(p protocol.Places) bool { return len(p.Wants) == 0 && len(p.Held) == 0 })
	s.say(protocol.PlaceRequest{Give: []string{id}}) // came too late: it gives nothing
	s.until("nothing held", func(p protocol.Places) bool { return len(p.Held) == 0 })
}

// TestTasksAreGivenUp: a process in which nothing runs but a task in the background stays when it is asked for its
// place as an idle one, and ends when it is told to; the conversation says what was ended.
func TestTasksAreGivenUp(t *testing.T) {
	w, s := granted(t)
	id := uuid.NewString()
	sent := make(chan error, 1)
	go func() {
		_, err := w.tryPrompt(id, "[background sleep 100] [say 1]", "p1")
		sent <- err
	}()
	s.until("the want", wants(id))
	s.say(protocol.PlaceRequest{Give: []string{id}})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	f := w.follow(id, 0)
	f.until("the task", func(e event) bool { return e.Subtype == "background_tasks_changed" })
	f.result()
	f.state(protocol.StateReady)
	if list := w.List(); len(list) != 1 || list[0].Tasks != 1 {
		t.Errorf("got %+v; want one task", list)
	}
	if res := s.say(protocol.PlaceRequest{Take: []string{id}, Crowded: true}); len(res.Busy) != 1 {
		t.Fatalf("busy %v; want what has a task", res.Busy)
	}
	if res := s.say(protocol.PlaceRequest{Take: []string{id}, Suspend: []string{id}, Crowded: true}); len(res.Busy) != 0 {
		t.Fatalf("busy %v; want it to go", res.Busy)
	}
	f.until("what was ended", func(e event) bool {
		return e.Type == protocol.EventError && strings.Contains(e.Raw, "It was ended: ") && !strings.Contains(e.Raw, "ended: ?") && !strings.Contains(e.Raw, "ended: .")
	})
	f.until("its end", func(e event) bool {
		return e.Type == protocol.EventState && strings.Contains(e.Raw, protocol.StateDormant) && strings.Contains(e.Raw, "yielded")
	})
	s.until("that it was given back", holds(id, false))
	if list := w.List(); len(list) != 1 || list[0].Tasks != 0 {
		t.Errorf("got %+v; want no task", list)
	}
}
