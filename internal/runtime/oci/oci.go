// Package oci makes instances as containers of an OCI runtime (runc by
// default): one a user, in a user namespace with a uid range of the user's
// own, without network, on a volume that cannot overflow. It runs as root,
// inside the keeper, and takes nothing from a caller but a runtime.Spec.
//
// What the host shows, per instance:
//
//	<state>/instances/<id>/spec.json        what it is found again by
//	<state>/instances/<id>/{bundle,rootfs,etc}
//	<state>/instances/<id>/run/supervisor.sock   mode 0660, the server's
//	<state>/instances/<id>/sockets/              shown inside, read-only
//	<data>/volumes/user-<n>.img, user-<n>/  image and mount point
//	<data>/workspaces/user-<n>              link to the volume's home
package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	runc "github.com/containerd/go-runc"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/instancedir"
	"github.com/carrel-dev/carrel/internal/runtime/snapshotdir"
)

// Options are fixed for the life of a Runtime.
type Options struct {
	DataDir  string // absolute; volumes and workspaces
	StateDir string // absolute; every folder above it can be entered by all, as /run
	Command  string // the OCI runtime; "runc"
	Root     string // an unpacked image; "" is the host's own system
	UIDBase  uint32 // a multiple of 65536; user n has [UIDBase+n*65536, +65536)
	Carrel   string // this program's file, shown inside
	Claude   string // the Claude CLI's file, shown inside; "" when there is none
	// ServerGID owns the supervisors' sockets: who is in it may speak to every supervisor.
	ServerGID int
	// ToolEnv gives the environment that tools inside need (registries); may be nil.
	ToolEnv func() []string
	// Attach is given the listening gateway and egress sockets of a new instance, and Detach told of its end. May be nil.
	Attach func(spec runtime.Spec, gateway, egress *os.File)
	Detach func(id string)
	Log    *slog.Logger
}

// Runtime is a runtime.Runtime.
type Runtime struct {
	opt  Options
	root root
	dir  instancedir.Root
	runc *runc.Runc

	snapshots *snapshotdir.Dir

	mu   sync.Mutex
	busy map[int64]chan struct{} // guarded by mu: users whose instance is being made or removed; closed at the end of it
	held map[int64]int           // guarded by mu: how many read a user's volume, see Hold
}

// MaxUserID keeps every range below 1<<31, where some programs stop.
const MaxUserID = 16_000

