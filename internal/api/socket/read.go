package socket

import (
	"context"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/fault"
)

// read takes the client's messages and hands each to its session's lane. It
// waits for nothing but the client, and returns when the connection ends.
func (c *conn) read() {
	defer c.rescue()
	for {
		if err := c.limit.Wait(c.ctx); err != nil {
			return
		}
		in, err := c.wire.receive(MaxMessageBytes)
		var m ClientMessage
		switch {
		case fault.CodeOf(err) == fault.TooLarge, fault.CodeOf(err) == fault.RateLimited:
			m = nameOf(in.data)
		case err != nil:
			c.end(err)
			return
		case in.typ != websocket.MessageText:
			err = fault.New(fault.Invalid, "Messages are JSON in text frames, not binary.")
		default:
			m, err = decode(in.data)
		}
		if err == nil {
			err = c.lanes.add(m.SessionID, func() {
				defer c.wire.done(in)
				c.handle(m)
			})
		}
		if err == nil {
			continue
		}
		c.wire.done(in)
		if c.send(c.person.failureOf(m, err)) != nil {
			return
		}
	}
}

// handle does what one message asks for, in its session's lane.
func (c *conn) handle(m ClientMessage) {
	defer c.rescue()
	if c.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.hub.cfg.Times.Call)
	defer cancel()
	var err error
	sessions, u := c.hub.cfg.Sessions, c.person.User
	switch m.Type {
	case typePing:
		_ = c.send(Pong{Type: "pong"}) // fails only at the end
	case typeSubscribe:
		err = c.subscribe(m.SessionID, m.After)
	case typeUnsubscribe:
		c.unsubscribe(m.SessionID)
	case typePrompt:
		var seq int64
		var duplicate bool
		seq, duplicate, err = sessions.Prompt(ctx, u, m.SessionID, m.prompt())
		if err == nil {
			_ = c.send(Ack{Type: "ack", ID: m.ID, SessionID: m.SessionID, Seq: seq, Duplicate: duplicate}) // fails only at the end
		}
	case typeWithdraw:
		err = sessions.Withdraw(ctx, u, m.SessionID, m.ID)
	case typeInterrupt:
		err = sessions.Interrupt(ctx, u, m.SessionID)
	case typeStop:
		err = sessions.StopTask(ctx, u, m.SessionID, m.TaskID)
	case typeAnswer:
		err = sessions.Answer(ctx, u, m.SessionID, m.answer())
	case typeSet:
		_, err = sessions.Change(ctx, u.ID, m.SessionID, m.change())
	}
	switch {
	case err != nil:
		c.report(m, err)
	case m.ID != "" && (m.Type == typeInterrupt || m.Type == typeStop || m.Type == typeSet):
		_ = c.send(Ack{Type: "ack", ID: m.ID, SessionID: m.SessionID}) // fails only at the end
	}
}

// report tells the client of an error, and the log of one that is ours.
func (c *conn) report(m ClientMessage, err error) {
	if c.ctx.Err() != nil {
		return
	}
	f := c.person.failureOf(m, err)
	if f.Code == fault.Internal {
		c.log.Error("websocket message", "type", m.Type, "session_id", m.SessionID, "err", err)
	} else {
		c.log.Debug("websocket message", "type", m.Type, "session_id", m.SessionID, "code", f.Code, "err", err)
	}
	_ = c.send(f) // fails only at the end of the connection
}
