package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Pool gives users their instances; package pool is one.
type Pool interface {
	// Get gives the user's instance and makes it when there is none.
	Get(ctx context.Context, userID int64) (inst *pool.Instance, created bool, err error)
	// Known waits until it is known what an earlier server left.
	Known(ctx context.Context) error
	// Current gives the one there is.
	Current(userID int64) (*pool.Instance, bool)
	// Await waits for one.
	Await(ctx context.Context, userID int64) (*pool.Instance, error)
	// Admit says whether a prompt may be put in a session, or too many of the
	// user's wait already; done ends the call that brings it.
	Admit(userID int64, session string) (done func(), err error)
	// Watch tells of everything there is, and then of every change.
	Watch(f func(pool.Change)) (stop func())
}

// Options are what a service is made of.
type Options struct {
	DB   *bun.DB
	Pool Pool
	Log  *slog.Logger
	Now  func() time.Time
}

// Bounds. They are generous for people and keep one user from wearing out the server.
const (
	maxSessions      = 10_000           // of one user in the catalogue
	maxSubscriptions = 4000             // of one user at one time, waits for events included
	maxWatches       = 1000             // connections of one user
	maxContentBytes  = 16 << 20         // of a prompt
	maxTitleRunes    = 200              //
	maxModelBytes    = 200              //
	maxWait          = time.Minute      // of a long poll
	maxEvents        = 10_000           // in one answer
	maxEventsBytes   = 16 << 20         // in one answer, but for its first event
	callTimeout      = 30 * time.Second // of one call to a supervisor
	openTimeout      = 90 * time.Second // starting a Claude process under load
	scanTimeout      = 2 * time.Second  // what a list waits for the instance at most
	scanEvery        = 3 * time.Second  // how often it is asked
	writeEvery       = 250 * time.Millisecond
)

// Service owns the catalogue and the ways. Make it with New, then Start.
type Service struct {
	db   *bun.DB
	pool Pool
	log  *slog.Logger
	now  func() time.Time

	life     context.Context // of the recorder, and the end of all that streams
	cancel   context.CancelCauseFunc
	wg       sync.WaitGroup
	stopOnce sync.Once
	unwatch  func()

	recorder recorder
	notices  notices

	mu      sync.Mutex
	streams map[key]map[*stream]struct{} // guarded by mu, as the rest
	streamN map[int64]int                // streams by user
	scanned map[int64]lastScan           // when a user's workspace was last looked through

	unfinished map[int64]struct{} // users with deletions that were cut short
	finishNow  chan struct{}
	rest       func(context.Context, time.Duration) error // pause, but in a test; between tries to finish deletions
}

// key names one session. An id alone means nothing.
type key struct {
	userID int64
	id     string
}

var errStopping = errors.New("the session service is stopping")

// New returns a service that does nothing yet.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{db: o.DB, pool: o.Pool, log: o.Log, now: o.Now,
		streams: map[key]map[*stream]struct{}{}, streamN: map[int64]int{}, scanned: map[int64]lastScan{},
		unfinished: map[int64]struct{}{}, finishNow: make(chan struct{}, 1), rest: pause}
	s.life, s.cancel = context.WithCancelCause(context.Background())
	s.recorder.init()
	s.notices.init()
	return s
}

// States counts the sessions of all users by state.
func (s *Service) States(ctx context.Context) (map[string]int, error) {
	var rows []struct {
		State string
		N     int
	}
	if err := s.db.NewSelect().Table("sessions").Column("state").ColumnExpr("COUNT(*) AS n").Where("NOT deleting").Group("state").Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("count sessions: %w", err)
	}
	states := make(map[string]int, len(rows))
	for _, r := range rows {
		states[r.State] = r.N
	}
	return states, nil
}

// Start corrects the states that an earlier server left, goes on with what it
// did not finish, and begins to follow the pool. Call it before or after the pool's own Start.
func (s *Service) Start(ctx context.Context) error {
	_, err := s.db.NewUpdate().Table("sessions").Set("state = ?", protocol.StateDormant).
		Where("state <> ?", protocol.StateDormant).Exec(ctx)
	if err != nil {
		return fmt.Errorf("reset the states of sessions: %w", err)
	}
	if err := s.leftDeletions(ctx); err != nil {
		return err
	}
	s.wg.Go(func() { s.record(s.life) })
	s.wg.Go(func() { s.finish(s.life) })
	s.unwatch = s.pool.Watch(s.observe)
	return nil
}

// Stop ends everything that streams, writes what is left to write, and returns
// when nothing of the service runs any more. Twice is harmless.
func (s *Service) Stop() {
	s.stopOnce.Do(func() {
		if s.unwatch != nil {
			s.unwatch()
		}
		s.cancel(errStopping)
	})
	s.wg.Wait()
}

// observe is told of changes by the pool and must not wait.
func (s *Service) observe(c pool.Change) {
	switch {
	case c.Session != nil:
		s.recorder.session(key{c.UserID, c.Session.ID}, c.Session)
	case c.Instance != nil:
		s.notices.tell(c.UserID, Notice{Kind: "instance", Instance: *c.Instance})
		s.mu.Lock()
		if _, left := s.unfinished[c.UserID]; left {
			s.wakeFinishLocked()
		}
		s.mu.Unlock()
	default:
		s.notices.tell(c.UserID, Notice{Kind: "instance"})
	}
}

// with calls a supervisor. One that is being replaced is waited for: what f
// does must be harmless to do twice.
func (s *Service) with(ctx context.Context, userID int64, timeout time.Duration, f func(context.Context, *client.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for try := 1; ; try++ {
		inst, _, err := s.pool.Get(ctx, userID)
		if err != nil {
			return err
		}
		err = f(ctx, inst.Client())
		if !errors.Is(err, rpc.ErrUnreachable) || try == 4 {
			return unreachable(err)
		}
		if pause(ctx, 50*time.Millisecond<<try) != nil {
			return unreachable(err)
		}
	}
}

// withSession is with for what begins a session where there is none yet. Each try looks for it anew: the supervisor of
// the try before may be gone, and with it what it knew of a deletion meanwhile.
func (s *Service) withSession(ctx context.Context, k key, timeout time.Duration, f func(context.Context, *client.Client) error) error {
	return s.with(ctx, k.userID, timeout, func(ctx context.Context, c *client.Client) error {
		if _, err := find(ctx, s.db, k); err != nil {
			return err
		}
		return f(ctx, c)
	})
}

// unreachable gives an error of the connection the words for people; others
// have theirs.
func unreachable(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) {
		return err
	}
	return &fault.Error{Code: fault.InstanceUnavailable, RetryAfter: 2 * time.Second, Err: err,
		Detail: "Your instance did not answer. Try again in a few seconds; nothing is lost."}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
