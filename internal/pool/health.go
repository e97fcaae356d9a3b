package pool

import (
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
	unhealthy = "unhealthy"
)

// checkLoop asks one supervisor again and again whether it is well.
func (p *Pool) checkLoop(ctx context.Context, inst *Instance) {
	wait := rand.N(p.o.HealthInterval) + 1 // spread: after a restart all begin together
	for pause(ctx, wait) == nil {
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
		if h.ConsecutiveFailures > 0 {
			h.Detail = ""
		}
		h.ConsecutiveFailures, h.Status = 0, healthy
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
