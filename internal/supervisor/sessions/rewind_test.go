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

// TestForkBefore: a copy knows what was said before a prompt, and nothing of it and after it.
func TestForkBefore(t *testing.T) {
	w := newWorld(t)
	from, to := uuid.NewString(), uuid.NewString()
	var f *follower
	for _, id := range []string{"one", "two", "three"} {
		w.prompt(from, id+" [say 1]", id)
		if f == nil {
			f = w.follow(from, 0)
		}
		f.result()
		f.state(protocol.StateReady)
	}
	_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: uuid.NewString(), Project: "demo", ForkOf: from, ForkBefore: "one"})
	if fault.CodeOf(err) != fault.Conflict {
		t.Errorf("before the first prompt: got %v, want a conflict", err)
	}
	_, err = w.Open(w.ctx(), &protocol.OpenRequest{SessionID: uuid.NewString(), Project: "demo", ForkOf: from, ForkBefore: "four"})
	if fault.CodeOf(err) != fault.NotFound {
		t.Errorf("before a prompt that is not there: got %v, want not_found", err)
	}
	if _, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: to, Project: "demo", ForkOf: from, ForkBefore: "two"}); err != nil {
		t.Fatal(err)
	}
	g := w.follow(to, 0)
	g.state(protocol.StateReady)
	w.close(to) // the copy is made again, and again only up to there
	g.state(protocol.StateDormant)
	w.prompt(to, "other [say 1]", "other")
	g.result()
	if two, other := w.history("two"), w.history("other"); two != other {
		t.Errorf("the model was sent %d messages with the copy's prompt, want the %d of the prompt in its place", other, two)
	}
	var prompts []string
	for _, e := range w.all(to) {
		if e.Type == protocol.EventPrompt {
			prompts = append(prompts, e.ID)
		}
	}
	if got := strings.Join(prompts, " "); got != "one other" {
		t.Errorf("the copy's prompts are %q", got)
	}
}

// TestRewind: files go back to what they were before a prompt, also in a later process.
func TestRewind(t *testing.T) {
	w := newWorld(t)
	id, mode := uuid.NewString(), "acceptEdits"
	if _, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: id, Project: "demo", PermissionMode: mode}); err != nil {
		t.Fatal(err)
	}
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	for _, text := range []string{"before", "after"} {
		w.prompt(id, "[write rw.txt "+text+"] [say 1]", text)
		f.result()
		f.state(protocol.StateReady)
	}
	file := filepath.Join(w.cfg.Home, "projects", "demo", "rw.txt")
	read := func() string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	w.close(id)
	f.state(protocol.StateDormant)
	w.open(id)
	f.state(protocol.StateReady)
	got, err := w.Rewind(w.ctx(), &protocol.RewindRequest{SessionID: id, Prompt: "after", DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Files) != 1 || filepath.Base(got.Files[0]) != "rw.txt" || got.Insertions != 1 || got.Deletions != 1 || !strings.HasPrefix(read(), "after") {
		t.Errorf("the preview says %+v, the file %q", got, read())
	}
	if got, err = w.Rewind(w.ctx(), &protocol.RewindRequest{SessionID: id, Prompt: "after"}); err != nil || len(got.Files) != 1 || !strings.HasPrefix(read(), "before") {
		t.Errorf("got %+v, %v; the file is %q", got, err, read())
	}
	if _, err := w.Rewind(w.ctx(), &protocol.RewindRequest{SessionID: id, Prompt: uuid.NewString()}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("before a prompt that is not there: got %v, want a conflict", err)
	}
	w.prompt(id, "[say 3] [wait for ever]", "busy")
	f.typed("stream_event")
	if _, err := w.Rewind(w.ctx(), &protocol.RewindRequest{SessionID: id, Prompt: "after"}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("at work: got %v, want a conflict", err)
	}
}

// TestStopTask: a command in the background ends when it is stopped.
func TestStopTask(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	if _, err := w.StopTask(w.ctx(), &protocol.TaskRequest{SessionID: id, TaskID: "nope"}); err != nil {
		t.Errorf("one that is not there: %v", err)
	}
	w.prompt(id, "[background while true; do date; sleep 1; done] [say 3]")
	var task struct {
		TaskID string `json:"task_id"`
	}
	seen := f.until("a task", func(e event) bool { return e.Subtype == "task_started" || e.Type == "control_request" })
	if seen.Type == "control_request" {
		if _, err := w.Answer(w.ctx(), &protocol.AnswerRequest{SessionID: id, RequestID: seen.RequestID, Behavior: "allow", Author: "ana"}); err != nil {
			t.Fatal(err)
		}
		seen = f.until("a task", func(e event) bool { return e.Subtype == "task_started" })
	}
	if err := json.Unmarshal([]byte(seen.Raw), &task); err != nil || task.TaskID == "" {
		t.Fatalf("no task in %s (%v)", seen.Raw, err)
	}
	if _, err := w.StopTask(w.ctx(), &protocol.TaskRequest{SessionID: id, TaskID: task.TaskID}); err != nil {
		t.Fatal(err)
	}
	f.until("its end", func(e event) bool { return e.Subtype == "task_notification" })
}
