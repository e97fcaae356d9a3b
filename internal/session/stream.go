package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// stream is one Subscribe or one wait for events.
type stream struct{ cancel context.CancelCauseFunc }

// Why a stream ends that nobody left.
var (
	errDeleted = errors.New("the session was deleted")
	errEnough  = errors.New("enough")
)

// Between two tries to follow a session.
const (
	firstRetry = 50 * time.Millisecond
	maxRetry   = 5 * time.Second
	unborn     = 200 * time.Millisecond // between looks for a journal that the first prompt will begin
)

func errStopped() error {
	return &fault.Error{Code: fault.InstanceUnavailable, Detail: "The server is being restarted. Try again in a few seconds.", RetryAfter: 3 * time.Second, Err: errStopping}
}

// begin counts a stream and gives it the context that ends it.
func (s *Service) begin(ctx context.Context, k key) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streamN[k.userID] >= maxSubscriptions {
		return nil, nil, fault.New(fault.RateLimited, "You follow %d sessions at the same time. Close some of them.", maxSubscriptions)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	st := &stream{cancel: cancel}
	s.streamN[k.userID]++
	if s.streams[k] == nil {
		s.streams[k] = map[*stream]struct{}{}
	}
	s.streams[k][st] = struct{}{}
	stop := context.AfterFunc(s.life, func() { cancel(errStopping) })
	return ctx, func() {
		stop()
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams[k], st)
		if len(s.streams[k]) == 0 {
			delete(s.streams, k)
		}
		if s.streamN[k.userID]--; s.streamN[k.userID] == 0 {
			delete(s.streamN, k.userID)
		}
	}, nil
}

// endStreams ends all that follow a session which is no more.
func (s *Service) endStreams(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.streams[k] {
		st.cancel(errDeleted)
	}
}

// Subscribe makes the session ready and gives send every event after a number,
// once each, in order, and then those to come, until ctx ends or send fails.
// An instance that is replaced is found again; one that was ended is waited
// for, and not made anew just to be watched. nil: the session was deleted.
func (s *Service) Subscribe(ctx context.Context, userID int64, id string, after int64, send func(*protocol.Event) error) error {
	k := key{userID, id}
	if _, err := find(ctx, s.db, k); err != nil {
		return err
	}
	if after < 0 {
		return fault.InvalidField("after", "after must be 0 or the number of an event.")
	}
	ctx, end, err := s.begin(ctx, k)
	if err != nil {
		return err
	}
	var opening sync.WaitGroup
	defer opening.Wait()
	defer end()

	getCtx, cancel := context.WithTimeout(ctx, openTimeout)
	inst, _, err := s.pool.Get(getCtx, userID)
	cancel()
	if err != nil {
		return ended(ctx, err)
	}
	f := follower{last: after, send: send}
	var opened *pool.Instance // in which the session was opened; one that was woken has the same id
	for try := 1; ; try++ {
		if inst != opened {
			its := inst // inst may be the next one before the goroutine looks
			opened = its
			opening.Go(func() { s.ready(ctx, k, its) })
		}
		before := f.last
		err := inst.Client().Events(ctx, &protocol.EventsRequest{SessionID: id, After: f.last}, f.take)
		if f.failed != nil {
			return f.failed
		}
		if ctx.Err() != nil {
			return ended(ctx, nil)
		}
		if _, ferr := find(ctx, s.db, k); errors.Is(ferr, fault.NotFoundError) {
			return nil // deleted by another server's hand, or with its user
		}
		s.log.Debug("events broke off", "session", id, "user", userID, "last", f.last, "error", err)
		delay := min(firstRetry<<min(try-1, 10), maxRetry)
		switch {
		case fault.CodeOf(err) == fault.Invalid:
			return fmt.Errorf("follow session %s: %w", id, err) // after is beyond the end: nothing that trying again mends
		case errors.Is(err, fault.NotFoundError):
			delay = min(delay, unborn)
		case f.last > before:
			try, delay = 1, firstRetry
		}
		if pause(ctx, delay/2+rand.N(delay)) != nil {
			return ended(ctx, nil)
		}
		if inst, err = s.pool.Await(ctx, userID); err != nil {
			return ended(ctx, err)
		}
	}
}

