package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Variable is the environment variable that holds a supervisor's protocol.Config.
const Variable = "CARREL_SUPERVISOR"

// ListenFD is the descriptor on which a supervisor is handed its listening socket.
const ListenFD = 3

// A supervisor is small: there is one for every person.
const (
	gcPercent   = 50
	memoryLimit = 64 << 20 // what the collector works to keep; a prompt with pictures takes some of it for a moment
)

// Main is the supervisor's process. config is the value of Variable, socket descriptor ListenFD. It returns after an
// orderly end; the caller exits then, and in a sandbox the kernel ends whatever were left.
func Main(ctx context.Context, config string, socket *os.File, opt Options) error {
	if err := json.Unmarshal([]byte(config), &opt.Config); err != nil {
		return fmt.Errorf("read supervisor's settings from %s: %w", Variable, err)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l, err := net.FileListener(socket)
	_ = socket.Close() // l is a copy, and closed to children
	if err != nil {
		return fmt.Errorf("take over listening socket: %w", err)
	}
	opt.Listener, opt.Alone = l, true
	ctx, release, err := settle(ctx, opt.Config, opt.Log)
	if err != nil {
		_ = l.Close()
		return err
	}
	defer release()
	return Run(ctx, opt)
}

// settle makes this process what the first of a sandbox must be. The context it returns ends when the process is
// asked to end.
func settle(ctx context.Context, c protocol.Config, log *slog.Logger) (context.Context, func(), error) {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	// Nobody may attach to it or read its memory, also not the person whose processes it starts.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, nil, fmt.Errorf("close supervisor's memory to others: %w", err)
	}
	// As PID 1 it gets orphans anyhow; elsewhere it has to ask.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, nil, fmt.Errorf("take in orphans: %w", err)
	}
	if c.PersonUID >= 0 {
		// A set-uid program would let a process shed its tree's group. It is a thread's own setting, so the sandbox
		// has to make it before this process begins.
		if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || set != 1 {
			return nil, nil, errors.New("the sandbox was made without no_new_privs: refusing to run a person's processes in it")
		}
	}
	ctx, release := heed(ctx, log)
	return ctx, release, nil
}

// heed catches all signals that could end this process. The context it returns ends with a TERM, alone of them.
// Signals stay caught after that: the end must be as orderly under a second one.
func heed(ctx context.Context, log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	// TERM has a channel of its own, where nothing else can have taken the place when it comes. What the other one has
	// no place for is lost, as it should be.
	term, rest := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	signal.Notify(rest, heeded()...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case sig := <-term:
			log.Info("asked to end", "signal", sig)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-done }
}

// heeded are the signals that are caught, so that none of them ends this process: all but those that Go and the table
// of processes need. A Go program handles most signals by itself, which takes from PID 1 the kernel's protection
// against its children. They are caught and not ignored, because what is ignored stays so in every child.
//
// Of those caught TERM alone means anything, and it cannot come from the person: uid 1000 may not signal uid 0. It
// comes from outside (runc kill), or, in bare mode, from anyone who may signal this process anyway.
func heeded() []os.Signal {
	var all []os.Signal
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP: // cannot be caught
		case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPROF: // the table's; the scheduler's; the profiler's
		case 32, 33, 34: // the threads' own: Go does not hand them over
		default:
			all = append(all, n)
		}
	}
	return all
}
