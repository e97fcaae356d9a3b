package pool

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Get gives the user's instance and makes it when there is none: one, however
// many ask at once, and created is true for the one who started it, or who is
// the first to come to one that was started ahead. A caller
// whose ctx ends does not end the making for the others. One that is there
// is given from memory alone.
func (p *Pool) Get(ctx context.Context, userID int64) (inst *Instance, created bool, err error) {
	if err := p.Known(ctx); err != nil {
		return nil, false, err
	}
	for {
		p.mu.Lock()
		if p.stopping {
			p.mu.Unlock()
			return nil, false, errStoppingFault()
		}
		s := p.slots[userID]
		if s == nil {
			s = &slot{userID: userID}
			p.slots[userID] = s
		}
		j := s.job
		switch {
		case j != nil && !j.makes: // wait until the old one is gone, then look again
			p.mu.Unlock()
			if _, err := j.wait(ctx); ctx.Err() != nil {
				return nil, false, err
			}
			continue
		case j != nil:
			created, j.ahead = j.ahead, false
			if left := j.notBefore.Sub(p.now()); left > longDelay {
				p.mu.Unlock()
				return nil, false, &fault.Error{Code: fault.InstanceUnavailable, RetryAfter: left,
					Detail: "Your instance stopped several times in a row and is started again after a pause. Try again in a moment."}
			}
		case s.inst == nil:
			created = true
			j = p.beginLocked(s, true, func(ctx context.Context, _ *job) (*Instance, error) {
				return p.make(ctx, s, p.newInstance(userID, newID()))
			})
		case s.inst.usableLocked():
			p.touchLocked(s.inst, p.now())
			inst := s.inst
			created := inst.claimLocked()
			p.mu.Unlock()
			return inst, created, nil
		case s.inst.status == StatusHibernated:
			j = p.wakeLocked(s)
		case s.inst.abandoned:
			created = true
			j = p.replaceLocked(s, s.inst.health.Detail, 0)
		default:
			p.mu.Unlock()
			return nil, false, &fault.Error{Code: fault.InstanceUnavailable, RetryAfter: retryInterval,
				Detail: "Your instance does not answer at the moment and is being checked. Try again in a few seconds."}
		}
		p.mu.Unlock()
		inst, err := j.wait(ctx)
		if err != nil {
			return nil, false, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		inst.claimLocked()
		return inst, created && !inst.woken, nil
	}
}

// Current gives the user's instance if there is one to use, and makes none.
func (p *Pool) Current(userID int64) (*Instance, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[userID]
	if s == nil || s.inst == nil || !s.inst.usableLocked() {
		return nil, false
	}
	return s.inst, true
}

// Await waits until the user has an instance to use, and makes none.
func (p *Pool) Await(ctx context.Context, userID int64) (*Instance, error) {
	for {
		p.mu.Lock()
		if p.stopping {
			p.mu.Unlock()
			return nil, errStoppingFault()
		}
		if s := p.slots[userID]; s != nil && s.inst != nil && s.inst.usableLocked() {
			p.mu.Unlock()
			return s.inst, nil
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-p.life.Done():
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// broadcastLocked wakes all that Await.
func (p *Pool) broadcastLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// make is the job that fills an empty slot. The owner is asked first, so that
// a refusal is never seen as an instance that starts.
func (p *Pool) make(ctx context.Context, s *slot, inst *Instance) (*Instance, error) {
	started, asleep := p.now(), p.slotInstance(s)
	spec, err := p.admit(ctx, s, inst)
	if err == nil {
		var h runtime.Handle
		if h, err = p.start(ctx, inst, spec); err == nil {
			if p.enter(ctx, s, inst, h) {
				p.o.Log.Info("instance made", "instance", inst.id, "user", inst.userID, "took", p.now().Sub(started))
				return inst, nil
			}
			err = context.Cause(ctx)
		}
		p.sweepUp(ctx, inst, err)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(cause, err) // the call only says that it was cut short
	}
	p.mu.Lock()
	if s.inst == inst {
		_ = p.moveLocked(inst, statusGone) // always allowed from starting
		s.inst = nil
		if asleep != nil && asleep.status == StatusHibernated && !errors.Is(err, errEnded) {
			s.inst = asleep // it could not be woken now
			p.emitInstanceLocked(asleep)
		} else {
			p.emitGoneLocked(inst)
		}
	}
	p.mu.Unlock()
	inst.client.Close()
	return nil, makeFault(err)
}

// admit checks that the user may have an instance and that there is room, and
// puts it into the slot.
func (p *Pool) admit(ctx context.Context, s *slot, inst *Instance) (runtime.Spec, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.CreateTimeout)
	defer cancel()
	owner, err := p.o.Owners.Owner(ctx, inst.userID)
	if err != nil {
		return runtime.Spec{}, err
	}
	if !owner.Active {
		return runtime.Spec{}, fault.New(fault.Forbidden, "This account is switched off. Ask an administrator.")
	}
	if owner.Quota.Instances < 1 {
		return runtime.Spec{}, fault.New(fault.QuotaExceeded, "Your quota allows 0 instances. Ask an administrator to raise it.")
	}
	if err := p.room(ctx, s); err != nil {
		return runtime.Spec{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	inst.name, inst.language, inst.quota = owner.Name, owner.Language, owner.Quota
	s.inst = inst
	p.emitInstanceLocked(inst)
	return runtime.Spec{ID: inst.id, UserID: inst.userID, Name: owner.Name, Language: owner.Language,
		Limits: limits(owner.Quota), LiveSessions: owner.Quota.LiveSessions}, nil
}

// start has the instance made, and waits until it answers. One that is lost
// before that, killed or out of memory, is made anew: its user has asked for
// an instance, not for that one.
func (p *Pool) start(ctx context.Context, inst *Instance, spec runtime.Spec) (runtime.Handle, error) {
	for try := 1; ; try++ {
		h, err := p.createOnce(ctx, spec)
		if err != nil {
			return h, err
		}
		if err = p.greet(ctx, inst); err == nil {
			return h, nil
		}
		if try == startAttempts || ctx.Err() != nil || !errors.Is(err, rpc.ErrUnreachable) {
			return h, err
		}
		p.o.Log.Warn("instance was lost while it started, making it anew", "instance", inst.id, "user", inst.userID, "error", err)
		p.sweepUp(ctx, inst, err)
	}
}

// createOnce asks the runtime. A conflict means that a creation which was cut
// off has been finished after all: nobody knows that instance, so it goes.
func (p *Pool) createOnce(ctx context.Context, spec runtime.Spec) (runtime.Handle, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.CreateTimeout)
	defer cancel()
	h, err := p.o.Runtime.Create(ctx, spec)
	if !errors.Is(err, fault.ConflictError) {
		return h, err
	}
	handles, lerr := p.o.Runtime.List(ctx)
	if lerr != nil {
		return h, errors.Join(err, lerr)
	}
	for _, old := range handles {
		if old.Spec.UserID != spec.UserID {
			continue
		}
		p.o.Log.Warn("ending a stray instance", "instance", old.Spec.ID, "user", spec.UserID)
		if derr := p.o.Runtime.Destroy(ctx, old.Spec.ID); derr != nil && !errors.Is(derr, fault.NotFoundError) {
			return h, errors.Join(err, derr)
		}
	}
	return p.o.Runtime.Create(ctx, spec)
}

// greet waits until the supervisor answers, by when the workspace is there: what
// nobody can speak to is no instance.
func (p *Pool) greet(ctx context.Context, inst *Instance) error {
	ctx, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	if _, err := inst.client.Ping(ctx); err != nil {
		return fault.Wrap(err, fault.InstanceUnavailable, "The instance was started and does not answer. Try again in a moment.")
	}
	return nil
}

// enter makes the instance the one that everybody gets, unless the job was
// cancelled meanwhile: both are decided under the lock, so a Destroy either
// cancels in time or finds an instance to end.
func (p *Pool) enter(ctx context.Context, s *slot, inst *Instance, h runtime.Handle) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil || p.stopping {
		return false
	}
	now := p.now()
	inst.workspace, inst.startedAt = h.Workspace, now
	if !inst.woken {
		inst.createdAt = h.CreatedAt
		if h.CreatedAt.IsZero() {
			inst.createdAt = now
		}
	}
	inst.lastActivity, inst.idleFrom = now, now
	inst.health.LastCheckAt = now
	p.attendLocked(inst)
	_ = p.moveLocked(inst, StatusActive) // always allowed from starting
	return true
}

// sweepUp removes what a creation that failed or was cut off may have left:
// the runtime might have finished what we no longer waited for.
func (p *Pool) sweepUp(ctx context.Context, inst *Instance, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.o.DestroyTimeout)
	defer cancel()
	if err := p.o.Runtime.Destroy(ctx, inst.id); err != nil && !errors.Is(err, fault.NotFoundError) {
		p.o.Log.Error("clean up after a creation", "instance", inst.id, "user", inst.userID, "error", err, "cause", cause)
	}
}

// makeFault says in words why there is no instance.
func makeFault(err error) error {
	var f *fault.Error
	switch {
	case errors.Is(err, errEnded):
		return fault.Wrap(err, fault.Conflict, "The instance was ended while it was being started.")
	case errors.Is(err, ErrStopping):
		return errStoppingFault()
	case errors.As(err, &f) && f.Code != fault.Internal && f.Code != fault.Conflict && f.Code != fault.Invalid:
		return err
	}
	return &fault.Error{Code: fault.InstanceUnavailable, RetryAfter: 5 * time.Second, Err: err,
		Detail: "Your instance could not be started. Try again in a moment; if it stays so, tell an administrator."}
}

// newID is an instance's id: 60 random bits.
func newID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return "i-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:12]
}
