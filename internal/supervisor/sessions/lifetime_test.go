package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestDormant: a closed session goes on where it was, with the settings that were changed meanwhile; also when all that
// was remembered of it beside its events is lost.
func TestDormant(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "remember [say 3]")
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	pid := w.pid(id)
	w.close(id)
	if e := f.state(protocol.StateDormant); e.Reason != reasonClosed {
		t.Errorf("got %v", e)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is there: %v", pid, err)
	}
	mode, model := "acceptEdits", "claude-sonnet-4-6"
	if _, err := w.Set(w.ctx(), &protocol.SetRequest{SessionID: id, PermissionMode: &mode, Model: &model}); err != nil {
		t.Fatal(err)
	}
	w.prompt(id, "second [say 1]")
	init := f.until("init", func(e event) bool { return e.Subtype == "init" })
	if !strings.Contains(init.Raw, `"permissionMode":"acceptEdits"`) || !strings.Contains(init.Raw, `"model":"claude-sonnet-4-6"`) {
		t.Errorf("got %.600s", init.Raw)
	}
	f.result()
	if first, second := w.history("remember"), w.history("second"); second <= first {
		t.Errorf("the model was sent %d messages, then %d: it began anew", first, second)
	}
	f.state(protocol.StateReady)
	w.stop()
	if err := os.Remove((&files{dir: w.cfg.JournalDir + "/" + id}).meta()); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.prompt(id, "third [say 1]", "after the loss")
	f = w.follow(id, 0)
	f.until("the last prompt", func(e event) bool { return e.ID == "after the loss" })
	f.result()
	if second, third := w.history("second"), w.history("third"); third <= second {
		t.Errorf("the model was sent %d messages, then %d: it began anew", second, third)
	}
	f.state(protocol.StateReady)
	if n := count(w.all(id), func(e event) bool { return e.Type == protocol.EventError }); n != 0 {
		t.Errorf("%d errors", n)
	}
}

// TestTranscriptRemoved: the conversation begins anew under its id, and no error is shown.
func TestTranscriptRemoved(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 1]")
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	w.close(id)
	if err := (&home{w.cfg.Home}).RemoveTranscript(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	w.prompt(id, "[say 1]")
	f.state(protocol.StateDormant)
	if e := f.result(); e.IsError {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateReady)
}

// TestTranscriptUnreadable: a full disk may leave a transcript that the CLI neither resumes nor begins again. The
// prompt runs all the same, once, the file stays, and goes with its session.
func TestTranscriptUnreadable(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "torn": `{"type":"user","message":{"role":"us`} {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, known %t", name, known), func(t *testing.T) {
				w := newWorld(t)
				id := uuid.NewString()
				at := filepath.Join(w.cfg.Home, ".claude", "projects", strings.NewReplacer("/", "-", ".", "-").Replace(filepath.Join(w.cfg.Home, "projects", "demo")), id+".jsonl")
				f := w.follow2(id)
				if known {
					w.prompt(id, "[say 1]")
					f.state(protocol.StateReady)
					w.close(id)
					if (&home{w.cfg.Home}).paths(id)[0] != at {
						t.Fatalf("the transcript is at %v", (&home{w.cfg.Home}).paths(id))
					}
				}
				if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(content), 0o600)); err != nil {
					t.Fatal(err)
				}
				w.prompt(id, "through it [say 1]")
				f.until("the answer", func(e event) bool { return e.Type == "result" && !e.IsError && w.history("through it") > 0 })
				f.state(protocol.StateReady)
				w.close(id)
				w.prompt(id, "and on [say 1]")
				f.result()
				f.state(protocol.StateReady)
				if begun, on := w.history("through it"), w.history("and on"); on <= begun {
					t.Errorf("the model was sent %d messages, then %d: it begins anew each time", begun, on)
				}
				if raw, err := os.ReadFile(at); err != nil || string(raw) != content {
					t.Errorf("the transcript is %q, %v", raw, err)
				}
				told := count(w.all(id), func(e event) bool { return strings.Contains(e.Detail, "begins anew") })
				if all := count(w.all(id), func(e event) bool { return e.Type == protocol.EventError }); all != told || told > 1 || (told == 1) != known {
					t.Errorf("%d errors, of which %d tell that what was said before is not remembered", all, told)
				}
				if transcripts, err := w.Transcripts(w.ctx()); err != nil || slices.ContainsFunc(transcripts, func(l protocol.Transcript) bool { return l.SessionID != id }) {
					t.Errorf("got %v, %v; want the session's own alone", transcripts, err)
				}
				if _, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
					t.Fatal(err)
				}
				if left, _ := (&home{w.cfg.Home}).Transcripts(t.Context()); len(left) != 0 {
					t.Errorf("deleting left %v", left)
				}
			})
		}
	}
}

