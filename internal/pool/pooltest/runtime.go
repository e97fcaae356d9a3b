// Package pooltest is a runtime for tests: instances in memory, each a fake
// supervisor that serves the real protocol on a real unix socket, with ways to
// kill it, to hang it and to make its runtime fail.
package pooltest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// Runtime is a runtime.Runtime. Make it with NewRuntime.
type Runtime struct {
	dir string

	mu        sync.Mutex
	insts     map[string]*Supervisor
	volumes   map[int64]*Volume
	creates   map[int64]int
	onCreate  func(ctx context.Context, spec runtime.Spec) error
	onStart   func(*Supervisor)
	onDestroy func(ctx context.Context, id string) error
	onResize  func(runtime.Limits) error
	away      bool
	granted   bool
	version   string
	usage     runtime.Usage
}

// NewRuntime makes a runtime that is taken down with the test.
func NewRuntime(t testing.TB) *Runtime {
	dir, err := os.MkdirTemp("", "pt") // t.TempDir's paths are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &Runtime{dir: dir, insts: map[string]*Supervisor{}, volumes: map[int64]*Volume{}, creates: map[int64]int{}, version: "fake",
		usage: runtime.Usage{CPUSeconds: 0.5, MemoryBytes: 10 << 20, PIDs: 2, StorageBytes: 4096, Inodes: 5}}
	t.Cleanup(func() {
		r.mu.Lock()
		insts, volumes := r.insts, r.volumes
		r.insts = map[string]*Supervisor{}
		r.mu.Unlock()
		for _, s := range insts {
			s.Kill()
		}
		for _, v := range volumes {
			_ = v.root.Close()
		}
		_ = os.RemoveAll(dir)
	})
	return r
}

// OnCreate is called at the start of every Create; its error is the Create's.
func (r *Runtime) OnCreate(f func(ctx context.Context, spec runtime.Spec) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onCreate = f
}

// OnStart is given each supervisor before its Create returns.
func (r *Runtime) OnStart(f func(*Supervisor)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onStart = f
}

// OnDestroy is called at the start of every Destroy; its error is the Destroy's.
func (r *Runtime) OnDestroy(f func(ctx context.Context, id string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onDestroy = f
}

// OnResize decides on every Resize.
func (r *Runtime) OnResize(f func(runtime.Limits) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onResize = f
}

// Away makes the runtime fail as a keeper that is not there does; the
// instances go on.
func (r *Runtime) Away(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// Granted has the instances that are made from now on ask for places, as
// supervisors do since there are any.
func (r *Runtime) Granted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.granted = true
}

// Version is what supervisors that are made from now on say they are.
func (r *Runtime) Version(v string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version = v
}

// SetUsage is what every instance uses from now on.
func (r *Runtime) SetUsage(change func(*runtime.Usage)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.usage)
}

// Creates is how many instances were made for a user.
func (r *Runtime) Creates(userID int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.creates[userID]
}

// Supervisor is the one of a user's instance; nil without one.
func (r *Runtime) Supervisor(userID int64) *Supervisor {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.insts {
		if s.Spec.UserID == userID {
			return s
		}
	}
	return nil
}

// Len is how many instances there are.
func (r *Runtime) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.insts)
}

// Forget takes an instance from the list without a Destroy, as a machine that
// was started anew has forgotten all of its own.
func (r *Runtime) Forget(id string) {
	r.mu.Lock()
	s := r.insts[id]
	delete(r.insts, id)
	r.mu.Unlock()
	if s != nil {
		s.Kill()
	}
}

func errAway() error {
	return fault.New(fault.RuntimeUnavailable, "The keeper does not answer.")
}

// Name is "fake".
func (r *Runtime) Name() string { return "fake" }

