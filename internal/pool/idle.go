package pool

import (
	"context"
	"slices"
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
		case <-p.sweepNow:
		case <-ctx.Done():
			return
		}
		p.sweep()
	}
}

func (p *Pool) wakeSweep() {
	select {
	case p.sweepNow <- struct{}{}:
	default:
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
			p.destroyLocked(s, "idle")
		case unused >= idleAfter || p.o.IdleTimeout > 0 && unused >= p.o.IdleTimeout/2:
			_ = p.moveLocked(inst, StatusIdle) // from active, or it is idle
		}
	}
	p.trimSessionsLocked()
}

// unusedLocked is how long nothing ran in it and nobody touched it.
func (i *Instance) unusedLocked(now time.Time) time.Duration {
	if len(i.processes) > 0 {
		return 0
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
		if w.State == protocol.StateReady && now.Sub(w.since) >= p.o.SessionIdleTimeout {
			p.closeSessionLocked(inst, w, "idle")
		}
	}
}

// trimSessionsLocked keeps the number of Claude processes on this server at
// MaxLiveSessions: the ones that were unused for longest go first. One that
// works or waits for its person is never ended.
func (p *Pool) trimSessionsLocked() {
	if p.o.MaxLiveSessions <= 0 {
		return
	}
	type candidate struct {
		inst *Instance
		w    *watched
	}
	live := 0
	var ready []candidate
	for _, s := range p.slots {
		if s.inst == nil || !s.inst.usableLocked() {
			continue
		}
		for _, w := range s.inst.sessions {
			if w.State == protocol.StateDormant || w.State == protocol.StateQueued || w.closing {
				continue
			}
			live++
			if w.State == protocol.StateReady {
				ready = append(ready, candidate{s.inst, w})
			}
		}
	}
	slices.SortFunc(ready, func(a, b candidate) int { return a.w.since.Compare(b.w.since) })
	for _, c := range ready[:min(len(ready), max(0, live-p.o.MaxLiveSessions))] {
		p.closeSessionLocked(c.inst, c.w, "the server keeps no more")
	}
}

// closeSessionLocked asks the supervisor to end a session's process; its
// Watch tells when that has happened.
func (p *Pool) closeSessionLocked(inst *Instance, w *watched, why string) {
	if w.closing {
		return
	}
	w.closing = true
	id := w.ID
	p.wg.Go(func() {
		ctx, cancel := context.WithTimeout(p.life, p.o.CheckTimeout)
		defer cancel()
		err := inst.client.CloseSession(ctx, &protocol.SessionRequest{SessionID: id})
		p.o.Log.Info("ended the process of a session", "instance", inst.id, "session", id, "why", why, "error", err)
		if err != nil {
			p.mu.Lock()
			w.closing = false
			p.mu.Unlock()
		}
	})
}

// room makes sure that one more instance may be there, and ends the longest
// unused one where that is needed.
func (p *Pool) room(ctx context.Context, mine *slot) error {
	for p.o.MaxInstances > 0 {
		p.mu.Lock()
		n := 0
		var victim *slot
		for _, s := range p.slots {
			if s == mine || s.inst == nil {
				continue
			}
			n++
			if s.job != nil || !s.inst.usableLocked() || s.inst.unusedLocked(p.now()) < idleAfter {
				continue
			}
			if victim == nil || s.inst.lastActivity.Before(victim.inst.lastActivity) {
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
		j := p.destroyLocked(victim, "another user needs the room")
		p.mu.Unlock()
		if _, err := j.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
