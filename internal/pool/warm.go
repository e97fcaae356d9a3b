package pool

import (
	"context"
	"slices"
)

// Instances that are started before their person comes, one after the other:
// at a sign-in, and by a timetable. They are nobody's right: none is started
// when the server is near its limits, and they are the first to go.

// maxWarm bounds who waits to be started ahead.
const maxWarm = 10_000

// warm is who is to be started ahead; guarded by Pool.mu.
type warm struct {
	queue []int64
	wake  chan struct{}
}

// Warm has the user's instance started ahead, soon, if there is room enough. It
// does not wait.
func (p *Pool) Warm(userID int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slots[userID]; p.stopping || len(p.warm.queue) >= maxWarm || slices.Contains(p.warm.queue, userID) ||
		s != nil && (s.job != nil || s.inst != nil && s.inst.status != StatusHibernated) {
		return
	}
	p.warm.queue = append(p.warm.queue, userID)
	select {
	case p.warm.wake <- struct{}{}:
	default:
	}
}

// warmLoop starts one after the other, so that a class that comes at nine does
// not wear out the machine in one moment.
func (p *Pool) warmLoop(ctx context.Context) {
	for {
		p.mu.Lock()
		var next int64
		if len(p.warm.queue) > 0 {
			next = p.warm.queue[0]
			p.warm.queue = p.warm.queue[1:]
		}
		p.mu.Unlock()
		if next == 0 {
			select {
			case <-p.warm.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if !p.warmOne(ctx, next) {
			continue
		}
		if pause(ctx, p.o.WarmEvery) != nil {
			return
		}
	}
}

// warmOne says whether it has started something.
func (p *Pool) warmOne(ctx context.Context, userID int64) bool {
	p.mu.Lock()
	s := p.slots[userID]
	if p.stopping || p.nearLocked() || s != nil && (s.job != nil || s.inst != nil && s.inst.status != StatusHibernated) {
		p.mu.Unlock()
		return false
	}
	var j *job
	if s != nil && s.inst != nil {
		j = p.wakeLocked(s)
	} else {
		if s == nil {
			s = &slot{userID: userID}
			p.slots[userID] = s
		}
		inst := p.newInstance(userID, newID())
		inst.ahead = true
		j = p.beginLocked(s, true, func(ctx context.Context, _ *job) (*Instance, error) { return p.make(ctx, s, inst) })
	}
	j.ahead = true
	p.mu.Unlock()
	inst, err := j.wait(ctx)
	if err != nil {
		p.o.Log.Info("start an instance ahead", "user", userID, "error", err)
		return true
	}
	p.o.Log.Info("started an instance ahead", "instance", inst.id, "user", userID)
	return true
}

// nearLocked says whether the server is so near its limits that nothing is to
// be started ahead.
func (p *Pool) nearLocked() bool {
	if p.memory.tight || p.line.len() > 0 || p.memory.measured && p.memory.fits < 2 {
		return true
	}
	if p.o.MaxInstances <= 0 {
		return false
	}
	n := 0
	for _, s := range p.slots {
		if s.inst != nil && s.inst.status != StatusHibernated || s.job != nil {
			n++
		}
	}
	return n >= p.o.MaxInstances-max(1, p.o.MaxInstances/10)
}

// endAheadLocked hibernates one instance that was started ahead and that nobody
// came for.
func (p *Pool) endAheadLocked() {
	for _, s := range p.slots {
		if s.inst != nil && s.job == nil && s.inst.ahead && s.inst.usableLocked() && len(s.inst.processes) == 0 {
			p.hibernateLocked(s, "memory")
			return
		}
	}
}

// claimLocked says that a person has come for the instance, and whether it was
// theirs from this moment on only.
func (i *Instance) claimLocked() (first bool) {
	if !i.ahead {
		return false
	}
	i.ahead = false
	i.pool.emitInstanceLocked(i)
	return !i.woken
}