// follower lets every event pass once, however often the stream begins anew.
type follower struct {
	last   int64
	send   func(*protocol.Event) error
	failed error // what send said
}

func (f *follower) take(ev *protocol.Event) error {
	if ev.Seq <= f.last {
		return nil
	}
	if f.failed = f.send(ev); f.failed != nil {
		return f.failed
	}
	f.last = ev.Seq
	return nil
}

// ended says in a caller's words why a stream ended.
func ended(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errDeleted):
		return nil
	case errors.Is(cause, errStopping):
		return errStopped()
	case cause != nil:
		return cause
	}
	return err
}

// ready opens the session while its history is already being read. What goes
// wrong with the process must not keep a person from reading.
func (s *Service) ready(ctx context.Context, k key, inst *pool.Instance) {
	r, err := find(ctx, s.db, k)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		if r.Project != "" {
			_, err = inst.Client().Open(ctx, r.openRequest())
		} else { // it can be read all the same
			_, err = inst.Client().Recall(ctx, &protocol.SessionRequest{SessionID: k.id})
		}
	}
	if err != nil && ctx.Err() == nil {
		s.log.Info("make a session ready", "session", k.id, "user", k.userID, "error", err)
	}
}

// Room is asked for the bytes of each event before it is kept. Its error is what there is no room for.
type Room func(bytes int) error

// Events gives at most limit events after a number, as far as there is room for them, and whether there may be more.
// With none there it waits, at most as long as wait, for the first.
func (s *Service) Events(ctx context.Context, userID int64, id string, after int64, limit int, wait time.Duration, room Room) (evs []protocol.Event, more bool, err error) {
	k := key{userID, id}
	r, err := find(ctx, s.db, k)
	if err != nil {
		return nil, false, err
	}
	if after < 0 {
		return nil, false, fault.InvalidField("query.after", "after must be 0 or the number of an event.")
	}
	if limit <= 0 {
		limit = 1000
	}
	limit, wait = min(limit, maxEvents), min(wait, maxWait)
	ctx, end, err := s.begin(ctx, k)
	if err != nil {
		return nil, false, err
	}
	defer end()
	s.recall(ctx, r)
	evs, more, err = s.read(ctx, k, after, limit, room)
	if err == nil && len(evs) == 0 && wait > 0 && s.await(ctx, k, after, wait) {
		evs, more, err = s.read(ctx, k, after, limit, room)
	}
	switch {
	case errors.Is(context.Cause(ctx), errDeleted):
		return nil, false, errNoSession()
	case fault.CodeOf(err) == fault.Invalid: // after is beyond the end
		return nil, false, fmt.Errorf("read events of session %s: %w", id, inQuery(err))
	case err != nil:
		return nil, false, fmt.Errorf("read events of session %s: %w", id, ended(ctx, unreachable(err)))
	}
	return evs, more, nil
}

// EventsBefore gives the last events before a number, or of all when that is 0: at most limit, in order. Its cost does
// not grow with the session's history.
func (s *Service) EventsBefore(ctx context.Context, userID int64, id string, before int64, limit int, room Room) ([]protocol.Event, error) {
	k := key{userID, id}
	if _, err := find(ctx, s.db, k); err != nil {
		return nil, err
	}
	if before < 0 {
		return nil, fault.InvalidField("query.before", "before must be 0 or the number of an event.")
	}
	if limit <= 0 {
		limit = 1000
	}
	ctx, end, err := s.begin(ctx, k)
	if err != nil {
		return nil, err
	}
	defer end()
	evs, err := s.readPage(ctx, k, before, min(limit, maxEvents), room)
	switch {
	case errors.Is(context.Cause(ctx), errDeleted):
		return nil, errNoSession()
	case err != nil:
		return nil, fmt.Errorf("read events of session %s: %w", id, ended(ctx, unreachable(err)))
	}
	return evs, nil
}

