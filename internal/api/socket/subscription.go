package socket

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// maxSubscriptions bounds the sessions of one connection, which carries any
// number that a person has use for.
const maxSubscriptions = 2000

// subscription is one session's stream of events to one connection.
type subscription struct {
	quoted []byte // the session's id, in JSON
	cancel context.CancelFunc
	done   chan struct{} // closed when it sends nothing any more
}

// stop ends it; after that none of its events is queued or waits in the queue.
func (s *subscription) stop(o *outbox) {
	s.cancel()
	<-s.done
	o.withdraw(s)
}

// subscribe begins a session's stream after a number, in place of the one that
// may run. It is called in the session's lane, so never twice at once.
func (c *conn) subscribe(id string, after int64) error {
	c.mu.Lock()
	old, n := c.subs[id], len(c.subs)
	c.mu.Unlock()
	if old == nil && n >= maxSubscriptions {
		return fault.New(fault.QuotaExceeded, "This connection follows %d sessions, which is the most. Unsubscribe from one first.", maxSubscriptions)
	}
	if old != nil {
		old.stop(c.out)
	}
	quoted, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("encode the id of session %q: %w", id, err)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	s := &subscription{quoted: quoted, cancel: cancel, done: make(chan struct{})}
	c.mu.Lock()
	c.subs[id] = s
	c.mu.Unlock()
	c.spawn(func() { c.stream(ctx, s, id, after) })
	return nil
}

func (c *conn) unsubscribe(id string) {
	c.mu.Lock()
	s := c.subs[id]
	delete(c.subs, id)
	c.mu.Unlock()
	if s != nil {
		s.stop(c.out)
	}
}

// stream sends a session's events until it is stopped or the session is gone.
// Each is sent once and in order, whatever the source does.
func (c *conn) stream(ctx context.Context, s *subscription, id string, after int64) {
	defer close(s.done)
	last := after
	send := func(e *protocol.Event) error {
		if e.Seq <= last {
			return nil
		}
		if err := c.out.put(ctx, frame{event: e, of: s}); err != nil {
			return err
		}
		last = e.Seq
		return nil
	}
	var err error
	for {
		err = c.hub.cfg.Sessions.Subscribe(ctx, c.person.User.ID, id, last, send)
		if ctx.Err() != nil {
			return
		}
		if fault.CodeOf(err) != fault.SlowConsumer {
			break
		}
		// The source would not wait for this connection. The journal has it all: go on where we are.
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
	c.mu.Lock()
	if c.subs[id] == s {
		delete(c.subs, id)
	}
	c.mu.Unlock()
	if err == nil {
		err = fault.New(fault.NotFound, "The session was deleted.")
	}
	c.report(ClientMessage{Type: typeSubscribe, SessionID: id}, err)
}
