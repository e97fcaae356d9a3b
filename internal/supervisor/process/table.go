// Package process is the table of every child of the supervisor: the one place
// that starts them, that waits for them, and that ends them with all that they
// left behind. Nobody else in the supervisor may use os/exec: the table's
// wait4 would steal the exit of such a child.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// KindHelper is a process of the supervisor's own that runs as the person. It is not listed.
const KindHelper = "helper"

// Options say how a table starts its children.
type Options struct {
	// UID and GID are what children run as; a negative UID: as this process itself.
	UID, GID int
	// TreeGIDs is the range of groups that mark trees, first and last. Zero: trees are marked by an environment
	// variable, which a child can shed; good enough only where nothing is isolated anyhow.
	TreeGIDs [2]int
	// Orphans makes the table reap every child there is. PID 1 must, and a subreaper; elsewhere it would
	// steal the exits of other people's children in the same process.
	Orphans bool
	Log     *slog.Logger
}

// stopGrace is what a child has between TERM and KILL when the table stops.
const stopGrace = 3 * time.Second

// ErrStopped is returned by Start once the table has begun to stop.
var ErrStopped = errors.New("the supervisor is shutting down")

// Table owns the children. Make one with New, end it with Stop.
type Table struct {
	opt   Options
	marks marks

	sigchld  chan os.Signal
	stopOnce sync.Once
	stopped  chan struct{} // closed by Stop once every tree is gone: the reaper may end
	reaper   sync.WaitGroup
	trees    sync.WaitGroup

	// mu is held over fork and exec, and over each wait: an exit can therefore never be collected before the
	// table knows whose it is, and a signal never meets a pid that was given to somebody else.
	mu       sync.Mutex
	children map[int]*Process // not yet reaped, by pid
	listed   []*Process       // in order of start, until their tree is gone
	stopping bool
	changed  chan struct{} // closed and replaced at every start and end
}

// New returns a running table.
func New(opt Options) *Table {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	t := &Table{
		opt:      opt,
		marks:    marks{first: opt.TreeGIDs[0], last: opt.TreeGIDs[1], used: map[int]bool{}},
		sigchld:  make(chan os.Signal, 1),
		stopped:  make(chan struct{}),
		children: map[int]*Process{},
		changed:  make(chan struct{}),
	}
	// What this process was itself given open goes no further.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		opt.Log.Warn("descriptors from outside may reach children", "error", err)
	}
	signal.Notify(t.sigchld, syscall.SIGCHLD)
	t.reaper.Go(t.reap)
	return t
}

// Start starts a process. It always closes the child's ends that the spec names.
func (t *Table) Start(s Spec) (*Process, error) {
	defer s.closeFiles()
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return nil, fault.InvalidField("body.argv", "There is no program to run.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping {
		return nil, fault.Wrap(ErrStopped, fault.InstanceUnavailable, "Your instance is shutting down. Try again in a moment.")
	}
	m, err := t.marks.take()
	if err != nil {
		return nil, err
	}
	pid, err := t.fork(s, m)
	if err != nil {
		t.marks.release(m)
		return nil, err
	}
	p := &Process{
		table: t, spec: s, mark: m, pid: pid, startedAt: time.Now().UTC(), command: CommandText(s.Argv),
		exited: make(chan struct{}), kill: make(chan struct{}), done: make(chan struct{}),
	}
	raiseOOMScore(pid, t.opt.UID, t.opt.Log)
	t.children[pid] = p
	if s.Kind != KindHelper {
		t.listed = append(t.listed, p)
		t.notifyLocked()
	}
	t.trees.Go(p.run)
	return p, nil
}

// List gives the processes of the person that live, helpers left out, with what each uses now.
func (t *Table) List() []protocol.Process {
	t.mu.Lock()
	listed := slices.Clone(t.listed)
	t.mu.Unlock()
	out := make([]protocol.Process, 0, len(listed))
	for _, p := range listed {
		cpu, memory := usage(p.pid)
		out = append(out, protocol.Process{
			PID: p.pid, Kind: p.spec.Kind, SessionID: p.spec.SessionID, Command: p.command, StartedAt: p.startedAt,
			CPUSeconds: cpu, MemoryBytes: memory,
		})
	}
	return out
}

// Changed returns a channel that is closed at the next start or end of a listed process. Take it before List.
func (t *Table) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Stop refuses new children, ends all there are, and returns when nothing of the table runs any more, or with ctx.
func (t *Table) Stop(ctx context.Context) error {
	t.stopOnce.Do(func() {
		t.mu.Lock()
		t.stopping = true
		for _, p := range t.children {
			// Its owner may be ending it too; that is the same thing twice.
			t.trees.Go(func() { p.End(stopGrace) })
		}
		t.mu.Unlock()
		// From here on trees only empties, as Start refuses.
		t.reaper.Go(func() {
			t.trees.Wait()
			close(t.stopped)
		})
	})
	ended := make(chan struct{})
	go func() { t.reaper.Wait(); close(ended) }() // ends when the trees do, each of which has a deadline
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end processes: %w", context.Cause(ctx))
	}
}

// reap collects exits and gives each to its owner, until the table is stopped and empty.
func (t *Table) reap() {
	defer signal.Stop(t.sigchld)
	for {
		select {
		case <-t.sigchld:
			t.collect()
		case <-t.stopped:
			return
		}
	}
}

func (t *Table) collect() {
	if t.opt.Orphans {
		for t.collectOne(-1) {
		}
		return
	}
	t.mu.Lock()
	var pids []int
	for pid := range t.children {
		pids = append(pids, pid)
	}
	t.mu.Unlock()
	for _, pid := range pids {
		t.collectOne(pid)
	}
}

func (t *Table) collectOne(pid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var status syscall.WaitStatus
	for {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || got <= 0 {
			return false
		}
		if !status.Exited() && !status.Signaled() {
			return true // a child that asked to be traced, and stands still: it lives
		}
		if p := t.children[got]; p != nil { // else an orphan, which nobody waits for
			delete(t.children, got)
			p.exit = exitOf(status)
			close(p.exited)
		}
		return true
	}
}

// gone takes a process whose tree has ended from the table.
func (t *Table) gone(p *Process, survivors int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if survivors == 0 {
		t.marks.release(p.mark) // else the group stays taken: a new tree must not contain old processes
	}
	if i := slices.Index(t.listed, p); i >= 0 {
		t.listed = slices.Delete(t.listed, i, i+1)
		t.notifyLocked()
	}
}

func (t *Table) notifyLocked() {
	close(t.changed)
	t.changed = make(chan struct{})
}
