package sessions

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestTurns: a session is greeted at Open; its turns run in one process; everything is in the journal in order.
func TestTurns(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	if s := w.open(id); s.State != protocol.StateStarting || s.Project != "demo" {
		t.Errorf("after Open: %+v", s)
	}
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	pid := w.pid(id)
	prompt := uuid.NewString()
	began := time.Now()
	res := w.prompt(id, "[say 5]", prompt)
	if e := f.typed(protocol.EventPrompt); e.Seq != res.Seq || e.ID != prompt || e.UUID != prompt {
		t.Errorf("got %v, want seq %d", e, res.Seq)
	}
	f.state(protocol.StateRunning)
	if e := f.until("the replay", func(e event) bool { return e.IsReplay }); e.UUID != prompt {
		t.Errorf("got %v", e)
	}
	f.typed("stream_event")
	t.Logf("first token after %v", time.Since(began))
	if e := f.result(); e.IsError {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateReady)
	began = time.Now()
	w.prompt(id, "[say 3]", "a client's own id")
	f.typed("stream_event")
	t.Logf("first token of the second after %v", time.Since(began))
	f.result()
	f.state(protocol.StateReady)
	if got := w.pid(id); got != pid {
		t.Errorf("the second turn ran in process %d, the first in %d", got, pid)
	}
	all := w.all(id)
	for i, e := range all {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
	}
	for what, n := range map[string]int{
		"control_response": 1, "result": 2, protocol.EventPrompt: 2, protocol.EventError: 0,
	} {
		if got := count(all, func(e event) bool { return e.Type == what }); got != n {
			t.Errorf("%d of %s, want %d", got, what, n)
		}
	}
	if !strings.Contains(all[1].Raw, `"commands"`) {
		t.Errorf("the second event is not the answer to initialize: %v", all[1])
	}
	info := w.List()[0]
	if info.LastSeq < int64(len(all)) || info.CostUSD <= 0 || len(info.Usage) < 10 || info.Model == "" || info.PermissionMode != "default" {
		t.Errorf("got %+v", info)
	}
}

func (w *world) answer(session, request, behavior string) error {
	_, err := w.Answer(w.ctx(), &protocol.AnswerRequest{SessionID: session, RequestID: request, Author: "ana", Behavior: behavior})
	return err
}

func asks(e event) bool { return e.Request.Subtype == "can_use_tool" }

// TestPermissions: a request waits for an answer, takes one, and a withdrawn one takes none.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	made := filepath.Join(w.cfg.Home, "projects/demo/made")

	w.prompt(id, "[bash touch made] [say 2]")
	ask := f.until("a request", asks)
	f.state(protocol.StateWaiting)
	wantCode(t, w.answer(id, ask.RequestID, "perhaps"), fault.Invalid)
	wantCode(t, w.answer(id, "another", "allow"), fault.NotFound)
	var wg sync.WaitGroup
	errs := make(chan error, 2)
	for range 2 {
		wg.Go(func() { errs <- w.answer(id, ask.RequestID, "allow") }) // two devices at once
	}
	wg.Wait()
	if a, b := <-errs, <-errs; (a == nil) == (b == nil) {
		t.Errorf("got %v and %v; one must count", a, b)
	} else {
		wantCode(t, cmp.Or(a, b), fault.Conflict)
	}
	f.typed(protocol.EventAnswer)
	f.state(protocol.StateRunning)
	f.result()
	f.state(protocol.StateReady)
	if _, err := os.Stat(made); err != nil {
		t.Errorf("allowed, but not done: %v", err)
	}
	wantCode(t, w.answer(id, ask.RequestID, "deny"), fault.Conflict)

	w.prompt(id, "[bash touch denied] [say 2]")
	ask = f.until("a request", asks)
	_, err := w.Answer(w.ctx(), &protocol.AnswerRequest{SessionID: id, RequestID: ask.RequestID, Behavior: "deny", Message: "not that one"})
	if err != nil {
		t.Fatal(err)
	}
	if e := f.until("the refusal", func(e event) bool { return e.Type == "user" && strings.Contains(e.Raw, "tool_result") }); !strings.Contains(e.Raw, "not that one") {
		t.Errorf("Claude was not told why: %v", e)
	}
	f.state(protocol.StateReady)

	w.prompt(id, "[bash touch withdrawn] [say 2]")
	ask = f.until("a request", asks)
	f.state(protocol.StateWaiting)
	if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	f.typed("control_cancel_request")
	wantCode(t, w.answer(id, ask.RequestID, "allow"), fault.NotFound)
	if e := f.result(); !e.IsError {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateReady)
	echoes := count(w.all(id), func(e event) bool { return e.Type == "control_response" })
	if echoes != 1 {
		t.Errorf("%d control responses in the journal, want the greeting alone", echoes)
	}
}

