package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Open makes a session live, so that its next prompt does not wait for a process. It returns once the process is
// there; the state tells when it is ready.
func (ss *Sessions) Open(ctx context.Context, req *protocol.OpenRequest) (*protocol.Session, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := ss.checkOpen(req); err != nil {
		return nil, err
	}
	s, release, err := ss.use(req.SessionID, true)
	if err != nil {
		return nil, err
	}
	defer release()
	s.mu.Lock()
	cut := s.ledger.cut
	s.mu.Unlock()
	n := forLater
	if cut {
		n = forWork // there is a turn to take up, which is worth waiting for
	}
	switch err := s.ensure(ctx, req, n); {
	case cut && errors.Is(err, errAtWork):
		s.mu.Lock()
		s.standLocked(req)
		s.mu.Unlock()
	case err != nil:
		return nil, err
	}
	info, ok := s.snapshot()
	if !ok {
		return nil, errNoSession() // deleted again; what was made live has been published
	}
	return &info, nil
}

func (ss *Sessions) checkOpen(req *protocol.OpenRequest) error {
	switch {
	case !validID(req.SessionID):
		return fault.InvalidField("session_id", "A session's id must be a UUID in lower case.")
	case req.ForkOf != "" && !validID(req.ForkOf):
		return fault.InvalidField("fork_of", "The session to copy must be given as a UUID in lower case.")
	case req.ForkOf == req.SessionID:
		return fault.InvalidField("fork_of", "A session cannot be a copy of itself.")
	case req.Project != "" && !validProject(req.Project):
		return fault.InvalidField("project", "A project must be the name of a folder.")
	}
	if req.Model != "" {
		if err := checkModel(req.Model); err != nil {
			return err
		}
	}
	if req.PermissionMode != "" {
		if err := ss.checkMode(req.PermissionMode); err != nil {
			return err
		}
	}
	if req.Effort != "" {
		return checkEffort(req.Effort)
	}
	return nil
}

func checkModel(model string) error {
	if !claude.ValidModel(model) {
		return fault.InvalidField("model", "This is not the name of a model.")
	}
	return nil
}

func (ss *Sessions) checkMode(mode string) error {
	if !claude.ValidMode(mode) {
		return fault.InvalidField("permission_mode", "There is no permission mode %q. There are %q.", mode, claude.Modes)
	}
	if mode == claude.BypassMode && !ss.mayBypass() {
		return fault.InvalidField("permission_mode", "The mode %s works only in an instance that is isolated.", mode)
	}
	return nil
}

func checkEffort(level string) error {
	if !claude.ValidEffort(level) {
		return fault.InvalidField("effort", "There is no effort %q. There are %q.", level, claude.Efforts)
	}
	return nil
}

// ensure makes the session live. It waits for a process that is ending: there are never two. One that stands in line
// is left to it: nil to who comes ahead of a prompt, errAtWork to who has one.
func (s *session) ensure(ctx context.Context, req *protocol.OpenRequest, n need) error {
	if s.live() {
		return nil
	}
	if n != inLine && s.stands() {
		if n == forLater {
			return nil
		}
		return errAtWork
	}
	select {
	case s.gate <- struct{}{}:
		defer func() { <-s.gate }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		s.mu.Lock()
		r, deleting := s.run, s.deleting
		living := r != nil && r.ending == ""
		s.mu.Unlock()
		if deleting {
			return errNoSession()
		}
		if living {
			return nil
		}
		if r == nil {
			break
		}
		if err := wait(ctx, r.gone); err != nil {
			return err
		}
	}
	// Before a place is waited for, so that what was said elsewhere can be read meanwhile.
	if err := s.recall(ctx); err != nil {
		s.ss.opt.Log.Warn("recall session", "session", s.id, "error", err) // Claude remembers it all the same
	}
	from, letGo, err := s.ss.origin(ctx, req.ForkOf, req.ForkBefore)
	if err != nil {
		return err
	}
	defer letGo()
	if req.ForkOf != "" && n == forLater {
		n = forWork // a copy is wanted for good, whoever else comes
	}
	held := s.findHeld(ctx)
	if err := s.takeSlot(ctx, n); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	if err := s.beginLocked(req, from); err != nil {
		s.giveSlot()
		return err
	}
	// The process has the slot now, and a hold on the journal: both are given back when it is gone for good.
	s.users++
	if s.last.Load() == 0 {
		if err := s.copyLocked(from); err != nil {
			s.ss.opt.Log.Error("copy a session's events", "session", s.id, "error", err) // Claude has them all the same
		}
	}
	if err := s.enterLocked(protocol.StateStarting, ""); err != nil {
		s.run.endLocked(reasonNotStarted) // nothing that it says could be kept
		return err
	}
	s.saveLocked()
	return nil
}

