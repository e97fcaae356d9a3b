package sessions

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// wantDeleted checks that nothing is left of a session, and that nobody makes it anew.
func (w *world) wantDeleted(id string) {
	w.t.Helper()
	_, err := w.tryPrompt(id, "[say 1]")
	wantCode(w.t, err, fault.NotFound)
	_, err = w.Open(w.ctx(), &protocol.OpenRequest{SessionID: id, Project: "demo"})
	wantCode(w.t, err, fault.NotFound)
	_, err = w.Recall(w.ctx(), &protocol.SessionRequest{SessionID: id})
	wantCode(w.t, err, fault.NotFound)
	_, err = w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id})
	wantCode(w.t, err, fault.NotFound)
	if all := w.List(); len(all) != 0 {
		w.t.Errorf("listed: %v", all)
	}
	if left, _ := os.ReadDir(w.cfg.JournalDir); len(left) != 0 {
		w.t.Errorf("left of the journal: %v", left)
	}
	if all := w.table.List(); len(all) != 0 {
		w.t.Errorf("processes: %v", all)
	}
	if all, err := w.Transcripts(w.ctx()); err != nil || len(all) != 0 {
		w.t.Errorf("transcripts: %v, %v", all, err)
	}
}

// TestDeleteAmongPrompts: prompts that come around a deletion do not bring the session back, whatever they are told.
func TestDeleteAmongPrompts(t *testing.T) {
	w := newWorld(t)
	for round := range 4 {
		id := uuid.NewString()
		errs := make(chan error, 6)
		for range cap(errs) {
			go func() {
				_, err := w.tryPrompt(id, "[wait for ever]")
				errs <- err
			}()
		}
		done := func() {
			if err := <-errs; err != nil {
				wantCode(t, err, fault.NotFound)
			}
		}
		for range round { // at another point of their way each time
			done()
		}
		if _, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
			wantCode(t, err, fault.NotFound) // it came before all prompts
		}
		for range cap(errs) - round {
			done()
		}
		w.wantDeleted(id)
	}
}

// stuck is a home of which nothing can be removed for a while.
type stuck struct {
	Home
	mu  sync.Mutex
	err error
}

func (h *stuck) RemoveTranscript(ctx context.Context, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	return h.Home.RemoveTranscript(ctx, id)
}

// TestDeleteThatFails: it is gone on with when it is asked for again, also by two at once; in between nobody takes the
// session up.
func TestDeleteThatFails(t *testing.T) {
	w := newWorld(t)
	home := &stuck{Home: w.opt.Home, err: errors.New("the disk is away")}
	w.opt.Home = home
	id := uuid.NewString()
	w.prompt(id, "[echo kept]")
	w.follow(id, 0).result()
	if _, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id}); !errors.Is(err, home.err) {
		t.Fatalf("got %v", err)
	}
	_, err := w.tryPrompt(id, "[echo more]")
	wantCode(t, err, fault.NotFound)
	home.mu.Lock()
	home.err = nil
	home.mu.Unlock()
	errs := make(chan error, 2)
	for range cap(errs) {
		go func() {
			_, err := w.Delete(w.ctx(), &protocol.SessionRequest{SessionID: id})
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			wantCode(t, err, fault.NotFound)
		}
	}
	w.wantDeleted(id)
}
