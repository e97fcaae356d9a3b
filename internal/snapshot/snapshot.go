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

	"golang.org/x/time/rate"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Pool is whose instances there are.
type Pool interface {
	All(ctx context.Context) []pool.Stats
	// Offline ends the user's instance and does something while there is none.
	Offline(ctx context.Context, userID int64, do func(ctx context.Context) error) error
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

	mu    sync.Mutex
	busy  map[int64]bool          // guarded by mu: of whom one is being taken or restored
	rates map[int64]*rate.Limiter // guarded by mu: of who asked
}

// New returns a Service, which Start lets take snapshots by itself.
func New(o Options) *Service {
	return &Service{o: o, busy: map[int64]bool{}, rates: map[int64]*rate.Limiter{}}
}

const (
	takeTimeout    = 10 * time.Minute // many gigabytes on a slow disk
	restoreTimeout = 18 * time.Minute // the same twice
	forgetTimeout  = 20 * time.Second

	// What people ask for, each for themselves: all of a home is read, compressed and written.
	askedEvery = time.Minute
	askedBurst = 10
)

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
			err = s.timed(ctx, st.UserID)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, fault.NotFoundError) && !errors.Is(err, fault.ConflictError) {
			s.o.Log.Warn("take a snapshot", "user", st.UserID, "err", err)
		}
	}
}

func (s *Service) timed(ctx context.Context, userID int64) error {
	release, err := s.claim(userID)
	if err != nil {
		return err
	}
	defer release()
	_, err = s.take(ctx, userID, runtime.SnapshotTimed, runtime.Keep{Count: s.o.Keep})
	return err
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
	release, err := s.claim(userID)
	if err != nil {
		return runtime.Snapshot{}, err
	}
	defer release()
	if err := s.allow(userID); err != nil {
		return runtime.Snapshot{}, err
	}
	return s.take(ctx, userID, runtime.SnapshotAsked, runtime.Keep{Count: s.o.Keep})
}

// claim makes this call the only one that takes or restores the user's. One that
// is refused has ended nothing.
func (s *Service) claim(userID int64) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[userID] {
		return nil, fault.New(fault.Conflict, "A snapshot is being taken or restored right now. Try again in a moment.")
	}
	s.busy[userID] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.busy, userID)
	}, nil
}

// allow bounds how often a person may ask.
func (s *Service) allow(userID int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rates[userID]
	if r == nil {
		r = rate.NewLimiter(rate.Every(askedEvery), askedBurst)
		s.rates[userID] = r
	}
	now := time.Now()
	turn := r.ReserveN(now, 1)
	if wait := turn.DelayFrom(now); wait > 0 {
		turn.CancelAt(now)
		e := fault.New(fault.RateLimited, "You asked for several snapshots or restores within minutes. Try again in a minute.")
		e.RetryAfter = wait
		return e
	}
	return nil
}

// take is called by who has the claim. Of what is kept it sets the bytes.
func (s *Service) take(ctx context.Context, userID int64, kind string, keep runtime.Keep) (runtime.Snapshot, error) {
	limit, err := s.o.Storage(ctx, userID)
	if err != nil {
		return runtime.Snapshot{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	keep.Bytes = 2 * limit
	return s.o.Runtime.TakeSnapshot(ctx, userID, kind, keep)
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
