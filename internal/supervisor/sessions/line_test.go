package sessions

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// crowded is a world whose one place is at work until release.
func crowded(t *testing.T) (w *world, release func()) {
	w = newWorld(t)
	w.stop()
	w.cfg.LiveSessions = 1
	w.start()
	at := uuid.NewString()
	w.prompt(at, "[say 3] [wait crowd]")
	w.follow(at, 0).typed("stream_event")
	return w, func() { w.model.Release("crowd") }
}

// wantPlaces checks that the journal tells of places from first down to 1. Some in between may be passed by.
func wantPlaces(t *testing.T, events []event, first int) {
	t.Helper()
	var all []int
	for _, e := range events {
		var q struct{ Place int }
		if e.Type == protocol.EventQueue && json.Unmarshal([]byte(e.Raw), &q) == nil {
			all = append(all, q.Place)
		}
	}
	ok := len(all) > 0 && all[0] == first && all[len(all)-1] == 1
	for i := 1; i < len(all); i++ {
		ok = ok && all[i] < all[i-1]
	}
	if !ok {
		t.Errorf("told the places %v; want %d falling to 1", all, first)
	}
}

// TestLine: who comes when all places are at work is told the place, and gets one in turn.
func TestLine(t *testing.T) {
	w, release := crowded(t)
	var ids []string
	var followers []*follower
	for i := range 3 {
		id := uuid.NewString()
		w.prompt(id, fmt.Sprintf("[echo turn %d]", i))
		f := w.follow(id, 0)
		f.state(protocol.StateQueued)
		if e := f.typed(protocol.EventQueue); !strings.Contains(e.Raw, `"own":true`) {
			t.Errorf("it waits for its person's own session alone, and is told %s", e.Raw)
		}
		if got := w.state(id); got != protocol.StateQueued {
			t.Errorf("the list says %s", got)
		}
		ids, followers = append(ids, id), append(followers, f)
	}
	again := w.prompt(ids[1], "[echo turn 1 again]", "again")
	if dup := w.prompt(ids[1], "[echo turn 1 again]", "again"); !dup.Duplicate || dup.Seq != again.Seq {
		t.Errorf("got %+v; want the same as %+v", dup, again)
	}
	if s := w.open(ids[2]); s.State != protocol.StateQueued {
		t.Errorf("opened in line: %s", s.State)
	}
	mode := "plan"
	if _, err := w.Set(w.ctx(), &protocol.SetRequest{SessionID: ids[2], PermissionMode: &mode}); err != nil {
		t.Error(err)
	}
	release()
	for i, f := range followers {
		if e := f.result(); e.IsError || !strings.Contains(e.Result, fmt.Sprint("turn ", i)) {
			t.Errorf("session %d: %v", i, e)
		}
	}
	for i := range ids {
		wantPlaces(t, w.all(ids[i]), i+1)
	}
	init := slices.IndexFunc(w.all(ids[2]), func(e event) bool {
		return e.Subtype == "init" && strings.Contains(e.Raw, `"permissionMode":"plan"`)
	})
	if init < 0 {
		t.Error("the mode that was set in line is lost")
	}
}

// TestLeaveLine: by an interrupt, which gives the prompt up; by a close, which keeps it; by a delete; by the end.
func TestLeaveLine(t *testing.T) {
	w, release := crowded(t)
	var ids [4]string
	for i := range ids {
		ids[i] = uuid.NewString()
		w.prompt(ids[i], fmt.Sprintf("[echo prompt %d]", i), "first")
		f := w.follow(ids[i], 0)
		f.state(protocol.StateQueued)
		f.typed(protocol.EventQueue) // it has looked where it stands
	}
	w.prompt(ids[0], "[echo prompt 0 again]", "second")
	if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: ids[0], Author: "bea"}); err != nil {
		t.Fatal(err)
	}
	events := w.all(ids[0])
	if last := len(events) - 3; events[last].Raw != withdrawn("first", "bea") || events[last+1].Raw != withdrawn("second", "bea") || events[last+2].Reason != reasonWithdrawn {
		t.Errorf("an interrupt in line ended with %v", events[max(0, last):])
	}
	w.close(ids[1])
	if _, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: ids[2]}); err != nil {
		t.Fatal(err)
	}
	for i, reason := range map[int]string{0: reasonWithdrawn, 1: reasonClosed} {
		w.follow(ids[i], 0).until(reason, func(e event) bool { return e.State == protocol.StateDormant && e.Reason == reason })
		if got := w.state(ids[i]); got != protocol.StateDormant {
			t.Errorf("session %d is %s", i, got)
		}
	}
	f := w.follow(ids[3], 0)
	f.until("to be the next", func(e event) bool { return e.Type == protocol.EventQueue && strings.Contains(e.Raw, `"place":1`) })
	wantPlaces(t, w.all(ids[3]), 4)
	w.stop()
	w.start()
	release()
	if got := w.state(ids[3]); got != protocol.StateDormant {
		t.Errorf("after the end the last is %s", got)
	}
	for _, i := range []int{1, 3} { // what was asked is kept until somebody comes back
		w.open(ids[i])
		if e := w.follow(ids[i], 0).result(); e.IsError || !strings.Contains(e.Result, fmt.Sprint("prompt ", i)) {
			t.Errorf("session %d: %v", i, e)
		}
	}
	w.prompt(ids[0], "[echo another]", "another")
	if e := w.follow(ids[0], 0).result(); !strings.Contains(e.Result, "another") || strings.Contains(e.Result, "prompt 0") {
		t.Errorf("what was withdrawn has run: %v", e)
	}
	if n := count(w.all(ids[0]), func(e event) bool { return e.Type == "result" }); n != 1 {
		t.Errorf("%d results; want 1", n)
	}
}

