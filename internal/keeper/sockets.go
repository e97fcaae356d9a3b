package keeper

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/runtime"
)

// handoff is a connection to the gateway that takes instances' sockets.
type handoff interface {
	Sync(ctx context.Context, instanceIDs []string) error
	Add(ctx context.Context, instanceID string, userID int64, gateway, egress *os.File) error
	Remove(ctx context.Context, instanceID string) error
	// Done is closed when the gateway went away.
	Done() <-chan struct{}
	Close() error
}

// sockets holds the listening sockets of every instance, so that they outlive
// the gateway: while it is away, whoever connects waits in the backlog.
type sockets struct {
	dial   func(context.Context) (handoff, error)
	launch func() error // starts a gateway, unless one is just starting
	log    *slog.Logger

	mu      sync.Mutex
	open    map[string]*pair // guarded by mu
	changed chan struct{}    // capacity 1
}

type pair struct {
	userID          int64
	gateway, egress *os.File
}

func newSockets(dial func(context.Context) (handoff, error), launch func() error, log *slog.Logger) *sockets {
	return &sockets{dial: dial, launch: launch, log: log, open: map[string]*pair{}, changed: make(chan struct{}, 1)}
}

// attach takes over both files.
func (s *sockets) attach(spec runtime.Spec, gateway, egress *os.File) {
	s.mu.Lock()
	old := s.open[spec.ID]
	s.open[spec.ID] = &pair{userID: spec.UserID, gateway: gateway, egress: egress}
	s.mu.Unlock()
	old.close()
	s.wake()
}

func (s *sockets) detach(id string) {
	s.mu.Lock()
	old := s.open[id]
	delete(s.open, id)
	s.mu.Unlock()
	old.close()
	s.wake()
}

func (p *pair) close() {
	if p != nil {
		p.gateway.Close()
		p.egress.Close()
	}
}

func (s *sockets) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// run keeps a gateway running and told, until the context ends. A gateway
// that dies is back within a second.
func (s *sockets) run(ctx context.Context) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, p := range s.open {
			p.close()
			delete(s.open, id)
		}
	}()
	for ctx.Err() == nil {
		wait := 20 * time.Millisecond
		if h, err := s.dial(ctx); err == nil {
			err = s.tell(ctx, h)
			_ = h.Close() // it has served
			if ctx.Err() == nil {
				s.log.Warn("the gateway went away", "err", err)
			}
		} else if err := s.launch(); err != nil {
			s.log.Error("start gateway", "err", err)
			wait = time.Second
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

var errGatewayGone = errors.New("the gateway closed the connection")

// tell brings the gateway up to date, again at every change, until it goes away.
func (s *sockets) tell(ctx context.Context, h handoff) error {
	told := map[string]*pair{}
	first := true
	for {
		s.mu.Lock()
		want := make(map[string]*pair, len(s.open))
		ids := make([]string, 0, len(s.open))
		for id, p := range s.open {
			want[id] = p
			ids = append(ids, id)
		}
		s.mu.Unlock()
		if first {
			if err := s.ask(ctx, func(ctx context.Context) error { return h.Sync(ctx, ids) }); err != nil {
				return err
			}
			first = false
		}
		for id := range told {
			if _, ok := want[id]; !ok {
				if err := s.ask(ctx, func(ctx context.Context) error { return h.Remove(ctx, id) }); err != nil {
					return err
				}
				delete(told, id)
			}
		}
		for id, p := range want {
			if told[id] == p {
				continue
			}
			err := s.ask(ctx, func(ctx context.Context) error { return h.Add(ctx, id, p.userID, p.gateway, p.egress) })
			if errors.Is(err, os.ErrClosed) { // detached a moment ago
				continue
			}
			if err != nil {
				return err
			}
			told[id] = p
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.Done():
			return errGatewayGone
		case <-s.changed:
		}
	}
}

func (s *sockets) ask(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return f(ctx)
}
