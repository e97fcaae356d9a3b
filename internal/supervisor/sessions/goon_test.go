package sessions

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// killSupervisor goes on with what a killed supervisor leaves behind: what is on disk now.
func (w *world) killSupervisor() {
	w.t.Helper()
	left, err := os.MkdirTemp(w.dir, "left")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(left, "journal"), os.DirFS(w.cfg.JournalDir)); err != nil {
		w.t.Fatal(err)
	}
	w.stop()
	w.cfg.JournalDir = filepath.Join(left, "journal")
	w.start()
}

// TestKilledSupervisorInATurn: the next supervisor goes on with the turn, and with what waits, though nobody is there
// to ask for it.
func TestKilledSupervisorInATurn(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 3] [wait to be killed] [echo the first is done]", "first")
	w.follow(id, 0).typed("stream_event")
	w.prompt(id, "[echo the second is done]", "second")
	w.killSupervisor()
	w.model.Release("to be killed")
	f := w.follow(id, 0)
	f.until("the end of the last supervisor", func(e event) bool { return e.Reason == reasonRestarted })
	f.result()
	f.result()
	f.state(protocol.StateReady)
	w.wantOnce(id, "the first is done", "the second is done")
	w.killSupervisor()
	if got := w.state(id); got != protocol.StateDormant {
		t.Errorf("a session that did nothing is %s", got)
	}
}

// TestTurnThatEndsSupervisors is not taken up for ever. Who opens the session tries once more.
func TestTurnThatEndsSupervisors(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 3] [wait to be killed] [echo the first is done]", "first")
	f := w.follow(id, 0)
	for again := range maxStarts + 1 {
		f.until(fmt.Sprint("a running turn, ", again), func(e event) bool { return e.Type == "stream_event" })
		last := f.seen[len(f.seen)-1].Seq
		w.killSupervisor()
		f = w.follow(id, last)
		f.until("the end of the last supervisor", func(e event) bool { return e.Reason == reasonRestarted })
	}
	if got := w.state(id); got != protocol.StateDormant {
		t.Errorf("the session is %s", got)
	}
	w.model.Release("to be killed")
	w.open(id)
	f.result()
	w.wantOnce(id, "the first is done")
}
