// Package supervisor is what runs inside an instance: PID 1 of the sandbox, the
// only one there that the server speaks to. It starts and ends the person's
// processes, keeps terminals, runs commands, and serves sessions; what touches
// the person's files it leaves to a helper that runs as them (package files).
// It holds no secret, and trusts nothing that it reads from the person's side.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/carrel-dev/carrel/internal/supervisor/sessions"
)

// Times of an orderly end. What does not end by itself is cut off; the sum is bounded.
const (
	stopSessions = 8 * time.Second // ask each Claude to end, flush journals
	stopTable    = 6 * time.Second
	stopCalls    = 2 * time.Second // let calls that run come to their end
	stopFlush    = 100 * time.Millisecond
)

// Options are what a supervisor is run with.
type Options struct {
	Config   protocol.Config
	Listener net.Listener // Run closes it
	Version  string
	// Sessions makes the conversations' owner; nil is sessions.New. The options' Config.Env is the whole environment of
	// a process of the person's.
	Sessions func(sessions.Options) Sessions
	// Helper is the command of the file helper, which ends in files.Main. Empty, it is served within this process:
	// for tests, refused where the person has a uid of their own.
	Helper []string
	// Granted says that a server gives the places for Claude processes; see sessions.Options.
	Granted bool
	// Alone says that this process is the supervisor and nothing else. It then reaps every child there is; see Main.
	Alone bool
	Log   *slog.Logger
}

// Server is a running supervisor.
type Server struct {
	config    protocol.Config
	version   string
	startedAt time.Time
	log       *slog.Logger
	env       []string

	table     *process.Table
	files     *helper
	terminals *terminals
	sessions  Sessions
	commands  chan struct{} // a place for each that runs

	streams  context.Context // ends when streams must
	stopOnce sync.Once
	stop     chan struct{} // closed to have the supervisor end
	ended    chan struct{} // closed once no process is left

	mu     sync.Mutex
	closed bool // no more calls
	calls  sync.WaitGroup
}

// Run is a supervisor from start to end: it returns nil after an orderly end, which ctx or a Shutdown asks for, when
// nothing that it started runs any more. It touches nothing of the process's own (see Main), so that a test may run
// several; a test's Config has PersonUID -1 and no TreeGIDs.
func Run(ctx context.Context, opt Options) (err error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	defer opt.Listener.Close()
	s := &Server{
		config: opt.Config, version: opt.Version, startedAt: time.Now().UTC(), log: opt.Log,
		commands: make(chan struct{}, commandsAtOnce), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	streams, endStreams := context.WithCancel(context.Background())
	defer endStreams()
	s.streams = streams

	// Each step that succeeds pushes its undoing; they run backwards, at the end as after a failure.
	var undo undoing
	defer func() { err = errors.Join(err, undo.run()) }()
	s.table = process.New(process.Options{UID: opt.Config.PersonUID, GID: opt.Config.PersonGID, TreeGIDs: opt.Config.TreeGIDs, Orphans: opt.Alone, Log: opt.Log})
	undo.push(func() error { return within(stopTable, s.table.Stop) })
	port := 0
	if opt.Config.EgressSocket != "" {
		r, err := startRelay(opt.Config.EgressSocket, opt.Config.PersonUID, relayIdle, opt.Log)
		if err != nil {
			return err
		}
		undo.push(func() error { r.stop(); return nil })
		port = r.port()
	}
	s.env = personEnv(opt.Config, port)
	if s.files, err = newHelper(opt.Config, s.table, opt.Helper, s.env, opt.Log); err != nil {
		return err
	}
	undo.push(func() error { s.files.stop(); return nil })
	s.terminals = &terminals{table: s.table, uid: opt.Config.PersonUID, calls: &s.calls}
	undo.push(func() error { s.terminals.stopAll(); return nil })
	config := opt.Config
	config.Env = s.env
	parts := sessions.Options{Config: config, Processes: s.table, Home: s.files, Granted: opt.Granted, Boot: bootID(), Log: opt.Log}
	if opt.Sessions != nil {
		s.sessions = opt.Sessions(parts)
	} else {
		s.sessions = sessions.New(parts)
	}
	undo.push(func() error { return within(stopSessions, s.sessions.Stop) })

	// The workspace is complete before anyone is answered.
	if _, err := s.files.acquire(); err != nil {
		opt.Log.Warn("workspace not prepared", "error", err) // and tried again at the first request for files
	} else {
		s.files.release()
	}

	server := rpc.NewServer(s.counted(s.routes()))
	served := make(chan error, 1)
	go func() { served <- server.Serve(opt.Listener) }()
	select {
	case <-ctx.Done():
	case <-s.stop:
	case err = <-served:
		err = fmt.Errorf("serve: %w", err)
		served <- nil
	}

	// Outside in: no new work and no more streams; then the processes; then the answer to who asked for it.
	endStreams()
	err = errors.Join(err, undo.run())
	close(s.ended)
	_ = opt.Listener.Close()
	answered := make(chan struct{})
	go func() { // ends at the latest when Close below has cut every call
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.calls.Wait()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(stopCalls):
	}
	// Shutdown by itself takes a second for every HTTP/2 connection; here it only has to get the last answers out.
	_ = within(stopFlush, server.Shutdown)
	_ = server.Close()
	<-served //nolint:errcheck // closed by us
	<-answered
	return err
}

// undoing is a stack of what ends the steps taken.
type undoing []func() error

func (u *undoing) push(f func() error) { *u = append(*u, f) }

// run runs it backwards, once.
func (u *undoing) run() error {
	var errs []error
	for i := len(*u) - 1; i >= 0; i-- {
		errs = append(errs, (*u)[i]())
	}
	*u = nil
	return errors.Join(errs...)
}

// within calls f with a deadline of its own: the context that the end began with has ended.
func within(d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return f(ctx)
}

// bootID is the kernel's name for this run of the machine.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // no numbers are skipped, then
	}
	return strings.TrimSpace(string(raw))
}
