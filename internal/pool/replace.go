package pool

import (
	"context"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// lost takes note that an instance is dead, and begins its replacement. It is
// called by the instance's own goroutines, and does nothing when the instance
// is being ended anyway.
func (p *Pool) lost(inst *Instance, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[inst.userID]
	if p.stopping || s == nil || s.inst != inst || s.job != nil {
		return
	}
	p.o.Log.Warn("instance is dead, replacing it", "instance", inst.id, "user", inst.userID, "why", why)
	p.countLocked(inst, why)
	inst.health.Status, inst.health.Detail = unhealthy, why
	inst.health.ConsecutiveFailures = max(inst.health.ConsecutiveFailures, 1)
	_ = p.moveLocked(inst, StatusUnhealthy) // allowed from every state that an instance without a job has
	generation := 1
	if p.now().Sub(inst.startedAt) < quickDeath {
		generation = inst.generation + 1
	}
	p.replaceLocked(s, p.replaced(why), generation)
}

// countLocked keeps why an instance is replaced.
func (p *Pool) countLocked(inst *Instance, why string) {
	p.figures.replacements[reasonOf(why)]++
	inst.health.Replacements = append([]Replacement{{At: p.now().UTC(), Reason: why}}, inst.health.Replacements[:min(len(inst.health.Replacements), keptReasons-1)]...)
}

// replaced is what the health of a replacement says.
func (p *Pool) replaced(why string) string {
	return "Replaced at " + p.now().UTC().Format(time.RFC3339) + ": " + why
}

// What else the health of an instance says, in words for people.
const (
	whyAsked    = "Restarted on request."
	whyNotEnded = "It could not be ended. This is tried again."
)

// keptReasons is how many replacements are remembered.
const keptReasons = 5

// reasonOf is a reason as metrics name it.
func reasonOf(why string) string {
	switch why {
	case whyGone:
		return "gone"
	case whyEnded:
		return "ended"
	case whyVersion:
		return "version"
	}
	return "unanswered"
}

// replaceLocked begins a replacement: end the old one, pause if this repeats
// itself, make a new one.
func (p *Pool) replaceLocked(s *slot, why string, generation int) *job {
	old := p.stopLocked(s)
	return p.beginLocked(s, true, func(ctx context.Context, j *job) (*Instance, error) {
		for try := 1; ; try++ {
			inst, err := p.replaceOnce(ctx, j, s, old, why, generation)
			if err == nil {
				return inst, nil
			}
			if p.slotInstance(s) == nil {
				old = nil // it is gone, what is left to do is the making
			}
			if ctx.Err() != nil || try == replaceAttempts || !worthRetrying(err) {
				p.o.Log.Error("replace an instance", "user", s.userID, "tries", try, "error", err)
				return nil, err
			}
			generation = max(generation, 1) + 1
		}
	})
}

func (p *Pool) replaceOnce(ctx context.Context, j *job, s *slot, old *Instance, why string, generation int) (*Instance, error) {
	if old != nil {
		p.mu.Lock()
		if old.status == StatusUnhealthy { // an end that failed before
			_ = p.moveLocked(old, StatusStopping)
		}
		p.mu.Unlock()
		// One that was asked for gets its chance to flush; a dead one cannot.
		if err := p.end(ctx, s, old, generation == 0); err != nil {
			_ = pause(ctx, time.Second) // whether cut short or not: the old one is still there
			return nil, err
		}
	}
	next := p.newInstance(s.userID, newID())
	next.generation = generation
	next.health.Detail = why
	var delay time.Duration
	if generation > 1 {
		delay = backoff(generation-1, time.Second, maxDelay)
	}
	p.mu.Lock()
	if old != nil {
		next.name, next.language, next.quota, next.workspace = old.name, old.language, old.quota, old.workspace
		next.health.Replacements = old.health.Replacements
		next.ahead, j.ahead = old.ahead, old.ahead
	}
	s.inst = next // shown as starting, also while it waits
	j.notBefore = p.now().Add(delay)
	p.emitInstanceLocked(next)
	p.mu.Unlock()
	if delay > 0 {
		if err := pause(ctx, delay); err != nil {
			p.mu.Lock()
			_ = p.moveLocked(next, statusGone)
			s.inst = nil
			p.emitGoneLocked(next)
			p.mu.Unlock()
			return nil, makeFault(err)
		}
	}
	return p.make(ctx, s, next)
}

func (p *Pool) slotInstance(s *slot) *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.inst
}

// worthRetrying is false for what only a person can change.
func worthRetrying(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Forbidden, fault.QuotaExceeded, fault.NotFound, fault.RuntimeUnavailable:
		return false
	}
	return true
}
