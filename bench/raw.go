package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/claude"
)

// raw is a Claude CLI that Carrel has nothing to do with, started with the same
// command line and environment as Carrel's are.
type raw struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan heard
	quit  chan struct{}
	done  chan struct{} // closed when the reader has ended
	began time.Time
	tail  strings.Builder // stderr; read after the process ended
}

func (b *bench) startRaw() (*raw, error) { return b.startRawOf(b.set.claude) }

// startRawOf starts a program in the place of the CLI.
func (b *bench) startRawOf(program string) (*raw, error) {
	home, err := os.MkdirTemp(b.dir, "raw-")
	if err != nil {
		return nil, err
	}
	work := filepath.Join(home, "projects", project)
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, err
	}
	r := &raw{lines: make(chan heard, 1024), quit: make(chan struct{}), done: make(chan struct{})}
	argv := claude.Launch{Path: program, SessionID: uuid.NewString()}.Argv()
	r.cmd = exec.Command(argv[0], argv[1:]...) // ended by close, which asks first
	r.cmd.Dir = work
	r.cmd.Env = claude.Environment{Home: home, User: "bench", Gateway: b.socket}.Environ()
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Stderr = &r.tail
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.began = time.Now()
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the raw CLI: %w", err)
	}
	go r.read(out)
	return r, nil
}

func (r *raw) read(out io.Reader) {
	defer close(r.done)
	defer close(r.lines)
	s := bufio.NewScanner(out)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		h := heard{time.Now(), bytes.Clone(s.Bytes())}
		select {
		case r.lines <- h:
		case <-r.quit:
		}
	}
}

// greet asks for initialize and waits for the answer: the process is ready.
func (r *raw) greet(ctx context.Context) error {
	if _, err := r.in.Write(claude.Initialize("greet")); err != nil {
		return fmt.Errorf("greet the raw CLI: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for {
		select {
		case h, ok := <-r.lines:
			if !ok {
				return errors.New("the raw CLI ended while it was greeted")
			}
			if bytes.Contains(h.line, []byte(`"control_response"`)) {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("greet the raw CLI: %w", ctx.Err())
		}
	}
}

func (r *raw) ask(ctx context.Context, prompt string) (turn, error) {
	return r.askFrom(ctx, time.Now(), prompt)
}

// askFrom counts from another time on: the start of the process, when it is cold.
func (r *raw) askFrom(ctx context.Context, began time.Time, prompt string) (turn, error) {
	content, err := claude.ParseContent([]byte(fmt.Sprintf("%q", prompt)))
	if err != nil {
		return turn{}, err
	}
	if _, err := r.in.Write(claude.User(uuid.NewString(), content)); err != nil {
		return turn{}, fmt.Errorf("prompt the raw CLI: %w", err)
	}
	t, err := follow(ctx, began, r.lines)
	if err != nil {
		return t, fmt.Errorf("raw CLI: %w", err)
	}
	return t, nil
}

func (r *raw) close() error {
	const grace = 5 * time.Second
	close(r.quit)
	err := r.in.Close()
	kill := time.AfterFunc(grace, func() { _ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) })
	defer kill.Stop()
	<-r.done
	if werr := r.cmd.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("raw CLI: %w: %.500s", werr, r.tail.String()))
	}
	return err
}