// Last gives the last events of a session, in order, and none where there is no instance: it starts none, and counts
// as no use of the one there is.
func (s *Service) Last(ctx context.Context, userID int64, id string, limit int) ([]protocol.Event, error) {
	inst, ok := s.pool.Current(userID)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	evs, err := pageOf(ctx, inst, id, 0, limit, func(int) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("read the last events of session %s: %w", id, unreachable(err))
	}
	return evs, nil
}

// Followed says whether somebody reads the session's events as they come.
func (s *Service) Followed(userID int64, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams[key{userID, id}]) > 0
}

func (s *Service) readPage(ctx context.Context, k key, before int64, limit int, room Room) ([]protocol.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	inst, _, err := s.pool.Get(ctx, k.userID)
	if err != nil {
		return nil, err
	}
	return pageOf(ctx, inst, k.id, before, limit, room)
}

func pageOf(ctx context.Context, inst *pool.Instance, id string, before int64, limit int, room Room) ([]protocol.Event, error) {
	evs, bytes := []protocol.Event{}, 0
	var todos *protocol.Todos
	req := &protocol.EventsRequest{SessionID: id, Until: true, Before: before, Last: limit, MaxBytes: maxEventsBytes}
	err := inst.Client().Events(ctx, req, func(ev *protocol.Event) error {
		// A supervisor from before there were pages gives all there is; the end of it is the page.
		if before > 0 && ev.Seq >= before {
			return errEnough
		}
		if err := room(len(ev.Event)); err != nil {
			return err
		}
		if ev.Todos != nil {
			todos = ev.Todos
		}
		evs = append(evs, *ev)
		for bytes += len(ev.Event); len(evs) > limit || len(evs) > 1 && bytes > maxEventsBytes; evs = evs[1:] {
			bytes -= len(evs[0].Event)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) && !errors.Is(err, fault.NotFoundError) { // not found: nothing was ever written
		return nil, err
	}
	if len(evs) > 0 {
		evs[0].Todos = todos
	}
	return evs, nil
}

// inQuery names the field as the caller of Events gave it.
func inQuery(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	return fault.InvalidField("query.after", "%s", f.Said())
}

// read reads what is there now, and tells whether it was cut short.
func (s *Service) read(ctx context.Context, k key, after int64, limit int, room Room) (evs []protocol.Event, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	inst, _, err := s.pool.Get(ctx, k.userID)
	if err != nil {
		return nil, false, err
	}
	evs = []protocol.Event{}
	err = inst.Client().Events(ctx, &protocol.EventsRequest{SessionID: k.id, After: after, Until: true}, func(ev *protocol.Event) error {
		if err := room(len(ev.Event)); err != nil {
			if len(evs) > 0 {
				return errEnough
			}
			return err
		}
		if evs = append(evs, *ev); len(evs) == limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) && !errors.Is(err, fault.NotFoundError) { // not found: nothing was ever written
		return nil, false, err
	}
	return evs, errors.Is(err, errEnough), nil
}

// await waits for an event to come and says whether one did.
func (s *Service) await(ctx context.Context, k key, after int64, wait time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for ctx.Err() == nil {
		inst, err := s.pool.Await(ctx, k.userID)
		if err != nil {
			return false
		}
		err = inst.Client().Events(ctx, &protocol.EventsRequest{SessionID: k.id, After: after}, func(*protocol.Event) error { return errEnough })
		if errors.Is(err, errEnough) {
			return true
		}
		_ = pause(ctx, 200*time.Millisecond) // it is being replaced, or the session has no journal yet
	}
	return false
}
