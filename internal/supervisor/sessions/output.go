package sessions

import (
	"errors"
	"slices"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/journal"
)

// How long Claude is kept waiting while its words cannot be written down because the volume is full. Whoever frees
// some space in that time loses nothing.
const (
	fullPatience = time.Minute
	fullRetry    = 500 * time.Millisecond
)

// readOutput takes in what the process writes, until it ends or has to.
func (r *run) readOutput() {
	err := readLines(r.pipes.stdout, maxLineBytes, r.line)
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	switch {
	case errors.Is(err, errLongLine):
		r.failLocked("Claude wrote a line of more than %d MiB.", maxLineBytes>>20)
	case fault.CodeOf(err) == fault.QuotaExceeded:
		r.failLocked("Your storage is full, and what Claude said could not be kept.")
	case err != nil && r.ending == "":
		// A read that fails is the end of the process, which tells more.
		r.session.ss.opt.Log.Debug("read claude's output", "session", r.session.id, "error", err)
	}
}

// line takes in one line.
func (r *run) line(raw []byte) error {
	l, err := claude.Parse(raw)
	if err != nil {
		_, _ = r.stderr.Write(append(raw, '\n')) // it is for people; a tail takes all
		return nil
	}
	err = r.session.take(r, l)
	for patience := time.Now().Add(fullPatience); fault.CodeOf(err) == fault.QuotaExceeded && time.Now().Before(patience); {
		select {
		case <-r.stop:
			return err
		case <-time.After(fullRetry):
			err = r.session.take(r, l)
		}
	}
	return err
}

// take journals a line and does what it asks for. When it fails, nothing has changed, and it may be tried again.
func (s *session) take(r *run, l claude.Line) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.heardLocked()
	if a, ok := l.Answer(); ok {
		return s.takeAnswerLocked(r, l, a)
	}
	result, ended := l.Result()
	if ended && !r.greeted && result.IsError && slices.ContainsFunc(result.Errors, claude.Unknown) {
		return nil // it answers our guess that there is a conversation to resume; afterStartLocked sees to it
	}
	seq, err := s.appendLocked(l.Raw)
	if errors.Is(err, journal.ErrNotEvent) {
		_, _ = r.stderr.Write(append(l.Raw, '\n')) // JSON that Go's parser and Claude's see differently
		return nil
	}
	if err != nil {
		return err
	}
	if l.Tokens() {
		s.loose += int64(len(l.Raw))
		return nil
	}
	s.ledger.apply(seq, l)
	s.observeLocked(r, l)
	if ended {
		s.observeResultLocked(r, result)
		s.compactLocked(loosePieces)
	}
	s.settleLocked()
	return nil
}

// takeAnswerLocked takes an answer to a request of ours. Only the first is part of the conversation: it says which
// models and commands there are. All others are housekeeping, or echoes of what we answered ourselves.
func (s *session) takeAnswerLocked(r *run, l claude.Line, a claude.Answer) error {
	if a.RequestID != r.hello {
		if c := r.calls[a.RequestID]; c != nil {
			delete(r.calls, a.RequestID)
			a.Response = slices.Clone(a.Response)
			c <- a // it has room for one
		}
		s.ss.moveLine() // it may be idle now
		return nil
	}
	if r.greeted {
		return nil
	}
	if a.Refused() {
		r.failLocked("Claude refused to be greeted: %s.", a.Error)
		return nil
	}
	if _, err := s.appendLocked(l.Raw); err != nil {
		return err
	}
	if mode := a.Greeting().PermissionMode; mode != "" && s.meta.PermissionMode == "" {
		s.meta.PermissionMode = mode
	}
	r.greeted = true
	s.guessed, s.starved = false, 0
	s.takeUpLocked(r)
	close(r.ready)
	s.deliverLocked()
	s.saveLocked()
	s.settleLocked()
	return nil
}

// observeLocked keeps what a line says of settings and of the conversation's place on disk.
func (s *session) observeLocked(r *run, l claude.Line) {
	before := s.meta
	if _, replayed := l.Replayed(); replayed {
		s.meta.Ran = true
	}
	if request, ok := l.Request(); ok && !request.Permission() && l.RequestID != "" {
		r.stdin.put(claude.Refuse(l.RequestID, "carrel has no answer to "+request.Subtype))
	}
	if level, ok := l.Effort(); ok {
		s.meta.Effort = level
	}
	if sys, ok := l.System(); ok {
		switch l.Subtype {
		case "init":
			if s.meta.moved(s.id, l.SessionID) {
				s.meta.Ran = true // /clear is the first line of the new one
			}
			if sys.Model != "" {
				s.meta.CurrentModel = sys.Model
			}
		case "session_title_changed":
			s.meta.Title = sys.Title
		case "background_tasks_changed":
			r.tasks = sys.TaskNames()
			s.publishLocked()
		}
		if claude.ValidMode(sys.PermissionMode) && (l.Subtype == "init" || l.Subtype == "status") {
			s.meta.PermissionMode = sys.PermissionMode
		}
	}
	if s.meta.Ran != before.Ran || s.meta.ClaudeID != before.ClaudeID || s.meta.CurrentModel != before.CurrentModel ||
		s.meta.Title != before.Title || s.meta.PermissionMode != before.PermissionMode || s.meta.Effort != before.Effort || s.ledger.todos.Seq != before.Todos.Seq {
		s.saveLocked()
		s.publishLocked()
	}
}

// observeResultLocked keeps what the session has cost, and has the turn made safe.
func (s *session) observeResultLocked(r *run, result claude.Result) {
	s.starts, r.worked = 0, true
	s.touchLocked()
	if result.IsError && result.APIType == claude.BudgetExceeded {
		s.complainLocked(fault.BudgetExceeded, "%s", result.Reason())
	}
	s.fresh = append(s.fresh, ended{begun: s.ledger.settled, at: s.lastUsed})
	if len(result.Usage) > 2 { // more than {}
		s.meta.Usage = slices.Clone(result.Usage)
	}
	s.meta.CostUSD = result.CostUSD
	s.saveLocked()
	s.publishLocked()
	select {
	case r.sync <- struct{}{}:
	default:
	}
}