func TestQuestion(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[ask Which store?|SQLite|Postgres] [say 2]")
	f := w.follow(id, 0)
	ask := f.until("a question", asks)
	var q struct {
		Request struct {
			Input map[string]any
		}
	}
	if err := json.Unmarshal([]byte(ask.Raw), &q); err != nil {
		t.Fatal(err)
	}
	question := q.Request.Input["questions"].([]any)[0].(map[string]any)["question"].(string)
	q.Request.Input["answers"] = map[string]string{question: "Postgres"}
	input, _ := json.Marshal(q.Request.Input)
	_, err := w.Answer(w.ctx(), &protocol.AnswerRequest{SessionID: id, RequestID: ask.RequestID, Behavior: "allow", Author: "ana", UpdatedInput: input})
	if err != nil {
		t.Fatal(err)
	}
	answered := fmt.Sprintf(`{"type":"carrel.answer","request_id":%q,"behavior":"allow","author":"ana","updated_input":{"answers":{%q:"Postgres"}}}`, ask.RequestID, question)
	if e := f.typed(protocol.EventAnswer); e.Raw != answered {
		t.Errorf("got %s; want %s", e.Raw, answered)
	}
	f.until("the answer", func(e event) bool {
		return e.Type == "user" && strings.Contains(e.Raw, "tool_result") && strings.Contains(e.Raw, "Postgres")
	})
	f.result()
	f.state(protocol.StateReady)
}

// TestInterrupt: the running turn ends, what waits behind it runs; a prompt that has not begun is stopped too.
func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.open(id)
	if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Errorf("interrupt of one that does nothing: %v", err)
	}
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	w.prompt(id, "[say 3] [wait for ever]", "first")
	f.typed("stream_event")
	w.prompt(id, "[say 2]", "second")
	if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	if e := f.result(); !e.IsError {
		t.Errorf("got %v", e)
	}
	if e := f.result(); e.IsError {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateReady)
	w.close(id)
	w.prompt(id, "[say 3] [wait for ever]", "third") // its process is only just starting
	if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	uuid := promptUUID(id, "third")
	f.until("the third to be cancelled", func(e event) bool { return e.CommandUUID == uuid && e.State == "cancelled" })
}

// TestSameIDRunsOnce: also at the same moment, and after a restart of the supervisor.
func TestSameIDRunsOnce(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	var wg sync.WaitGroup
	answers := make(chan *protocol.PromptResponse, 6)
	for range 5 {
		wg.Go(func() { answers <- w.prompt(id, "[say 3]", "the one") })
	}
	wg.Wait()
	f := w.follow(id, 0)
	f.result()
	f.state(protocol.StateReady)
	w.stop()
	w.start()
	answers <- w.prompt(id, "[say 3]", "the one")
	close(answers)
	first, seq := 0, int64(0)
	for a := range answers {
		if !a.Duplicate {
			first++
		}
		if seq != 0 && a.Seq != seq {
			t.Errorf("got numbers %d and %d", a.Seq, seq)
		}
		seq = a.Seq
	}
	if first != 1 {
		t.Errorf("%d were taken for the first", first)
	}
	w.prompt(id, "[say 1]", "another")
	f = w.follow(id, seq)
	f.result()
	f.result()
	f.state(protocol.StateReady)
	if n := count(w.all(id), func(e event) bool { return e.Type == "result" }); n != 2 {
		t.Errorf("%d turns, want 2", n)
	}
}

// TestSubscribers: each gets what is after its number, and all that comes.
func TestSubscribers(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 30]")
	a := w.follow(id, 0)
	a.result()
	ready := a.state(protocol.StateReady)
	b := w.follow(id, ready.Seq/2)
	w.prompt(id, "[say 3]", "2nd")
	for _, f := range []*follower{a, b} {
		f.until("the second prompt", func(e event) bool { return e.ID == "2nd" })
		f.result()
		f.state(protocol.StateReady)
	}
	if first := b.seen[0].Seq; first != ready.Seq/2+1 {
		t.Errorf("the second subscriber began with %d, want %d", first, ready.Seq/2+1)
	}
}
