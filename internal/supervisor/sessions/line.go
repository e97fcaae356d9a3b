package sessions

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// need is how much somebody needs one of the places for live sessions.
type need int

const (
	forLater need = iota // a process ahead of a prompt: of those that wait, only the last is still wanted
	forWork              // there is a prompt: it is told at once when all places are at work, and then stands in line
	inLine               // the prompt is journaled: it waits for its turn
)

// errAtWork means that every place has work, or somebody before has a right to the next.
var errAtWork = fault.New(fault.QuotaExceeded, "All live sessions of your quota are at work. Wait until one is done, or close one.")

var errNoneAllowed = fault.New(fault.QuotaExceeded, "Your quota allows no live session. Ask the administrator for more.")

// line is who waits for a place among the live sessions.
type line struct {
	waiting []*session    // with prompts on disk; the first has come first
	moved   chan struct{} // closed and replaced when one of them may have got a chance
	ahead   chan struct{} // of the last who waits ahead of a prompt; closed when another comes
}

// standing is a session's stay in line.
type standing struct {
	leave context.CancelCauseFunc
	left  chan struct{} // closed when it is over

	// Guarded by the session's mu.
	reason string   // why it was left without a place
	author string   // with reasonWithdrawn: who gives its prompts up
	begun  []string // and those that are not withdrawn, by uuid: an earlier process had begun with them
	err    error    // why they could not be given up
}

// errLeft ends a stay in line.
var errLeft = errors.New("left the line")

// moveLine lets those who wait look again.
func (ss *Sessions) moveLine() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.moveLineLocked()
}

func (ss *Sessions) moveLineLocked() {
	if len(ss.line.waiting) > 0 {
		close(ss.line.moved)
		ss.line.moved = make(chan struct{})
	}
}

// Configure takes other limits. Nothing is ended for a lower one: what goes to sleep is not started again beyond it.
func (ss *Sessions) Configure(_ context.Context, l *protocol.Limits) (*protocol.Empty, error) {
	if l.LiveSessions < 0 {
		return nil, fault.InvalidField("live_sessions", "must not be negative")
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.limit = l.LiveSessions
	if l.PIDs > 0 {
		ss.pids.Store(l.PIDs)
	}
	ss.moveLineLocked()
	return &protocol.Empty{}, nil
}

// join puts a session at the end of the line; leave takes it out.
func (ss *Sessions) join(s *session) (leave func()) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.line.moved == nil {
		ss.line.moved = make(chan struct{})
	}
	ss.line.waiting = append(ss.line.waiting, s)
	return func() {
		ss.mu.Lock()
		defer ss.mu.Unlock()
		ss.line.waiting = slices.DeleteFunc(ss.line.waiting, func(o *session) bool { return o == s })
		ss.moveLineLocked()
	}
}

