package sessions

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// run is one Claude process of a session, from its start until its whole tree is gone and its output is journaled.
// supervise owns it.
type run struct {
	session *session
	launch  claude.Launch
	proc    *process.Process
	pipes   pipes
	stdin   *writer
	stderr  tail
	hello   string        // id of our initialize
	stop    chan struct{} // closed: it is to end
	sync    chan struct{} // holds one: the journal is to be synced
	ready   chan struct{} // closed once it is greeted, or gone
	gone    chan struct{} // closed last

	// Guarded by the session's mu.
	greeted    bool
	ending     string      // why it is to end; "" while it is not
	problem    *fault.Text // what it did wrong, for people; it is ended for that
	worked     bool        // it has finished a turn
	heard      time.Time   // the last time that it said something
	unanswered int         // signs of life that it was asked for since
	tasks      []string    // what runs in the background, in the CLI's words
	calls      map[string]chan claude.Answer
	ids        int
}

var errNoClaude = fault.New(fault.RuntimeUnavailable, "The Claude CLI is not installed on this server. The administrator can see with `carrel doctor` what is missing.")

// startLocked starts the session's process. There must be none, and a slot must be taken.
func (s *session) startLocked() error {
	cfg := &s.ss.opt.Config
	switch {
	case s.ss.stopping.Load():
		return errStopping
	case cfg.Claude == "":
		return errNoClaude
	}
	pipes, err := newPipes()
	if err != nil {
		return fmt.Errorf("start claude: %w", err)
	}
	r := &run{
		session: s, launch: s.launchLocked(), pipes: pipes, stdin: newWriter(pipes.stdin),
		stop: make(chan struct{}), sync: make(chan struct{}, 1), ready: make(chan struct{}), gone: make(chan struct{}),
		calls: map[string]chan claude.Answer{},
	}
	env := claude.Environment{
		Base: cfg.Env, Home: cfg.Home, User: cfg.Name, Gateway: cfg.GatewaySocket, TakeUp: (s.ledger.cut || len(s.held.UUIDs) > 0) && !s.ledger.finished(s.held.Last),
	}
	r.proc, err = s.ss.opt.Processes.Start(process.Spec{
		Kind: protocol.KindClaude, SessionID: s.id, Argv: r.launch.Argv(), Env: env.Environ(),
		Dir:   filepath.Join(cfg.Home, "projects", s.meta.Project),
		Stdin: pipes.childIn, Stdout: pipes.childOut, Stderr: pipes.childErrors,
	})
	if err != nil {
		pipes.closeOurs()
		return s.startFault(err)
	}
	s.run = r
	r.hello = r.nextID()
	r.stdin.put(claude.Initialize(r.hello))
	s.ss.running.Go(r.supervise)
	return nil
}

// launchLocked says how to start: with the conversation that is on disk, with a copy of another's, or anew.
func (s *session) launchLocked() claude.Launch {
	l := claude.Launch{
		Path: s.ss.opt.Config.Claude, Model: s.meta.Model, PermissionMode: s.meta.PermissionMode, Effort: s.meta.Effort,
		AllowBypass: s.ss.mayBypass(),
	}
	switch conversation := s.meta.conversation(s.id); {
	case s.meta.Ran:
		l.Resume = conversation
	case s.meta.ForkOf != "":
		l.Resume, l.SessionID, l.ResumeAt = s.meta.ForkOf, conversation, s.meta.ForkAt
	default:
		l.SessionID = conversation
	}
	return l
}

// mayBypass says whether Claude may work without asking: only where a sandbox holds it, and never as root, for whom
// the CLI refuses to start.
func (ss *Sessions) mayBypass() bool { return ss.opt.Config.PersonUID > 0 }

