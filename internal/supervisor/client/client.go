// Package client speaks to one supervisor: every procedure of package protocol
// as a method, and the plain HTTP of its file part. It holds no state but the
// connection, dials as it needs, and may be used from any goroutine.
package client

import (
	"context"

	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Client is the way to one supervisor.
type Client struct {
	caller *rpc.Caller
}

// New returns a client that connects by dial when it has to.
func New(dial rpc.Dialer) *Client { return &Client{caller: rpc.NewCaller(dial)} }

// Close lets go of the connection. Calls that still run end by their contexts.
func (c *Client) Close() { c.caller.Close() }

// Ping asks whether the supervisor answers, and which one it is.
func (c *Client) Ping(ctx context.Context) (*protocol.PingResponse, error) {
	return rpc.Call[protocol.PingRequest, protocol.PingResponse](ctx, c.caller, protocol.Ping, &protocol.PingRequest{})
}

// Watch gives f all there is, a notice "ready", and then every change, until ctx ends or f fails.
func (c *Client) Watch(ctx context.Context, f func(*protocol.Notice) error) error {
	return rpc.Subscribe(ctx, c.caller, protocol.Watch, &protocol.WatchRequest{}, f)
}

// Open makes a session's process ready ahead of a prompt.
func (c *Client) Open(ctx context.Context, r *protocol.OpenRequest) (*protocol.Session, error) {
	return rpc.Call[protocol.OpenRequest, protocol.Session](ctx, c.caller, protocol.Open, r)
}

// Prompt hands a prompt over; when it returns nil the prompt is on disk.
func (c *Client) Prompt(ctx context.Context, r *protocol.PromptRequest) (*protocol.PromptResponse, error) {
	return rpc.Call[protocol.PromptRequest, protocol.PromptResponse](ctx, c.caller, protocol.Prompt, r)
}

// Withdraw takes back a prompt that has not begun.
func (c *Client) Withdraw(ctx context.Context, r *protocol.WithdrawRequest) error {
	return call(ctx, c, protocol.Withdraw, r)
}

// Answer answers an open permission request.
func (c *Client) Answer(ctx context.Context, r *protocol.AnswerRequest) error {
	return call(ctx, c, protocol.Answer, r)
}

// Interrupt ends the running turn of a session.
func (c *Client) Interrupt(ctx context.Context, r *protocol.SessionRequest) error {
	return call(ctx, c, protocol.Interrupt, r)
}

// StopTask ends a task of a session that runs in the background.
func (c *Client) StopTask(ctx context.Context, r *protocol.TaskRequest) error {
	return call(ctx, c, protocol.StopTask, r)
}

// TaskOutput gives what a command that runs has written so far.
func (c *Client) TaskOutput(ctx context.Context, r *protocol.TaskRequest) (*protocol.TaskOutputResponse, error) {
	return rpc.Call[protocol.TaskRequest, protocol.TaskOutputResponse](ctx, c.caller, protocol.TaskOutput, r)
}

// Rewind puts files back to what they were before a prompt, or says which those are.
func (c *Client) Rewind(ctx context.Context, r *protocol.RewindRequest) (*protocol.RewindResponse, error) {
	return rpc.Call[protocol.RewindRequest, protocol.RewindResponse](ctx, c.caller, protocol.Rewind, r)
}

// Set changes a session's model, permission mode or effort.
func (c *Client) Set(ctx context.Context, r *protocol.SetRequest) (*protocol.Session, error) {
	return rpc.Call[protocol.SetRequest, protocol.Session](ctx, c.caller, protocol.Set, r)
}

// CloseSession ends a session's process; the session is dormant then.
func (c *Client) CloseSession(ctx context.Context, r *protocol.SessionRequest) error {
	return call(ctx, c, protocol.Close, r)
}

// Place says which sessions get a place for a Claude process, and which are to give theirs back.
func (c *Client) Place(ctx context.Context, r *protocol.PlaceRequest) (*protocol.PlaceResponse, error) {
	return rpc.Call[protocol.PlaceRequest, protocol.PlaceResponse](ctx, c.caller, protocol.Place, r)
}

// Delete removes a session for ever: process, journal and transcript.
func (c *Client) Delete(ctx context.Context, r *protocol.SessionRequest) error {
	return call(ctx, c, protocol.Delete, r)
}

// Configure gives other limits; they hold for what is started from then on.
func (c *Client) Configure(ctx context.Context, l *protocol.Limits) error {
	return call(ctx, c, protocol.Configure, l)
}

// Events gives f the events after r.After, in order, and those to come.
func (c *Client) Events(ctx context.Context, r *protocol.EventsRequest, f func(*protocol.Event) error) error {
	return rpc.Subscribe(ctx, c.caller, protocol.Events, r, f)
}

// Transcripts lists the conversations that the CLI left in the workspace. They are the person's own files: untrusted.
func (c *Client) Transcripts(ctx context.Context) ([]protocol.Transcript, error) {
	res, err := rpc.Call[protocol.Empty, protocol.TranscriptsResponse](ctx, c.caller, protocol.Transcripts, &protocol.Empty{})
	if err != nil {
		return nil, err
	}
	return res.Transcripts, nil
}

// Command runs one command to its end. The answer of one that ran, however it ended, is not an error.
func (c *Client) Command(ctx context.Context, r *protocol.CommandRequest) (*protocol.CommandResponse, error) {
	return rpc.Call[protocol.CommandRequest, protocol.CommandResponse](ctx, c.caller, protocol.Command, r)
}

// Shutdown ends every process inside and then the supervisor.
func (c *Client) Shutdown(ctx context.Context) error {
	return call(ctx, c, protocol.Shutdown, &protocol.Empty{})
}

// call is for procedures that answer with nothing.
func call[Req any](ctx context.Context, c *Client, procedure string, r *Req) error {
	_, err := rpc.Call[Req, protocol.Empty](ctx, c.caller, procedure, r)
	return err
}
