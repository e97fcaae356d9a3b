package sessions

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/scriptedmodel"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// killSupervisor goes on with what a killed supervisor leaves behind: what is on disk now.
func (w *world) killSupervisor(unseen ...func()) {
	w.t.Helper()
	left, err := os.MkdirTemp(w.dir, "left")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(left, "journal"), os.DirFS(w.cfg.JournalDir)); err != nil {
		w.t.Fatal(err)
	}
	for _, f := range unseen {
		f() // what happens after that has not reached the disk
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

// TestAnswerInThePipe: Claude had come to the end of its answer, and written it down, when the supervisor was killed that
// had not read it yet.
func TestAnswerInThePipe(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.prompt(id, "[say 3] [wait to be killed] [echo the first is done]", "first")
	f := w.follow(id, 0)
	f.until("a running turn", func(e event) bool { return e.Type == "stream_event" })
	w.killSupervisor(func() {
		w.model.Release("to be killed")
		f.result()
		f.until("the end of the turn", func(e event) bool { return strings.Contains(e.Raw, `"idle"`) })
	})
	g := w.follow(id, 0)
	g.until("the end of the last supervisor", func(e event) bool { return e.Reason == reasonRestarted })
	if e := g.until("the answer", func(e event) bool { return e.Type == "assistant" }); !strings.Contains(e.Raw, "the first is done") {
		t.Errorf("got %v", e)
	}
	g.state(protocol.StateReady)
	w.wantOnce(id, "the first is done")
	if n := w.model.Count(func(r scriptedmodel.Request) bool { return r.Kind == scriptedmodel.Turn }); n != 1 {
		t.Errorf("the model was asked %d times, want once", n)
	}
}
