package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// Bounds of commands.
const (
	commandsAtOnce     = 8
	commandWait        = 10 * time.Second // for a place among them
	defaultTimeout     = time.Minute
	maxTimeout         = time.Hour
	defaultOutputBytes = 1 << 20
	maxOutputBytes     = 2 << 20 // two streams, of which each byte may take six as JSON, fit one message
	drainGrace         = 2 * time.Second
	exitTimedOut       = 124 // as timeout(1) has it
)

// command runs one command to its end, its whole tree. It ends with ctx too: nobody is there to read the answer.
func (s *Server) command(ctx context.Context, r *protocol.CommandRequest) (*protocol.CommandResponse, error) {
	timeout, err := commandTimeout(r.TimeoutS)
	if err != nil {
		return nil, err
	}
	most, err := outputBytes(r.MaxOutputBytes)
	if err != nil {
		return nil, err
	}
	if err := checkEnv(r.Env); err != nil {
		return nil, err
	}
	dir, err := s.projectDir(r.Project)
	if err != nil {
		return nil, err
	}
	select {
	case s.commands <- struct{}{}:
		defer func() { <-s.commands }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a place to run a command: %w", ctx.Err())
	case <-time.After(commandWait):
		f := fault.New(fault.RateLimited, "%d commands are running in your instance already. Wait until one has ended and try again.", commandsAtOnce)
		f.RetryAfter = commandWait
		return nil, f
	}
	streams, err := openPipes(most)
	if err != nil {
		return nil, err
	}
	defer streams.close()
	begin := time.Now()
	p, err := s.table.Start(process.Spec{
		Kind: protocol.KindCommand, Argv: r.Argv, Env: withEnv(s.env, r.Env), Dir: dir,
		Stdin: streams.child[0], Stdout: streams.child[1], Stderr: streams.child[2],
	})
	if err != nil {
		return nil, s.whyNotStarted(ctx, r.Project, err)
	}
	streams.start(r.Stdin)
	timedOut := false
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-timer.C:
		timedOut = true
		p.End(0)
	case <-ctx.Done():
		p.End(0)
		return nil, fmt.Errorf("run command: %w", ctx.Err())
	}
	took := time.Since(begin)
	streams.drain()
	res := &protocol.CommandResponse{
		ExitCode: p.Exit().Code, TimedOut: timedOut, DurationS: took.Seconds(),
		Stdout: streams.out.text(), Stderr: streams.err.text(), Truncated: streams.out.cut() || streams.err.cut(),
	}
	if timedOut {
		res.ExitCode = exitTimedOut
	}
	return res, nil
}

func commandTimeout(seconds float64) (time.Duration, error) {
	switch {
	case seconds == 0:
		return defaultTimeout, nil
	case math.IsNaN(seconds) || seconds < 0 || seconds > maxTimeout.Seconds():
		return 0, fault.InvalidField("body.timeout_s", "The time limit must be more than 0 and at most %v seconds.", maxTimeout.Seconds())
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func outputBytes(n int64) (int64, error) {
	switch {
	case n == 0:
		return defaultOutputBytes, nil
	case n < 0 || n > maxOutputBytes:
		return 0, fault.InvalidField("body.max_output_bytes", "The output limit must be from 1 to %d bytes.", maxOutputBytes)
	}
	return n, nil
}

func checkEnv(env map[string]string) error {
	for name, value := range env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return fault.InvalidField("body.env", "A variable's name must not be empty or hold \"=\", and neither name nor value a zero byte.")
		}
	}
	return nil
}

// projectDir is the folder of a project; "" is the home. Whether it exists only the person's processes can see.
func (s *Server) projectDir(project string) (string, error) {
	if project == "" {
		return s.config.Home, nil
	}
	if err := workspace.CheckProject(project); err != nil {
		return "", fault.Wrap(err, fault.NotFound, "There is no project of that name.")
	}
	return filepath.Join(s.config.Home, workspace.Projects, project), nil
}

// whyNotStarted tells a missing project from a missing program, which the kernel does not.
func (s *Server) whyNotStarted(ctx context.Context, project string, err error) error {
	if project == "" || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if perr := s.files.projectExists(ctx, project); fault.CodeOf(perr) == fault.NotFound {
		return perr
	}
	return err
}

// pipes are a command's three streams. Output is read to its end whatever is kept of it: a program
// must not hang on a full pipe.
type pipes struct {
	child    [3]*os.File
	ours     [3]*os.File
	out, err capped
	feed     sync.WaitGroup
	read     sync.WaitGroup
}

func openPipes(most int64) (*pipes, error) {
	p := &pipes{out: capped{most: most}, err: capped{most: most}}
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, fmt.Errorf("open pipe: %w", err)
		}
		p.child[i], p.ours[i] = w, r
		if i == 0 {
			p.child[i], p.ours[i] = r, w
		}
	}
	return p, nil
}

// start begins to feed and to read.
func (p *pipes) start(stdin string) {
	p.feed.Go(func() {
		defer p.ours[0].Close()
		_, _ = io.WriteString(p.ours[0], stdin) // a program need not read it
	})
	// A read fails only when drain has closed the pipe.
	p.read.Go(func() { _, _ = io.Copy(&p.out, p.ours[1]) })
	p.read.Go(func() { _, _ = io.Copy(&p.err, p.ours[2]) })
}

// drain waits until all was read. With the tree gone the pipes end; where a tree could not be found whole,
// somebody may hold them for ever.
func (p *pipes) drain() {
	_ = p.ours[0].Close() // nobody reads it any more
	late := time.AfterFunc(drainGrace, func() {
		_ = p.ours[1].Close()
		_ = p.ours[2].Close()
	})
	p.read.Wait()
	late.Stop()
	p.feed.Wait()
}

// close lets go of everything; closing twice is harmless.
func (p *pipes) close() {
	for _, f := range append(p.child[:], p.ours[:]...) {
		if f != nil {
			_ = f.Close()
		}
	}
	p.feed.Wait()
	p.read.Wait()
}

// capped keeps the first bytes of what is written to it, and counts the rest.
type capped struct {
	most int64
	kept []byte
	lost int64
}

func (c *capped) Write(b []byte) (int, error) {
	n := min(int64(len(b)), c.most-int64(len(c.kept)))
	c.kept = append(c.kept, b[:n]...)
	c.lost += int64(len(b)) - n
	return len(b), nil
}

func (c *capped) cut() bool { return c.lost > 0 }

// text is what was kept as UTF-8; a character that the cut split is left out.
func (c *capped) text() string {
	b := c.kept
	if c.lost > 0 {
		for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax); i-- {
			if utf8.RuneStart(b[i]) {
				if !utf8.FullRune(b[i:]) {
					b = b[:i]
				}
				break
			}
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
