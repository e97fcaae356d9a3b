package push

import (
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// settle is how long after the end of a turn the next one may begin by itself,
// with a prompt that waited: then nothing has finished.
const settle = time.Second

// states is what is known of sessions, and what is to be looked at when.
type states struct {
	delay time.Duration
	wake  chan struct{}

	mu   sync.Mutex
	all  map[key]*state // those that are at work, wait, or have something due
	busy map[int64]bool // users whose session is being looked at
}

type state struct {
	now   string
	seq   int64     // of the last event, when it was last told
	began time.Time // of the turn
	due   time.Time // zero: nothing is
	ended bool      // what is due is the end of a turn, and not a request
	ran   time.Duration
}

// occasion is a reason to look at a session, and perhaps to tell of it.
type occasion struct {
	key
	ended bool
	ran   time.Duration
}

// still says whether a session that stands so gives the occasion yet. One that is queued or starts goes on with its turn.
func (o occasion) still(state string) bool {
	if o.ended {
		return state == protocol.StateReady || state == protocol.StateDormant
	}
	return state == protocol.StateWaiting
}

func newStates(delay time.Duration) states {
	return states{delay: delay, wake: make(chan struct{}, 1), all: map[key]*state{}, busy: map[int64]bool{}}
}

func atWork(state string) bool {
	return state == protocol.StateRunning || state == protocol.StateWaiting
}

// observe takes note of a state, and of the number of the last event. It does not wait.
func (s *states) observe(k key, now string, seq int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.all[k]
	if st == nil {
		if !atWork(now) {
			return // at rest when it was first seen: old news
		}
		st = &state{}
		s.all[k] = st
	}
	before, news := st.now, seq > st.seq
	st.now, st.seq = now, seq
	switch {
	case before == now && (now != protocol.StateWaiting || !news || !st.due.IsZero()):
		return
	case before == now: // one of its requests may have been answered, and another not
		st.due, st.ended = at.Add(s.delay), false
	case now == protocol.StateWaiting:
		st.due, st.ended = at.Add(s.delay), false
		if !atWork(before) {
			st.began = at
		}
	case now == protocol.StateRunning:
		if !atWork(before) {
			st.began = at
		}
		st.due = time.Time{}
	case atWork(before) && now != protocol.StateQueued && now != protocol.StateStarting:
		st.due, st.ended, st.ran = at.Add(settle), true, at.Sub(st.began)
	case st.due.IsZero():
		delete(s.all, k)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take gives what is due, and when the next will be; zero: nothing waits. One of a user's at a time, until it is
// done: whose devices are slow to reach keeps nobody else's waiting.
func (s *states) take(at time.Time) (due []occasion, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, st := range s.all {
		switch {
		case st.due.IsZero():
			continue
		case st.due.After(at):
			if next.IsZero() || st.due.Before(next) {
				next = st.due
			}
			continue
		case s.busy[k.userID]:
			continue
		}
		s.busy[k.userID] = true
		due = append(due, occasion{k, st.ended, st.ran})
		st.due = time.Time{}
		if !atWork(st.now) {
			delete(s.all, k)
		}
	}
	return due, next
}

// putOff has a session that waits looked at later, unless it is looked at before.
func (s *states) putOff(k key, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.all[k]; st != nil && st.now == protocol.StateWaiting && st.due.IsZero() {
		st.due, st.ended = until, false
	}
}

// again has all of a user's sessions that wait looked at now.
func (s *states) again(userID int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, st := range s.all {
		if k.userID == userID && st.now == protocol.StateWaiting && st.due.After(at) {
			st.due = at
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// done says that a user's occasion has been looked at.
func (s *states) done(userID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, userID)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
