// Package bare makes instances without isolation: a supervisor and all that it
// runs are processes of the one who starts them. It is for development on a
// machine where no sandbox can be had, and Carrel then listens on loopback only.
//
// What it promises of the contract is life and death, not limits: Usage is
// measured by process, and Limits are not enforced.
package bare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/instancedir"
	"github.com/carrel-dev/carrel/internal/runtime/snapshotdir"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Options are fixed for the life of a Runtime.
type Options struct {
	DataDir  string // absolute; volumes and workspaces
	StateDir string // absolute
	Carrel   string // this program's file
	Claude   string // the Claude CLI's file; "" when there is none
	// ServerGID owns the supervisors' sockets, when a root keeper serves a server that is not root.
	ServerGID int
	ToolEnv   func() []string
	Attach    func(spec runtime.Spec, gateway, egress *os.File)
	Detach    func(id string)
	Log       *slog.Logger
}

// Runtime is a runtime.Runtime.
type Runtime struct {
	opt Options
	dir instancedir.Root

	snapshots *snapshotdir.Dir

	mu sync.Mutex // held by whoever makes or removes an instance
	wg sync.WaitGroup
}

// Open makes the folders.
func Open(opt Options) (*Runtime, error) {
	r := &Runtime{opt: opt, dir: instancedir.At(opt.StateDir), snapshots: snapshotdir.At(opt.DataDir)}
	if err := r.dir.Open(); err != nil {
		return nil, err
	}
	for _, d := range []string{filepath.Join(opt.DataDir, "volumes"), filepath.Join(opt.DataDir, "workspaces"), filepath.Join(opt.DataDir, "snapshots")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make folders: %w", err)
		}
	}
	return r, nil
}

// Wait returns when every supervisor that this Runtime started has been reaped.
func (r *Runtime) Wait() { r.wg.Wait() }

func (r *Runtime) Name() string { return "bare" }

func (r *Runtime) volume(userID int64) string {
	return filepath.Join(r.opt.DataDir, "volumes", "user-"+strconv.FormatInt(userID, 10))
}

func (r *Runtime) workspace(userID int64) string {
	return filepath.Join(r.opt.DataDir, "workspaces", "user-"+strconv.FormatInt(userID, 10))
}

func (r *Runtime) Create(ctx context.Context, spec runtime.Spec) (_ runtime.Handle, err error) {
	if err := instancedir.Validate(spec, 1<<53); err != nil {
		return runtime.Handle{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	handles, err := r.dir.List(r.opt.Log)
	if err != nil {
		return runtime.Handle{}, err
	}
	for _, h := range handles {
		if h.Spec.UserID == spec.UserID || h.Spec.ID == spec.ID {
			return runtime.Handle{}, fault.New(fault.Conflict, "The user has an instance already.")
		}
	}
	h := runtime.Handle{Spec: spec, Workspace: r.workspace(spec.UserID), CreatedAt: time.Now().UTC()}
	if err := r.dir.Add(h); err != nil {
		return h, err
	}
	if err := r.start(h); err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return h, errors.Join(err, r.remove(undo, spec.ID))
	}
	return h, nil
}

func (r *Runtime) start(h runtime.Handle) error {
	spec, dir, volume := h.Spec, r.dir.Dir(h.Spec.ID), r.volume(h.Spec.UserID)
	for _, d := range []string{filepath.Join(dir, "run"), filepath.Join(dir, "scratch"), filepath.Join(dir, "sockets"), filepath.Join(volume, "home"), filepath.Join(volume, "journal")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return fmt.Errorf("make instance folder: %w", err)
		}
	}
	target := filepath.Join("..", "volumes", filepath.Base(volume), "home")
	if err := os.Symlink(target, h.Workspace); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("link workspace: %w", err)
	}
	gateway, egress, err := r.Sockets(spec)
	if err != nil {
		return err
	}
	if r.opt.Attach != nil {
		r.opt.Attach(spec, gateway, egress)
	} else {
		gateway.Close()
		egress.Close()
	}
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = r.opt.ServerGID
	}
	run := filepath.Join(dir, "run")
	if err := errors.Join(os.Chmod(run, 0o750), os.Lchown(run, os.Getuid(), group)); err != nil {
		return fmt.Errorf("make instance folder: %w", err)
	}
	socket, err := instancedir.Listen(r.dir.SupervisorSocket(spec.ID), os.Getuid(), group, 0o660)
	if err != nil {
		return err
	}
	defer socket.Close()
	config := protocol.Config{
		InstanceID: spec.ID, UserID: spec.UserID, Name: spec.Name, Language: spec.Language,
		Home: filepath.Join(volume, "home"), JournalDir: filepath.Join(volume, "journal"), RunDir: filepath.Join(dir, "scratch"),
		Claude: r.opt.Claude, GatewaySocket: filepath.Join(dir, "sockets", "gateway.sock"), EgressSocket: filepath.Join(dir, "sockets", "egress.sock"),
		PersonUID: -1, PersonGID: -1, LiveSessions: spec.LiveSessions, Env: []string{mark(spec.ID)},
	}
	if os.Getuid() == 0 {
		// The CLI refuses some modes to root unless it is told that it is contained.
		config.Env = append(config.Env, "IS_SANDBOX=1")
	}
	if r.opt.ToolEnv != nil {
		config.Env = append(config.Env, r.opt.ToolEnv()...)
	}
	b, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("encode supervisor's settings: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "supervisor.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(r.opt.Carrel, "supervisor")
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", mark(spec.ID), "CARREL_SUPERVISOR=" + string(b)}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives the keeper
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	r.wg.Go(func() {
		if err := cmd.Wait(); err != nil {
			r.opt.Log.Debug("supervisor ended", "instance_id", spec.ID, "err", err)
		}
	})
	return nil
}

