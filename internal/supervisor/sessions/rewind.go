package sessions

import (
	"context"
	"fmt"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Rewind puts the files that Claude changed since a prompt back. The session must be live, and at rest: a turn that
// runs would write over what was put back.
func (ss *Sessions) Rewind(ctx context.Context, req *protocol.RewindRequest) (*protocol.RewindResponse, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, release, err := ss.use(req.SessionID, false)
	if err != nil {
		return nil, err
	}
	defer release()
	r, err := s.greeted(ctx)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errEnded
	}
	s.mu.Lock()
	busy, uuid := s.ledger.busy(), req.Prompt
	if p, ok := s.ledger.prompts[req.Prompt]; ok {
		uuid = p.uuid
	}
	s.mu.Unlock()
	if busy && !req.DryRun {
		return nil, fault.New(fault.Conflict, "Claude is at work. Interrupt it or let it finish, then rewind the files.")
	}
	// The answer to a rewind that is done does not say what was changed: the preview does.
	preview, err := s.rewind(ctx, r, uuid, true)
	if err == nil && !req.DryRun && len(preview.Files) > 0 {
		_, err = s.rewind(ctx, r, uuid, false)
	}
	if err != nil {
		return nil, err
	}
	return &protocol.RewindResponse{Files: preview.Files, Insertions: preview.Insertions, Deletions: preview.Deletions}, nil
}

func (s *session) rewind(ctx context.Context, r *run, prompt string, dryRun bool) (claude.Rewound, error) {
	a, err := r.call(ctx, func(id string) []byte { return claude.RewindFiles(id, prompt, dryRun) })
	if err != nil {
		return claude.Rewound{}, err
	}
	done := a.Rewound()
	if !done.Can {
		return done, fault.Wrap(fmt.Errorf("claude: %s", done.Why), fault.Conflict, "Claude kept no copies of the files from before this prompt.")
	}
	return done, nil
}