// TestLookingMovesNothing: opening a session makes its process ready, and is nothing that was said in it.
func TestLookingMovesNothing(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 1]")
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	said := w.open(id).LastActivityAt
	w.close(id)
	f.state(protocol.StateDormant)
	if opened := w.open(id); opened.State != protocol.StateStarting || !opened.LastActivityAt.Equal(said) {
		t.Errorf("opened: %s, of %v; want starting, of %v", opened.State, opened.LastActivityAt, said)
	}
	f.state(protocol.StateReady)
	w.prompt(id, "[say 1]")
	f.result()
	f.state(protocol.StateReady)
	if now := w.open(id).LastActivityAt; !now.After(said) {
		t.Errorf("after another prompt it is of %v, as before", now)
	}
}

func TestFork(t *testing.T) {
	w := newWorld(t)
	from, to := uuid.NewString(), uuid.NewString()
	w.prompt(from, "original [say 1]")
	w.follow(from, 0).state(protocol.StateReady)
	open := &protocol.OpenRequest{SessionID: to, Project: "demo", ForkOf: from}
	if _, err := w.Open(w.ctx(), open); err != nil {
		t.Fatal(err)
	}
	f := w.follow(to, 0)
	f.state(protocol.StateReady)
	w.close(to) // nothing was said: the copy is made again
	f.state(protocol.StateDormant)
	w.prompt(to, "copy [say 1]")
	f.result()
	original, copied := w.history("original"), w.history("copy")
	if copied <= original {
		t.Errorf("the model was sent %d messages, then %d: it is no copy", original, copied)
	}
	f.state(protocol.StateReady)
	all := w.all(to)
	prompts := count(all, func(e event) bool { return e.Type == protocol.EventPrompt })
	results := count(all, func(e event) bool { return e.Type == "result" })
	if prompts != 2 || results != 2 || all[0].Type == protocol.EventState {
		t.Errorf("%d prompts and %d results in the copy, want those of both; it begins with %v", prompts, results, all[0])
	}
	w.close(to) // now it has a conversation of its own
	if _, err := w.Open(w.ctx(), open); err != nil {
		t.Fatal(err)
	}
	f.state(protocol.StateReady)
	w.prompt(from, "further [say 1]", "in the first")
	g := w.follow(from, 0)
	g.until("prompt", func(e event) bool { return e.ID == "in the first" })
	g.result()
	if n := w.history("further"); n != copied {
		t.Errorf("the original was sent with %d messages, want as many as the copy, %d: the copy changed it", n, copied)
	}
	g.state(protocol.StateReady)
	nothing := uuid.NewString()
	if _, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: nothing, Project: "demo", ForkOf: uuid.NewString()}); err != nil {
		t.Fatal(err)
	}
	if e := w.follow(nothing, 0).typed(protocol.EventError); e.Code != string(fault.NotFound) {
		t.Errorf("got %v", e)
	}
}

// TestClear: /clear gives the CLI's conversation another id; the session stays the same and goes on there.
func TestClear(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "before [say 1]")
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	w.prompt(id, "/clear")
	f.typed("conversation_reset")
	f.state(protocol.StateReady)
	w.close(id)
	w.prompt(id, "after [say 1]")
	e := f.until("a result of the new conversation", func(e event) bool { return e.Type == "result" && e.Result != "" })
	f.state(protocol.StateReady)
	w.close(id)
	w.prompt(id, "later [say 1]")
	f.result()
	f.state(protocol.StateReady)
	before, after, later := w.history("before"), w.history("after"), w.history("later")
	if e.SessionID == id || after > before+1 || later <= after {
		t.Errorf("conversation %s: the model was sent %d messages, after /clear %d, then %d", e.SessionID, before, after, later)
	}
	transcripts, err := w.Transcripts(w.ctx())
	if err != nil || len(transcripts) != 1 || transcripts[0].SessionID != id {
		t.Errorf("got %v, %v; want the session's own alone", transcripts, err)
	}
	if _, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	if left, _ := (&home{w.cfg.Home}).Transcripts(t.Context()); len(left) != 0 {
		t.Errorf("deleting left %v", left)
	}
}