// Create starts a fake supervisor.
func (r *Runtime) Create(ctx context.Context, spec runtime.Spec) (runtime.Handle, error) {
	r.mu.Lock()
	hook, away := r.onCreate, r.away
	r.creates[spec.UserID]++
	r.mu.Unlock()
	if away {
		return runtime.Handle{}, errAway()
	}
	if hook != nil {
		if err := hook(ctx, spec); err != nil {
			return runtime.Handle{}, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.insts {
		if s.Spec.UserID == spec.UserID {
			return runtime.Handle{}, fault.New(fault.Conflict, "The user has an instance.")
		}
	}
	v, err := r.volumeLocked(spec.UserID)
	if err != nil {
		return runtime.Handle{}, err
	}
	s, err := startSupervisor(filepath.Join(r.dir, spec.ID), spec, v, r.granted, r.version)
	if err != nil {
		return runtime.Handle{}, err
	}
	r.insts[spec.ID] = s
	if r.onStart != nil {
		r.onStart(s)
	}
	return s.handle(), nil
}

// List gives all, dead ones too.
func (r *Runtime) List(context.Context) ([]runtime.Handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return nil, errAway()
	}
	var out []runtime.Handle
	for _, s := range r.insts {
		out = append(out, s.handle())
	}
	slices.SortFunc(out, func(a, b runtime.Handle) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out, nil
}

// Destroy kills the supervisor.
func (r *Runtime) Destroy(ctx context.Context, id string) error {
	r.mu.Lock()
	hook, away := r.onDestroy, r.away
	s := r.insts[id]
	r.mu.Unlock()
	if away {
		return errAway()
	}
	if s == nil {
		return fault.New(fault.NotFound, "There is no such instance.")
	}
	if hook != nil {
		if err := hook(ctx, id); err != nil {
			return err
		}
	}
	s.Kill()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.insts, id)
	_ = os.Remove(filepath.Join(r.dir, id)) // may be gone with a Destroy at the same time
	return nil
}

// Usage is made up, by default and else by SetUsage.
func (r *Runtime) Usage(ctx context.Context, id string) (runtime.Usage, error) {
	r.mu.Lock()
	s := r.insts[id]
	r.mu.Unlock()
	if s == nil {
		return runtime.Usage{}, fault.New(fault.NotFound, "There is no such instance.")
	}
	if err := s.gate(ctx); err != nil {
		return runtime.Usage{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.usage, nil
}

// Resize takes note.
func (r *Runtime) Resize(_ context.Context, id string, l runtime.Limits) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.insts[id]
	if s == nil {
		return fault.New(fault.NotFound, "There is no such instance.")
	}
	if r.onResize != nil {
		if err := r.onResize(l); err != nil {
			return err
		}
	}
	s.Spec.Limits = l
	return nil
}

// Dial connects to the supervisor.
func (r *Runtime) Dial(ctx context.Context, id string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(r.dir, id))
	if err != nil {
		return nil, fmt.Errorf("dial supervisor: %w", err)
	}
	return conn, nil
}

// Check finds nothing.
func (r *Runtime) Check(context.Context) []runtime.Finding { return nil }

// DeleteVolume forgets a user's journals.
func (r *Runtime) DeleteVolume(_ context.Context, userID int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.insts {
		if s.Spec.UserID == userID {
			return fault.New(fault.Conflict, "The user has an instance.")
		}
	}
	v := r.volumes[userID]
	if v == nil {
		return fault.New(fault.NotFound, "There is no volume.")
	}
	delete(r.volumes, userID)
	return errors.Join(v.root.Close(), os.RemoveAll(v.home))
}

// Volume is a user's, made when it is missing.
func (r *Runtime) Volume(userID int64) *Volume {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, err := r.volumeLocked(userID)
	if err != nil {
		panic(err) // no place for a test's files
	}
	return v
}

func (r *Runtime) volumeLocked(userID int64) (*Volume, error) {
	if v := r.volumes[userID]; v != nil {
		return v, nil
	}
	v, err := newVolume(filepath.Join(r.dir, fmt.Sprintf("v%d", userID)))
	if err != nil {
		return nil, err
	}
	r.volumes[userID] = v
	return v, nil
}

func (s *Supervisor) handle() runtime.Handle {
	return runtime.Handle{Spec: s.Spec, Workspace: fmt.Sprintf("/srv/workspaces/user-%d", s.Spec.UserID), CreatedAt: s.started}
}

// Poll waits until ok is true, and else fails with what last says.
func Poll(t testing.TB, what string, ok func() (done bool, last any)) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	var last any
	for time.Now().Before(deadline) {
		var done bool
		if done, last = ok(); done {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("%s did not happen; last seen: %+v", what, last)
}
