package sessions

import (
	"context"
	"time"
)

// heldWithin bounds the look into a transcript. A long conversation has some tens of MiB.
const heldWithin = 10 * time.Second

// findHeld finds which of the open prompts the conversation on disk holds already. Call it while no process runs.
//
// The CLI itself knows a prompt again by its uuid only where it is a message of its own. One that was taken into a
// running turn, or merged with others that waited with it, would run a second time. And one that is there is a turn
// that may have been cut short, even if the process died before it could say that it had begun.
func (s *session) findHeld(ctx context.Context) []string {
	s.mu.Lock()
	conversation := s.meta.conversation(s.id)
	var open []string
	for _, p := range s.ledger.open {
		open = append(open, p.uuid)
	}
	s.mu.Unlock()
	if len(open) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, heldWithin)
	defer cancel()
	held, err := s.ss.opt.Home.Held(ctx, conversation, open)
	if err != nil && ctx.Err() == nil {
		s.ss.opt.Log.Warn("look for prompts in a transcript", "session", s.id, "error", err)
	}
	return held
}