// TestGiveUpATurn: what had begun before the session came into the line is not called withdrawn, what waits behind it is.
func TestGiveUpATurn(t *testing.T) {
	w := newWorld(t)
	ids := []string{uuid.NewString(), uuid.NewString()}
	for _, id := range ids {
		w.prompt(id, "[say 3] [wait for ever]", "begun")
		w.follow(id, 0).typed("stream_event")
	}
	w.stop() // in both turns
	w.cfg.LiveSessions = 1
	w.start()
	w.open(ids[0])
	w.follow(ids[0], 0).until("the turn to be taken up", func(e event) bool { return e.Subtype == "session_state_changed" && e.State == "running" })
	w.open(ids[1])
	w.follow(ids[1], 0).state(protocol.StateQueued)
	w.prompt(ids[1], "[echo never]", "behind")
	if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: ids[1], Author: "ana"}); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, e := range w.all(ids[1]) {
		if e.Type == protocol.EventWithdrawn {
			named = append(named, e.Raw)
		}
	}
	if want := []string{withdrawn("behind", "ana")}; !slices.Equal(named, want) {
		t.Errorf("named %v; want %v", named, want)
	}
	w.wantNever("[echo never]")
}

// TestCrowdAhead: of many that are only to be ready, the last is; a prompt comes before them.
func TestCrowdAhead(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.LiveSessions = 1
	w.start()
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: uuid.NewString(), Project: "demo"})
			errs <- err
		}()
	}
	id := uuid.NewString()
	w.prompt(id, "[echo in front]")
	if e := w.follow(id, 0).result(); !strings.Contains(e.Result, "in front") {
		t.Errorf("got %v", e)
	}
	refused := 0
	for range cap(errs) {
		if err := <-errs; err != nil {
			wantCode(t, err, fault.QuotaExceeded)
			refused++
		}
	}
	if refused < cap(errs)-5 {
		t.Errorf("%d of %d were given up; want most of them", refused, cap(errs))
	}
}

// TestMorePlaces: a raised quota reaches who waits already.
func TestMorePlaces(t *testing.T) {
	w, release := crowded(t)
	defer release()
	id := uuid.NewString()
	w.prompt(id, "[echo served]")
	f := w.follow(id, 0)
	f.state(protocol.StateQueued)
	if _, err := w.Configure(w.ctx(), &protocol.Limits{LiveSessions: -1}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("got %v for a negative limit", err)
	}
	if _, err := w.Configure(w.ctx(), &protocol.Limits{LiveSessions: 2}); err != nil {
		t.Fatal(err)
	}
	f.result()
	if _, err := w.Configure(w.ctx(), &protocol.Limits{LiveSessions: 0}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: uuid.NewString(), Project: "demo"})
	wantCode(t, err, fault.QuotaExceeded)
}

// TestNoPlacesForAWhile: who waits when the quota goes to nothing waits on, told why, and ends nobody who is idle.
func TestNoPlacesForAWhile(t *testing.T) {
	w, release := crowded(t)
	ids := []string{uuid.NewString(), uuid.NewString()}
	var followers []*follower
	for _, id := range ids {
		w.prompt(id, "[echo served]")
		f := w.follow(id, 0)
		f.typed(protocol.EventQueue)
		followers = append(followers, f)
	}
	limit := func(n int) {
		t.Helper()
		if _, err := w.Configure(w.ctx(), &protocol.Limits{LiveSessions: n}); err != nil {
			t.Fatal(err)
		}
	}
	limit(0)
	for _, f := range followers {
		if e := f.typed(protocol.EventError); e.Code != string(fault.QuotaExceeded) {
			t.Errorf("got %v", e)
		}
	}
	release()
	_, err := w.tryPrompt(uuid.NewString(), "[echo one more]")
	wantCode(t, err, fault.QuotaExceeded)
	for _, id := range ids {
		if got := w.state(id); got != protocol.StateQueued {
			t.Errorf("without places a session that waits is %s", got)
		}
	}
	limit(2)
	for _, f := range followers {
		f.result()
	}
	for _, id := range ids {
		if n := count(w.all(id), func(e event) bool { return e.Type == protocol.EventError }); n != 1 {
			t.Errorf("told %d times", n)
		}
	}
}