func TestSetLive(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.open(id)
	set := func(model, mode string) (*protocol.Session, error) {
		req := &protocol.SetRequest{SessionID: id}
		if model != "" {
			req.Model = &model
		}
		if mode != "" {
			req.PermissionMode = &mode
		}
		return w.Set(w.ctx(), req)
	}
	if s, err := set("claude-sonnet-4-6", "plan"); err != nil || s.Model != "claude-sonnet-4-6" || s.PermissionMode != "plan" {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, bad := range [][2]string{{"", "nonsense"}, {"", "bypassPermissions"}, {"-x", ""}, {"claude-haiku-4-5", "nonsense"}} {
		_, err := set(bad[0], bad[1])
		wantCode(t, err, fault.Invalid)
	}
	w.prompt(id, "[say 1]")
	f := w.follow(id, 0)
	init := f.until("init", func(e event) bool { return e.Subtype == "init" })
	if !strings.Contains(init.Raw, `"permissionMode":"plan"`) || !strings.Contains(init.Raw, `"model":"claude-sonnet-4-6"`) {
		t.Errorf("got %.600s", init.Raw)
	}
	f.state(protocol.StateReady)
	if s := w.List()[0]; s.Model != "claude-sonnet-4-6" || s.PermissionMode != "plan" {
		t.Errorf("got %+v", s)
	}
}

// TestKilledInATurn: the turn is taken up by a new process, the prompt runs once, and what waited behind it too.
func TestKilledInATurn(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 30] [wait to be killed] [say 30]", "first")
	f := w.follow(id, 0)
	f.typed("stream_event")
	w.prompt(id, "[say 2]", "second")
	if err := syscall.Kill(w.pid(id), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := f.typed(protocol.EventError); !strings.Contains(e.Detail, "signal 9") {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateStarting)
	f.state(protocol.StateRunning)
	w.model.Release("to be killed")
	if e := f.result(); e.IsError || len(e.Result) < 100 {
		t.Errorf("got %v", e)
	}
	if e := f.result(); e.IsError || len(e.Result) > 100 {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateReady)
	if n := count(w.all(id), func(e event) bool { return e.Type == "result" }); n != 2 {
		t.Errorf("%d turns, want 2", n)
	}
}

// TestKilledWhileItAsks: the old request is void, a new one comes.
func TestKilledWhileItAsks(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[bash touch made] [say 1]")
	f := w.follow(id, 0)
	old := f.until("a request", asks)
	if err := syscall.Kill(w.pid(id), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.state(protocol.StateStarting)
	wantCode(t, w.answer(id, old.RequestID, "allow"), fault.NotFound)
	ask := f.until("a new request", asks)
	if ask.RequestID == old.RequestID {
		t.Error("the same request again")
	}
	if err := w.answer(id, ask.RequestID, "allow"); err != nil {
		t.Fatal(err)
	}
	f.result()
	f.state(protocol.StateReady)
}

// TestKilledWhileIdle is no error: the session is dormant.
func TestKilledWhileIdle(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	if err := syscall.Kill(w.pid(id), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := f.state(protocol.StateDormant); e.Reason != reasonExited {
		t.Errorf("got %v", e)
	}
}

// TestStopInATurn: the next supervisor's process takes the turn up; one that was closed does not.
func TestStopInATurn(t *testing.T) {
	w := newWorld(t)
	stopped, closed := uuid.NewString(), uuid.NewString()
	for _, id := range []string{stopped, closed} {
		w.prompt(id, "[say 30] [wait to be stopped] [say 30]", "first")
		f := w.follow(id, 0)
		f.until("the replay", func(e event) bool { return e.IsReplay })
		f.typed("stream_event")
	}
	w.close(closed)
	w.stop()
	w.model.Release("to be stopped")
	w.start()
	f, g := w.follow(stopped, 0), w.follow(closed, 0)
	w.open(stopped)
	w.open(closed)
	if e := f.result(); e.IsError || len(e.Result) < 100 {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateReady)
	g.until("dormant", func(e event) bool { return e.Reason == reasonClosed })
	g.state(protocol.StateReady)
	if n := count(w.all(closed), func(e event) bool { return e.Type == "result" }); n != 0 {
		t.Error("a turn that was closed ran again")
	}
}

func TestLimit(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.LiveSessions = 2
	w.start()
	a, b, c := uuid.NewString(), uuid.NewString(), uuid.NewString()
	for _, id := range []string{a, b} {
		w.open(id)
		w.follow(id, 0).state(protocol.StateReady)
	}
	w.open(a) // used later than b
	w.prompt(c, "[say 3] [wait for ever]")
	if got := w.state(b); got != protocol.StateDormant {
		t.Errorf("the least recently used is %s", got)
	}
	w.follow(c, 0).typed("stream_event")
	w.prompt(a, "[say 3] [wait for ever]")
	w.follow(a, 0).typed("stream_event")
	w.prompt(b, "[say 1]")
	f := w.follow(b, 0)
	f.state(protocol.StateQueued)
	w.close(a)
	f.result()
	w.stop()
	w.cfg.LiveSessions = 0
	w.start()
	_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: a})
	wantCode(t, err, fault.QuotaExceeded)
}

// TestBackgroundTask: a session at rest whose task still runs does not make room for another.
func TestBackgroundTask(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.LiveSessions = 1
	w.start()
	id := uuid.NewString()
	w.prompt(id, "[background sleep 100] [say 1]")
	f := w.follow(id, 0)
	f.until("the task", func(e event) bool { return e.Subtype == "background_tasks_changed" })
	f.result()
	f.state(protocol.StateReady)
	other := uuid.NewString()
	w.prompt(other, "[say 1]")
	w.follow(other, 0).state(protocol.StateQueued)
	w.close(id)
	w.follow(other, 0).result()
}

// TestDelete: of a live session, while somebody follows it.
func TestDelete(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 3] [wait for ever]")
	f := w.follow(id, 0)
	f.typed("stream_event")
	if _, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-f.done:
		wantCode(t, err, fault.NotFound)
	case <-time.After(patience):
		t.Error("the subscriber was not told")
	}
	if len(w.List()) != 0 {
		t.Errorf("got %v", w.List())
	}
	if left, _ := os.ReadDir(w.cfg.JournalDir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	_, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id})
	wantCode(t, err, fault.NotFound)
	w.wantDeleted(id)
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	old := uuid.NewString()
	w.open(old)
	ctx, cancel := context.WithCancel(t.Context())
	first, changes, done := make(chan []protocol.Session, 1), make(chan protocol.Session, 1000), make(chan error, 1)
	go func() {
		done <- w.Watch(ctx, func(all []protocol.Session) error { first <- all; return nil },
			func(s protocol.Session) error { changes <- s; return nil })
	}()
	if all := <-first; len(all) != 1 || all[0].ID != old {
		t.Errorf("got %v", all)
	}
	id := uuid.NewString()
	w.prompt(id, "[say 1]")
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for ran := false; ; {
		select {
		case s := <-changes:
			if s.ID == id && s.State == protocol.StateRunning {
				ran = true
			}
			if s.ID == id && s.State == protocol.StateReady && s.CostUSD > 0 && s.LastSeq > 5 {
				if !ran {
					t.Error("it was never seen to run")
				}
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				return
			}
		case <-timer.C:
			t.Fatalf("no change to ready; all: %s", func() string { b, _ := json.Marshal(w.List()); return string(b) }())
		}
	}
}

// TestWatchTellsTheLastNumber: also of events after which nothing changes, and not of each.
func TestWatchTellsTheLastNumber(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 1]")
	f := w.follow(id, 0)
	f.result()
	f.state(protocol.StateReady)
	w.close(id) // what the CLI has to say has been said
	changes := make(chan protocol.Session, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	ready := make(chan struct{})
	watching.Go(func() {
		_ = w.Watch(ctx, func([]protocol.Session) error { close(ready); return nil }, func(s protocol.Session) error { changes <- s; return nil })
	})
	<-ready
	s, release, err := w.use(id, false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	const more = 500
	for range more {
		s.complain(errNoneAllowed)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for told := 1; ; told++ {
		select {
		case now := <-changes:
			if now.LastSeq == s.last.Load() {
				if told > more/10 {
					t.Errorf("told %d times of %d events", told, more)
				}
				return
			}
		case <-timer.C:
			t.Fatalf("never told of event %d", s.last.Load())
		}
	}
}