// Open checks the options and makes the folders.
func Open(opt Options) (*Runtime, error) {
	if os.Geteuid() != 0 {
		return nil, fault.New(fault.RuntimeUnavailable, "Containers with limits need root. Start Carrel as root; it gives root up wherever it is not needed.")
	}
	if opt.UIDBase == 0 || opt.UIDBase%rangeSize != 0 || opt.UIDBase > 1<<30 {
		return nil, fmt.Errorf("uid base %d is not a multiple of 65536 up to 1<<30", opt.UIDBase)
	}
	if taken := subuidClash("/etc/subuid", opt.UIDBase); taken != "" {
		return nil, fault.New(fault.RuntimeUnavailable, "/etc/subuid gives uids of Carrel's range to others (%s). Set oci.uid_base to a free multiple of 65536.", taken)
	}
	root, err := findRoot(opt.Root)
	if err != nil {
		return nil, fault.Wrap(err, fault.RuntimeUnavailable, "The root of the sandbox cannot be used. Check oci.root.")
	}
	r := &Runtime{opt: opt, root: root, dir: instancedir.At(opt.StateDir), busy: map[int64]chan struct{}{}, held: map[int64]int{}, snapshots: snapshotdir.At(opt.DataDir)}
	if err := r.dir.Open(); err != nil {
		return nil, err
	}
	for _, d := range []string{filepath.Join(opt.DataDir, "volumes"), filepath.Join(opt.DataDir, "workspaces")} {
		if err := os.MkdirAll(d, 0o711); err != nil {
			return nil, fmt.Errorf("make folders: %w", err)
		}
		if err := os.Chmod(d, 0o711); err != nil {
			return nil, fmt.Errorf("make folders: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Join(opt.DataDir, "snapshots"), 0o700); err != nil {
		return nil, fmt.Errorf("make folders: %w", err)
	}
	r.runc = &runc.Runc{Command: opt.Command, Root: filepath.Join(opt.StateDir, "runc"), LogFormat: runc.JSON}
	return r, nil
}

func (r *Runtime) Name() string { return "oci" }

// paths of one instance on the host.
type paths struct {
	dir, bundle, rootfs, etc, run, sockets string
	image, volume, home, journal           string
	workspace                              string
}

func (r *Runtime) paths(id string, userID int64) paths {
	user := "user-" + strconv.FormatInt(userID, 10)
	d := r.dir.Dir(id)
	v := filepath.Join(r.opt.DataDir, "volumes", user)
	return paths{
		dir: d, bundle: d + "/bundle", rootfs: d + "/rootfs", etc: d + "/etc", run: d + "/run", sockets: d + "/sockets",
		image: v + ".img", volume: v, home: v + "/home", journal: v + "/journal",
		workspace: filepath.Join(r.opt.DataDir, "workspaces", user),
	}
}

func (r *Runtime) uidBase(userID int64) uint32 { return r.opt.UIDBase + uint32(userID)*rangeSize }

// claim makes this call the only one that makes or removes the user's
// instance, after the one before it.
func (r *Runtime) claim(ctx context.Context, userID int64) (release func(), err error) {
	for {
		r.mu.Lock()
		before, busy := r.busy[userID]
		if !busy {
			done := make(chan struct{})
			r.busy[userID] = done
			r.mu.Unlock()
			return func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				delete(r.busy, userID)
				close(done)
				if len(r.busy) == 0 {
					r.removeParentCgroupLocked()
				}
			}, nil
		}
		r.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, fault.Wrap(ctx.Err(), fault.Conflict, "The instance is being made or removed right now. Try again in a moment.")
		}
	}
}

func (r *Runtime) Create(ctx context.Context, spec runtime.Spec) (_ runtime.Handle, err error) {
	if err := instancedir.Validate(spec, MaxUserID); err != nil {
		return runtime.Handle{}, err
	}
	release, err := r.claim(ctx, spec.UserID)
	if err != nil {
		return runtime.Handle{}, err
	}
	defer release()
	handles, err := r.List(ctx)
	if err != nil {
		return runtime.Handle{}, err
	}
	for _, h := range handles {
		if h.Spec.UserID == spec.UserID || h.Spec.ID == spec.ID {
			return runtime.Handle{}, fault.New(fault.Conflict, "The user has an instance already.")
		}
	}
	h, err := r.create(ctx, spec)
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) || ctx.Err() != nil {
			return runtime.Handle{}, err
		}
		return runtime.Handle{}, fault.Wrap(err, fault.RuntimeUnavailable, "A sandbox could not be made on this server. The administrator finds the reason in the log, and what is missing with `carrel doctor`.")
	}
	return h, nil
}

func (r *Runtime) create(ctx context.Context, spec runtime.Spec) (_ runtime.Handle, err error) {
	p := r.paths(spec.ID, spec.UserID)
	h := runtime.Handle{Spec: spec, Workspace: p.workspace, CreatedAt: time.Now().UTC()}
	if err := r.makeFolders(h, p); err != nil {
		return h, err
	}
	// What was made goes again when a later step fails, also when the caller has gone.
	defer func() {
		if err != nil {
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			if e := r.remove(undo, h); e != nil {
				r.opt.Log.Error("remove a half-made instance", "instance_id", spec.ID, "err", e)
			}
		}
	}()
	if err := r.openVolume(ctx, spec, p); err != nil {
		return h, err
	}
	if err := linkWorkspace(p); err != nil {
		return h, err
	}
	if err := r.makeRoot(spec, p); err != nil {
		return h, err
	}
	gateway, egress, err := r.Sockets(spec)
	if err != nil {
		return h, err
	}
	if r.opt.Attach != nil {
		r.opt.Attach(spec, gateway, egress)
	} else {
		gateway.Close()
		egress.Close()
	}
	bundle, err := r.bundleSpec(spec, p, r.uidBase(spec.UserID))
	if err != nil {
		return h, err
	}
	if err := writeBundle(p.bundle, bundle); err != nil {
		return h, err
	}
	return h, r.start(ctx, spec, p)
}