// takeSlot takes one of the places that the person's quota has for live sessions, and then one of the server's. When
// all of the person's are taken, the session that was idle the longest makes room. Where none is idle, or the quota has
// no places, what happens is told by the need.
func (s *session) takeSlot(ctx context.Context, n need) error {
	ss := s.ss
	var later <-chan struct{} // closed when somebody else is wanted ahead
	told := false             // that there will be no place before the limit is raised
	for shown := (inQueue{}); ; {
		ss.mu.Lock()
		none := ss.limit <= 0
		if none && n != inLine {
			ss.mu.Unlock()
			return errNoneAllowed
		}
		moved, before := (<-chan struct{})(ss.line.moved), len(ss.line.waiting)
		if n == inLine {
			before = slices.Index(ss.line.waiting, s)
		}
		if ss.live < ss.limit && before == 0 {
			ss.live++
			ss.line.waiting = slices.DeleteFunc(ss.line.waiting, func(o *session) bool { return o == s }) // the next may look
			ss.moveLineLocked()
			ss.mu.Unlock()
			if err := ss.places.acquire(ctx, s, n); err != nil {
				ss.giveOwn()
				return err
			}
			return nil
		}
		all := ss.sessionsLocked()
		ss.mu.Unlock()

		if none && !told { // what is on disk waits for a higher limit, and its person should know
			told = true
			s.complain(errNoneAllowed)
		}
		soon, idle := ss.candidates(all)
		switch {
		case before > 0 || none:
			soon = nil
		case soon == nil && idle != nil:
			if soon = idle.makeRoom(); soon == nil {
				continue // it has just got work
			}
		}
		switch {
		case n == inLine:
			ahead := ss.places.last()
			if now := (inQueue{place: ahead + before + 1, own: ahead == 0}); now != shown {
				shown = now
				s.showPlace(shown)
			}
			if soon == nil {
				soon = moved
			}
		case soon == nil:
			return errAtWork
		case n == forLater && later == nil:
			later = ss.comeAhead()
		}
		select {
		case <-soon:
		case <-moved: // never, while nobody stands in line
		case <-later:
			return errAtWork
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// comeAhead takes the place of the last who waited ahead of a prompt. A person who opens a hundred sessions wants the
// one that is open now.
func (ss *Sessions) comeAhead() <-chan struct{} {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.line.ahead != nil {
		close(ss.line.ahead)
	}
	ss.line.ahead = make(chan struct{})
	return ss.line.ahead
}

// inQueue is how far a session is from its turn, from 1.
type inQueue struct {
	place int
	own   bool // its person's other sessions are all that it waits for: they can change it, and more room would not
}

// showPlace tells everyone how far the session is from its turn.
func (s *session) showPlace(now inQueue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.recordLocked(queueEvent{Type: protocol.EventQueue, Place: now.place, Own: now.own}); err != nil {
		s.ss.opt.Log.Error("journal a place in line", "session", s.id, "error", err)
	}
}

func (s *session) complain(f *fault.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complainLocked(f.Code, "%s", f.Said())
}

// standLocked has a session whose prompts are on disk wait for a place, if it does not already.
func (s *session) standLocked(req *protocol.OpenRequest) {
	if s.standing != nil || s.run != nil || s.deleting || s.ss.stopping.Load() {
		return
	}
	s.settingsLocked(req)
	ctx, leave := context.WithCancelCause(s.ss.life)
	st := &standing{leave: leave, left: make(chan struct{})}
	s.standing = st
	s.users++ // the journal stays open
	s.meta.Live = true
	_ = s.enterLocked(protocol.StateQueued, "") // it says itself when the disk is full
	s.saveLocked()
	pause, leaveLine := s.pauseLocked(), func() {}
	if pause == 0 {
		leaveLine = s.ss.join(s) // here: who comes next stands behind
	}
	s.ss.running.Go(func() { s.stand(ctx, st, pause, leaveLine) })
}

// stand waits until the session is live, or is to wait no more. Who pauses first keeps nobody else waiting.
func (s *session) stand(ctx context.Context, st *standing, pause time.Duration, leaveLine func()) {
	defer close(st.left)
	defer st.leave(nil)
	var err error
	if pause > 0 {
		if err = rest(ctx, pause); err == nil {
			leaveLine = s.ss.join(s)
		}
	}
	if err == nil {
		// What was asked for is in meta, and may be changed there while it waits.
		err = s.ensure(ctx, &protocol.OpenRequest{SessionID: s.id}, inLine)
	}
	leaveLine()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing = nil
	if err != nil && s.run == nil {
		reason := st.reason
		switch {
		case reason != "":
		case s.ss.stopping.Load():
			reason = reasonStopped
		case errors.Is(err, errNoProcess):
			reason = s.starveLocked()
		default:
			s.ss.opt.Log.Warn("make a queued session live", "session", s.id, "error", err)
			s.complainLocked(fault.CodeOf(err), "%s", textOf(err))
			reason = reasonNotStarted
		}
		if reason == reasonWithdrawn {
			if st.err = s.withdrawAllLocked(st); st.err != nil {
				reason = reasonClosed // they are kept
			}
		}
		s.meta.Live = false
		_ = s.enterLocked(protocol.StateDormant, reason)
		s.saveLocked()
		if reason != reasonNoProcess {
			s.starved = 0
		}
		if reason == reasonIdle && s.ledger.busy() || reason == reasonNoProcess { // with idle: another prompt came while it was leaving
			s.standLocked(&protocol.OpenRequest{SessionID: s.id})
		}
	}
	s.releaseLocked()
}

func textOf(err error) fault.Text {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Said()
	}
	return fault.Say("Claude could not be started.")
}

// giveUp takes a session out of the line, and withdraws what it stood there for. It says false when the session did not
// stand in line, or got its place in the same moment.
func (s *session) giveUp(ctx context.Context, author string) (bool, error) {
	s.mu.Lock()
	st := s.standing
	s.mu.Unlock()
	if st == nil {
		return false, nil
	}
	held := s.findHeld(ctx)
	s.mu.Lock()
	if st.reason == "" {
		st.reason, st.author, st.begun = reasonWithdrawn, author, held.UUIDs
	}
	s.mu.Unlock()
	st.leave(errLeft)
	if err := wait(ctx, st.left); err != nil {
		return false, err
	}
	s.mu.Lock()
	got := s.run != nil
	s.mu.Unlock()
	switch {
	case got:
		return false, nil
	case st.err != nil:
		return false, st.err
	}
	if err := s.journal.Sync(); err != nil {
		return false, storageFault(ofReading(err))
	}
	return true, nil
}

// withdrawAllLocked names each prompt that is given up. What had begun is merely not gone on with.
func (s *session) withdrawAllLocked(st *standing) error {
	for _, p := range slices.Clone(s.ledger.open) {
		if slices.Contains(st.begun, p.uuid) {
			continue
		}
		if _, err := s.recordLocked(withdrawnEvent{Type: protocol.EventWithdrawn, ID: p.id, Author: st.author}); err != nil {
			return err
		}
	}
	return nil
}

// leaveLine takes a session out of the line if it is in it, and waits until it is not.
func (s *session) leaveLine(ctx context.Context, reason string) error {
	s.mu.Lock()
	st := s.standing
	if st != nil && st.reason == "" {
		st.reason = reason
	}
	s.mu.Unlock()
	if st == nil {
		return nil
	}
	st.leave(errLeft)
	return wait(ctx, st.left)
}