// settingsLocked keeps what a request asks for.
func (s *session) settingsLocked(req *protocol.OpenRequest) {
	if req.Project != "" {
		s.meta.Project = req.Project // a project may have been renamed
	}
	if req.Model != "" {
		s.meta.Model = req.Model
	}
	if req.PermissionMode != "" {
		s.meta.PermissionMode = req.PermissionMode
	}
	if req.Effort != "" {
		s.meta.Effort = req.Effort
	}
}

// stands says whether the session waits in line.
func (s *session) stands() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing != nil
}

// live says whether there is a process that is to stay.
func (s *session) live() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil || s.run.ending != "" {
		return false
	}
	s.lastUsed = time.Now().UTC()
	return true
}

// beginLocked starts a process where there is none. When it fails, nothing has changed.
func (s *session) beginLocked(req *protocol.OpenRequest, from origin) error {
	if s.deleting {
		return errNoSession()
	}
	before := s.meta
	s.settingsLocked(req)
	if s.meta.Project == "" {
		s.meta = before
		return fault.InvalidField("project", "The project of the session is missing.")
	}
	if !s.meta.Ran && s.meta.ForkOf == "" {
		s.meta.ForkOf, s.meta.ForkAt = from.conversation, from.at
	}
	s.meta.Live = true
	if s.guessed = false; s.starved == 0 { // else it is the same work still
		s.starts = 0
	}
	if err := s.startLocked(); err != nil {
		s.meta = before
		return err
	}
	s.lastUsed = time.Now().UTC()
	return nil
}

// candidates looks for a place: soon is closed when one that is ending or starting is further, idle is the session
// that was idle the longest.
func (ss *Sessions) candidates(all []*session) (soon <-chan struct{}, idle *session) {
	var since time.Time
	var ending, starting <-chan struct{}
	for _, s := range all {
		s.mu.Lock()
		switch r := s.run; {
		case r == nil:
		case r.ending != "":
			ending = r.gone
		case s.idleLocked():
			if idle == nil || s.lastUsed.Before(since) {
				idle, since = s, s.lastUsed
			}
		case !r.greeted && !s.ledger.busy():
			starting = r.ready
		}
		s.mu.Unlock()
	}
	if ending != nil || idle != nil {
		return ending, idle
	}
	return starting, nil
}

// idleLocked says whether nothing is lost but time when the process ends. A task in the background is something.
func (s *session) idleLocked() bool {
	r := s.run
	return r != nil && r.greeted && r.ending == "" && !s.ledger.busy() && len(s.ledger.asks) == 0 && s.ledger.tasks == 0 && len(r.calls) == 0
}

// makeRoom ends the process if it is idle still.
func (s *session) makeRoom() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.idleLocked() {
		return nil
	}
	s.run.endLocked(reasonIdle)
	return s.run.gone
}

// giveSlot gives back what takeSlot took.
func (s *session) giveSlot() {
	s.ss.places.release(s)
	s.ss.giveOwn()
}

func (ss *Sessions) giveOwn() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.live--
	ss.moveLineLocked()
}

func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