// makeFolders writes the record first: what exists can be found and removed.
func (r *Runtime) makeFolders(h runtime.Handle, p paths) error {
	if err := r.dir.Add(h); err != nil {
		return err
	}
	for d, mode := range map[string]os.FileMode{p.bundle: 0o700, p.rootfs: 0o755, p.etc: 0o755, p.run: 0o750, p.sockets: 0o711} {
		if err := os.Mkdir(d, mode); err != nil {
			return fmt.Errorf("make instance folder: %w", err)
		}
	}
	if err := os.Lchown(p.run, 0, r.opt.ServerGID); err != nil {
		return fmt.Errorf("make instance folder: %w", err)
	}
	return nil
}

func linkWorkspace(p paths) error {
	target := filepath.Join("..", "volumes", filepath.Base(p.volume), "home")
	if have, err := os.Readlink(p.workspace); err == nil && have == target {
		return nil
	}
	if err := os.Symlink(target, p.workspace); err != nil {
		return fmt.Errorf("link workspace: %w", err)
	}
	return nil
}

// Sockets makes the two listening sockets that are shown inside, owned by the
// person's uid. Earlier ones at the same place are replaced.
func (r *Runtime) Sockets(spec runtime.Spec) (gateway, egress *os.File, err error) {
	p := r.paths(spec.ID, spec.UserID)
	owner := int(r.uidBase(spec.UserID)) + personID
	if gateway, err = instancedir.Listen(p.sockets+"/gateway.sock", owner, owner, 0o600); err != nil {
		return nil, nil, err
	}
	if egress, err = instancedir.Listen(p.sockets+"/egress.sock", owner, owner, 0o600); err != nil {
		gateway.Close()
		return nil, nil, err
	}
	return gateway, egress, nil
}

// start runs the container with the supervisor's listening socket as its
// descriptor 3: its path is in no folder that the person can reach.
func (r *Runtime) start(ctx context.Context, spec runtime.Spec, p paths) error {
	socket, err := instancedir.Listen(r.dir.SupervisorSocket(spec.ID), 0, r.opt.ServerGID, 0o660)
	if err != nil {
		return err
	}
	defer socket.Close()
	log, err := os.OpenFile(filepath.Join(p.dir, "supervisor.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	// runc reports its own errors in its log file, and to stderr, which is the supervisor's.
	pidFile := filepath.Join(p.dir, "pid")
	_, err = r.runc.Run(ctx, spec.ID, p.bundle, &runc.CreateOpts{IO: logIO{log}, Detach: true, PidFile: pidFile, ExtraFiles: []*os.File{socket}})
	if err != nil {
		return fmt.Errorf("%s run: %w: %s", r.opt.Command, err, tail(filepath.Join(p.dir, "supervisor.log")))
	}
	return plainScore(pidFile)
}

// plainScore has the supervisor be to the kernel, when memory is short, what
// other programs are. What the keeper may have set for itself must not be
// inherited, and less than that must not be given: with it would come, to all
// processes inside, the right to set it for themselves. The supervisor raises
// its children's, so that the person's end first.
func plainScore(pidFile string) error {
	b, err := os.ReadFile(pidFile)
	if err != nil {
		return fmt.Errorf("read pid: %w", err)
	}
	err = os.WriteFile(filepath.Join("/proc", strings.TrimSpace(string(b)), "oom_score_adj"), []byte("0"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) { // not there: the first ping will tell
		return fmt.Errorf("set the supervisor's score for a lack of memory: %w", err)
	}
	return nil
}

func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b[max(0, len(b)-500):]))
}

func (r *Runtime) List(context.Context) ([]runtime.Handle, error) { return r.dir.List(r.opt.Log) }

func (r *Runtime) Dial(ctx context.Context, id string) (net.Conn, error) { return r.dir.Dial(ctx, id) }

func (r *Runtime) Destroy(ctx context.Context, id string) error {
	h, err := r.dir.Read(id)
	if err != nil {
		return err
	}
	release, err := r.claim(ctx, h.Spec.UserID)
	if err != nil {
		return err
	}
	defer release()
	if _, err := r.dir.Read(id); err != nil {
		return err
	}
	return r.remove(ctx, h)
}

