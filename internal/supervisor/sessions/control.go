package sessions

import (
	"context"
	"fmt"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// call asks the process something and waits for its answer. A refusal is an answer.
func (r *run) call(ctx context.Context, line func(id string) []byte) (claude.Answer, error) {
	s := r.session
	s.mu.Lock()
	if s.run != r || r.ending != "" {
		s.mu.Unlock()
		return claude.Answer{}, errEnded
	}
	id, answer := r.nextID(), make(chan claude.Answer, 1)
	r.calls[id] = answer
	r.stdin.put(line(id))
	s.mu.Unlock()
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	var err error
	select {
	case a, ok := <-answer:
		if !ok {
			return claude.Answer{}, errEnded
		}
		return a, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = fault.New(fault.InstanceUnavailable, "Claude did not answer within %d seconds. Try again, or close the session.", int(answerWithin.Seconds()))
	}
	s.mu.Lock()
	delete(r.calls, id)
	s.mu.Unlock()
	s.ss.moveLine() // it may be idle now
	return claude.Answer{}, err
}

var errEnded = fault.New(fault.InstanceUnavailable, "Claude has just ended. Try again in a moment.")

// Interrupt ends the running turn; its result tells when. Prompts that wait behind it stay, and run next; those of a
// session that waits in line for a place are given up. A session
// that does nothing is left alone.
func (ss *Sessions) Interrupt(ctx context.Context, req *protocol.SessionRequest) (*protocol.Empty, error) {
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
	if stood, err := s.leaveLine(ctx, reasonWithdrawn); stood || err != nil {
		return &protocol.Empty{}, err
	}
	r, err := s.greeted(ctx)
	if err != nil || r == nil {
		return &protocol.Empty{}, err
	}
	s.mu.Lock()
	busy, turn := s.ledger.busy(), s.ledger.turn
	s.mu.Unlock()
	if !busy {
		return &protocol.Empty{}, nil
	}
	// Where no turn has begun, the prompt that is about to make one is what is to be stopped.
	a, err := r.call(ctx, func(id string) []byte { return claude.Interrupt(id, !turn) })
	if err != nil {
		return nil, err
	}
	if a.Refused() {
		return nil, fmt.Errorf("interrupt: %s", a.Error)
	}
	return &protocol.Empty{}, nil
}

// greeted waits until the session's process is greeted. It is nil when there is none.
func (s *session) greeted(ctx context.Context) (*run, error) {
	for {
		s.mu.Lock()
		r := s.run
		switch {
		case r == nil || r.ending != "":
			s.mu.Unlock()
			return nil, nil
		case r.greeted:
			s.mu.Unlock()
			return r, nil
		}
		s.mu.Unlock()
		if err := wait(ctx, r.ready); err != nil {
			return nil, err
		}
	}
}

// Set changes the model or the permission mode, of the live process and for those to come. What Claude refuses
// changes nothing.
func (ss *Sessions) Set(ctx context.Context, req *protocol.SetRequest) (*protocol.Session, error) {
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
	model := req.Model
	if model != nil && (*model == "" || *model == "default") {
		model = new(string) // the CLI's own choice
	} else if model != nil {
		if err := checkModel(*model); err != nil {
			return nil, err
		}
	}
	select {
	case s.set <- struct{}{}:
		defer func() { <-s.set }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r, err := s.greeted(ctx)
	if err != nil {
		return nil, err
	}
	if r == nil && req.PermissionMode != nil {
		err = ss.checkMode(*req.PermissionMode)
	} else if r != nil {
		err = s.setLive(ctx, r, model, req.PermissionMode)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if model != nil {
		s.meta.Model = *model
	}
	if req.PermissionMode != nil {
		s.meta.PermissionMode = *req.PermissionMode
	}
	s.saveLocked()
	s.publishLocked()
	s.mu.Unlock()
	info, ok := s.snapshot()
	if !ok {
		return nil, errNoSession()
	}
	return &info, nil
}

// setLive asks the process: for the mode first, which is refused at once if at all, and for the model, which the API
// may be asked about.
func (s *session) setLive(ctx context.Context, r *run, model, mode *string) error {
	s.mu.Lock()
	before := s.meta.PermissionMode
	s.mu.Unlock()
	if mode != nil {
		a, err := r.call(ctx, func(id string) []byte { return claude.SetPermissionMode(id, *mode) })
		if err != nil {
			return err
		}
		if a.Refused() {
			return refusal("permission_mode", a)
		}
	}
	if model == nil {
		return nil
	}
	a, err := r.call(ctx, func(id string) []byte { return claude.SetModel(id, *model) })
	if err == nil && a.Refused() {
		err = refusal("model", a)
	}
	if err != nil && mode != nil && before != "" {
		back, berr := r.call(ctx, func(id string) []byte { return claude.SetPermissionMode(id, before) })
		if berr != nil || back.Refused() {
			s.ss.opt.Log.Warn("permission mode not set back", "session", s.id, "mode", before, "error", berr, "refusal", back.Error)
		}
	}
	return err
}

func refusal(field string, a claude.Answer) error {
	f := fault.InvalidField(field, "%s", a.Error)
	f.Err = fmt.Errorf("claude refused: %s", a.ErrorCode)
	return f
}
