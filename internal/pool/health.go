package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Values of Health.Status.
const (
	healthy   = "healthy"
	degraded  = "degraded"
	unhealthy = "unhealthy"
)

// checkLoop asks one supervisor again and again whether it is well.
func (p *Pool) checkLoop(ctx context.Context, inst *Instance) {
	wait := rand.N(p.o.HealthInterval) + 1 // spread: after a restart all begin together
	for n := 0; pause(ctx, wait) == nil; n++ {
		err := p.ping(ctx, inst)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if why, gone := p.dead(ctx, inst); gone {
				p.lost(inst, why)
				return
			}
		}
		if err == nil && n%measureEvery == 0 {
			p.measureNow(ctx, inst)
		}
		failures, detail := p.checked(inst, err)
		if failures >= failureThreshold {
			p.lost(inst, detail)
			return
		}
		wait = p.o.HealthInterval
		if failures > 0 {
			wait = min(wait, retryInterval)
		}
	}
}

// ping asks the supervisor, within CheckTimeout, whether it is the right one.
func (p *Pool) ping(ctx context.Context, inst *Instance) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.CheckTimeout)
	defer cancel()
	res, err := inst.client.Ping(ctx)
	switch {
	case err == nil && res.InstanceID != inst.id:
		return fmt.Errorf("instance %s answered for %s", res.InstanceID, inst.id)
	case err != nil && ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case err == nil:
		p.mu.Lock()
		defer p.mu.Unlock()
		inst.version = res.Version
	}
	return err
}

// checked records one check.
func (p *Pool) checked(inst *Instance, err error) (failures int, detail string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := &inst.health
	h.LastCheckAt = p.now().UTC()
	if err == nil {
		lacks := inst.lacksLocked()
		before := *h
		switch {
		case lacks != "":
			h.Status, h.Detail = degraded, lacks
		case inst.oomLocked() != "":
			h.Status, h.Detail = healthy, inst.oomLocked() // it has what it needs again, and somebody wonders what ended
		case h.ConsecutiveFailures > 0 || h.Status == degraded || !inst.oomAt.IsZero():
			inst.oomAt = time.Time{}
			h.Status, h.Detail = healthy, ""
		default:
			h.Status = healthy
		}
		h.ConsecutiveFailures = 0
		if before.Status != h.Status {
			p.emitInstanceLocked(inst)
		}
		if inst.status == StatusUnhealthy && !inst.abandoned {
			_ = p.moveLocked(inst, StatusActive) // always allowed from unhealthy
		}
		return 0, ""
	}
	h.ConsecutiveFailures++
	h.Detail = p.explain(err)
	p.o.Log.Warn("check failed", "instance", inst.id, "user", inst.userID, "failures", h.ConsecutiveFailures, "error", err)
	p.emitInstanceLocked(inst)
	return h.ConsecutiveFailures, h.Detail
}

// When a quota is nearly used up, the person is told before something fails.
const (
	measureEvery = 3    // one check of so many measures, too
	nearly       = 0.95 // of the volume or the processes
	oomMemory    = 10 * time.Minute
)

// measureNow measures and waits for it, but no longer than a check may take.
func (p *Pool) measureNow(ctx context.Context, inst *Instance) {
	ctx, cancel := context.WithTimeout(ctx, p.o.CheckTimeout)
	defer cancel()
	p.mu.Lock()
	measured := p.measureLocked(inst)
	p.mu.Unlock()
	await(ctx, measured)
}

// lacksLocked says in words what an instance that answers lacks; "" when it is well.
func (i *Instance) lacksLocked() string {
	q, u := i.quota, i.usage
	full := func(used, limit int64) (percent int64, ok bool) {
		return used * 100 / max(limit, 1), limit > 0 && float64(used) >= nearly*float64(limit)
	}
	if percent, ok := full(u.StorageBytes, cmp.Or(u.StorageMost, q.StorageBytes)); ok {
		return fmt.Sprintf("The storage is %d %% full. Delete files, or ask an administrator for more.", percent)
	}
	if percent, ok := full(u.Inodes, cmp.Or(u.InodesMost, q.Inodes)); ok {
		return fmt.Sprintf("%d %% of the files that there may be are there. Delete some, or ask an administrator for more.", percent)
	}
	if percent, ok := full(u.PIDs, q.PIDs); ok {
		return fmt.Sprintf("%d %% of the processes that there may be run. End some.", percent)
	}
	return ""
}

// oomLocked names a process that was ended for its memory a while ago.
func (i *Instance) oomLocked() string {
	if q := i.quota; !i.oomAt.IsZero() && i.pool.now().Sub(i.oomAt) < oomMemory {
		return fmt.Sprintf("A process was ended at %s because the memory of %d MiB was used up.", i.oomAt.UTC().Format(time.RFC3339), q.MemoryBytes>>20)
	}
	return ""
}

// explain says in words for people what a check found; the error itself may
// name paths of the host and is for the log.
func (p *Pool) explain(err error) string {
	var f *fault.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("Its supervisor did not answer within %s.", p.o.CheckTimeout.Round(time.Millisecond))
	case errors.As(err, &f):
		return "Its supervisor answered: " + f.Detail
	}
	return "Its supervisor could not be reached."
}
