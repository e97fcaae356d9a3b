package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/carrel-dev/carrel/internal/egress"
)

// instance is what the gateway serves one instance with. The socket that a
// request comes through says whose it is.
type instance struct {
	gateway *gateway
	id      string
	userID  int64
	log     *slog.Logger

	server *http.Server
	outlet *egress.Outlet
	slots  chan struct{} // requests to the model at one time
	rate   *rate.Limiter
	places chan struct{} // connections at one time

	life context.Context // ends when what still runs is cut
	cut  context.CancelFunc

	mu       sync.Mutex
	listener net.Listener   // guarded by mu
	serving  sync.WaitGroup // Serve and every connection
}

func (g *gateway) newInstance(id string, userID int64) *instance {
	in := &instance{
		gateway: g,
		id:      id,
		userID:  userID,
		log:     g.log.With("user_id", userID, "instance_id", id),
		outlet:  g.egress.Open(egress.Owner{InstanceID: id, UserID: userID}),
		slots:   make(chan struct{}, maxAtOneTime),
		rate:    rate.NewLimiter(g.requestsPerSec, requestsBurst),
		places:  make(chan struct{}, maxConnections),
	}
	in.life, in.cut = context.WithCancel(context.Background())
	in.server = &http.Server{
		Handler:           in,
		ReadHeaderTimeout: g.headerTimeout,
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(in.log.Handler(), slog.LevelDebug),
		ConnState:         countConns(&in.serving),
	}
	return in
}

// serve takes listeners over. Earlier ones are closed; what came through them
// goes on, so that a keeper that connects again cuts nobody's answer.
func (in *instance) serve(messages, out net.Listener) {
	in.outlet.Serve(out)
	bounded := &boundedListener{Listener: messages, places: in.places, done: make(chan struct{})}
	in.mu.Lock()
	old := in.listener
	in.listener = bounded
	in.serving.Go(func() {
		if err := in.server.Serve(bounded); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			in.log.Error("gateway socket ended", "error", err)
		}
	})
	in.mu.Unlock()
	if old != nil {
		_ = old.Close() // the socket lives on in the new descriptor
	}
}

// stop accepts nothing more, lets requests end for as long as the context
// allows, then cuts them. It returns when nothing of the instance runs.
func (in *instance) stop(ctx context.Context) {
	in.mu.Lock()
	if in.listener != nil {
		_ = in.listener.Close()
	}
	in.mu.Unlock()
	if in.server.Shutdown(ctx) != nil {
		in.cut() // also what is read for a client that left
		_ = in.server.Close()
	}
	in.cut()
	in.outlet.Close()
	in.serving.Wait()
}

// boundedListener stops accepting at the bound; the rest wait in the backlog.
type boundedListener struct {
	net.Listener
	places chan struct{}
	done   chan struct{}
	once   sync.Once
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placedConn{Conn: c, release: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type placedConn struct {
	net.Conn
	release func()
}

func (c *placedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// instances is the table of those that were handed in.
type instances struct {
	gateway *gateway
	change  sync.Mutex // one change at a time; held while an old one ends

	mu     sync.Mutex
	byID   map[string]*instance // guarded by mu
	closed bool                 // guarded by mu
}

// removeGrace: an instance that is removed is gone already.
const removeGrace = 0 * time.Second

func (t *instances) get(id string) *instance {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

func (t *instances) ids() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.byID))
	for id := range t.byID {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// add serves an instance on these listeners, which it owns from here on.
func (t *instances) add(id string, userID int64, messages, out net.Listener) error {
	t.change.Lock()
	defer t.change.Unlock()
	in := t.get(id)
	if in != nil && in.userID != userID { // another user's socket is another instance
		t.removeOne(id, removeGrace)
		in = nil
	}
	if in == nil {
		in = t.gateway.newInstance(id, userID)
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			return errors.Join(errStopping, messages.Close(), out.Close())
		}
		t.byID[id] = in
		t.mu.Unlock()
		t.gateway.log.Info("instance added", "instance_id", id, "user_id", userID)
	}
	in.serve(messages, out)
	return nil
}

func (t *instances) remove(id string) {
	t.change.Lock()
	defer t.change.Unlock()
	t.removeOne(id, removeGrace)
}

// keep removes all that are not named.
func (t *instances) keep(ids []string) {
	t.change.Lock()
	defer t.change.Unlock()
	for _, id := range t.ids() {
		if !slices.Contains(ids, id) {
			t.removeOne(id, removeGrace)
		}
	}
}

// removeOne is called with change held.
func (t *instances) removeOne(id string, grace time.Duration) {
	t.mu.Lock()
	in := t.byID[id]
	delete(t.byID, id)
	t.mu.Unlock()
	if in == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.gateway.life, grace)
	defer cancel()
	in.stop(ctx)
	t.gateway.log.Info("instance removed", "instance_id", id, "user_id", in.userID)
}

// stop ends all at the same time.
func (t *instances) stop(grace time.Duration) {
	t.change.Lock()
	defer t.change.Unlock()
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.gateway.life, grace)
	defer cancel()
	var wg sync.WaitGroup
	for _, id := range t.ids() {
		in := t.get(id)
		wg.Go(func() { in.stop(ctx) })
	}
	wg.Wait()
}

var errStopping = errors.New("the gateway is stopping")
