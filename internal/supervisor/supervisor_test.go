package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/files"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/carrel-dev/carrel/internal/supervisor/sessions"
)

// The test program is its own file helper, and its own supervisor in the sandbox of inside_test.go.
func TestMain(m *testing.M) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if c := os.Getenv(files.Variable); c != "" {
		exit(files.Main(context.Background(), c, os.Stdin, log))
	}
	if c := os.Getenv(Variable); c != "" {
		exit(insideMain(c, log))
	}
	goleak.VerifyTestMain(m)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is a supervisor in bare mode with a client to it.
type bench struct {
	*client.Client
	t        *testing.T
	home     string
	sessions *fakeSessions
	ended    chan error
}

func setup(t *testing.T, change func(*Options)) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, home: filepath.Join(dir, "home"), sessions: newFakeSessions(), ended: make(chan error, 1)}
	if err := os.Mkdir(b.home, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{
		Config:   protocol.Config{InstanceID: "i-test", Name: "ana", Language: "en", Home: b.home, RunDir: dir, PersonUID: -1, PersonGID: -1},
		Listener: l, Version: "v", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Sessions: func(o sessions.Options) Sessions { b.sessions.home = o.Home; return b.sessions },
	}
	if change != nil {
		change(&opt)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { b.ended <- Run(ctx, opt) }()
	b.Client = client.New(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	})
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-b.ended:
			if err != nil {
				t.Errorf("the supervisor ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the supervisor did not end")
		}
		b.Close()
	})
	return b
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	b.t.Cleanup(cancel)
	return ctx
}

// fakeSessions is a conversations' owner that tells of what a test gives it.
type fakeSessions struct {
	Sessions // nil: what a test does not expect fails loudly
	home     sessions.Home
	mu       sync.Mutex
	all      []protocol.Session
	changed  chan protocol.Session
	stopped  bool
}

func newFakeSessions() *fakeSessions { return &fakeSessions{changed: make(chan protocol.Session)} }

