package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/scriptedmodel"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv("CARREL_TEST_CLAUDE"); kind != "" {
		pretend(kind)
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of these tests. The machine may be busy with builds.
const patience = 30 * time.Second

// world is a person's instance: a home, a model, a table of processes, and the sessions.
type world struct {
	boot string // of the machine, for the next start
	*Sessions
	t     *testing.T
	dir   string
	cfg   protocol.Config
	table *process.Table
	model *scriptedmodel.Model

	granted bool // places are given by a test
	keep    time.Duration
}

// claudePath finds the real CLI. A test that cannot prove what it says fails.
func claudePath(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CARREL_CLAUDE_PATH")
	if path == "" {
		var err error
		path, err = filepath.Abs("../../../.cache/claude/node_modules/@anthropic-ai/claude-code-linux-x64/claude")
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the Claude CLI is not installed (%v): run make test, or set CARREL_CLAUDE_PATH", err)
	}
	return path
}

// newWorld makes an instance around the real CLI.
func newWorld(t *testing.T) *world { return makeWorld(t, claudePath(t)) }

func makeWorld(t *testing.T, claude string, env ...string) *world {
	t.Parallel()
	dir, err := os.MkdirTemp("", "carrel-sessions-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{t: t, dir: dir, cfg: protocol.Config{
		Name: "ana", Home: filepath.Join(dir, "home"), JournalDir: filepath.Join(dir, "journal"), Claude: claude,
		GatewaySocket: filepath.Join(dir, "gateway.sock"), PersonUID: -1, PersonGID: -1, LiveSessions: 3,
		Env: append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir}, env...),
	}}
	for _, d := range []string{filepath.Join(w.cfg.Home, "projects", "demo"), w.cfg.JournalDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", w.cfg.GatewaySocket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	w.model = scriptedmodel.New(scriptedmodel.Options{})
	go func() { served <- scriptedmodel.Serve(ctx, l, w.model) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("model: %v", err)
		}
	})
	w.table = process.New(process.Options{UID: -1, GID: -1, Log: w.log()})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		w.table.Stop(ctx)
	})
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func (w *world) start() {
	w.Sessions = New(Options{Config: w.cfg, Processes: w.table, Home: &home{w.cfg.Home}, Granted: w.granted, Boot: w.boot, Log: w.log(), KeepPieces: w.keep})
}

func (w *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
	if p := w.table.List(); len(p) != 0 {
		w.t.Errorf("after Stop there are processes: %v", p)
	}
}

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

// prompt sends one, with an id of its own unless one is given.
func (w *world) prompt(session, text string, id ...string) *protocol.PromptResponse {
	w.t.Helper()
	res, err := w.tryPrompt(session, text, id...)
	if err != nil {
		w.t.Fatalf("prompt %q: %v", text, err)
	}
	return res
}

func (w *world) tryPrompt(session, text string, id ...string) (*protocol.PromptResponse, error) {
	content, _ := json.Marshal(text)
	return w.Prompt(w.ctx(), &protocol.PromptRequest{
		OpenRequest: protocol.OpenRequest{SessionID: session, Project: "demo"},
		ID:          append(id, uuid.NewString())[0], Author: "ana", Content: content,
	})
}

func (w *world) open(session string) *protocol.Session {
	w.t.Helper()
	s, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: session, Project: "demo"})
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	return s
}

func (w *world) close(session string) {
	w.t.Helper()
	if _, err := w.Close(w.ctx(), &protocol.SessionRequest{SessionID: session}); err != nil {
		w.t.Fatalf("close: %v", err)
	}
}

// history is how many messages the model was last sent with a prompt: how much Claude remembered.
func (w *world) history(prompt string) (messages int) {
	for _, r := range w.model.Requests() {
		if strings.Contains(r.Prompt, prompt) {
			messages = r.Messages
		}
	}
	return messages
}

func (w *world) state(session string) string {
	for _, s := range w.List() {
		if s.ID == session {
			return s.State
		}
	}
	return ""
}

// pid is the Claude process's of a session.
func (w *world) pid(session string) int {
	w.t.Helper()
	for _, p := range w.table.List() {
		if p.SessionID == session {
			return p.PID
		}
	}
	w.t.Fatalf("session %s has no process", session)
	return 0
}

// event is one event, with the little of it that tests look at.
type event struct {
	Seq int64
	Raw string
	parts
}

type parts struct {
	Type, Subtype, State, Reason, Result, Detail, Code, UUID, ID string
	IsReplay                                                     bool
	RequestID                                                    string `json:"request_id"`
	SessionID                                                    string `json:"session_id"`
	CommandUUID                                                  string `json:"command_uuid"`
	IsError                                                      bool   `json:"is_error"`
	Request                                                      struct{ Subtype string }
}

func (e event) String() string {
	short := e.Raw
	if len(short) > 200 {
		short = short[:200] + "…"
	}
	return fmt.Sprintf("%d %s", e.Seq, short)
}

// follower is a subscriber that looks at events in order.
type follower struct {
	t      *testing.T
	events chan event
	done   chan error
	seen   []event
}

