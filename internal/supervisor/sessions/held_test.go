package sessions

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestKilledAfterAPromptWasTakenIn: what was sent during a tool call is part of the turn that is taken up, and does not
// run again.
func TestKilledAfterAPromptWasTakenIn(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[bash touch made] [say 3] [wait to be killed] [echo the first is done]", "first")
	f := w.follow(id, 0)
	ask := f.until("a request", asks)
	w.prompt(id, "[echo the second is done]", "second")
	if err := w.answer(id, ask.RequestID, "allow"); err != nil {
		t.Fatal(err)
	}
	taken := promptUUID(id, "second")
	f.until("the second prompt in the turn", func(e event) bool {
		return e.Type == "command_lifecycle" && strings.Contains(e.Raw, taken) && strings.Contains(e.Raw, `"started"`)
	})
	f.until("the words of the turn", func(e event) bool { return strings.Contains(e.Raw, "text_delta") })
	w.wrote(id, taken)
	w.killAndGoOn(f, id)
	w.wantOnce(id, "the first is done", "the second is done")
	if n := count(w.all(id), func(e event) bool { return e.Type == "result" }); n != 2 { // and the one afterwards
		t.Errorf("%d turns, want 2", n)
	}
}

// TestKilledWhilePromptsRunTogether: what waited together is one turn, of which the CLI's conversation has the last
// prompt's name alone.
func TestKilledWhilePromptsRunTogether(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 2] [wait for others] [echo the first is done]", "first")
	f := w.follow(id, 0)
	f.typed("stream_event")
	w.prompt(id, "[say 3] [wait to be killed] [echo the second is done]", "second")
	w.prompt(id, "[echo the third is done]", "third")
	last := promptUUID(id, "third")
	f.until("the queued prompt", func(e event) bool {
		return e.Type == "command_lifecycle" && strings.Contains(e.Raw, last) && strings.Contains(e.Raw, `"queued"`)
	})
	w.model.Release("for others")
	f.result()
	f.until("the words of the turn", func(e event) bool { return strings.Contains(e.Raw, "text_delta") })
	w.killAndGoOn(f, id)
	w.wantOnce(id, "the first is done", "the second is done", "the third is done")
}

// TestKilledWithATaskInTheBackground: the next process first tells that the task is no more, and then takes the turn
// up; neither is taken for the other's end.
func TestKilledWithATaskInTheBackground(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[background sleep 60] [say 3] [wait to be killed] [echo the first is done]", "first")
	f := w.follow(id, 0)
	f.until("the task", func(e event) bool { return strings.Contains(e.Raw, "background_tasks_changed") })
	f.until("the words of the turn", func(e event) bool { return strings.Contains(e.Raw, "text_delta") })
	w.killAndGoOn(f, id)
	w.wantOnce(id, "the first is done")
}

// TestTranscriptWithoutTheAnswer is what a full disk leaves: the CLI's file ends with a prompt that was answered long
// ago. Nothing but the turn that was cut short runs again.
func TestTranscriptWithoutTheAnswer(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[echo the first is done]", "first")
	f := w.follow(id, 0)
	f.result()
	f.state(protocol.StateReady)
	w.prompt(id, "[say 3] [wait to be killed] [echo the second is done]", "second")
	f.until("the words of the turn", func(e event) bool { return strings.Contains(e.Raw, "text_delta") })
	w.wrote(id, promptUUID(id, "second"))
	w.cutAfter(id, promptUUID(id, "first"))
	w.killAndGoOn(f, id)
	w.wantOnce(id, "the first is done", "the second is done")
}

// cutAfter has a session's transcript end with the row of a prompt.
func (w *world) cutAfter(id, prompt string) {
	w.t.Helper()
	paths, _ := filepath.Glob(filepath.Join(w.cfg.Home, ".claude", "projects", "*", id+".jsonl"))
	if len(paths) != 1 {
		w.t.Fatalf("transcripts: %v", paths)
	}
	raw, err := os.ReadFile(paths[0])
	if err != nil {
		w.t.Fatal(err)
	}
	var end int64
	for row := range strings.Lines(string(raw)) {
		end += int64(len(row))
		if strings.Contains(row, `"type":"user"`) && strings.Contains(row, `"uuid":"`+prompt+`"`) {
			if err := os.Truncate(paths[0], end); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
	w.t.Fatalf("%s has no prompt %s", paths[0], prompt)
}

// wrote waits until the CLI has a text in a session's transcript: it writes it a little after it says it.
func (w *world) wrote(id, text string) {
	w.t.Helper()
	pattern := filepath.Join(w.cfg.Home, ".claude", "projects", "*", id+".jsonl")
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if raw, err := os.ReadFile(path); err == nil && strings.Contains(string(raw), text) {
				return
			}
		}
	}
	w.t.Fatalf("%q did not come into %s", text, pattern)
}

func (w *world) killAndGoOn(f *follower, id string) {
	w.t.Helper()
	if err := syscall.Kill(w.pid(id), syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	f.state(protocol.StateStarting)
	f.state(protocol.StateRunning)
	w.model.Release("to be killed")
	f.result()
	f.state(protocol.StateReady)
	w.prompt(id, "[echo nothing is left]", "afterwards")
	if e := f.result(); !strings.Contains(e.Result, "nothing is left") {
		w.t.Errorf("after all: %v", e)
	}
}

// wantOnce wants each text in one finished answer.
func (w *world) wantOnce(id string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		n := count(w.all(id), func(e event) bool { return e.Type == "assistant" && strings.Contains(e.Raw, text) })
		if n != 1 {
			w.t.Errorf("%q was said %d times, want once", text, n)
		}
	}
}
