package pool

import (
	"context"
	"errors"
	"slices"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func errNone() error { return fault.New(fault.NotFound, "There is no instance.") }

// Destroy ends the user's instance; the files stay. When it returns nil,
// nothing is left, and the next Get makes a new one. One that is being made is
// cancelled.
func (p *Pool) Destroy(ctx context.Context, userID int64) error {
	if err := p.Known(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	p.warm.queue = slices.DeleteFunc(p.warm.queue, func(id int64) bool { return id == userID })
	s := p.slots[userID]
	if s == nil || p.stopping {
		stopping := p.stopping
		p.mu.Unlock()
		if stopping {
			return errStoppingFault()
		}
		return errNone()
	}
	j := s.job
	ahead := s.inst != nil && s.inst.ahead && !s.inst.woken // it ends, and there was none
	switch {
	case j == nil:
		j = p.destroyLocked(s, "asked for")
	case j.makes:
		j.cancel(errEnded)
	}
	p.mu.Unlock()
	_, err := j.wait(ctx)
	switch {
	case err == nil && (j.makes || j.rests): // it was finished in the same moment, or is asleep now
		return p.Destroy(ctx, userID)
	case err == nil && ahead, errors.Is(err, errEnded) && ahead:
		return errNone()
	case errors.Is(err, errEnded):
		return nil
	}
	return err
}

// Restart ends the user's instance and makes a new one, as one step that
// everybody who asks meanwhile waits for.
func (p *Pool) Restart(ctx context.Context, userID int64) (Stats, error) {
	if err := p.Known(ctx); err != nil {
		return Stats{}, err
	}
	for {
		p.mu.Lock()
		s := p.slots[userID]
		if s == nil || s.inst != nil && s.inst.ahead && !s.inst.woken {
			p.mu.Unlock()
			return Stats{}, errNone()
		}
		if p.stopping {
			p.mu.Unlock()
			return Stats{}, errStoppingFault()
		}
		if j := s.job; j != nil { // whatever it is comes first
			p.mu.Unlock()
			if _, err := j.wait(ctx); ctx.Err() != nil {
				return Stats{}, err
			}
			continue
		}
		var j *job
		if s.inst.status == StatusHibernated {
			j = p.wakeLocked(s)
		} else {
			j = p.replaceLocked(s, whyAsked, 0)
		}
		p.mu.Unlock()
		inst, err := j.wait(ctx)
		if err != nil {
			return Stats{}, err
		}
		return inst.Stats(), nil
	}
}

// SetQuota applies a changed quota to the instance, if there is one: limits
// at once, none allowed ends it. The number of live sessions is the
// supervisor's and holds from its next start.
func (p *Pool) SetQuota(ctx context.Context, userID int64, q quota.Quota) error {
	for {
		p.mu.Lock()
		s := p.slots[userID]
		if s == nil || p.stopping {
			p.mu.Unlock()
			return nil // the next one is made with it, or adopted with it
		}
		j := s.job
		if j == nil && q.Instances < 1 && s.inst != nil {
			j = p.destroyLocked(s, "the quota allows none")
		}
		inst := s.inst
		p.mu.Unlock()
		if j != nil {
			if _, err := j.wait(ctx); ctx.Err() != nil {
				return err
			}
			continue
		}
		if inst == nil {
			return nil
		}
		if p.asleep(inst) {
			p.mu.Lock()
			defer p.mu.Unlock()
			inst.quota = q // it is woken with what the owner has then
			p.emitInstanceLocked(inst)
			return nil
		}
		return p.resize(ctx, s, inst, q)
	}
}

const notApplied = "The new limits could not be applied to the running instance. Restart it to apply them."

// resize is done by one caller at a time, so that the limits which the runtime
// has are those that the statistics show.
func (p *Pool) resize(ctx context.Context, s *slot, inst *Instance, q quota.Quota) error {
	select {
	case inst.resizing <- struct{}{}:
		defer func() { <-inst.resizing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	same := limits(inst.quota) == limits(q)
	p.mu.Unlock()
	if !same {
		rctx, cancel := context.WithTimeout(ctx, p.o.DestroyTimeout)
		defer cancel()
		if err := p.o.Runtime.Resize(rctx, inst.id, limits(q)); err != nil {
			var f *fault.Error
			if errors.As(err, &f) {
				return err
			}
			return fault.Wrap(err, fault.InstanceUnavailable, notApplied)
		}
	}
	cctx, cancel := context.WithTimeout(ctx, p.o.CheckTimeout)
	defer cancel()
	// One that is not there any more is replaced by one that starts with them.
	if err := inst.client.Configure(cctx, &protocol.Limits{LiveSessions: q.LiveSessions, PIDs: q.PIDs}); err != nil && !errors.Is(err, rpc.ErrUnreachable) {
		return fault.Wrap(err, fault.InstanceUnavailable, notApplied)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	inst.quota = q
	if s.inst == inst {
		p.emitInstanceLocked(inst)
	}
	return nil
}

// destroyLocked begins the end of what is in the slot.
func (p *Pool) destroyLocked(s *slot, why string) *job {
	inst := p.stopLocked(s)
	return p.beginLocked(s, false, func(ctx context.Context, _ *job) (*Instance, error) {
		if inst == nil {
			return nil, nil
		}
		p.o.Log.Info("ending an instance", "instance", inst.id, "user", inst.userID, "why", why)
		return nil, p.end(ctx, s, inst, true)
	})
}

// stopLocked takes the slot's instance from everybody who asks from now on.
func (p *Pool) stopLocked(s *slot) *Instance {
	if s.inst != nil && s.inst.status != StatusHibernated {
		_ = p.moveLocked(s.inst, StatusStopping) // allowed from every state that an instance without a job has
	}
	return s.inst
}

func (p *Pool) stopLocking(s *slot) *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopLocked(s)
}

// end ends an instance that is stopping already, and empties the slot; one that
// rests leaves a hibernated one. It is not cut short by anybody: half an end is
// worse than none.
func (p *Pool) end(ctx context.Context, s *slot, inst *Instance, graceful bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.o.DestroyTimeout)
	defer cancel()
	if p.asleep(inst) {
		return p.forget(ctx, s, inst)
	}
	if graceful && !inst.abandonedNow() {
		// The watch goes on meanwhile and sees the last of the sessions.
		gctx, gcancel := context.WithTimeout(ctx, min(graceTimeout, p.o.DestroyTimeout/4))
		if err := inst.client.Shutdown(gctx); err != nil {
			p.o.Log.Debug("supervisor did not end by itself", "instance", inst.id, "error", err)
		}
		gcancel()
	}
	inst.release()
	err := p.o.Runtime.Destroy(ctx, inst.id)
	if err == nil || errors.Is(err, fault.NotFoundError) {
		switch {
		case inst.rests:
			p.remember(ctx, inst)
		case inst.woken:
			p.unrecord(ctx, inst.userID)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dormantLocked(inst)
	if err != nil && !errors.Is(err, fault.NotFoundError) {
		p.o.Log.Error("end an instance", "instance", inst.id, "user", inst.userID, "error", err)
		inst.abandoned = true
		inst.health.Status = unhealthy
		inst.health.Detail = whyNotEnded
		_ = p.moveLocked(inst, StatusUnhealthy) // allowed from stopping
		return fault.Wrap(err, fault.InstanceUnavailable, "The instance could not be ended. This is tried again; if it stays so, tell an administrator.")
	}
	if inst.rests {
		p.restLocked(inst)
		return nil
	}
	_ = p.moveLocked(inst, statusGone) // allowed from stopping
	if s.inst == inst {
		s.inst = nil
	}
	p.emitGoneLocked(inst)
	return nil
}

func (i *Instance) abandonedNow() bool {
	i.pool.mu.Lock()
	defer i.pool.mu.Unlock()
	return i.abandoned
}
