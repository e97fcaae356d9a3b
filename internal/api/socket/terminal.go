package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of a terminal's messages: pasted text, and one control message.
const (
	maxInputBytes   = 1 << 20
	maxControlBytes = 4 << 10
	maxCells        = 1000 // columns or rows
)

type (
	// TerminalControl is a text frame from the client.
	TerminalControl struct {
		Type string `json:"type" enum:"resize,ping" doc:"What to do. A ping is answered with a pong."`
		Cols int    `json:"cols,omitempty" minimum:"1" maximum:"1000" example:"80" doc:"resize: columns of the window."`
		Rows int    `json:"rows,omitempty" minimum:"1" maximum:"1000" example:"24" doc:"resize: rows of the window."`
	}
	// TerminalAttached is the first text frame.
	TerminalAttached struct {
		Type  string `json:"type" enum:"attached" doc:"attached"`
		From  int64  `json:"from" example:"0" doc:"Which byte of the terminal's output the next binary frame begins with. When it is not what after asked for, the output between is gone: begin with an empty window."`
		To    int64  `json:"to" example:"4096" doc:"How many bytes were written already. What a program asks of its terminal before there was answered when it was written."`
		Cols  int    `json:"cols" example:"80" doc:"Columns of the window."`
		Rows  int    `json:"rows" example:"24" doc:"Rows of the window."`
		Modes string `json:"modes" doc:"Escape sequences to begin an empty window with: modes that output which is gone has set."`
	}
	// TerminalSize tells everybody who is attached that somebody has resized the window.
	TerminalSize struct {
		Type string `json:"type" enum:"size" doc:"size"`
		Cols int    `json:"cols" example:"80" doc:"Columns of the window."`
		Rows int    `json:"rows" example:"24" doc:"Rows of the window."`
	}
	// TerminalExit is the last text frame of a terminal whose program has ended.
	TerminalExit struct {
		Type     string `json:"type" enum:"exit" doc:"exit"`
		ExitCode int    `json:"exit_code" doc:"How it ended."`
	}
)

// ServeTerminal upgrades a request and joins a terminal, of whose output the
// client has the first after bytes, until either ends. The terminal lives on
// when only the connection does. Errors as in ServeSessions.
func (h *Hub) ServeTerminal(w http.ResponseWriter, r *http.Request, p Person, id string, after int64) error {
	l, err := h.accept(w, r, p)
	if err != nil {
		return err
	}
	defer h.leave(l)
	log := h.cfg.Log.With("user_id", p.User.ID, "terminal_id", id)
	var wg sync.WaitGroup
	spawn := func(f func()) {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					log.Error("panic in a terminal", "err", fmt.Sprint(v), "stack", string(debug.Stack()))
					l.end(endBroken)
				}
			}()
			f()
		})
	}
	wire, ctx := l.wire, l.ctx
	written := make(chan struct{})
	at, err := h.cfg.Terminal.Attach(ctx, p.User.ID, id, after)
	if err != nil {
		at = nil
		close(written)
		l.end(endingOfTerminal(err))
	} else {
		spawn(func() { defer close(written); l.end(terminalOutput(wire, at)) })
		spawn(func() { l.end(terminalInput(wire, at, p)) })
	}
	<-ctx.Done()
	log.Debug("terminal connection ends", "err", context.Cause(ctx))
	if at != nil {
		_ = at.Close() // frees the one that receives
	}
	wire.close(endingOf(ctx), written, h.cfg.Times.Grace)
	wg.Wait()
	return nil
}

// endingOfTerminal makes a refusal into a close frame. A detail is for people and may be too long for one.
func endingOfTerminal(err error) error {
	if errors.Is(err, io.EOF) {
		return endExited
	}
	switch code := fault.CodeOf(err); code {
	case fault.NotFound:
		return &ending{4404, string(code)}
	case fault.InstanceUnavailable:
		return &ending{4503, string(code)}
	}
	return fmt.Errorf("%w: %w", endBroken, err)
}

// terminalOutput sends what the terminal writes. One that is not taken holds up this attachment alone.
func terminalOutput(w *wire, at Attachment) error {
	for {
		out, err := at.Receive()
		if err != nil {
			return endingOfTerminal(err)
		}
		var control any
		switch a := out.Attached; {
		case a != nil:
			control = TerminalAttached{Type: "attached", From: a.From, To: a.To, Cols: int(a.Cols), Rows: int(a.Rows), Modes: a.Modes}
		case out.Cols > 0:
			control = TerminalSize{Type: "size", Cols: int(out.Cols), Rows: int(out.Rows)}
		case out.Exited:
			control = TerminalExit{Type: "exit", ExitCode: out.ExitCode}
		}
		if control != nil {
			err = w.write(websocket.MessageText, encode(control))
		} else if len(out.Data) > 0 {
			err = w.write(websocket.MessageBinary, out.Data)
		}
		if err != nil {
			return err
		}
		if out.Exited {
			return endExited
		}
	}
}

// terminalInput passes on what the person types, and the size of their window.
func terminalInput(w *wire, at Attachment, p Person) error {
	for {
		m, err := w.receive(maxInputBytes)
		if err == nil {
			var in *protocol.TerminalInput
			if in, err = inputOf(m.typ, m.data); err == nil && in == nil {
				w.done(m)
				if err := w.write(websocket.MessageText, encode(Pong{Type: "pong"})); err != nil {
					return err
				}
				continue
			}
			if err == nil {
				err := at.Send(in)
				w.done(m)
				if err != nil {
					return endingOfTerminal(err)
				}
				continue
			}
			w.done(m)
		}
		if c := fault.CodeOf(err); c != fault.TooLarge && c != fault.RateLimited && c != fault.Invalid {
			return err
		}
		if err := w.write(websocket.MessageText, encode(p.failureOf(ClientMessage{}, err))); err != nil {
			return err
		}
	}
}

// inputOf is what a message says to the terminal; nil for a ping, which says nothing to it.
func inputOf(typ websocket.MessageType, data []byte) (*protocol.TerminalInput, error) {
	if typ == websocket.MessageBinary {
		return &protocol.TerminalInput{Data: data}, nil
	}
	var c TerminalControl
	if len(data) > maxControlBytes || json.Unmarshal(data, &c) != nil {
		return nil, fault.New(fault.Invalid, "A text frame is a control message in JSON; what is typed goes into binary frames.")
	}
	if c.Type == typePing {
		return nil, nil
	}
	if c.Type != "resize" {
		return nil, fault.InvalidField("type", "There is no such control message; resize is one.")
	}
	if c.Cols < 1 || c.Cols > maxCells || c.Rows < 1 || c.Rows > maxCells {
		return nil, fault.InvalidField("cols", "cols and rows must be from 1 to %d.", maxCells)
	}
	return &protocol.TerminalInput{Cols: uint16(c.Cols), Rows: uint16(c.Rows)}, nil
}
