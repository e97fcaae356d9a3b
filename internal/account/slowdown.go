package account

import (
	"sync"
	"time"
)

// guesses slows who guesses passwords, and nobody else if it can. Failed sign-ins
// are free at first; then each doubles the wait before the next try. They are
// counted three times:
//
//   - by person and network, strictly: from one place a password is guessed once
//     a minute in the end. That alone holds for the person too, when they sit
//     behind the same address.
//   - by person alone, mildly: what three networks do, each as fast as it may, is
//     still free, so that the person gets in from a fourth. Who has more of them
//     gets four guesses a minute for all together, and where the person is signed
//     in already this does not count: nobody far away shuts them out at home.
//   - by network alone: what tries many names is slowed. The allowance is larger
//     and failures are forgotten sooner than of one person, because a whole school
//     may sit behind one address, and somebody there is always wrong.
//
// A person is one whether they are called by user name or by address.
type guesses struct {
	pair, person, network slowdown
}

const (
	freeByPair     = 5
	forgetsPair    = 3 * time.Minute // one failure
	freeByPerson   = 60
	forgetsPerson  = 15 * time.Second
	freeByNetwork  = 30
	forgetsNetwork = 30 * time.Second

	firstWait     = time.Second
	longestWait   = time.Minute
	maxDoublings  = 10     // so that a shift never overflows
	maxRemembered = 10_000 // keys; some 1 MB
)

func newGuesses(now func() time.Time) *guesses {
	return &guesses{
		pair:    slowdown{now: now, free: freeByPair, forgets: forgetsPair},
		person:  slowdown{now: now, free: freeByPerson, forgets: forgetsPerson},
		network: slowdown{now: now, free: freeByNetwork, forgets: forgetsNetwork},
	}
}

func pairKey(person, network string) string { return network + " " + person }

// wait tells how long a person's next try from a network must wait; atHome says
// whether they are signed in from there already.
func (g *guesses) wait(person, network string, atHome func() bool) time.Duration {
	wait := max(g.network.wait(network), g.pair.wait(pairKey(person, network)))
	if all := g.person.wait(person); all > wait && !atHome() {
		return all
	}
	return wait
}

func (g *guesses) failed(person, network string) {
	g.pair.fail(pairKey(person, network))
	g.person.fail(person)
	g.network.fail(network)
}

// right forgets only what was counted of the two together: others may still be guessing.
func (g *guesses) right(person, network string) { g.pair.forgive(pairKey(person, network)) }

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
