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

// Interrupt ends the running turn; its result tells when. Prompts that wait behind it stay, and run next. Of a session
// that waits in line for a place, what was to run is given up: each of its prompts is withdrawn. A session that does
// nothing is left alone.
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
	if stood, err := s.giveUp(ctx, req.Author); stood || err != nil {
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

// Set changes the model, the permission mode or the effort, of the live process and for those to come. What Claude
// refuses changes nothing.
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
	if req.Effort != nil {
		if err := checkEffort(*req.Effort); err != nil {
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
		err = s.setLive(ctx, r, model, req)
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
	if req.Effort != nil {
		s.meta.Effort = *req.Effort
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

// setting is a change of the process's, and what takes it back.
type setting struct {
	field    string
	do, undo func(id string) []byte
}

// setLive asks the process: for the model last, which the API may be asked about. What is refused takes back what
// came before.
func (s *session) setLive(ctx context.Context, r *run, model *string, req *protocol.SetRequest) error {
	s.mu.Lock()
	mode, effort := s.meta.PermissionMode, s.meta.Effort
	s.mu.Unlock()
	var all []setting
	if to := req.PermissionMode; to != nil {
		change := setting{field: "permission_mode", do: func(id string) []byte { return claude.SetPermissionMode(id, *to) }}
		if mode != "" {
			change.undo = func(id string) []byte { return claude.SetPermissionMode(id, mode) }
		}
		all = append(all, change)
	}
	if to := req.Effort; to != nil {
		all = append(all, setting{"effort", func(id string) []byte { return claude.SetEffort(id, *to) }, func(id string) []byte { return claude.SetEffort(id, effort) }})
	}
	if model != nil {
		all = append(all, setting{field: "model", do: func(id string) []byte { return claude.SetModel(id, *model) }})
	}
	for i, c := range all {
		a, err := r.call(ctx, c.do)
		if err == nil && a.Refused() {
			err = refusal(c.field, a)
		}
		if err != nil {
			s.takeBack(ctx, r, all[:i])
			return err
		}
	}
	return nil
}

func (s *session) takeBack(ctx context.Context, r *run, done []setting) {
	for _, c := range done {
		if c.undo == nil {
			continue
		}
		if a, err := r.call(ctx, c.undo); err != nil || a.Refused() {
			s.ss.opt.Log.Warn("setting not set back", "session", s.id, "setting", c.field, "error", err, "refusal", a.Error)
		}
	}
}

func refusal(field string, a claude.Answer) error {
	f := fault.InvalidField(field, "%s", a.Error)
	f.Err = fmt.Errorf("claude refused: %s", a.ErrorCode)
	return f
}
