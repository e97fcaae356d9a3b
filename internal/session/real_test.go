package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/project"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/bare"
	"github.com/carrel-dev/carrel/internal/scriptedmodel"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor"
	"github.com/carrel-dev/carrel/internal/supervisor/files"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// inside is what this test's program does when the bare runtime starts it: the
// supervisor of an instance, or its file helper.
func inside(arg string) bool {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var err error
	switch arg {
	case "supervisor":
		program, xerr := os.Executable()
		err = errors.Join(xerr, supervisor.Main(context.Background(), os.Getenv(supervisor.Variable), os.NewFile(supervisor.ListenFD, "listener"), supervisor.Options{
			Version: "test", Helper: []string{program, "files"}, Granted: true, Log: log}))
	case "files":
		err = files.Main(context.Background(), os.Getenv(files.Variable), os.Stdin, log)
	default:
		return false
	}
	if err != nil {
		log.Error("end", "as", arg, "error", err)
		os.Exit(1)
	}
	return true
}

// claudePath finds the real CLI. A test that cannot prove what it says fails.
func claudePath(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CARREL_CLAUDE_PATH")
	if path == "" {
		var err error
		if path, err = filepath.Abs("../../.cache/claude/node_modules/@anthropic-ai/claude-code-linux-x64/claude"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the Claude CLI is not installed (%v): run make test, or set CARREL_CLAUDE_PATH", err)
	}
	return path
}

// gateways serves the scripted model to every instance of a bare runtime.
type gateways struct {
	log  *slog.Logger
	wg   sync.WaitGroup
	mu   sync.Mutex
	ends map[string]context.CancelFunc
}

func (g *gateways) attach(spec runtime.Spec, gateway, egress *os.File) {
	_ = egress.Close() // nothing here goes out
	l, err := net.FileListener(gateway)
	_ = gateway.Close() // l is a copy
	if err != nil {
		g.log.Error("serve the model", "error", err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.mu.Lock()
	g.ends[spec.ID] = cancel
	g.mu.Unlock()
	g.wg.Go(func() { _ = scriptedmodel.Serve(ctx, l, scriptedmodel.New(scriptedmodel.Options{})) }) // one each: its end closes it
}

func (g *gateways) detach(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if end := g.ends[id]; end != nil {
		end()
	}
}

// realRig is everything of ours but the API, with the real supervisor in a process of its own.
type realRig struct {
	t   *testing.T
	dir string
	rt  *bare.Runtime
	db  *store.DB
	log *slog.Logger
}

func newRealRig(t *testing.T) *realRig {
	t.Helper()
	dir, err := os.MkdirTemp("", "cr") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	g := &gateways{log: log, ends: map[string]context.CancelFunc{}}
	rt, err := bare.Open(bare.Options{DataDir: filepath.Join(dir, "data"), StateDir: filepath.Join(dir, "s"), Carrel: program,
		Claude: claudePath(t), Attach: g.attach, Detach: g.detach, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		handles, _ := rt.List(context.Background())
		for _, h := range handles {
			_ = rt.Destroy(context.Background(), h.Spec.ID)
		}
		rt.Wait()
		g.wg.Wait()
	})
	db, err := store.Open(t.Context(), filepath.Join(dir, "carrel.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.Bun().NewRaw("INSERT INTO users (id, username, password_hash, role, language, active, created_at) VALUES (1, 'ana', '', 'user', 'en', TRUE, ?)",
		time.Now().UTC()).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &realRig{t: t, dir: dir, rt: rt, db: db, log: log}
}

// serve starts a server: what ends when one is killed.
func (r *realRig) serve(ctx context.Context) (*Service, *pool.Pool) {
	r.t.Helper()
	p := pool.New(pool.Options{Runtime: r.rt, Owners: everybody{}, Log: r.log})
	s := New(Options{DB: r.db.Bun(), Pool: p, Log: r.log})
	if err := errors.Join(s.Start(ctx), p.Start(ctx)); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Stop(); p.Stop() })
	return s, p
}

// TestReal is everything of ours with the real supervisor and the real CLI: a
// turn, a supervisor that is killed, a server that is replaced.
func TestReal(t *testing.T) {
	rig := newRealRig(t)
	log := rig.log
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serve := func() (*Service, *pool.Pool) { return rig.serve(ctx) }
	s, p := serve()
	if _, err := project.NewService(p, s, log).Create(ctx, 1, project.New{Name: "demo", Template: "sample"}); err != nil {
		t.Fatal(err)
	}
	ss, err := s.Create(ctx, 1, NewSession{Project: "demo"})
	if err != nil {
		t.Fatal(err)
	}

	// What the page does: it follows, and comes again when it was cut off.
	seen := &transcript{arrived: make(chan struct{}, 1)}
	follow := func(s *Service) (stop func()) {
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Subscribe(ctx, 1, ss.ID, seen.last(), seen.take) }()
		return func() { cancel(); <-done }
	}
	stop := follow(s)
	prompt := func(s *Service, id, text string) {
		t.Helper()
		content, _ := json.Marshal(text)
		if _, _, err := s.Prompt(ctx, ana, ss.ID, Prompt{ID: id, Content: content}); err != nil {
			t.Fatalf("prompt %s: %v", id, err)
		}
	}
	prompt(s, "p1", "say hello")
	seen.wait(ctx, t, "result", 1)
	waitFor(ctx, t, s, ss.ID, "the turn in the catalogue", func(v Session) bool {
		return v.State == protocol.StateReady && v.Title != "" && v.LastSeq > 0 && v.LastSeq <= seen.last() && string(v.Usage) != "{}"
	})
	st, err := p.Look(ctx, 1)
	if err != nil || st.ActiveProcesses != 1 || st.Processes[0].Kind != protocol.KindClaude || st.Processes[0].SessionID != ss.ID || st.Usage.MemoryBytes == 0 {
		t.Fatalf("statistics: %+v, %v", st, err)
	}

	inst, _, err := p.Get(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	pong, err := inst.Client().Ping(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pong.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	prompt(s, "p2", "say hello again")
	seen.wait(ctx, t, "result", 2)
	next, err := p.Look(ctx, 1)
	if err != nil || next.ID == st.ID || !strings.Contains(next.Health.Detail, "supervisor had ended") {
		t.Fatalf("after kill -9: %+v, %v", next, err)
	}

	// The next server takes over what runs.
	stop()
	s.Stop()
	p.Stop()
	s, p = serve()
	stop = follow(s)
	defer stop()
	prompt(s, "p2", "say hello again") // sent again, and run once
	prompt(s, "p3", "and a third time")
	seen.wait(ctx, t, "result", 3)
	if last, err := p.Look(ctx, 1); err != nil || last.ID != next.ID {
		t.Fatalf("after the server's restart: %+v, %v; want instance %s", last, err, next.ID)
	}
	seen.check(t)
	if err := s.Delete(ctx, 1, ss.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, 1, ss.ID); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("after the delete: %v", err)
	}
	stop()
	s.Stop()
	if err := p.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if left, err := rig.rt.List(ctx); err != nil || len(left) != 0 {
		t.Fatalf("left after the shutdown: %v, %v", left, err)
	}
}

func waitFor(ctx context.Context, t *testing.T, s *Service, id, what string, ok func(Session) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		v, err := s.Get(context.WithoutCancel(ctx), 1, id)
		if err == nil && ok(v) {
			return
		}
		if pause(ctx, 10*time.Millisecond) != nil {
			t.Fatalf("%s did not come; last seen: %+v, %v", what, v, err)
		}
	}
}

// transcript is what a subscriber was sent.
type transcript struct {
	mu      sync.Mutex
	seqs    []int64
	types   []string
	arrived chan struct{}
}

func (tr *transcript) take(ev *protocol.Event) error {
	var e struct{ Type string }
	if err := json.Unmarshal(ev.Event, &e); err != nil {
		return fmt.Errorf("event %d: %w", ev.Seq, err)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.seqs, tr.types = append(tr.seqs, ev.Seq), append(tr.types, e.Type)
	select {
	case tr.arrived <- struct{}{}:
	default:
	}
	return nil
}

func (tr *transcript) last() int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.seqs) == 0 {
		return 0
	}
	return tr.seqs[len(tr.seqs)-1]
}

// wait waits until n events of a type have come.
func (tr *transcript) wait(ctx context.Context, t *testing.T, typ string, n int) {
	t.Helper()
	for {
		tr.mu.Lock()
		have, types := 0, slices.Clone(tr.types)
		tr.mu.Unlock()
		for _, ty := range types {
			if ty == typ {
				have++
			}
		}
		if have >= n {
			return
		}
		select {
		case <-tr.arrived:
		case <-ctx.Done():
			t.Fatalf("%s number %d did not come; seen: %v", typ, n, types)
		}
	}
}

// check wants every number to be higher than the one before, and each prompt once.
func (tr *transcript) check(t *testing.T) {
	t.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for i := 1; i < len(tr.seqs); i++ {
		if tr.seqs[i] <= tr.seqs[i-1] {
			t.Fatalf("%d came after %d", tr.seqs[i], tr.seqs[i-1])
		}
	}
	prompts := 0
	for _, ty := range tr.types {
		if ty == protocol.EventPrompt {
			prompts++
		}
	}
	if prompts != 3 {
		t.Fatalf("%d prompts came; want 3: %v", prompts, tr.types)
	}
}
