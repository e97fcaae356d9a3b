package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// server answers the procedures.
type server struct {
	runtime runtime.Runtime
	status  func() Status
	stop    func(StopRequest) error
	ending  <-chan struct{} // closed when the keeper is about to end
	log     *slog.Logger
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	rpc.Unary(mux, procStatus, true, func(context.Context, *empty) (*Status, error) {
		st := s.status()
		return &st, nil
	})
	rpc.Unary(mux, procCreate, true, func(ctx context.Context, spec *runtime.Spec) (*runtime.Handle, error) {
		start := time.Now()
		h, err := s.runtime.Create(ctx, *spec)
		s.told("create", spec.ID, spec.UserID, start, err)
		return &h, err
	})
	rpc.Unary(mux, procDestroy, true, func(ctx context.Context, r *idRequest) (*empty, error) {
		start := time.Now()
		err := s.runtime.Destroy(ctx, r.ID)
		s.told("destroy", r.ID, 0, start, err)
		return &empty{}, err
	})
	rpc.Unary(mux, procList, true, func(ctx context.Context, _ *empty) (*listResponse, error) {
		handles, err := s.runtime.List(ctx)
		return &listResponse{Handles: handles}, err
	})
	rpc.Unary(mux, procUsage, true, func(ctx context.Context, r *idRequest) (*runtime.Usage, error) {
		u, err := s.runtime.Usage(ctx, r.ID)
		return &u, err
	})
	rpc.Unary(mux, procResize, true, func(ctx context.Context, r *resizeRequest) (*empty, error) {
		return &empty{}, s.runtime.Resize(ctx, r.ID, r.Limits)
	})
	rpc.Unary(mux, procDeleteVolume, true, func(ctx context.Context, r *userRequest) (*empty, error) {
		start := time.Now()
		err := s.runtime.DeleteVolume(ctx, r.UserID)
		s.told("delete volume", "", r.UserID, start, err)
		return &empty{}, err
	})
	mux.Handle(procHoldVolume, connect.NewServerStreamHandler(procHoldVolume, func(ctx context.Context, r *connect.Request[userRequest], out *connect.ServerStream[heldVolume]) error {
		return s.holdVolume(ctx, r.Msg.UserID, out.Send)
	}, rpc.HandlerOptions(true)))
	s.handleSnapshots(mux)
	rpc.Unary(mux, procCheck, true, func(ctx context.Context, _ *empty) (*checkResponse, error) {
		return &checkResponse{Findings: s.runtime.Check(ctx)}, nil
	})
	rpc.Unary(mux, procStop, true, func(ctx context.Context, r *StopRequest) (*empty, error) {
		if r.Instances {
			if err := destroyAll(ctx, s.runtime); err != nil {
				return nil, err
			}
		}
		return &empty{}, s.stop(*r)
	})
	return mux
}

// holder is a runtime whose volumes are mounted only where they are used.
type holder interface {
	Hold(ctx context.Context, userID int64) (dir string, release func(), err error)
}

// holdVolume keeps a user's volume mounted until who asked has gone, or this
// keeper goes: whoever reads it then finds nothing more.
func (s *server) holdVolume(ctx context.Context, userID int64, send func(*heldVolume) error) error {
	rt, ok := s.runtime.(holder)
	if !ok {
		return fault.New(fault.NotFound, "Volumes of this runtime need not be mounted.")
	}
	start := time.Now()
	dir, release, err := rt.Hold(ctx, userID)
	s.told("hold volume", "", userID, start, err)
	if err != nil {
		return err
	}
	defer release()
	if err := send(&heldVolume{Dir: dir}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-s.ending:
	}
	return nil
}

// told logs what was done to whom: it is the audit of the only root process.
func (s *server) told(what, id string, userID int64, start time.Time, err error) {
	log := s.log.With("what", what, "instance_id", id, "user_id", userID, "ms", time.Since(start).Milliseconds())
	if err != nil {
		log.Warn("keeper refused or failed", "err", err)
		return
	}
	log.Info("keeper did")
}

// destroyAll destroys every instance, four at a time; one that fails holds up no
// other.
func destroyAll(ctx context.Context, rt runtime.Runtime) error {
	handles, err := rt.List(ctx)
	if err != nil {
		return fmt.Errorf("list instances: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(4)
	errs := make([]error, len(handles))
	for i, h := range handles {
		g.Go(func() error {
			err := rt.Destroy(ctx, h.Spec.ID)
			if err != nil && !errors.Is(err, fault.NotFoundError) { // else: the server was faster
				errs[i] = fmt.Errorf("destroy %s: %w", h.Spec.ID, err)
			}
			return nil
		})
	}
	return errors.Join(g.Wait(), errors.Join(errs...))
}

// peers accepts only connections of root and of one uid, whatever the socket's
// mode came to be.
type peers struct {
	net.Listener
	uid int
	log *slog.Logger
}

func (p peers) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && (uid == 0 || uid == p.uid) {
			return c, nil
		}
		p.log.Warn("keeper refused a caller", "uid", uid, "err", err)
		c.Close()
	}
}

func peerUID(c net.Conn) (int, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1, errors.New("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return -1, err
	}
	if credErr != nil {
		return -1, credErr
	}
	return int(cred.Uid), nil
}

// serve answers on the socket until the context ends, then lets running
// requests finish for a while.
func (s *server) serve(ctx context.Context, l net.Listener) error {
	srv := rpc.NewServer(s.handler())
	var wg sync.WaitGroup
	defer wg.Wait()
	stopped := make(chan struct{})
	defer close(stopped)
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-stopped:
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(end); err != nil {
			_ = srv.Close() // what did not finish in time is cut off
		}
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve keeper: %w", err)
	}
	return nil
}

// Lock makes the caller the only keeper of the state folder, for as long as the
// file is open. One that is just ending is waited for.
func Lock(ctx context.Context, stateDir string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		f, err := TryLock(stateDir)
		if !errors.Is(err, ErrLocked) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ErrLocked is in the chain when a keeper runs, starts or ends.
var ErrLocked = errors.New("another keeper has this state folder")

// TryLock is Lock without the wait.
func TryLock(stateDir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(stateDir, "keeper.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return f, nil
}