// Sockets makes the gateway and egress sockets of an instance, replacing earlier ones.
func (r *Runtime) Sockets(spec runtime.Spec) (gateway, egress *os.File, err error) {
	dir := filepath.Join(r.dir.Dir(spec.ID), "sockets")
	if gateway, err = instancedir.Listen(filepath.Join(dir, "gateway.sock"), os.Getuid(), os.Getgid(), 0o600); err != nil {
		return nil, nil, err
	}
	if egress, err = instancedir.Listen(filepath.Join(dir, "egress.sock"), os.Getuid(), os.Getgid(), 0o600); err != nil {
		gateway.Close()
		return nil, nil, err
	}
	return gateway, egress, nil
}

func (r *Runtime) List(context.Context) ([]runtime.Handle, error) { return r.dir.List(r.opt.Log) }

func (r *Runtime) Dial(ctx context.Context, id string) (net.Conn, error) { return r.dir.Dial(ctx, id) }

func (r *Runtime) Destroy(ctx context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.dir.Read(id); err != nil {
		return err
	}
	return r.remove(ctx, id)
}

func (r *Runtime) remove(ctx context.Context, id string) error {
	if err := endMarked(ctx, id); err != nil {
		return err
	}
	if r.opt.Detach != nil {
		r.opt.Detach(id)
	}
	return r.dir.Remove(id)
}

// Resize records the limits; nothing here enforces them.
func (r *Runtime) Resize(_ context.Context, id string, l runtime.Limits) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := instancedir.ValidateLimits(l); err != nil {
		return err
	}
	h, err := r.dir.Read(id)
	if err != nil {
		return err
	}
	h.Spec.Limits = l
	return r.dir.Write(h)
}

func (r *Runtime) DeleteVolume(_ context.Context, userID int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	handles, err := r.dir.List(r.opt.Log)
	if err != nil {
		return err
	}
	for _, h := range handles {
		if h.Spec.UserID == userID {
			return fault.New(fault.Conflict, "The user's instance is still there. Destroy it first.")
		}
	}
	if err := os.Remove(r.workspace(userID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete volume: %w", err)
	}
	if err := errors.Join(os.RemoveAll(r.volume(userID)), r.snapshots.Erase(userID)); err != nil {
		return fmt.Errorf("delete volume: %w", err)
	}
	return nil
}

func (r *Runtime) Check(context.Context) []runtime.Finding {
	return []runtime.Finding{{Name: "sandbox", State: "warn", Detail: "The runtime is bare: people are not isolated from each other or from this machine.",
		Remedy: "Use it for development only. Set runtime to oci for anything else."}}
}
