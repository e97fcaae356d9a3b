package sessions

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestNoProcess: where the instance has no process left, the person is told so once, in our words, and the prompt runs
// once when there are some again, without anybody looking.
func TestNoProcess(t *testing.T) {
	for how, pids := range map[string]int64{"says so": 0, "mute": 1} {
		t.Run(how, func(t *testing.T) {
			w := makeWorld(t, os.Args[0], pretenderEnv("starved"))
			w.stop()
			w.cfg.PIDs = pids
			w.start()
			w.starvePauses = []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, time.Millisecond, patience}
			full := filepath.Join(w.dir, "full")
			if err := os.WriteFile(full, []byte(how), 0o600); err != nil {
				t.Fatal(err)
			}
			id := uuid.NewString()
			f := w.follow2(id)
			w.prompt(id, "go", "p1")
			e := f.typed(protocol.EventError)
			if !strings.Contains(e.Detail, "limit of processes") || !strings.Contains(e.Detail, "terminal") || e.Code != string(fault.QuotaExceeded) {
				t.Errorf("got %v", e)
			}
			for range 3 {
				if e := f.state(protocol.StateDormant); e.Reason != reasonNoProcess {
					t.Errorf("got %v", e)
				}
				f.state(protocol.StateQueued)
			}
			w.prompt(id, "more", "p2") // waits with the other
			if err := os.Remove(full); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				f.result()
			}
			f.state(protocol.StateReady)
			if n := count(w.all(id), func(e event) bool { return e.Type == protocol.EventError }); n != 1 {
				t.Errorf("told %d times, want once", n)
			}
			w.ranOnce(id, "p1", "p2")
		})
	}
}

// TestNoProcessForLong: the tries come to an end, which is told; the next prompt begins anew, and nothing was lost.
func TestNoProcessForLong(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("starved"))
	w.starvePauses = []time.Duration{time.Millisecond, time.Millisecond}
	full := filepath.Join(w.dir, "full")
	if err := os.WriteFile(full, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	id := uuid.NewString()
	f := w.follow2(id)
	w.prompt(id, "go", "p1")
	f.until("the last word", func(e event) bool { return strings.Contains(e.Detail, "not tried again by itself") })
	if e := f.state(protocol.StateDormant); e.Reason != reasonNotStarted {
		t.Errorf("got %v", e)
	}
	if n := count(w.all(id), func(e event) bool { return e.Type == protocol.EventError }); n != 2 {
		t.Errorf("told %d times, want twice", n)
	}
	if err := os.WriteFile(full, []byte("once"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.prompt(id, "go on", "p2")
	f.until("to be told again", func(e event) bool { return strings.Contains(e.Detail, "tried again by itself for some minutes") })
	f.result()
	f.result()
	f.state(protocol.StateReady)
	w.ranOnce(id, "p1", "p2")
}

// TestNoFork: the same where the process cannot even be forked. A prompt that comes then is kept; one that merely looks
// is told.
func TestNoFork(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("quick"))
	w.starvePauses = []time.Duration{20 * time.Millisecond, 20 * time.Millisecond, patience}
	forks := &noForks{Processes: w.table}
	w.opt.Processes = forks
	forks.left.Store(1)
	id := uuid.NewString()
	_, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: id, Project: "demo"})
	wantCode(t, err, fault.QuotaExceeded)
	if err == nil || !strings.Contains(err.Error(), "limit of processes") {
		t.Errorf("got %v", err)
	}
	forks.left.Store(3) // that of the prompt, the first in line, and one try more
	f := w.follow2(id)
	w.prompt(id, "go", "p1")
	f.typed(protocol.EventError)
	f.result()
	f.state(protocol.StateReady)
	w.ranOnce(id, "p1")

	// A session that waits for processes can be closed, and its prompt withdrawn.
	w.close(id)
	w.starvePauses = []time.Duration{patience}
	forks.left.Store(2)
	w.prompt(id, "go", "p2")
	f.until("to wait", func(e event) bool { return e.Reason == reasonNoProcess })
	if _, err := w.Withdraw(w.ctx(), &protocol.WithdrawRequest{SessionID: id, ID: "p2", Author: "ana"}); err != nil {
		t.Fatal(err)
	}
	f.state(protocol.StateQueued)
	f.state(protocol.StateDormant)
	w.prompt(id, "go", "p3")
	f.result()
	w.ranOnce(id, "p1", "p3")
}

// noForks fails a number of times as the kernel does at the limit.
type noForks struct {
	Processes
	left atomic.Int64
}

func (n *noForks) Start(s process.Spec) (*process.Process, error) {
	if n.left.Add(-1) >= 0 {
		for _, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
			_ = f.Close()
		}
		return nil, fmt.Errorf("start claude: %w", syscall.EAGAIN)
	}
	return n.Processes.Start(s)
}

// ranOnce looks which prompts ran, and how often.
func (w *world) ranOnce(id string, prompts ...string) {
	w.t.Helper()
	got, err := os.ReadFile(filepath.Join(w.dir, id+".conversation"))
	if err != nil {
		w.t.Fatal(err)
	}
	want := ""
	for _, p := range prompts {
		want += promptUUID(id, p) + "\n"
	}
	if string(got) != want {
		w.t.Errorf("ran\n%swant\n%s", got, want)
	}
}
