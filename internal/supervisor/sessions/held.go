package sessions

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// heldWithin bounds the look into a transcript. A long conversation has some tens of MiB.
const heldWithin = 10 * time.Second

// findHeld finds which of the open prompts the conversation on disk holds already, and whether its last turn came to an
// end. Call it while no process runs.
//
// The CLI itself knows a prompt again by its uuid only where it is a message of its own. One that was taken into a
// running turn, or merged with others that waited with it, would run a second time. And one that is there is a turn
// that may have been cut short, even if the process died before it could say that it had begun.
func (s *session) findHeld(ctx context.Context) protocol.HeldResponse {
	held, err := s.lookHeld(ctx)
	if err != nil && ctx.Err() == nil {
		s.ss.opt.Log.Warn("look for prompts in a transcript", "session", s.id, "error", err)
	}
	return held
}

func (s *session) lookHeld(ctx context.Context) (held protocol.HeldResponse, err error) {
	s.mu.Lock()
	conversation := s.meta.conversation(s.id)
	var open []string
	for _, p := range s.ledger.open {
		open = append(open, p.uuid)
	}
	atWork := s.ledger.busy() || s.ledger.cut
	s.mu.Unlock()
	if !atWork {
		return held, nil
	}
	ctx, cancel := context.WithTimeout(ctx, heldWithin)
	defer cancel()
	return s.ss.opt.Home.Held(ctx, conversation, open)
}

// finished says whether a prompt has had its result. A disk that was full, or a machine that lost power, may have kept
// the prompt in the CLI's file and not the answer: taken up, it would run a second time.
func (l *ledger) finished(uuid string) bool {
	for _, p := range l.prompts {
		if p.uuid == uuid {
			return p.finished
		}
	}
	return false
}

// goOnText is what the CLI itself tells the model when it takes a turn up.
const goOnText = "Continue from where you left off."

// takeUpLocked sees to it that a greeted process takes up the turn that was cut short. The CLI does so by itself, and
// says so before it answers our greeting, unless it was killed while it did so before: then it takes its own words to
// the model for the last prompt, and waits for another.
func (s *session) takeUpLocked(r *run) {
	if s.ledger.turn || !s.ledger.cut {
		return
	}
	if !s.held.Unfinished || s.ledger.finished(s.held.Last) {
		s.ledger.cut = false // it had come to its end, and only the news of it was lost
		return
	}
	text, _ := json.Marshal(goOnText) // a string
	r.stdin.put(claude.User(uuid.NewString(), text))
	s.ledger.turn = true // until its result
}
