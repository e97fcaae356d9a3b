package supervisor

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of terminals.
const (
	maxTerminals  = 16               // that live
	maxEnded      = 8                // that are remembered after their end
	endedKept     = 10 * time.Minute // with exit code and scrollback
	terminalGrace = time.Second      // between HUP and KILL
	inputPatience = 10 * time.Second // for a program that does not read
	maxInputBytes = 1 << 20          // in one message
	maxCols       = 1000
	maxRows       = 1000
	maxTitleRunes = 100
	defaultCols   = 80
	defaultRows   = 24
)

// terminals are those of an instance, alive or ended a short while ago.
type terminals struct {
	table *process.Table
	uid   int
	calls *sync.WaitGroup // of whoever waits for the calls to attach

	wg   sync.WaitGroup
	mu   sync.Mutex
	all  []*terminal // in order of opening
	stop bool
}

type terminal struct {
	info   protocol.Terminal // but for the title, what has the window, and how it ended
	master *os.File
	output *scrollback
	proc   *process.Process
	ended  chan struct{} // closed once the tree is gone and the last output is in the scrollback

	title   string    // guarded by terminals.mu
	endedAt time.Time // guarded by terminals.mu; zero while it lives
}

func (t *terminals) open(spec process.Spec, project string, cols, rows uint16) (*terminal, error) {
	t.mu.Lock()
	defer t.mu.Unlock() // held over the start: the count must hold
	if t.stop {
		return nil, fault.Wrap(process.ErrStopped, fault.InstanceUnavailable, "Your instance is shutting down. Try again in a moment.")
	}
	t.forgetLocked()
	live := 0
	for _, o := range t.all {
		if o.endedAt.IsZero() {
			live++
		}
	}
	if live >= maxTerminals {
		return nil, fault.New(fault.QuotaExceeded, "%d of %d terminals are open. Close one to open another.", live, maxTerminals)
	}
	cols, rows = clamp(cols, defaultCols, maxCols), clamp(rows, defaultRows, maxRows)
	master, tty, err := openPTY(t.uid, cols, rows)
	if err != nil {
		return nil, err
	}
	spec.Kind, spec.Terminal = protocol.KindTerminal, true
	spec.Stdin, spec.Stdout, spec.Stderr = tty, tty, tty
	p, err := t.table.Start(spec)
	if err != nil {
		master.Close()
		return nil, err
	}
	o := &terminal{
		info:   protocol.Terminal{ID: rand.Text(), Project: project, Command: process.CommandText(spec.Argv), CreatedAt: time.Now().UTC()},
		master: master, output: newScrollback(cols, rows), proc: p, ended: make(chan struct{}),
	}
	t.all = append(t.all, o)
	t.wg.Go(func() { t.run(o) })
	return o, nil
}

func clamp(n, none, most uint16) uint16 {
	if n == 0 {
		return none
	}
	return min(n, most)
}

// run reads a terminal's output to its end.
func (t *terminals) run(o *terminal) {
	read := make(chan struct{})
	t.wg.Go(func() {
		defer close(read)
		buf := make([]byte, chunkBytes)
		for {
			n, err := o.master.Read(buf)
			if n > 0 {
				o.output.write(buf[:n])
			}
			if err != nil { // EIO: nobody holds the other end any more
				return
			}
		}
	})
	<-o.proc.Done()
	select {
	case <-read:
	case <-time.After(drainGrace):
		// Somebody outside the tree holds the terminal, or a reader is slow.
	}
	_ = o.master.Close()
	<-read
	o.output.close()
	t.mu.Lock()
	o.endedAt = time.Now()
	t.mu.Unlock()
	close(o.ended)
}

// forgetLocked drops what ended long ago, and the oldest of too many that ended.
func (t *terminals) forgetLocked() {
	ended := 0
	for i := len(t.all) - 1; i >= 0; i-- {
		if at := t.all[i].endedAt; !at.IsZero() {
			if ended++; ended > maxEnded || time.Since(at) > endedKept {
				t.all = slices.Delete(t.all, i, i+1)
			}
		}
	}
}

