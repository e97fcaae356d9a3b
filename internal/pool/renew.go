package pool

import (
	"context"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// whyVersion is why an instance is replaced after an upgrade, in words for people.
const whyVersion = "Its supervisor was of another version of Carrel."

// outdatedLocked says whether its supervisor is of another version than this server. What this server has made is
// not, whatever its supervisor calls itself: an instance is renewed once after a start, and no more.
func (i *Instance) outdatedLocked() bool {
	return i.adopted && i.version != "" && i.pool.o.Version != "" && i.version != i.pool.o.Version
}

// renewLocked takes an instance whose supervisor is of another version a step further to its replacement: while
// something is at work in it, none. Then processes that only are ready are ended, if their supervisor finds them idle,
// too; and once nothing runs it hibernates and is woken at once.
func (p *Pool) renewLocked(s *slot, now time.Time) {
	inst, quiet := s.inst, p.quiet()
	if inst.unusedLocked(now) >= quiet {
		p.replaceVersionLocked(s)
		return
	}
	if now.Sub(inst.lastActivity) < quiet || inst.busyLocked() {
		return
	}
	for _, w := range inst.sessions {
		if w.State == protocol.StateReady && now.Sub(w.since) >= quiet && !now.Before(w.busyUntil) {
			p.closeSessionLocked(inst, w, "version")
		}
	}
}

// busyLocked says whether something is at work, as far as the supervisor tells.
func (i *Instance) busyLocked() bool {
	if i.uses > 0 {
		return true
	}
	for _, pr := range i.processes {
		if pr.Kind != protocol.KindClaude {
			return true
		}
	}
	for _, w := range i.sessions {
		if w.State != protocol.StateReady && w.State != protocol.StateDormant || w.Tasks > 0 {
			return true
		}
	}
	return false
}

// replaceVersionLocked begins the replacement of an instance in which nothing runs.
func (p *Pool) replaceVersionLocked(s *slot) {
	old := s.inst
	p.o.Log.Info("replacing an instance of another version", "instance", old.id, "user", old.userID, "version", old.version, "ours", p.o.Version)
	p.countLocked(old, whyVersion)
	old.rests = true // whoever dies in between: it is theirs, and is woken by their next touch
	p.stopLocked(s)
	p.beginLocked(s, true, func(ctx context.Context, _ *job) (*Instance, error) {
		if err := p.end(ctx, s, old, true); err != nil {
			return nil, err
		}
		p.mu.Lock()
		next := p.successorLocked(old)
		next.health.Detail = p.replaced(whyVersion)
		p.mu.Unlock()
		return p.wake(ctx, s, old, next)
	})
}
