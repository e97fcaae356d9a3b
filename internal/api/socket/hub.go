// Package socket is the contract over WebSocket: one connection carries any
// number of a person's sessions, another kind carries one terminal. It owns
// the connections, their queues and their goroutines; what a message does is
// done by package session.
//
// Nobody waits for a slow reader: what is to be sent stands in a bounded queue
// of that connection alone, filled from the journal as fast as it is emptied,
// and a reader that takes nothing for a while is let go with a reason and may
// come back with the number it has seen.
package socket

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api/allowance"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Sessions is what the messages of a connection call. A session that is not
// the user's is a not_found.
type Sessions interface {
	// Subscribe makes the session's process ready ahead of a prompt, and gives send every event after a number, in order, and then those to come, until ctx ends. send may
	// wait for as long as its reader needs; that must hold up nobody else. nil before ctx ends: the session was deleted.
	Subscribe(ctx context.Context, userID int64, id string, after int64, send func(*protocol.Event) error) error
	// Prompt returns once the prompt is in the journal.
	Prompt(ctx context.Context, u account.User, id string, p session.Prompt) (seq int64, duplicate bool, err error)
	Answer(ctx context.Context, u account.User, id string, a session.Answer) error
	Withdraw(ctx context.Context, u account.User, id, promptID string) error
	Interrupt(ctx context.Context, u account.User, id string) error
	StopTask(ctx context.Context, u account.User, id, task string) error
	Change(ctx context.Context, userID int64, id string, c session.Change) (session.Session, error)
	// Watch gives f what changes for a user until ctx ends. f may wait for its reader; that holds up nobody else.
	Watch(ctx context.Context, userID int64, f func(session.Notice) error) error
}

// Terminals gives the way into a terminal.
type Terminals interface {
	// Attach joins a terminal of which the caller has the first after bytes of output.
	Attach(ctx context.Context, userID int64, id string, after int64) (Attachment, error)
}

// Attachment is one way into a terminal; one goroutine sends while another receives.
type Attachment interface {
	Send(*protocol.TerminalInput) error
	// Receive gives an Attached, the scrollback, then what comes; io.EOF at the end.
	Receive() (*protocol.TerminalOutput, error)
	Close() error
}

// Config is what a hub is made of.
type Config struct {
	Sessions Sessions
	Terminal Terminals
	Log      *slog.Logger
	Version  string
	Sent     *allowance.Users // what messages that come may hold until they are dealt with
	Times    Times            // zero: DefaultTimes
}

// Times are the hub's patience.
type Times struct {
	Ping    time.Duration // between pings, and for the answer to one
	Stall   time.Duration // a reader that takes nothing for this long has fallen behind
	Recheck time.Duration // between looks whether the person may still be here
	Grace   time.Duration // for the message being written when the connection is to end
	Call    time.Duration // for one call into package session
	Message time.Duration // for one message to come whole
}

// DefaultTimes are for production; tests have less patience.
var DefaultTimes = Times{Ping: 20 * time.Second, Stall: 10 * time.Second, Recheck: 3 * time.Second, Grace: 3 * time.Second, Call: 2 * time.Minute, Message: 5 * time.Minute}

// Bounds of one user: many devices and programs with many terminals each, but not a leak.
const (
	maxPerUser  = 1000     // connections
	maxOutgoing = 16 << 20 // bytes of events that wait for their readers, over all connections
)

// Person is who holds a connection.
type Person struct {
	User  account.User
	Reads words.Language // what error messages are in
	// Credential is what they signed in with: one answer of Recheck goes for all that have the same.
	Credential string
	// Recheck finds out whether the credential still counts: unauthenticated when not.
	Recheck func(context.Context) error
}

