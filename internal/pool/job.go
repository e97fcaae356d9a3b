package pool

import (
	"context"
	"errors"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// job is the one long thing that happens to a user's slot: making, ending or
// replacing the instance. It belongs to the pool, not to who asked first.
type job struct {
	makes     bool // there will be an instance when it succeeded
	rests     bool // it hibernates the instance
	ahead     bool // nobody has come for it; guarded by Pool.mu
	cancel    context.CancelCauseFunc
	done      chan struct{}
	notBefore time.Time // a replacement that waits; guarded by Pool.mu

	// Written before done is closed.
	inst *Instance
	err  error
}

// beginLocked runs f as the slot's job. f leaves the slot's instance as it
// shall be, the job then clears the slot when nothing is left in it.
func (p *Pool) beginLocked(s *slot, makes bool, f func(ctx context.Context, j *job) (*Instance, error)) *job {
	ctx, cancel := context.WithCancelCause(p.life)
	j := &job{makes: makes, cancel: cancel, done: make(chan struct{})}
	s.job = j
	p.wg.Go(func() {
		defer cancel(nil)
		j.inst, j.err = f(ctx, j)
		p.mu.Lock()
		if j.inst != nil && j.inst.ahead && !j.ahead { // its person came while it was made
			j.inst.claimLocked()
		} else if j.inst != nil {
			j.inst.ahead = j.ahead
		}
		s.job = nil
		if s.inst == nil && p.slots[s.userID] == s {
			delete(p.slots, s.userID)
		}
		p.mu.Unlock()
		close(j.done)
	})
	return j
}

// wait waits for the job's end or the caller's, whichever is first.
func (j *job) wait(ctx context.Context) (*Instance, error) {
	select {
	case <-j.done:
		return j.inst, j.err
	case <-ctx.Done():
		// The answer may have come in the same moment.
		select {
		case <-j.done:
			return j.inst, j.err
		default:
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, &fault.Error{Code: fault.InstanceUnavailable, Detail: "The instance takes longer than expected. It is still being worked on: try again in a few seconds.",
				RetryAfter: 5 * time.Second, Err: context.Cause(ctx)}
		}
		return nil, context.Cause(ctx)
	}
}
