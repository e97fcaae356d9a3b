// Package push tells people on their devices that Claude asks them something,
// has finished, or could not go on. It follows the states of sessions, reads
// what happened from the journal, and sends Web Push messages: encrypted for
// the browser, signed with a key of this server's, through whatever push
// service the browser named. Nothing that it does holds up a turn.
package push

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Sessions reads conversations; package session's service does.
type Sessions interface {
	Get(ctx context.Context, userID int64, id string) (session.Session, error)
	// Last gives the last events, and none where there is no instance: it starts none, and counts as no use.
	Last(ctx context.Context, userID int64, id string, limit int) ([]protocol.Event, error)
	// Followed says whether a client follows the session now.
	Followed(userID int64, id string) bool
}

// Accounts knows people; package account's service does.
type Accounts interface {
	User(ctx context.Context, id int64) (account.User, error)
}

// Pool tells how sessions stand; package pool's does.
type Pool interface {
	// Watch tells of everything there is, and then of every change. f must not wait.
	Watch(f func(pool.Change)) (stop func())
}

// Options are what a service is made of.
type Options struct {
	DB       *bun.DB
	Pool     Pool
	Sessions Sessions
	Accounts Accounts
	Log      *slog.Logger
	Now      func() time.Time

	// Contact is an address or a URL by which a push service reaches the administrator.
	Contact string
	// Delay is how long a request waits for who sits in front of it before it is told.
	Delay time.Duration
	// FinishedAfter is how long a turn must have run for its end to be told.
	FinishedAfter time.Duration
	// TrustedHosts are push services, as host or host:port, that may be private and without https.
	TrustedHosts []string
}

// Bounds.
const (
	maxSubscriptions = 20 // of one person
	maxDeviceRunes   = 100
	maxEndpointBytes = 2000
	atOnce           = 8               // notifications that are being sent
	tellTimeout      = 2 * time.Minute // for one notification to all of a person's devices
	testTimeout      = 20 * time.Second
	eventsRead       = 400 // from the end of a journal, to see what happened
)

// Service owns subscriptions, settings and the key. Make it with New, then Start.
type Service struct {
	o      Options
	db     *bun.DB
	log    *slog.Logger
	now    func() time.Time
	sender sender
	counts counts

	life    context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	unwatch func()
	states  states
	testing sync.Map // users whose devices are being tested
}

// New returns a service that sends nothing yet.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{o: o, db: o.DB, log: o.Log, now: o.Now, sender: newSender(o.TrustedHosts), counts: newCounts(), states: newStates(o.Delay)}
	s.life, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start begins to follow the pool.
func (s *Service) Start() {
	s.unwatch = s.o.Pool.Watch(func(c pool.Change) {
		if c.Session != nil {
			s.states.observe(key{c.UserID, c.Session.ID}, c.Session.State, c.Session.LastSeq, s.now())
		}
	})
	s.wg.Go(func() { s.follow(s.life) })
}

// Stop gives up what is being sent, and returns when nothing of the service runs any more.
func (s *Service) Stop() {
	if s.unwatch != nil {
		s.unwatch()
	}
	s.cancel()
	s.wg.Wait()
	s.sender.close()
}

// contact is what the signature names: push services want to know whom to ask.
func (s *Service) contact() string {
	if s.o.Contact != "" {
		return s.o.Contact
	}
	return "https://carrel.invalid"
}

// key names one session. An id alone means nothing.
type key struct {
	userID int64
	id     string
}

var (
	errNotSent    = errors.New("the push service did not take it")
	errNotReached = errors.New("the push service cannot be reached")
)

// hostOf is an endpoint's host, for people and logs: the rest of it is a secret.
func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}
