package process

import (
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// Spec says what to start.
type Spec struct {
	Kind      string // protocol.KindClaude and so on, or KindHelper
	SessionID string
	// Argv is the program and its arguments. A program without a slash is searched in PATH of Env, as the person.
	Argv []string
	Env  []string // all of it; nothing is inherited
	Dir  string   // "" is "/"
	// The child's ends; Start closes them, also when it fails. Nil is /dev/null. No other descriptor is passed on.
	Stdin, Stdout, Stderr *os.File
	Terminal              bool // Stdin is a tty, which becomes the controlling terminal
}

func (s *Spec) closeFiles() {
	for _, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		if f != nil {
			_ = f.Close() // the same file may be named twice
		}
	}
}

// Exit is how a process ended. Code is 128+n when it was ended by signal n.
type Exit struct {
	Code   int
	Signal syscall.Signal
}

func exitOf(s syscall.WaitStatus) Exit {
	if s.Signaled() {
		return Exit{Code: 128 + int(s.Signal()), Signal: s.Signal()}
	}
	return Exit{Code: s.ExitStatus()}
}

// Process is one child, the leader of a tree: of all that descends from it, however it detaches.
type Process struct {
	table     *Table
	spec      Spec
	mark      mark
	pid       int
	startedAt time.Time
	command   string

	exit     Exit          // written before exited is closed
	exited   chan struct{} // the leader was reaped
	killOnce sync.Once
	kill     chan struct{} // closed to have the whole tree killed
	done     chan struct{}
}

// treeDeadline bounds the killing of a tree. Only a process that hangs in the kernel is not gone by then.
const treeDeadline = 10 * time.Second

// PID is the leader's.
func (p *Process) PID() int { return p.pid }

// Done is closed when the leader is gone and its whole tree too.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exited is closed when the leader is gone; the rest of its tree may have a moment left.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Exit is how the leader ended; it holds once Done or Exited is closed.
func (p *Process) Exit() Exit {
	select {
	case <-p.exited:
		return p.exit
	default:
		// Done without an exit: it hangs in the kernel with a KILL pending.
		return Exit{Code: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL}
	}
}

// Signal sends a signal to the leader. One that has exited gives os.ErrProcessDone.
func (p *Process) Signal(s syscall.Signal) error {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	select {
	case <-p.exited:
		return os.ErrProcessDone
	default:
		return os.NewSyscallError("kill", syscall.Kill(p.pid, s))
	}
}

// End asks the leader to end by TERM, and after the grace kills the whole tree. It returns when none of it is left.
// It may be called by many, and after the end; the shortest grace wins.
func (p *Process) End(grace time.Duration) {
	if grace > 0 {
		_ = p.Signal(syscall.SIGTERM) // one that is gone already needs none
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
			return
		case <-timer.C:
		}
	}
	p.killOnce.Do(func() { close(p.kill) })
	<-p.done
}

// run sees the tree to its end: the leader's exit, or being told to, kills all of it.
func (p *Process) run() {
	select {
	case <-p.exited:
	case <-p.kill:
	}
	deadline := time.Now().Add(treeDeadline)
	survivors := p.mark.killTree(deadline)
	if survivors == 0 {
		// In a tree that is marked by the environment the leader may have wiped its own mark.
		_ = p.Signal(syscall.SIGKILL)
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		survivors++
	}
	if survivors > 0 {
		p.table.opt.Log.Error("processes do not end", "kind", p.spec.Kind, "pid", p.pid, "survivors", survivors)
	}
	p.table.gone(p, survivors)
	close(p.done)
}

// maxCommandText bounds what lists show of a command line.
const maxCommandText = 200

// CommandText is a command line for people: one line, cut to a length.
func CommandText(argv []string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.Join(argv, " ") {
		if n++; n > maxCommandText {
			b.WriteRune('…')
			break
		}
		if !unicode.IsPrint(r) {
			r = '·'
		}
		b.WriteRune(r)
	}
	return b.String()
}
