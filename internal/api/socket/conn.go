package socket

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/carrel-dev/carrel/internal/session"
)

// Messages a client may send; more than this waits in its own socket.
const (
	messagesPerSecond = 200
	messagesAtOnce    = 1000
)

// conn is one connection that carries sessions. Its goroutines are the reader,
// the writer while there is something to write, the watch, one for each lane and one for each subscription; all end
// with ctx, and serve, which the hub waits for, waits for them.
type conn struct {
	hub    *Hub
	wire   *wire
	person Person
	log    *slog.Logger
	ctx    context.Context // the connection's life; ended with an ending
	end    context.CancelCauseFunc
	wg     sync.WaitGroup
	out    *outbox
	lanes  *lanes
	limit  *rate.Limiter

	mu   sync.Mutex
	subs map[string]*subscription // guarded by mu
}

// ServeSessions upgrades a request, and has the connection served until it ends:
// it does not wait for that, so that neither the request nor the stack of its
// handler is kept for as long. The error of a request that could not be upgraded
// is the caller's to answer, unless Answered says otherwise.
func (h *Hub) ServeSessions(w http.ResponseWriter, r *http.Request, p Person) error {
	l, err := h.accept(w, r, p)
	if err != nil {
		return err
	}
	c := &conn{
		hub: h, wire: l.wire, person: p, ctx: l.ctx, end: l.end,
		log:   h.cfg.Log.With("user_id", p.User.ID),
		limit: rate.NewLimiter(messagesPerSecond, messagesAtOnce),
		subs:  map[string]*subscription{},
	}
	c.lanes = &lanes{wg: &c.wg, jobs: map[string][]func(){}}
	c.out = newOutbox(l.out, func() { c.spawn(c.write) })
	go c.serve(l)
	return nil
}

// serve is the connection's life: its own goroutine reads.
func (c *conn) serve(l *line) {
	defer c.hub.leave(l)                                                              // what Close waits for
	_ = c.send(Hello{Type: "hello", User: c.person.User, Version: c.hub.cfg.Version}) // an empty queue has room
	c.spawn(c.watch)
	closed := make(chan struct{})
	context.AfterFunc(c.ctx, func() {
		defer close(closed)
		c.log.Debug("connection ends", "err", context.Cause(c.ctx))
		c.wire.close(endingOf(c.ctx), c.out.close(), c.hub.cfg.Times.Grace) // frees the reader
	})
	c.read()
	<-closed
	c.wg.Wait()
}

// spawn starts a goroutine of the connection. One that panics ends the
// connection, not the server.
func (c *conn) spawn(f func()) {
	c.wg.Go(func() {
		defer c.rescue()
		f()
	})
}

func (c *conn) rescue() {
	if v := recover(); v != nil {
		c.log.Error("panic in a connection", "err", fmt.Sprint(v), "stack", string(debug.Stack()))
		c.end(endBroken)
	}
}

// send queues a message and waits for room.
func (c *conn) send(v any) error { return c.out.put(c.ctx, frame{data: encode(v)}) }

// watch passes on what changes for the user. When the watch breaks it is begun anew.
func (c *conn) watch() {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := c.hub.cfg.Sessions.Watch(c.ctx, c.person.User.ID, func(n session.Notice) error {
			return c.send(Notice{Type: "notice", Notice: n})
		})
		if c.ctx.Err() != nil {
			return
		}
		c.log.Warn("watch for notices broke", "err", err)
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return
		}
	}
}
