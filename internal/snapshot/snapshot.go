// Package snapshot owns when snapshots of people's homes are taken and how many
// are kept. Taking and restoring is the keeper's; files stay unread here.
//
// A snapshot holds the home alone. The journal stays what it is: its numbers
// never go back, so that whoever has seen them goes on.
package snapshot

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Pool is whose instances there are.
type Pool interface {
	All(ctx context.Context) []pool.Stats
	Destroy(ctx context.Context, userID int64) error
}

// Options of a Service.
type Options struct {
	Runtime runtime.Snapshotter
	Pool    Pool
	// Storage is a user's storage limit. Their snapshots together take twice as much at most: what is there and what is to be restored.
	Storage  func(ctx context.Context, userID int64) (int64, error)
	Keep     int           // most of one user
	Interval time.Duration // between two that nobody asked for; 0: none
	Log      *slog.Logger
}

// Service takes, lists, restores and deletes.
type Service struct {
	o      Options
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New returns a Service, which Start lets take snapshots by itself.
func New(o Options) *Service { return &Service{o: o} }

// takeTimeout bounds one snapshot: many gigabytes on a slow disk.
const takeTimeout = 10 * time.Minute

// Start begins to take snapshots where the interval asks for it.
func (s *Service) Start(ctx context.Context) {
	if s.o.Interval <= 0 {
		return
	}
	ctx, s.cancel = context.WithCancel(ctx)
	s.wg.Go(func() { s.run(ctx) })
}

// Stop waits until none is being taken.
func (s *Service) Stop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.wg.Wait()
}

func (s *Service) run(ctx context.Context) {
	tick := time.NewTicker(min(s.o.Interval, time.Minute))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.round(ctx)
		}
	}
}

// round takes one of each who was at work since the last one was taken, one
// after the other: it is to be cheap for everybody else.
func (s *Service) round(ctx context.Context) {
	for _, st := range s.o.Pool.All(ctx) {
		if ctx.Err() != nil {
			return
		}
		all, err := s.o.Runtime.Snapshots(ctx, st.UserID)
		if err == nil && !due(all, st.LastActivityAt, time.Now(), s.o.Interval) {
			continue
		}
		if err == nil {
			_, err = s.take(ctx, st.UserID, runtime.SnapshotTimed, "")
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, fault.NotFoundError) && !errors.Is(err, fault.ConflictError) {
			s.o.Log.Warn("take a snapshot", "user", st.UserID, "err", err)
		}
	}
}

// due tells whether it is time for one: something may have changed since the
// last, and that is long enough ago.
func due(all []runtime.Snapshot, active, now time.Time, interval time.Duration) bool {
	return len(all) == 0 || all[0].CreatedAt.Before(active) && now.Sub(all[0].CreatedAt) >= interval
}

// List gives a user's snapshots, the newest first.
func (s *Service) List(ctx context.Context, userID int64) ([]runtime.Snapshot, error) {
	return s.o.Runtime.Snapshots(ctx, userID)
}

// Take takes one that a person asked for.
func (s *Service) Take(ctx context.Context, userID int64) (runtime.Snapshot, error) {
	return s.take(ctx, userID, runtime.SnapshotAsked, "")
}

func (s *Service) take(ctx context.Context, userID int64, kind, spare string) (runtime.Snapshot, error) {
	limit, err := s.o.Storage(ctx, userID)
	if err != nil {
		return runtime.Snapshot{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	return s.o.Runtime.TakeSnapshot(ctx, userID, kind, runtime.Keep{Count: s.o.Keep, Bytes: 2 * limit, Spare: spare})
}

// Restore puts a snapshot in the place of the home, which is kept as a snapshot
// itself first. The instance is ended for it; the next touch makes a new one.
func (s *Service) Restore(ctx context.Context, userID int64, id string) error {
	if err := s.exists(ctx, userID, id); err != nil {
		return err
	}
	if err := s.o.Pool.Destroy(ctx, userID); err != nil && !errors.Is(err, fault.NotFoundError) {
		return err
	}
	if _, err := s.take(ctx, userID, runtime.SnapshotBefore, id); err != nil {
		return err
	}
	return s.o.Runtime.RestoreSnapshot(ctx, userID, id)
}

func (s *Service) exists(ctx context.Context, userID int64, id string) error {
	all, err := s.o.Runtime.Snapshots(ctx, userID)
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.ID == id {
			return nil
		}
	}
	return fault.New(fault.NotFound, "There is no such snapshot.")
}

// Delete removes one.
func (s *Service) Delete(ctx context.Context, userID int64, id string) error {
	return s.o.Runtime.DeleteSnapshot(ctx, userID, id)
}
