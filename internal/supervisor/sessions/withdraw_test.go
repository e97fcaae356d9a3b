package sessions

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func (w *world) withdraw(session, id string) error {
	_, err := w.Withdraw(w.ctx(), &protocol.WithdrawRequest{SessionID: session, ID: id, Author: "ana"})
	return err
}

// wantNever checks that the model never saw a text.
func (w *world) wantNever(texts ...string) {
	w.t.Helper()
	for _, r := range w.model.Requests() {
		for _, text := range texts {
			if strings.Contains(r.Prompt, text) {
				w.t.Errorf("what was withdrawn has run: %q", r.Prompt)
			}
		}
	}
}

// TestWithdraw: a prompt in Claude's queue is taken out of it, and stays out when it is sent again and after a crash. One
// that runs or has run is not.
func TestWithdraw(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 3] [wait withdrawal] [echo the first is done]", "first")
	f := w.follow(id, 0)
	f.typed("stream_event")
	w.prompt(id, "[echo the second is done]", "second")
	w.prompt(id, "[echo the third is done]", "third")
	both := make(chan error, 2)
	for range cap(both) {
		go func() { both <- w.withdraw(id, "second") }()
	}
	for range cap(both) {
		if err := <-both; err != nil {
			t.Errorf("two at the same time: %v", err)
		}
	}
	if err := w.withdraw(id, "second"); err != nil {
		t.Errorf("again: %v", err)
	}
	wantCode(t, w.withdraw(id, "first"), fault.Conflict)
	wantCode(t, w.withdraw(id, "unknown"), fault.NotFound)
	wantCode(t, w.withdraw(id, ""), fault.Invalid)
	wantCode(t, w.withdraw(uuid.NewString(), "first"), fault.NotFound)
	if dup := w.prompt(id, "[echo the second is done]", "second"); !dup.Duplicate {
		t.Error("sent again, it is not known")
	}
	w.model.Release("withdrawal")
	f.result()
	if e := f.result(); !strings.Contains(e.Result, "the third is done") {
		t.Errorf("got %v", e)
	}
	f.state(protocol.StateReady)
	wantCode(t, w.withdraw(id, "third"), fault.Conflict)
	w.killSupervisor()
	if dup := w.prompt(id, "[echo the second is done]", "second"); !dup.Duplicate {
		t.Error("after a crash it is not known")
	}
	if err := w.withdraw(id, "second"); err != nil {
		t.Errorf("after a crash: %v", err)
	}
	w.prompt(id, "[echo the fourth is done]", "fourth")
	f = w.follow(id, 0)
	f.until("the fourth", func(e event) bool { return e.Type == "result" && strings.Contains(e.Result, "fourth") })
	w.wantNever("the second is done")
	w.wantOnce(id, "the first is done", "the third is done", "the fourth is done")
}

// TestWithdrawFromADormantSession: what waits for the next process is withdrawn, but not what the last one had begun.
func TestWithdrawFromADormantSession(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 3] [wait dormant] [echo the first is done]", "first")
	w.follow(id, 0).typed("stream_event")
	w.prompt(id, "[echo the second is done]", "second")
	w.prompt(id, "[echo the third is done]", "third")
	w.stop()
	w.start()
	if got := w.state(id); got != protocol.StateDormant {
		t.Fatalf("the session is %s", got)
	}
	wantCode(t, w.withdraw(id, "first"), fault.Conflict)
	if err := w.withdraw(id, "second"); err != nil {
		t.Fatal(err)
	}
	w.model.Release("dormant")
	w.open(id)
	f := w.follow(id, 0)
	f.until("the third", func(e event) bool { return e.Type == "result" && strings.Contains(e.Result, "third") })
	w.wantNever("the second is done")
	w.wantOnce(id, "the first is done", "the third is done")
}

// TestWithdrawInLine: a session whose only prompt is withdrawn leaves the line; one with another stays.
func TestWithdrawInLine(t *testing.T) {
	w, release := crowded(t)
	alone, two := uuid.NewString(), uuid.NewString()
	w.prompt(alone, "[echo the lonely is done]", "lonely")
	w.prompt(two, "[echo the second is done]", "second")
	w.prompt(two, "[echo the third is done]", "third")
	fa, ft := w.follow(alone, 0), w.follow(two, 0)
	fa.typed(protocol.EventQueue)
	ft.typed(protocol.EventQueue)
	for id, prompt := range map[string]string{alone: "lonely", two: "second"} {
		if err := w.withdraw(id, prompt); err != nil {
			t.Fatal(err)
		}
	}
	fa.until("the end of its stay", func(e event) bool { return e.State == protocol.StateDormant && e.Reason == reasonIdle })
	w.prompt(alone, "[echo the late is done]", "late")
	fa.state(protocol.StateQueued)
	if got := w.state(two); got != protocol.StateQueued {
		t.Errorf("the other is %s", got)
	}
	release()
	ft.result()
	fa.result()
	w.wantNever("the lonely is done", "the second is done")
	w.wantOnce(two, "the third is done")
	w.wantOnce(alone, "the late is done")
}

// TestKilledBeforeTheWithdrawalIsWritten: who got no answer has withdrawn nothing, and the prompt runs, once.
func TestKilledBeforeTheWithdrawalIsWritten(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 3] [wait to be killed] [echo the first is done]", "first")
	w.follow(id, 0).typed("stream_event")
	w.prompt(id, "[echo the second is done]", "second")
	w.killSupervisor(func() {
		if err := w.withdraw(id, "second"); err != nil {
			t.Error(err)
		}
	})
	w.model.Release("to be killed")
	f := w.follow(id, 0)
	f.result()
	f.result()
	f.state(protocol.StateReady)
	wantCode(t, w.withdraw(id, "second"), fault.Conflict)
	w.wantOnce(id, "the first is done", "the second is done")
}

// withdrawn is the event of a withdrawal.
func withdrawn(id, author string) string {
	return fmt.Sprintf(`{"type":"carrel.withdrawn","id":%q,"author":%q}`, id, author)
}
