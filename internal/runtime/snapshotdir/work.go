package snapshotdir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/backup/tree"
)

// stopTimeout is what a worker that is told to end may take before it is killed:
// for a moment it may have changed the mode of what it reads.
const stopTimeout = 5 * time.Second

// niceness leaves the processor to those who wait for an answer.
const niceness = 10

// work runs this program as the person, with the folder as its descriptor 3,
// and gives what it said at its end. Nothing else of ours is open in it.
func work(ctx context.Context, what string, dir *os.File, person *syscall.Credential, in io.Reader, out io.Writer) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", what)
	cmd.Args[0] = "carrel"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{dir}
	// It ends with its keeper, lest the next one meets it at work. That means the thread, which therefore stays.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: person, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
	err := cmd.Start()
	if err == nil {
		_ = unix.Setpriority(unix.PRIO_PGRP, cmd.Process.Pid, niceness) // all of its threads; else it only is less polite
		err = cmd.Wait()
	}
	if err != nil {
		text := bytes.TrimSpace(said.Bytes())
		return nil, fmt.Errorf("%s: %w: %s", what, errors.Join(err, ctx.Err()), text[:min(len(text), 500)])
	}
	return said.Bytes(), nil
}

// Pack is the work of the process `carrel snapshot-pack`. Its report goes to
// said, as JSON.
func Pack(ctx context.Context, out, said io.Writer) error {
	dir := os.NewFile(3, "home")
	defer dir.Close()
	report, err := tree.WriteStream(ctx, dir, out)
	if err != nil {
		return err
	}
	return json.NewEncoder(said).Encode(report)
}

// Unpack is the work of the process `carrel snapshot-unpack`.
func Unpack(ctx context.Context, in io.Reader) error {
	root, err := os.OpenRoot("/proc/self/fd/3")
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer func() { _ = root.Close() }() // only names are read through it
	_, err = tree.ReadStream(ctx, in, root)
	return err
}