func (t *terminals) list() []protocol.Terminal {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetLocked()
	out := make([]protocol.Terminal, 0, len(t.all))
	for _, o := range t.all {
		out = append(out, o.infoLocked())
	}
	return out
}

func (o *terminal) infoLocked() protocol.Terminal {
	info := o.info
	info.Title = o.title
	if o.endedAt.IsZero() {
		info.Foreground = foreground(o.master, o.proc.PID())
	} else {
		info.Exited, info.ExitCode = true, o.proc.Exit().Code
	}
	return info
}

// rename gives a terminal a title.
func (t *terminals) rename(id, title string) (*protocol.Terminal, error) {
	if !utf8.ValidString(title) || utf8.RuneCountInString(title) > maxTitleRunes || strings.ContainsFunc(title, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil, fault.InvalidField("body.title", "The title must have at most %d characters, all of which can be seen.", maxTitleRunes)
	}
	o, err := t.get(id)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	o.title = title
	info := o.infoLocked()
	return &info, nil
}

func (t *terminals) get(id string) (*terminal, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetLocked()
	for _, o := range t.all {
		if o.info.ID == id {
			return o, nil
		}
	}
	return nil, fault.New(fault.NotFound, "There is no such terminal. It may have been closed; open a new one.")
}

// close ends a terminal and forgets it.
func (t *terminals) close(id string) error {
	o, err := t.get(id)
	if err != nil {
		return err
	}
	o.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.all, o); i >= 0 {
		t.all = slices.Delete(t.all, i, i+1)
	}
	return nil
}

// end hangs up, which an interactive shell heeds where it does not heed TERM, and returns when nothing is left.
func (o *terminal) end() {
	_ = o.proc.Signal(syscall.SIGHUP) // gone already is as good
	o.proc.End(terminalGrace)
	<-o.ended
}

// stopAll ends all terminals, and returns when nothing of them runs any more.
func (t *terminals) stopAll() {
	t.mu.Lock()
	t.stop = true
	all := slices.Clone(t.all)
	t.mu.Unlock()
	for _, o := range all {
		t.wg.Go(o.end)
	}
	t.wg.Wait()
}

// attach joins a caller with a terminal until one of them ends. The first input names the terminal.
func (t *terminals) attach(ctx context.Context, receive func() (*protocol.TerminalInput, error), send func(*protocol.TerminalOutput) error) error {
	first, err := receive()
	if err != nil {
		return fmt.Errorf("attach to terminal: %w", err)
	}
	o, err := t.get(first.ID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o.input(first)
	// receive returns once the handler has, and the call is over; it cannot be waited for in here.
	t.calls.Go(func() {
		for {
			in, err := receive()
			if err != nil {
				return // who only stops to write may go on to read
			}
			if len(in.Data) > maxInputBytes {
				cancel(fault.New(fault.TooLarge, "That is too much to paste into a terminal at once. Upload it as a file."))
				return
			}
			o.input(in)
		}
	})
	err = o.output.follow(ctx, first.After, send)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	<-o.ended
	return send(&protocol.TerminalOutput{Exited: true, ExitCode: o.proc.Exit().Code})
}

// input writes and resizes. What a terminal that has ended, or a program that does not read, is told is lost.
func (o *terminal) input(in *protocol.TerminalInput) {
	if in.Cols > 0 && in.Rows > 0 {
		cols, rows := min(in.Cols, maxCols), min(in.Rows, maxRows)
		_ = o.output.resize(cols, rows, func() error { return resizePTY(o.master, cols, rows) })
	}
	if len(in.Data) > 0 {
		_ = o.master.SetWriteDeadline(time.Now().Add(inputPatience))
		_, _ = o.master.Write(in.Data)
	}
}
