package sessions

import (
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/scriptedmodel"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestEffort: what is set reaches the model with the next turn of the same process, and every turn of those after it,
// until it is set back.
func TestEffort(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	turn := func(prompt string) string {
		t.Helper()
		w.prompt(id, prompt)
		f.result()
		f.state(protocol.StateReady)
		for _, r := range w.model.Requests() {
			if r.Kind == scriptedmodel.Turn && r.Prompt == prompt {
				return r.Effort
			}
		}
		t.Fatalf("the model was not asked %q", prompt)
		return ""
	}
	set := func(level string) error {
		s, err := w.Set(w.ctx(), &protocol.SetRequest{SessionID: id, Effort: &level})
		if err == nil && s.Effort != level {
			t.Errorf("set to %q, and told %q", level, s.Effort)
		}
		return err
	}
	own, pid := turn("[say 1] as the CLI has it"), w.pid(id)
	if own == "" || own == "low" || own == "max" {
		t.Fatalf("the CLI's own effort is %q; this test needs others", own)
	}
	for _, level := range []string{"low", "max"} {
		if err := set(level); err != nil {
			t.Fatal(err)
		}
		if got := turn("[say 1] with " + level); got != level {
			t.Errorf("the model was asked with effort %q, want %q", got, level)
		}
	}
	wantCode(t, set("enormous"), fault.Invalid)
	model := "no-such-model"
	if _, err := w.Set(w.ctx(), &protocol.SetRequest{SessionID: id, Model: &model, Effort: &own}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a model that is not there: %v", err)
	}
	if got := turn("[say 1] after two refusals"); got != "max" {
		t.Errorf("what was refused has changed the effort to %q", got)
	}
	if got := w.pid(id); got != pid {
		t.Errorf("process %d has become %d", pid, got)
	}

	w.close(id)
	f.state(protocol.StateDormant)
	if got := turn("[say 1] in another process"); got != "max" {
		t.Errorf("a new process asks with effort %q, want max", got)
	}
	w.prompt(id, "/effort low")
	f.result()
	f.state(protocol.StateReady)
	if got := w.List()[0].Effort; got != "low" {
		t.Errorf("after /effort low: %q", got)
	}
	w.close(id)
	f.state(protocol.StateDormant)
	if got := turn("[say 1] after the command"); got != "low" {
		t.Errorf("a process after /effort low asks with %q", got)
	}
	if err := set("default"); err != nil {
		t.Fatal(err)
	}
	if got := turn("[say 1] set back"); got != own {
		t.Errorf("set back to %q, want %q", got, own)
	}

	w.close(id)
	f.state(protocol.StateDormant)
	if err := set("xhigh"); err != nil { // there is no process to ask
		t.Fatal(err)
	}
	if got := turn("[say 1] chosen before the start"); got != "xhigh" {
		t.Errorf("got %q, want xhigh", got)
	}
}
