package sessions

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/journal"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Events sends every event after a number, each once and in order, and then those to come, until the context ends or
// the session is deleted. With Until it ends once all that was there is sent. What is sent is valid until send
// returns; a slow send delays nobody else.
func (ss *Sessions) Events(ctx context.Context, req *protocol.EventsRequest, send func(*protocol.Event) error) error {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	s, release, err := ss.read(req.SessionID)
	if err != nil {
		return err
	}
	defer release()
	if req.Last != 0 {
		return s.page(ctx, req, send)
	}
	reader, err := s.journal.Read(req.After)
	if errors.Is(err, journal.ErrAhead) {
		return fault.InvalidField("after", "The session has %d events; there is nothing after %d. Ask for all of them again.", s.last.Load(), req.After)
	}
	sent, until := req.After, s.last.Load()
	for err == nil && (!req.Until || sent < until) {
		var e journal.Event
		if e, err = reader.Next(ctx); err != nil {
			break
		}
		if err := send(&protocol.Event{Seq: e.Seq, At: e.At, Event: e.Data}); err != nil {
			return err
		}
		sent = e.Seq
	}
	return ofReading(err)
}

// page sends the last events before a number.
func (s *session) page(ctx context.Context, req *protocol.EventsRequest, send func(*protocol.Event) error) error {
	if req.Last < 0 || req.Before < 0 || req.MaxBytes < 0 {
		return fault.InvalidField("before", "A page is asked for by positive numbers.")
	}
	before, maxBytes := req.Before, cmp.Or(req.MaxBytes, math.MaxInt64)
	if last := s.last.Load(); before == 0 || before > last {
		before = last + 1
	}
	after, err := s.journal.Page(before, req.Last, maxBytes)
	if err != nil {
		return ofReading(err)
	}
	var todos *protocol.Todos
	if req.Before == 0 {
		s.mu.Lock()
		if known := s.meta.Todos; known.Seq > 0 {
			todos = &known
		}
		s.mu.Unlock()
	}
	reader, err := s.journal.Read(after)
	for err == nil && after < before-1 {
		var e journal.Event
		if e, err = reader.Next(ctx); err != nil || e.Seq >= before {
			break
		}
		if err := send(&protocol.Event{Seq: e.Seq, At: e.At, Event: e.Data, Todos: todos}); err != nil {
			return err
		}
		todos = nil // once
		after = e.Seq
	}
	return ofReading(err)
}

// ofReading says in a caller's words why reading ended.
func ofReading(err error) error {
	if errors.Is(err, journal.ErrClosed) {
		return errNoSession() // a journal that is held is closed by Delete alone
	}
	return err
}

// watcher is one who wants to know of changes. It is told of a session, not of each change: a slow one misses
// nothing but what has changed again since.
type watcher struct {
	wake  chan struct{} // holds one
	dirty map[*session]struct{}
	grown map[*session]time.Time // since when there were no more events, of those that have only got some
}

// growthRests is how long no event comes before watchers are told the number of the last one. What changes more than
// that number tells it along, and a turn has thousands.
const growthRests = time.Second

// grew notes that a session has one more event.
func (ss *Sessions) grew(s *session) {
	now := time.Now()
	ss.watching.Lock()
	defer ss.watching.Unlock()
	for w := range ss.watchers {
		if len(w.grown) == 0 {
			w.wakeUp() // else it looks again by itself
		}
		w.grown[s] = now
	}
}

func (w *watcher) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// takeLocked takes all that is to be told now, and says when to look again; 0: when woken.
func (w *watcher) takeLocked() (all map[*session]struct{}, again time.Duration) {
	now := time.Now()
	for s, at := range w.grown {
		switch left := growthRests - now.Sub(at); {
		case left <= 0:
			w.dirty[s] = struct{}{}
			delete(w.grown, s)
		case again == 0 || left < again:
			again = left
		}
	}
	all, w.dirty = w.dirty, map[*session]struct{}{}
	return all, again
}

// notify tells watchers that a session changed. Any of its locks may be held.
func (ss *Sessions) notify(s *session) {
	ss.watching.Lock()
	defer ss.watching.Unlock()
	for w := range ss.watchers {
		w.dirty[s] = struct{}{}
		delete(w.grown, s)
		w.wakeUp()
	}
}

// Watch gives all sessions to first, and from then on each that changed to changed, until the context ends or one of
// them fails.
func (ss *Sessions) Watch(ctx context.Context, first func([]protocol.Session) error, changed func(protocol.Session) error) error {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	w := &watcher{wake: make(chan struct{}, 1), dirty: map[*session]struct{}{}, grown: map[*session]time.Time{}}
	ss.watching.Lock()
	ss.watchers[w] = struct{}{}
	ss.watching.Unlock()
	defer func() {
		ss.watching.Lock()
		defer ss.watching.Unlock()
		delete(ss.watchers, w)
	}()
	if err := first(ss.List()); err != nil {
		return err
	}
	rest := time.NewTimer(growthRests)
	defer rest.Stop()
	for {
		select {
		case <-w.wake:
		case <-rest.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		ss.watching.Lock()
		dirty, again := w.takeLocked()
		ss.watching.Unlock()
		if again > 0 {
			rest.Reset(again)
		}
		for s := range dirty {
			info, ok := s.snapshot()
			if !ok && !s.isGone() {
				continue // it tells of itself in a moment
			}
			if !ok {
				info = protocol.Session{ID: s.id, State: protocol.StateDormant} // nothing of it runs any more
			}
			if err := changed(info); err != nil {
				return err
			}
		}
	}
}