// Hub owns every connection.
type Hub struct {
	cfg Config
	wg  sync.WaitGroup
	due chan struct{} // holds one: somebody is to be rechecked at once
	out *allowance.Users

	mu      sync.Mutex
	lines   map[*line]struct{} // guarded by mu
	byUser  map[int64]int      // guarded by mu
	recheck map[int64]struct{} // guarded by mu; users who are due
	unmind  context.CancelFunc // guarded by mu; ends the minders, nil while there are none
	closing bool               // guarded by mu
}

// line is what the hub knows of one connection of either kind.
type line struct {
	user   int64
	person Person
	ctx    context.Context // the connection's life; ended with an ending
	end    context.CancelCauseFunc
	wire   *wire // guarded by the hub's mu; nil before the upgrade
	// What of the user's comes and goes, over all connections.
	in, out *allowance.Allowance
}

// NewHub returns a hub without connections.
func NewHub(cfg Config) *Hub {
	if cfg.Times == (Times{}) {
		cfg.Times = DefaultTimes
	}
	return &Hub{cfg: cfg, due: make(chan struct{}, 1), out: allowance.NewUsers(maxOutgoing), lines: map[*line]struct{}{}, byUser: map[int64]int{}, recheck: map[int64]struct{}{}}
}

// accept admits and upgrades a connection. Before the upgrade an error is the
// caller's to answer; after it the connection ends with an ending.
func (h *Hub) accept(w http.ResponseWriter, r *http.Request, p Person) (*line, error) {
	l := &line{user: p.User.ID, person: p}
	// The request's own context does not end when the connection does, and holds much that ends before.
	l.ctx, l.end = context.WithCancelCause(context.Background())
	if err := h.enter(l); err != nil {
		l.end(err)
		return nil, err
	}
	// The origin has been checked: package api does so for every route alike.
	up := &upgrade{ResponseWriter: w}
	ws, err := websocket.Accept(up, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		h.leave(l)
		l.end(err)
		if up.refused {
			return nil, fault.New(fault.Invalid, "The handshake of the WebSocket is not valid: %s.", fault.Quote(strings.TrimSpace(up.why.String())))
		}
		return nil, errAccepted
	}
	ws.SetReadLimit(-1) // ours are in receive: too large is an error message, not the end
	h.mu.Lock()
	defer h.mu.Unlock()
	l.wire = newWire(ws, l.in, h.cfg.Times.Message)
	h.mindLocked()
	return l, nil
}

func (h *Hub) enter(l *line) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return fault.New(fault.InstanceUnavailable, "The server is stopping. Connect again in a moment.")
	}
	if h.byUser[l.user] >= maxPerUser {
		return fault.New(fault.RateLimited, "You have %d open connections, which is the most. Close some of them.", maxPerUser)
	}
	l.in, l.out = h.cfg.Sent.Enter(l.user), h.out.Enter(l.user)
	h.lines[l] = struct{}{}
	h.byUser[l.user]++
	h.wg.Add(1)
	return nil
}

func (h *Hub) leave(l *line) {
	h.cfg.Sent.Leave(l.in)
	h.out.Leave(l.out)
	h.mu.Lock()
	delete(h.lines, l)
	if h.byUser[l.user]--; h.byUser[l.user] == 0 {
		delete(h.byUser, l.user)
	}
	if len(h.lines) == 0 && h.unmind != nil {
		h.unmind()
		h.unmind = nil
	}
	h.mu.Unlock()
	h.wg.Done()
}

// Count is the number of open connections.
func (h *Hub) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.lines)
}

// Close ends all connections with a reason and waits for them; those that are
// still there when ctx ends are cut. No new ones are taken. It may be called twice.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	for l := range h.lines {
		l.end(endShutdown)
	}
	h.mu.Unlock()
	gone := make(chan struct{})
	go func() { defer close(gone); h.wg.Wait() }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	for l := range h.lines {
		if l.wire != nil {
			_ = l.wire.ws.CloseNow() // it is as good as closed
		}
	}
	h.mu.Unlock()
	<-gone
	return ctx.Err()
}