// remove ends and removes all but the volume's image. Each step passes when
// there is nothing to do, so that it can be run again after it was cut short.
func (r *Runtime) remove(ctx context.Context, h runtime.Handle) error {
	p := r.paths(h.Spec.ID, h.Spec.UserID)
	if err := r.end(ctx, h.Spec.ID); err != nil {
		return err
	}
	if r.opt.Detach != nil {
		r.opt.Detach(h.Spec.ID)
	}
	if err := r.letGo(ctx, h.Spec.UserID, p); err != nil {
		return err
	}
	return r.dir.Remove(h.Spec.ID)
}

// end ends the container: asked first, so that journals are flushed, then killed.
func (r *Runtime) end(ctx context.Context, id string) error {
	c, err := r.runc.State(ctx, id)
	if err != nil {
		if notThere(err) {
			return r.removeCgroup(ctx, id) // a runc that was cut short leaves one without a container
		}
		// A container whose state cannot be read is deleted by force below.
		r.opt.Log.Warn("read container's state", "instance_id", id, "err", err)
	}
	if c != nil && c.Pid > 0 && c.Status == "running" {
		if err := unix.Kill(c.Pid, unix.SIGTERM); err == nil {
			r.waitGone(ctx, c.Pid, 3*time.Second)
		}
	}
	if err := r.runc.Delete(ctx, id, &runc.DeleteOpts{Force: true}); err != nil && !notThere(err) {
		return fmt.Errorf("delete container: %w", err)
	}
	return r.removeCgroup(ctx, id)
}

// waitGone waits until the process is gone, for a while. Its pid cannot be
// another's before: the supervisor is a child of init, and no one else waits.
func (r *Runtime) waitGone(ctx context.Context, pid int, d time.Duration) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(d)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
		if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return
		}
	}
}

func notThere(err error) bool { return strings.Contains(err.Error(), "does not exist") }

func (r *Runtime) Resize(ctx context.Context, id string, l runtime.Limits) error {
	if err := instancedir.ValidateLimits(l); err != nil {
		return err
	}
	h, err := r.dir.Read(id)
	if err != nil {
		return err
	}
	release, err := r.claim(ctx, h.Spec.UserID)
	if err != nil {
		return err
	}
	defer release()
	if err := r.runc.Update(ctx, id, resources(l)); err != nil {
		return fmt.Errorf("update limits: %w", err)
	}
	if err := r.changeRlimits(id, l); err != nil {
		r.opt.Log.Warn("limits of processes rise at the next start of the instance", "instance_id", id, "err", err)
	}
	// Growing a mounted file system takes CAP_SYS_RESOURCE, which root in a container may lack.
	// The volume then grows when the instance is next made.
	if err := r.growMounted(ctx, r.paths(id, h.Spec.UserID), l.StorageBytes); err != nil {
		r.opt.Log.Warn("storage limit grows at the next start of the instance", "instance_id", id, "err", err)
	}
	h.Spec.Limits = l
	return r.dir.Write(h)
}

func (r *Runtime) DeleteVolume(ctx context.Context, userID int64) error {
	if userID <= 0 || userID > MaxUserID {
		return fault.InvalidField("user_id", "User ids go from 1 to %d.", MaxUserID)
	}
	release, err := r.claim(ctx, userID)
	if err != nil {
		return err
	}
	defer release()
	handles, err := r.List(ctx)
	if err != nil {
		return err
	}
	for _, h := range handles {
		if h.Spec.UserID == userID {
			return fault.New(fault.Conflict, "The user's instance is still there. Destroy it first.")
		}
	}
	p := r.paths("", userID)
	if r.isHeld(userID) {
		// Who reads it goes on with what is open already, and finds nothing more.
		if err := unix.Unmount(p.volume, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount volume: %w", err)
		}
	}
	if err := closeVolume(ctx, p.volume); err != nil {
		return err
	}
	if err := r.snapshots.Erase(userID); err != nil {
		return fmt.Errorf("delete volume: %w", err)
	}
	for _, path := range []string{p.workspace, p.image} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete volume: %w", err)
		}
	}
	return nil
}
