package client

import (
	"context"
	"fmt"

	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// OpenTerminal starts a terminal. It lives until it is closed or its program ends, attached to or not.
func (c *Client) OpenTerminal(ctx context.Context, r *protocol.OpenTerminalRequest) (*protocol.Terminal, error) {
	return rpc.Call[protocol.OpenTerminalRequest, protocol.Terminal](ctx, c.caller, protocol.OpenTerminal, r)
}

// Terminals lists the terminals, also those that ended a short while ago.
func (c *Client) Terminals(ctx context.Context) ([]protocol.Terminal, error) {
	res, err := rpc.Call[protocol.Empty, protocol.TerminalsResponse](ctx, c.caller, protocol.Terminals, &protocol.Empty{})
	if err != nil {
		return nil, err
	}
	return res.Terminals, nil
}

// RenameTerminal gives a terminal a title.
func (c *Client) RenameTerminal(ctx context.Context, r *protocol.RenameTerminalRequest) (*protocol.Terminal, error) {
	return rpc.Call[protocol.RenameTerminalRequest, protocol.Terminal](ctx, c.caller, protocol.RenameTerminal, r)
}

// CloseTerminal ends a terminal and all that runs in it.
func (c *Client) CloseTerminal(ctx context.Context, r *protocol.TerminalRequest) error {
	return call(ctx, c, protocol.CloseTerminal, r)
}

// Attachment is one way into a terminal. One goroutine may send while another receives.
type Attachment struct {
	call *rpc.DuplexCall[protocol.TerminalInput, protocol.TerminalOutput]
}

// Attach joins a terminal. First comes an Attached, then its scrollback but for what the caller has, the first after
// bytes, then what it writes. The attachment ends with ctx, with Close, or with the terminal; the terminal itself lives
// on after the first two.
func (c *Client) Attach(ctx context.Context, id string, after int64) (*Attachment, error) {
	a := &Attachment{call: rpc.OpenDuplex[protocol.TerminalInput, protocol.TerminalOutput](ctx, c.caller, protocol.Attach)}
	if err := a.Send(&protocol.TerminalInput{ID: id, After: after}); err != nil {
		// The reason of a refusal comes with the answer.
		if _, rerr := a.Receive(); rerr != nil {
			err = rerr
		}
		_ = a.Close()
		return nil, fmt.Errorf("attach to terminal: %w", err)
	}
	return a, nil
}

// Send writes to the terminal, or resizes it when Cols and Rows are set. After the end it returns io.EOF.
func (a *Attachment) Send(in *protocol.TerminalInput) error { return a.call.Send(in) }

// Receive waits for output. The last one says Exited; io.EOF follows it. An unknown terminal is a fault.NotFound here.
func (a *Attachment) Receive() (*protocol.TerminalOutput, error) { return a.call.Receive() }

// Close detaches. It may be called twice and from any goroutine.
func (a *Attachment) Close() error { return a.call.Close() }