// startFault tells a missing folder from a missing program. The supervisor may not look into the person's home; the
// child, as the person, has tried.
func (s *session) startFault(err error) error {
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) {
		if _, stat := os.Stat(s.ss.opt.Config.Claude); errors.Is(stat, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", errNoClaude, err)
		}
		return fault.Wrap(err, fault.NotFound, "The folder of project %q is not there. Make it again, or open the session in another project.", s.meta.Project)
	}
	if errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("%w: %w", errNoProcess, err)
	}
	for _, closed := range []error{syscall.EACCES, syscall.EPERM, syscall.ELOOP} {
		if errors.Is(err, closed) { // Claude itself is not
			return fault.Wrap(err, fault.Invalid, "The folder of project %q cannot be entered: it, or one above it, is closed to you or a link that leads to itself. Change that in a terminal; if your home is closed, restart your instance: that opens it again.", s.meta.Project)
		}
	}
	return fmt.Errorf("start claude: %w", err)
}

func (r *run) nextID() string {
	r.ids++
	return fmt.Sprintf("carrel-%d", r.ids)
}

// endLocked has the process ended; gone tells when it is. The first reason stays.
func (r *run) endLocked(reason string) {
	if r.ending == "" {
		r.ending = reason
		close(r.stop)
	}
}

// failLocked has the process ended for what it did wrong.
func (r *run) failLocked(format string, args ...any) {
	if r.ending == "" {
		problem := fault.Say(format, args...)
		r.problem = &problem
		r.endLocked(reasonFailed)
	}
}

// supervise sees the process to its end.
func (r *run) supervise() {
	s := r.session
	var readers sync.WaitGroup
	readers.Go(r.stdin.run)
	readers.Go(r.readOutput)
	readers.Go(func() { _, _ = io.Copy(&r.stderr, r.pipes.stderr) }) // ends with the process, or by the deadline below
	greet := time.NewTimer(greetWithin)
	defer greet.Stop()
	listen := time.NewTicker(s.ss.takeUpWithin / 3)
	defer listen.Stop()
	for ended := false; !ended; {
		select {
		case <-r.proc.Done():
			ended = true
		case <-r.stop:
			r.proc.End(endGrace)
			ended = true
		case <-r.sync:
			s.syncJournal()
		case <-listen.C:
			if r.hangs() {
				r.proc.End(endGrace) // which is an end at work: another takes the prompt up
				ended = true
			}
		case <-greet.C:
			s.mu.Lock()
			if !r.greeted {
				r.failLocked("Claude did not answer within %d seconds of its start.", int(greetWithin.Seconds()))
			}
			s.mu.Unlock()
		}
	}
	<-r.proc.Done()
	r.stdin.close()
	// The pipes end with the tree, unless somebody outside of it holds them open.
	for _, f := range []*os.File{r.pipes.stdout, r.pipes.stderr} {
		_ = f.SetReadDeadline(time.Now().Add(drainWithin)) // a pipe has deadlines
	}
	readers.Wait()
	r.pipes.closeOurs()
	s.exited(r)
}

// syncJournal makes what was journaled safe from a crash of the machine, for those who do not wait for it.
func (s *session) syncJournal() {
	s.mu.Lock()
	j := s.journal
	s.mu.Unlock()
	if err := j.Sync(); err != nil {
		s.ss.opt.Log.Error("sync journal", "session", s.id, "error", err)
	}
}

// exited takes in that a process is no more, and decides what follows.
func (s *session) exited(r *run) {
	s.syncJournal()
	held := s.findHeld(s.ss.life)
	s.mu.Lock()
	s.run, s.held = nil, held
	for _, c := range r.calls {
		close(c)
	}
	reason := s.afterLocked(r)
	if reason != reasonNoProcess {
		s.starved = 0
	}
	if s.run == nil {
		s.meta.Live = false
		_ = s.enterLocked(protocol.StateDormant, reason) // it says itself when the disk is full
		s.saveLocked()
		if (reason == reasonYielded || reason == reasonIdle) && s.ledger.busy() || reason == reasonNoProcess {
			s.standLocked(&protocol.OpenRequest{SessionID: s.id})
		}
		s.giveSlot()
		s.offered = true
		s.compactLocked(looseDormant)
		s.releaseLocked()
	}
	s.mu.Unlock()
	if !r.greeted {
		close(r.ready)
	}
	close(r.gone)
}
