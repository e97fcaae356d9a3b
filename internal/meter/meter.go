// Package meter is the server's side of metering: it pulls the gateway's
// records, adds them to the store exactly once whoever is killed when, and
// pushes leases of tokens, made of quotas and use, back to the gateway. It owns
// the sums by user, day, model and session. It owns no prices and no quotas.
package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/gateway"
	"github.com/carrel-dev/carrel/internal/quota"
)

// Source is the gateway; *gateway.Client is one.
type Source interface {
	Status(ctx context.Context) (*gateway.Status, error)
	Records(ctx context.Context, r gateway.RecordsRequest) (*gateway.RecordsResponse, error)
	Ack(ctx context.Context, spool string, seq int64) error
	SetLimits(ctx context.Context, limits []gateway.Limit) error
}

// Users gives the quota of every user who may work, by user.
type Users interface {
	Quotas(ctx context.Context) (map[int64]quota.Quota, error)
}

const (
	// pullWait is how long the gateway holds a question for records open.
	pullWait = 25 * time.Second
	// callTimeout bounds every other call to the gateway.
	callTimeout = 10 * time.Second
	// renewEvery is how often leases are pushed; leaseTime how long they hold.
	// Between them lies the absence of the server that nobody notices.
	renewEvery = 30 * time.Second
	leaseTime  = 15 * time.Minute
	// A gateway that is away is asked again after these.
	leastPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

var errStopping = errors.New("the meter is stopping")

// Meter is the service. Make one with New.
type Meter struct {
	db     *bun.DB
	source Source
	users  Users
	log    *slog.Logger
	now    func() time.Time

	renew chan struct{} // capacity 1: leases are wanted soon

	// Leases go one after the other: older ones that overtook newer ones would give back what was used since.
	pushing sync.Mutex

	mu      sync.Mutex
	started bool                    // guarded by mu
	stopped bool                    // guarded by mu
	cancel  context.CancelCauseFunc // guarded by mu
	wg      sync.WaitGroup
}

// New returns a meter that is not started.
func New(db *bun.DB, source Source, users Users, log *slog.Logger) *Meter {
	return &Meter{db: db, source: source, users: users, log: log, now: time.Now, renew: make(chan struct{}, 1)}
}

// Start begins to pull and to push, and returns at once. A gateway that is away
// is waited for.
func (m *Meter) Start(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started || m.stopped {
		return errors.New("the meter was started before")
	}
	m.started = true
	ctx, m.cancel = context.WithCancelCause(ctx)
	m.wg.Go(func() { m.pull(ctx) })
	m.wg.Go(func() { m.push(ctx) })
	return nil
}

// Stop returns when nothing of the meter runs. It may be called before Start,
// and more than once.
func (m *Meter) Stop() {
	m.mu.Lock()
	m.stopped = true
	cancel := m.cancel
	m.mu.Unlock()
	if cancel != nil {
		cancel(errStopping)
	}
	m.wg.Wait()
}

// pull takes records over as they come.
func (m *Meter) pull(ctx context.Context) {
	pause := leastPause
	spool, away := "", true
	for ctx.Err() == nil {
		next, err := m.pullOnce(ctx, spool)
		if err == nil {
			if away || next != spool { // a gateway that is new to us may not have our leases
				m.Renew()
			}
			if away {
				m.log.Info("the meter reads the gateway's records", "spool", next)
			}
			spool, away, pause = next, false, leastPause
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if !away {
			m.log.Warn("the meter cannot read the gateway's records; it tries again", "error", err)
		}
		away = true
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, mostPause)
	}
}

// pullOnce asks for what follows the last record that is stored, stores it, and
// then lets the gateway forget it. It gives the spool that the gateway has.
func (m *Meter) pullOnce(ctx context.Context, spool string) (string, error) {
	after, err := m.lastSeq(ctx, m.db, spool)
	if err != nil {
		return "", err
	}
	call, cancel := context.WithTimeout(ctx, pullWait+callTimeout)
	defer cancel()
	res, err := m.source.Records(call, gateway.RecordsRequest{Spool: spool, After: after, WaitS: int(pullWait / time.Second)})
	if err != nil {
		return "", fmt.Errorf("read records: %w", err)
	}
	if len(res.Records) == 0 {
		return res.Spool, nil
	}
	last, err := m.store(ctx, res.Spool, res.Records)
	if err != nil {
		return "", err
	}
	call, cancel = context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := m.source.Ack(call, res.Spool, last); err != nil {
		return "", fmt.Errorf("acknowledge records: %w", err)
	}
	return res.Spool, nil
}

// Renew has the leases pushed soon: after a quota was changed, or an account made.
func (m *Meter) Renew() {
	select {
	case m.renew <- struct{}{}:
	default: // it will be anyway
	}
}

// push renews leases, at the latest when a day begins.
func (m *Meter) push(ctx context.Context) {
	away := false
	for ctx.Err() == nil {
		err := m.PushLeases(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			m.log.Warn("the gateway was not told the budgets; it goes on with the last ones", "error", err)
		}
		away = err != nil
		now := m.now()
		timer := time.NewTimer(min(renewEvery, nextDay(now).Sub(now)+time.Millisecond))
		select {
		case <-ctx.Done():
		case <-m.renew:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// PushLeases tells the gateway, now, what every user may still use.
func (m *Meter) PushLeases(ctx context.Context) error {
	m.pushing.Lock()
	defer m.pushing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	st, err := m.source.Status(ctx)
	if err != nil {
		return fmt.Errorf("ask gateway: %w", err)
	}
	quotas, err := m.users.Quotas(ctx)
	if err != nil {
		return fmt.Errorf("read quotas: %w", err)
	}
	limits, err := m.leases(ctx, st.Spool, quotas)
	if err != nil {
		return err
	}
	if err := m.source.SetLimits(ctx, limits); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	return nil
}