// follow subscribes; every event but the tokens is kept.
func (w *world) follow(session string, after int64) *follower {
	f := &follower{t: w.t, events: make(chan event, 10000), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		last := after
		f.done <- w.Events(ctx, &protocol.EventsRequest{SessionID: session, After: after}, func(e *protocol.Event) error {
			if e.Seq != last+1 && (e.Seq <= last || string(e.Event) != `{"type":"carrel.gap"}`) {
				w.t.Errorf("event %d came after %d", e.Seq, last)
			}
			last = e.Seq
			ev := event{Seq: e.Seq, Raw: string(e.Event)}
			if err := json.Unmarshal(e.Event, &ev.parts); err != nil {
				w.t.Logf("event %d: %v", e.Seq, err)
			}
			f.events <- ev
			return nil
		})
	})
	w.t.Cleanup(func() { cancel(); wg.Wait() })
	return f
}

// until waits for an event, and returns it.
func (f *follower) until(what string, is func(event) bool) event {
	f.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case e := <-f.events:
			f.seen = append(f.seen, e)
			if is(e) {
				return e
			}
		case err := <-f.done:
			f.t.Fatalf("waited for %s; the stream ended: %v", what, err)
		case <-timer.C:
			var last []string
			for _, e := range f.seen[max(0, len(f.seen)-12):] {
				last = append(last, e.String())
			}
			f.t.Fatalf("waited in vain for %s; last seen:\n%s", what, strings.Join(last, "\n"))
		}
	}
}

func (f *follower) state(state string) event {
	f.t.Helper()
	return f.until("state "+state, func(e event) bool { return e.Type == protocol.EventState && e.State == state })
}

func (f *follower) result() event {
	f.t.Helper()
	return f.until("a result", func(e event) bool { return e.Type == "result" })
}

func (f *follower) typed(typ string) event {
	f.t.Helper()
	return f.until(typ, func(e event) bool { return e.Type == typ })
}

// all reads every event that is there now.
func (w *world) all(session string) (out []event) {
	w.t.Helper()
	err := w.Events(w.ctx(), &protocol.EventsRequest{SessionID: session, Until: true}, func(e *protocol.Event) error {
		ev := event{Seq: e.Seq, Raw: string(e.Event)}
		_ = json.Unmarshal(e.Event, &ev.parts) // a field of another kind is as if it were not there
		out = append(out, ev)
		return nil
	})
	if err != nil {
		w.t.Fatalf("events: %v", err)
	}
	return out
}

func count(events []event, is func(event) bool) (n int) {
	for _, e := range events {
		if is(e) {
			n++
		}
	}
	return n
}

// home is what the supervisor's helper does as the person.
type home struct{ dir string }

func (h *home) paths(session string) []string {
	p, _ := filepath.Glob(filepath.Join(h.dir, ".claude/projects/*", session+".jsonl"))
	return p
}

func (h *home) Transcripts(context.Context) (out []protocol.Transcript, _ error) {
	for _, p := range h.paths("*") {
		out = append(out, protocol.Transcript{SessionID: strings.TrimSuffix(filepath.Base(p), ".jsonl")})
	}
	return out, nil
}

func (h *home) Held(_ context.Context, session string, uuids []string) (held protocol.HeldResponse, _ error) {
	for _, p := range h.paths(session) {
		b, err := os.ReadFile(p)
		if err != nil {
			return held, err
		}
		for row := range strings.Lines(string(b)) {
			if strings.Contains(row, `"type":"user"`) || strings.Contains(row, `"type":"assistant"`) {
				held.Unfinished = !strings.Contains(row, `"stop_reason":"end_turn"`)
				var r struct{ Type, UUID string }
				if err := json.Unmarshal([]byte(row), &r); err == nil && r.Type == "user" && !strings.Contains(row, `"tool_use_id"`) {
					held.Last = r.UUID
				}
			}
		}
		for _, u := range uuids {
			for _, as := range []string{`"uuid":"%s"`, `"source_uuid":"%s"`, `"mergedSendUuids":["%s"`} {
				if strings.Contains(string(b), fmt.Sprintf(as, u)) {
					held.UUIDs = append(held.UUIDs, u)
					break
				}
			}
		}
	}
	return held, nil
}

func (h *home) RemoveTranscript(_ context.Context, session string) error {
	paths := h.paths(session)
	if len(paths) == 0 {
		return fault.New(fault.NotFound, "There is no such transcript.")
	}
	return os.Remove(paths[0])
}

// Rows gives all of a transcript that has a place in its conversation; package files has the bounds.
func (h *home) Rows(_ context.Context, session string, from int64, each func(protocol.Rows, []byte) error) (protocol.Rows, error) {
	paths := h.paths(session)
	if len(paths) == 0 {
		return protocol.Rows{}, fault.New(fault.NotFound, "There is no such transcript.")
	}
	raw, err := os.ReadFile(paths[0])
	if err != nil {
		return protocol.Rows{}, err
	}
	if from > int64(len(raw)) {
		from = 0
	}
	head := protocol.Rows{From: from, Until: from + int64(bytes.LastIndexByte(raw[from:], '\n')+1)}
	var nodes []claude.Node
	var rows [][]byte
	for row := range bytes.Lines(raw[from:head.Until]) {
		if r, err := claude.ParseRow(row); err == nil {
			if n, ok := r.Node(); ok {
				nodes, rows = append(nodes, n), append(rows, row)
			}
		}
	}
	for i, in := range claude.Thread(nodes) {
		if in {
			if err := each(head, rows[i]); err != nil {
				return protocol.Rows{}, err
			}
		}
	}
	return head, nil
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if err == nil || fault.CodeOf(err) != code {
		t.Errorf("got %v, want %s", err, code)
	}
}
