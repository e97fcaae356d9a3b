package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"

	"connectrpc.com/connect"
)

// Duplex registers a handler for which both sides send many messages. Its
// receive returns io.EOF once the caller has sent all it will.
func Duplex[Req, Res any](mux *http.ServeMux, procedure string, f func(ctx context.Context, receive func() (*Req, error), send func(*Res) error) error) {
	mux.Handle(procedure, connect.NewBidiStreamHandler(procedure, func(ctx context.Context, s *connect.BidiStream[Req, Res]) error {
		return f(ctx, s.Receive, s.Send)
	}, HandlerOptions(false)))
}

// DuplexCall is one running call of a procedure that Duplex serves. One goroutine
// may send while another receives.
type DuplexCall[Req, Res any] struct {
	stream *connect.BidiStreamForClient[Req, Res]
	cancel context.CancelFunc
}

// OpenDuplex begins a call; it ends with ctx or with Close.
func OpenDuplex[Req, Res any](ctx context.Context, c *Caller, procedure string) *DuplexCall[Req, Res] {
	ctx, cancel := context.WithCancel(ctx) //nolint:gosec // Close calls it
	cl := connect.NewClient[Req, Res](c.HTTP, c.base+procedure, ClientOptions())
	return &DuplexCall[Req, Res]{stream: cl.CallBidiStream(ctx), cancel: cancel}
}

// Send sends one message. When the other side has ended the call it returns
// io.EOF, and Receive tells why.
func (c *DuplexCall[Req, Res]) Send(m *Req) error {
	if err := c.stream.Send(m); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return fromConnect(err)
	}
	return nil
}

// Receive waits for the next message; io.EOF is the regular end.
func (c *DuplexCall[Req, Res]) Receive() (*Res, error) {
	m, err := c.stream.Receive()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fromConnect(err)
	}
	return m, nil
}

// Close ends the call at once. It may be called twice, and from any goroutine.
func (c *DuplexCall[Req, Res]) Close() error {
	c.cancel()
	// Both only let go of what the cancelled context has already ended.
	_ = c.stream.CloseRequest()
	_ = c.stream.CloseResponse()
	return nil
}
