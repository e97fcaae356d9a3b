package pool

import (
	"context"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// sweepLoop ends, again and again, what nobody uses.
func (p *Pool) sweepLoop(ctx context.Context) {
	every := maxSweep
	for _, d := range []time.Duration{p.o.IdleTimeout, p.o.SessionIdleTimeout} {
		if d > 0 {
			every = min(every, d/10)
		}
	}
	every = max(every, minSweep)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		p.sweep()
	}
}

// sweep looks once at everything. What it decides to end is ended in jobs and
// goroutines of its own.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return
	}
	now := p.now()
	for _, s := range p.slots {
		if s.job != nil || s.inst == nil {
			continue
		}
		inst := s.inst
		if inst.abandoned {
			p.destroyLocked(s, "an earlier try failed")
			continue
		}
		if !inst.usableLocked() {
			continue
		}
		p.endUnusedSessionsLocked(inst, now)
		unused := inst.unusedLocked(now)
		switch {
		case p.o.IdleTimeout > 0 && unused >= p.o.IdleTimeout:
			p.hibernateLocked(s, "idle")
		case inst.outdatedLocked():
			p.renewLocked(s, now)
		case unused >= p.quiet():
			_ = p.moveLocked(inst, StatusIdle) // from active, or it is idle
		}
	}
	p.rearrange()
}

// quiet is after how long an instance that nobody uses is idle.
func (p *Pool) quiet() time.Duration {
	if p.o.IdleTimeout > 0 {
		return min(idleAfter, p.o.IdleTimeout/2)
	}
	return idleAfter
}

// unusedLocked is how long nothing ran in it, nor waited to, and nobody used or touched it.
func (i *Instance) unusedLocked(now time.Time) time.Duration {
	if len(i.processes) > 0 || i.uses > 0 {
		return 0
	}
	for _, w := range i.sessions {
		if w.State == protocol.StateQueued {
			return 0
		}
	}
	from := i.lastActivity
	if i.idleFrom.After(from) {
		from = i.idleFrom
	}
	return now.Sub(from)
}

// endUnusedSessionsLocked ends processes that have been ready for too long.
func (p *Pool) endUnusedSessionsLocked(inst *Instance, now time.Time) {
	if p.o.SessionIdleTimeout <= 0 {
		return
	}
	for _, w := range inst.sessions {
		if w.State == protocol.StateReady && w.Tasks == 0 && now.Sub(w.since) >= p.o.SessionIdleTimeout {
			p.closeSessionLocked(inst, w, "idle")
		}
	}
}

// closeSessionLocked asks the supervisor to end a session's idle process; its
// Watch tells when that has happened. One that has got work meanwhile stays.
func (p *Pool) closeSessionLocked(inst *Instance, w *watched, why string) {
	if w.closing {
		return
	}
	w.closing, w.taken, w.why = true, false, why
	p.o.Log.Debug("ending the idle process of a session", "instance", inst.id, "session", w.ID, "why", why)
	if inst.told != nil {
		inst.wakeTalk()
		return
	}
	p.figures.evictions[why]++
	id := w.ID // of a supervisor that knows no places: it ends what it is told to
	p.wg.Go(func() {
		ctx, cancel := context.WithTimeout(p.life, p.o.CheckTimeout)
		defer cancel()
		if err := inst.client.CloseSession(ctx, &protocol.SessionRequest{SessionID: id}); err != nil {
			p.o.Log.Warn("end the process of a session", "instance", inst.id, "session", id, "error", err)
			p.mu.Lock()
			w.closing = false
			p.mu.Unlock()
		}
	})
}

// room makes sure that one more instance may be there, and hibernates one where
// that is needed: one that was started ahead and never used, else the longest
// unused one.
func (p *Pool) room(ctx context.Context, mine *slot) error {
	for p.o.MaxInstances > 0 {
		p.mu.Lock()
		n := 0
		var victim *slot
		for _, s := range p.slots {
			if s == mine || s.inst == nil || s.inst.status == StatusHibernated {
				continue
			}
			n++
			if s.job != nil || !s.inst.usableLocked() || !s.inst.ahead && s.inst.unusedLocked(p.now()) < idleAfter {
				continue
			}
			if victim == nil || s.inst.ahead && !victim.inst.ahead ||
				s.inst.ahead == victim.inst.ahead && s.inst.lastActivity.Before(victim.inst.lastActivity) {
				victim = s
			}
		}
		if n < p.o.MaxInstances {
			p.mu.Unlock()
			return nil
		}
		if victim == nil {
			p.mu.Unlock()
			return &fault.Error{Code: fault.InstanceUnavailable, RetryAfter: 30 * time.Second,
				Detail: "The server has no room for another instance at the moment. Try again in a little while."}
		}
		j := p.hibernateLocked(victim, "room")
		p.mu.Unlock()
		if _, err := j.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
