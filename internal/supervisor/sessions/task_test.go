package sessions

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestTaskOutput: what a command writes can be read while it runs, in the foreground as in the background.
func TestTaskOutput(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	output := func(task string) (*protocol.TaskOutputResponse, error) {
		return w.TaskOutput(w.ctx(), &protocol.TaskRequest{SessionID: id, TaskID: task})
	}
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	for _, order := range []string{"bash", "background"} {
		w.prompt(id, "["+order+" echo first "+order+"; while ! test -e "+order+"; do sleep 0.1; done; echo last >> done]")
		ask := f.until("a request", asks)
		if err := w.answer(id, ask.RequestID, "allow"); err != nil {
			t.Fatal(err)
		}
		started := f.until("the task", func(e event) bool { return strings.Contains(e.Raw, `"subtype":"task_started"`) })
		var task struct {
			ID string `json:"task_id"`
		}
		if err := json.Unmarshal([]byte(started.Raw), &task); err != nil {
			t.Fatal(err)
		}
		want := "first " + order + "\n"
		var got *protocol.TaskOutputResponse
		for ctx := w.ctx(); got == nil || got.Output == ""; { // one in the background has only just begun
			var err error
			if got, err = output(task.ID); err != nil || ctx.Err() != nil {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		if got.Output != want || got.TotalBytes != int64(len(want)) || got.Truncated {
			t.Errorf("%s: %+v, want %q", order, got, want)
		}
		if err := os.WriteFile(filepath.Join(w.cfg.Home, "projects/demo", order), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		f.until("its end", func(e event) bool { return strings.Contains(e.Raw, `"subtype":"task_notification"`) })
		f.result()
	}
	f.state(protocol.StateReady)
	_, err := output("none")
	wantCode(t, err, fault.NotFound)
	w.close(id)
	_, err = output("none")
	wantCode(t, err, fault.NotFound)
}
