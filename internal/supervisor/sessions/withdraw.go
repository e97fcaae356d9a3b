package sessions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

var errPromptBegun = fault.New(fault.Conflict, "Claude has begun with this prompt already. Interrupt the turn to stop it.")

// Withdraw takes back a prompt that Claude has not begun with. When it returns nil, the prompt never runs, whatever dies
// from then on; asked again, it says the same. Who got no answer asks again: the prompt runs once, or never.
func (ss *Sessions) Withdraw(ctx context.Context, req *protocol.WithdrawRequest) (*protocol.Empty, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := checkPromptID(req.ID); err != nil {
		return nil, err
	}
	s, release, err := ss.use(req.SessionID, false)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.withdraw(ctx, req); err != nil {
		return nil, err
	}
	if err := s.journal.Sync(); err != nil {
		return nil, storageFault(err)
	}
	return &protocol.Empty{}, nil
}

// withdraw asks whoever has the prompt: nobody but us, the process that it was given to, or the conversation that an
// earlier process left. It goes round when that changes meanwhile.
func (s *session) withdraw(ctx context.Context, req *protocol.WithdrawRequest) error {
	for {
		s.mu.Lock()
		p, r, last := s.ledger.prompts[req.ID], s.run, s.last.Load()
		if err := withdrawable(p); err != nil || p.withdrawn {
			s.mu.Unlock()
			return err
		}
		if r != nil && p.state == waits {
			err := s.withdrawLocked(req) // it was not given to this one; what an earlier one had of it was looked for before this began
			s.mu.Unlock()
			return err
		}
		s.mu.Unlock()
		var settled bool
		var err error
		if r != nil {
			settled, err = s.withdrawFrom(ctx, r, p.uuid, req)
		} else {
			settled, err = s.withdrawDormant(ctx, last, p.uuid, req)
		}
		if settled || err != nil {
			return err
		}
	}
}

func withdrawable(p *prompt) error {
	switch {
	case p == nil:
		return fault.New(fault.NotFound, "There is no such prompt in this session.")
	case p.state >= begun && !p.withdrawn:
		return errPromptBegun
	}
	return nil
}

// withdrawFrom has the process take a prompt out of its queue. It is not settled when the process has ended: the prompt
// is in other hands then.
func (s *session) withdrawFrom(ctx context.Context, r *run, uuid string, req *protocol.WithdrawRequest) (settled bool, err error) {
	a, err := r.call(ctx, func(id string) []byte { return claude.Cancel(id, uuid) })
	switch {
	case errors.Is(err, errEnded):
		return false, wait(ctx, r.gone)
	case err != nil:
		return false, err
	case a.Refused():
		return false, fmt.Errorf("withdraw a prompt: %s", a.Error)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case a.Cancelled():
		return true, s.withdrawLocked(req)
	case s.ledger.prompts[req.ID].withdrawn:
		return true, nil // by somebody else at the same time
	}
	return false, errPromptBegun
}

// withdrawDormant withdraws a prompt while there is no process. The last one may have begun with it and died before it
// could say so; then the conversation holds it.
func (s *session) withdrawDormant(ctx context.Context, last int64, uuid string, req *protocol.WithdrawRequest) (settled bool, err error) {
	held, err := s.lookHeld(ctx)
	if err != nil {
		return false, err
	}
	if slices.Contains(held.UUIDs, uuid) {
		return false, errPromptBegun
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.Load() != last {
		return false, nil // a process may have come, and gone
	}
	return true, s.withdrawLocked(req)
}

// withdrawLocked journals it. A session that stood in line for nothing else leaves it.
func (s *session) withdrawLocked(req *protocol.WithdrawRequest) error {
	if _, err := s.recordLocked(withdrawnEvent{Type: protocol.EventWithdrawn, ID: req.ID, Author: req.Author}); err != nil {
		return err
	}
	s.touchLocked()
	s.settleLocked()
	if st := s.standing; st != nil && st.reason == "" && !s.ledger.busy() && !s.ledger.cut {
		st.reason = reasonIdle
		st.leave(errLeft)
	}
	return nil
}
