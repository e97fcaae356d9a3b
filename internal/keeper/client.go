package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/instancedir"
)

// SocketPath is where the keeper of a state folder listens.
func SocketPath(stateDir string) string { return filepath.Join(stateDir, "keeper.sock") }

// Instances counts the instances of a state folder, also where no keeper runs.
func Instances(stateDir string) int {
	handles, err := instancedir.At(stateDir).List(slog.New(slog.DiscardHandler))
	if err != nil { // there is no such folder, or it is not ours to see
		return 0
	}
	return len(handles)
}

// Client asks the keeper; it is the server's runtime.Runtime. Supervisors it
// dials itself, by their sockets' modes.
type Client struct {
	name   string
	dir    instancedir.Root
	caller *rpc.Caller
}

// NewClient speaks to the keeper of a state folder. name is the runtime's, as configured.
func NewClient(stateDir, name string) *Client {
	path := SocketPath(stateDir)
	return &Client{name: name, dir: instancedir.At(stateDir), caller: rpc.NewCaller(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	})}
}

// Close lets go of the connection.
func (c *Client) Close() { c.caller.Close() }

func call[Req, Res any](ctx context.Context, c *Client, procedure string, req *Req) (*Res, error) {
	res, err := rpc.Call[Req, Res](ctx, c.caller, procedure, req)
	if errors.Is(err, rpc.ErrUnreachable) {
		return nil, fault.Wrap(err, fault.RuntimeUnavailable, "The part of Carrel that makes sandboxes (the keeper) does not answer. Running instances go on. An administrator brings it back with `carrel serve`.")
	}
	if err != nil {
		return nil, fmt.Errorf("ask keeper: %w", err)
	}
	return res, nil
}

// Status asks the keeper who it is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return call[empty, Status](ctx, c, procStatus, &empty{})
}

// Stop ends the keeper, and what the request says.
func (c *Client) Stop(ctx context.Context, req StopRequest) error {
	_, err := call[StopRequest, empty](ctx, c, procStop, &req)
	return err
}

func (c *Client) Name() string { return c.name }

func (c *Client) Create(ctx context.Context, spec runtime.Spec) (runtime.Handle, error) {
	h, err := call[runtime.Spec, runtime.Handle](ctx, c, procCreate, &spec)
	if err != nil {
		return runtime.Handle{}, err
	}
	return *h, nil
}

func (c *Client) List(ctx context.Context) ([]runtime.Handle, error) {
	res, err := call[empty, listResponse](ctx, c, procList, &empty{})
	if err != nil {
		return nil, err
	}
	return res.Handles, nil
}

func (c *Client) Destroy(ctx context.Context, id string) error {
	_, err := call[idRequest, empty](ctx, c, procDestroy, &idRequest{ID: id})
	return err
}

func (c *Client) Usage(ctx context.Context, id string) (runtime.Usage, error) {
	u, err := call[idRequest, runtime.Usage](ctx, c, procUsage, &idRequest{ID: id})
	if err != nil {
		return runtime.Usage{}, err
	}
	return *u, nil
}

func (c *Client) Resize(ctx context.Context, id string, limits runtime.Limits) error {
	_, err := call[resizeRequest, empty](ctx, c, procResize, &resizeRequest{ID: id, Limits: limits})
	return err
}

func (c *Client) DeleteVolume(ctx context.Context, userID int64) error {
	_, err := call[userRequest, empty](ctx, c, procDeleteVolume, &userRequest{UserID: userID})
	return err
}

// HoldVolume has a user's volume mounted, gives f the folder, and lets go of it
// when f returns. f's context ends when the keeper does.
func (c *Client) HoldVolume(ctx context.Context, userID int64, f func(ctx context.Context, dir string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opened := make(chan string, 1)
	ended := make(chan error, 1)
	go func() { // ends with the stream, which ends with the context; waited for below
		err := rpc.Subscribe(ctx, c.caller, procHoldVolume, &userRequest{UserID: userID}, func(v *heldVolume) error {
			opened <- v.Dir
			return nil
		})
		cancel()
		ended <- err
	}()
	select {
	case dir := <-opened:
		err := f(ctx, dir)
		if ctx.Err() != nil && err != nil {
			err = errors.Join(err, <-ended)
			return fmt.Errorf("read volume: the keeper has ended: %w", err)
		}
		cancel()
		if e := <-ended; e != nil && err != nil {
			err = errors.Join(err, e)
		}
		return err
	case err := <-ended:
		if err == nil {
			err = errors.New("the keeper has ended")
		}
		if errors.Is(err, rpc.ErrUnreachable) {
			return fault.Wrap(err, fault.RuntimeUnavailable, "The keeper does not answer.")
		}
		return fmt.Errorf("ask keeper: %w", err)
	}
}

func (c *Client) Check(ctx context.Context) []runtime.Finding {
	res, err := call[empty, checkResponse](ctx, c, procCheck, &empty{})
	if err != nil {
		return []runtime.Finding{{Name: "keeper", State: "fail", Detail: "The keeper does not answer: " + err.Error(), Remedy: "carrel serve"}}
	}
	return res.Findings
}

func (c *Client) Dial(ctx context.Context, id string) (net.Conn, error) { return c.dir.Dial(ctx, id) }
