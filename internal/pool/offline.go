package pool

import (
	"context"
	"errors"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Offline ends the user's instance, if there is one, and then does something
// that must not be disturbed by one: whoever asks for it meanwhile waits. The
// context it is given is the pool's, and ends when the server does; its error is
// the caller's alone.
func (p *Pool) Offline(ctx context.Context, userID int64, do func(ctx context.Context) error) error {
	if err := p.Known(ctx); err != nil {
		return err
	}
	for {
		p.mu.Lock()
		if p.stopping {
			p.mu.Unlock()
			return errStoppingFault()
		}
		s := p.slots[userID]
		if s == nil {
			s = &slot{userID: userID}
			p.slots[userID] = s
		}
		if j := s.job; j != nil {
			if j.makes {
				j.cancel(errEnded)
			}
			p.mu.Unlock()
			if _, err := j.wait(ctx); ctx.Err() != nil {
				return err
			}
			continue
		}
		var failed error // written before the job is done
		j := p.beginLocked(s, false, func(ctx context.Context, _ *job) (*Instance, error) {
			if inst := p.stopLocking(s); inst != nil {
				if err := p.end(ctx, s, inst, true); err != nil {
					return nil, err
				}
			}
			failed = do(ctx)
			return nil, nil
		})
		p.mu.Unlock()
		if _, err := j.wait(ctx); err != nil {
			return err
		}
		return failed
	}
}

// Erase ends the user's instance, if there is one, and removes the files for
// ever. Nobody can get a new instance meanwhile.
func (p *Pool) Erase(ctx context.Context, userID int64) error {
	return p.Offline(ctx, userID, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.o.DestroyTimeout)
		defer cancel()
		if err := p.o.Runtime.DeleteVolume(ctx, userID); err != nil && !errors.Is(err, fault.NotFoundError) {
			return fault.Wrap(err, fault.InstanceUnavailable, "The files could not be removed. Try again in a moment.")
		}
		return nil
	})
}
