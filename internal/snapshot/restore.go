package snapshot

import (
	"context"
	"errors"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Restore puts a snapshot in the place of the home, which is kept as a snapshot
// itself first. The instance is ended for it; the next touch makes a new one,
// and waits until this is done.
func (s *Service) Restore(ctx context.Context, userID int64, id string) error {
	release, err := s.claim(userID)
	if err != nil {
		return err
	}
	defer release()
	if err := s.exists(ctx, userID, id); err != nil {
		return err
	}
	if err := s.allow(userID); err != nil {
		return err
	}
	return s.o.Pool.Offline(ctx, userID, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, restoreTimeout)
		defer cancel()
		return s.restore(ctx, userID, id)
	})
}

// restore is called while there is no instance.
func (s *Service) restore(ctx context.Context, userID int64, id string) error {
	// One more than are kept: no other goes for a restore that may not come to be.
	before, err := s.take(ctx, userID, runtime.SnapshotBefore, runtime.Keep{Count: s.o.Keep + 1, Spare: id})
	if err != nil {
		return err
	}
	if before.Skipped > 0 {
		s.forget(ctx, userID, before.ID)
		return fault.New(fault.Conflict, "Not all files as they are now could be kept, for instance %s. A restore would lose them, so nothing was changed. Move or remove them and try again.", before.Missed())
	}
	err = s.o.Runtime.RestoreSnapshot(ctx, userID, id)
	if err != nil && refused(ctx, err) {
		s.forget(ctx, userID, before.ID)
	}
	return err
}

// refused tells whether an error says for certain that nothing was changed. A
// call that was cut short may have been done: the files before must stay, then.
func refused(ctx context.Context, err error) bool {
	var f *fault.Error
	return ctx.Err() == nil && errors.As(err, &f) && !errors.Is(err, rpc.ErrUnreachable)
}

// forget removes a snapshot that was taken for nothing.
func (s *Service) forget(ctx context.Context, userID int64, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetTimeout)
	defer cancel()
	if err := s.o.Runtime.DeleteSnapshot(ctx, userID, id); err != nil && !errors.Is(err, fault.NotFoundError) {
		s.o.Log.Warn("remove a snapshot that was taken for nothing", "user", userID, "err", err)
	}
}
