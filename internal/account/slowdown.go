package account

import (
	"sync"
	"time"
)

// Failed sign-ins are free at first; then each doubles the wait before the next
// try. By name, what guesses one person's password is slowed, and nobody can
// lock a person out for longer than a minute. By address, what tries many names
// is. There the allowance is larger and failures are forgotten sooner, because a
// whole school may sit behind one address, and somebody there is always wrong.
const (
	freeByName     = 5
	forgetsName    = 3 * time.Minute // one failure
	freeByAddress  = 30
	forgetsAddress = 30 * time.Second

	firstWait     = time.Second
	longestWait   = time.Minute
	maxDoublings  = 10     // so that a shift never overflows
	maxRemembered = 10_000 // keys; some 1 MB
)

// slowdown counts failures by key, in memory: a restart forgives them, which
// costs an attacker more than it gives.
type slowdown struct {
	now     func() time.Time
	free    int           // failures that cost nothing
	forgets time.Duration // in which one failure is forgotten

	mu     sync.Mutex
	failed map[string]failures // guarded by mu; at most maxRemembered
}

type failures struct {
	count int // at the time of the last
	last  time.Time
}

// left is how many failures are not forgotten yet.
func (s *slowdown) left(f failures, now time.Time) int {
	return max(0, f.count-int(now.Sub(f.last)/s.forgets))
}

// wait tells how long the key must still wait, at most; 0: it may try.
func (s *slowdown) wait(key string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, now := s.failed[key], s.now()
	n := s.left(f, now)
	if n < s.free || n == 0 {
		return 0
	}
	delay := min(firstWait<<min(n-s.free, maxDoublings), longestWait)
	return max(0, delay-now.Sub(f.last))
}

func (s *slowdown) fail(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = map[string]failures{}
	}
	now := s.now()
	f, ok := s.failed[key]
	if !ok && len(s.failed) >= maxRemembered {
		s.makeRoomLocked(now)
	}
	s.failed[key] = failures{count: s.left(f, now) + 1, last: now}
}

// forgive forgets the failures of a key that has proved itself.
func (s *slowdown) forgive(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.failed, key)
}

// makeRoomLocked drops every key that is forgotten by now, and if there is none
// the key with the fewest failures and the oldest of those: a flood of new names
// does not push out the one that is being guessed.
func (s *slowdown) makeRoomLocked(now time.Time) {
	var victim string
	var least failures
	for key, f := range s.failed {
		if s.left(f, now) == 0 {
			delete(s.failed, key)
			continue
		}
		if victim == "" || f.count < least.count || f.count == least.count && f.last.Before(least.last) {
			victim, least = key, f
		}
	}
	if len(s.failed) >= maxRemembered {
		delete(s.failed, victim)
	}
}
