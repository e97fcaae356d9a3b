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
		Type string `json:"type" enum:"resize" doc:"What to do."`
		Cols int    `json:"cols" minimum:"1" maximum:"1000" example:"80" doc:"Columns of the window."`
		Rows int    `json:"rows" minimum:"1" maximum:"1000" example:"24" doc:"Rows of the window."`
	}
	// TerminalExit is the last text frame of a terminal whose program has ended.
	TerminalExit struct {
		Type     string `json:"type" enum:"exit" doc:"exit"`
		ExitCode int    `json:"exit_code" doc:"How it ended."`
	}
)

// ServeTerminal upgrades a request and joins a terminal until either ends. The
// terminal lives on when only the connection does. Errors as in ServeSessions.
func (h *Hub) ServeTerminal(w http.ResponseWriter, r *http.Request, p Person, id string) error {
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
	at, err := h.cfg.Terminal.Attach(ctx, p.User.ID, id)
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
		if len(out.Data) > 0 {
			if err := w.write(websocket.MessageBinary, out.Data); err != nil {
				return err
			}
		}
		if out.Exited {
			if err := w.write(websocket.MessageText, encode(TerminalExit{Type: "exit", ExitCode: out.ExitCode})); err != nil {
				return err
			}
			return endExited
		}
	}
}

// terminalInput passes on what the person types, and the size of their window.
func terminalInput(w *wire, at Attachment, p Person) error {
	for {
		typ, data, err := w.receive(maxInputBytes)
		if err == nil {
			var in *protocol.TerminalInput
			if in, err = inputOf(typ, data); err == nil {
				if err := at.Send(in); err != nil {
					return endingOfTerminal(err)
				}
				continue
			}
		}
		if c := fault.CodeOf(err); c != fault.TooLarge && c != fault.Invalid {
			return err
		}
		if err := w.write(websocket.MessageText, encode(p.failureOf(ClientMessage{}, err))); err != nil {
			return err
		}
	}
}

func inputOf(typ websocket.MessageType, data []byte) (*protocol.TerminalInput, error) {
	if typ == websocket.MessageBinary {
		return &protocol.TerminalInput{Data: data}, nil
	}
	var c TerminalControl
	if len(data) > maxControlBytes || json.Unmarshal(data, &c) != nil {
		return nil, fault.New(fault.Invalid, "A text frame is a control message in JSON; what is typed goes into binary frames.")
	}
	if c.Type != "resize" {
		return nil, fault.InvalidField("type", "There is no such control message; resize is one.")
	}
	if c.Cols < 1 || c.Cols > maxCells || c.Rows < 1 || c.Rows > maxCells {
		return nil, fault.InvalidField("cols", "cols and rows must be from 1 to %d.", maxCells)
	}
	return &protocol.TerminalInput{Cols: uint16(c.Cols), Rows: uint16(c.Rows)}, nil
}
