package sessions

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestEditedPlan: a plan that was edited before it was approved is the one that Claude goes on with.
func TestEditedPlan(t *testing.T) {
	w := newWorld(t)
	id, mode := uuid.NewString(), "plan"
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	if _, err := w.Set(w.ctx(), &protocol.SetRequest{SessionID: id, PermissionMode: &mode}); err != nil {
		t.Fatal(err)
	}
	w.prompt(id, "[plan # Plan\\n\\n1. Paint it red] [echo done]")
	ask := f.until("the plan", func(e event) bool {
		return e.Request.Subtype == "can_use_tool" && strings.Contains(e.Raw, "ExitPlanMode")
	})
	var asked struct {
		Request struct{ Input map[string]any }
	}
	if err := json.Unmarshal([]byte(ask.Raw), &asked); err != nil {
		t.Fatal(err)
	}
	asked.Request.Input["plan"] = "# Plan\n\n1. Paint it green\n"
	input, err := json.Marshal(asked.Request.Input)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Answer(w.ctx(), &protocol.AnswerRequest{
		SessionID: id, RequestID: ask.RequestID, Behavior: "allow", Author: "ana", UpdatedInput: input,
		UpdatedPermissions: json.RawMessage(`[{"type":"setMode","mode":"acceptEdits","destination":"session"}]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	told := f.until("what the model is told", func(e event) bool { return e.Type == "user" && strings.Contains(e.Raw, "approved") })
	if !strings.Contains(told.Raw, "Paint it green") || strings.Contains(told.Raw, "Paint it red") {
		t.Errorf("got %s", told.Raw)
	}
	f.result()
}