func (f *fakeSessions) Watch(ctx context.Context, first func([]protocol.Session) error, changed func(protocol.Session) error) error {
	if err := first(f.all); err != nil {
		return err
	}
	for {
		select {
		case s := <-f.changed:
			if err := changed(s); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fakeSessions) WatchPlaces(ctx context.Context, tell func(protocol.Places) error) error {
	if err := tell(protocol.Places{}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fakeSessions) Transcripts(ctx context.Context) ([]protocol.Transcript, error) {
	return f.home.Transcripts(ctx)
}

func (f *fakeSessions) Open(_ context.Context, r *protocol.OpenRequest) (*protocol.Session, error) {
	return nil, fault.New(fault.QuotaExceeded, "会话 %s", r.SessionID)
}

func (f *fakeSessions) Withdraw(context.Context, *protocol.WithdrawRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, nil
}

func (f *fakeSessions) Interrupt(context.Context, *protocol.SessionRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, nil
}

func (f *fakeSessions) Stop(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	return nil
}

func TestPingAndSessions(t *testing.T) {
	b := setup(t, nil)
	p, err := b.Ping(b.ctx())
	if err != nil || p.InstanceID != "i-test" || p.Version != "v" || p.PID != os.Getpid() || p.StartedAt.IsZero() {
		t.Errorf("got %+v, %v", p, err)
	}
	_, err = b.Open(b.ctx(), &protocol.OpenRequest{SessionID: "s"})
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.QuotaExceeded || f.Detail != "会话 s" {
		t.Errorf("got %v; want the sessions' own fault", err)
	}
	if err := b.Interrupt(b.ctx(), &protocol.SessionRequest{SessionID: "s"}); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestWatch(t *testing.T) {
	b := setup(t, nil)
	b.sessions.all = []protocol.Session{{ID: "one", State: protocol.StateDormant}}
	ctx, cancel := context.WithCancel(b.ctx())
	defer cancel()
	notices := make(chan *protocol.Notice)
	done := make(chan error, 1)
	go func() {
		done <- b.Watch(ctx, func(n *protocol.Notice) error {
			select {
			case notices <- n:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	next := func() *protocol.Notice {
		t.Helper()
		select {
		case n := <-notices:
			return n
		case err := <-done:
			t.Fatalf("the watch ended: %v", err)
		case <-ctx.Done():
			t.Fatal("no notice")
		}
		return nil
	}
	if n := next(); n.Changed != "session" || n.Session.ID != "one" {
		t.Errorf("first is %+v", n)
	}
	if n := next(); n.Changed != "processes" || len(n.Processes) != 0 {
		t.Errorf("second is %+v", n)
	}
	if n := next(); n.Changed != "ready" {
		t.Errorf("third is %+v", n)
	}
	b.sessions.changed <- protocol.Session{ID: "two", State: protocol.StateRunning}
	if n := next(); n.Changed != "session" || n.Session.ID != "two" || n.Session.State != protocol.StateRunning {
		t.Errorf("got %+v", n)
	}
	term, err := b.OpenTerminal(b.ctx(), &protocol.OpenTerminalRequest{Argv: []string{"cat"}})
	if err != nil {
		t.Fatal(err)
	}
	if n := next(); n.Changed != "processes" || len(n.Processes) != 1 || n.Processes[0].Kind != protocol.KindTerminal || n.Processes[0].Command != "cat" {
		t.Errorf("got %+v", n)
	}
	if err := b.CloseTerminal(b.ctx(), &protocol.TerminalRequest{ID: term.ID}); err != nil {
		t.Fatal(err)
	}
	if n := next(); n.Changed != "processes" || len(n.Processes) != 0 {
		t.Errorf("got %+v", n)
	}
	// A watch ends with the supervisor, not the other way round.
	if err := b.Shutdown(b.ctx()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-done; err == nil {
		t.Error("the watch ended without a reason")
	}
}

func TestShutdownEndsEverything(t *testing.T) {
	b := setup(t, nil)
	if _, err := b.OpenTerminal(b.ctx(), &protocol.OpenTerminalRequest{Argv: []string{"sh", "-c", "trap '' TERM HUP; while :; do sleep 1; done"}}); err != nil {
		t.Fatal(err)
	}
	command := make(chan error, 1)
	go func() {
		_, err := b.Command(b.ctx(), &protocol.CommandRequest{Argv: []string{"sleep", "1000"}})
		command <- err
	}()
	var pids []int
	ctx := b.ctx()
	ready := errors.New("both run")
	err := b.Watch(ctx, func(n *protocol.Notice) error {
		if len(n.Processes) == 2 {
			pids = []int{n.Processes[0].PID, n.Processes[1].PID}
			return ready
		}
		return nil
	})
	if !errors.Is(err, ready) {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := b.Shutdown(b.ctx()); err != nil {
		t.Fatalf("shutdown: %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	<-command // ended one way or the other
	for _, pid := range pids {
		if living(strconv.Itoa(pid)) {
			t.Errorf("process %d is left", pid)
		}
	}
	if !b.sessions.stopped {
		t.Error("sessions were not stopped")
	}
	if _, err := b.Ping(b.ctx()); !errors.Is(err, rpc.ErrUnreachable) {
		t.Errorf("ping after the end: %v", err)
	}
}

// living says whether a process runs. One that has died may wait for the machine's init to reap it.
func living(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	return err == nil && !strings.Contains(string(b), "State:\tZ")
}

func TestPersonEnv(t *testing.T) {
	env := personEnv(protocol.Config{Name: "ana", Home: "/home/ana", Env: []string{"PATH=/opt/tools", "LANG=zh_CN.UTF-8", "X=1=2", "odd"}}, 8080)
	text := "\n" + strings.Join(env, "\n") + "\n"
	for _, want := range []string{
		"HOME=/home/ana", "USER=ana", "LANG=zh_CN.UTF-8", "X=1=2", "HTTPS_PROXY=http://127.0.0.1:8080", "http_proxy=http://127.0.0.1:8080",
		"NO_PROXY=localhost,127.0.0.1,::1", "npm_config_prefix=/home/ana/.npm-global",
		"PATH=/home/ana/.local/bin:/home/ana/.npm-global/bin:/opt/tools:" + systemPath,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("%q is missing in%s", want, text)
		}
	}
	env = personEnv(protocol.Config{Home: "/home/ana", Claude: "/opt/carrel/claude", GatewaySocket: "/run/g.sock"}, 0)
	if text := strings.Join(env, "\n"); !strings.Contains(text, "ANTHROPIC_UNIX_SOCKET=/run/g.sock\n") || !strings.Contains(text, ":/opt/carrel:") {
		t.Errorf("the CLI cannot be run in a terminal: %s", text)
	}
	if strings.Contains(strings.Join(personEnv(protocol.Config{}, 0), "\n"), "PROXY") {
		t.Error("a proxy without a way out")
	}
}

// A TERM counts however many other signals come with it: bare instances can be sent any by their person.
func TestTermAmongSignals(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // signals are handed over all at once, then
	ctx, release := heed(t.Context(), slog.New(slog.DiscardHandler))
	defer signal.Reset(heeded()...)
	defer release()
	for _, sig := range heeded() {
		if err := syscall.Kill(os.Getpid(), sig.(syscall.Signal)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("the TERM was lost")
	}
}
