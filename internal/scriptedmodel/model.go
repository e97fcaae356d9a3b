// Package scriptedmodel is a Messages API of ours with canned behaviour: for
// tests, the demo, benchmarks and a start without a credential. It acts on
// orders in square brackets in the last prompt of a request (parseOrders; the
// grammar is told in docs/scripted-model.md) and reads where a turn is from the
// conversation in the request, never from memory, so that retries, resumed
// sessions and forks work. It owns the HTTP surface and the answers; the Claude
// CLI in front of it is always the real one.
package scriptedmodel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is what ends the requests that are running when a Model is closed.
var ErrClosed = errors.New("the scripted model is closed")

// Options of a Model. The zero value is usable.
type Options struct {
	// Pace is the time between tokens where a prompt gives none.
	Pace time.Duration
	// TokensPerFlush is how many tokens go out together; 1 by default.
	TokensPerFlush int
	// APIKey, if set, is the only key that is let in (x-api-key or bearer); others get a 401.
	APIKey string
	// Models are the names that GET /v1/models lists. Any name is answered all
	// the same, but those that begin with "no-such".
	Models []string
	// Answered, if set, is told of each answer that went out whole, with its Stop, before its last bytes do: so a test
	// counts how often a prompt ran. It must not wait.
	Answered func(Request)
	Logger   *slog.Logger
}

var defaultModels = []string{"claude-opus-5-5", "claude-sonnet-4-6", "claude-haiku-4-5"}

const (
	maxBodyBytes = 64 << 20 // the API itself takes 32 MB
	pingEvery    = 15 * time.Second
	// modelsSince is a date for models that have none.
	modelsSince = "2026-06-01T00:00:00Z"
)

// Model is the scripted model: an http.Handler. Close it when done.
type Model struct {
	opts   Options
	mux    *http.ServeMux
	record *record

	served atomic.Int64 // requests of any kind, for the request-id

	done chan struct{} // closed by Close
	mu   sync.Mutex
	shut bool           // guarded by mu
	wg   sync.WaitGroup // running requests; Add only under mu and before shut
}

// New makes a model.
func New(opts Options) *Model {
	opts.TokensPerFlush = max(opts.TokensPerFlush, 1)
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if len(opts.Models) == 0 {
		opts.Models = defaultModels
	}
	m := &Model{opts: opts, mux: http.NewServeMux(), record: newRecord(), done: make(chan struct{})}
	m.mux.HandleFunc("POST /v1/messages", m.messages)
	m.mux.HandleFunc("POST /v1/messages/count_tokens", m.countTokens)
	m.mux.HandleFunc("GET /v1/models", m.models)
	m.mux.HandleFunc("GET /v1/models/{id}", m.model)
	m.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, "Not found: "+r.Method+" "+r.URL.Path)
	})
	return m
}

// Close ends the requests that are waiting or streaming and returns when none
// runs any more. Later requests get a 503. It may be called twice.
func (m *Model) Close() {
	m.mu.Lock()
	if !m.shut {
		m.shut = true
		close(m.done)
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// Serve answers on a listener until the context ends, then closes the model
// and the listener.
func Serve(ctx context.Context, l net.Listener, m *Model) error {
	const grace = 5 * time.Second // for answers to be read to their end
	srv := &http.Server{Handler: m, ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(m.opts.Logger.Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		m.Close()
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err = srv.Shutdown(stopCtx); err != nil {
			err = errors.Join(err, srv.Close())
		}
		<-served //nolint:errcheck // the error of the shutdown is the one that tells
	}
	m.Close()
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the scripted model: %w", err)
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	if m.shut {
		m.mu.Unlock()
		writeError(w, http.StatusServiceUnavailable, ErrClosed.Error())
		return
	}
	m.wg.Add(1)
	m.mu.Unlock()
	defer m.wg.Done()
	w.Header().Set("request-id", fmt.Sprintf("req_01%020d", m.served.Add(1)))
	if !m.letIn(r) {
		writeError(w, http.StatusUnauthorized, "invalid x-api-key")
		return
	}
	m.mux.ServeHTTP(w, r)
}

func (m *Model) letIn(r *http.Request) bool {
	if m.opts.APIKey == "" {
		return true
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return r.Header.Get("x-api-key") == m.opts.APIKey || bearer == m.opts.APIKey
}

// decode reads a Messages API request, or answers with the fault in it.
func (m *Model) decode(w http.ResponseWriter, r *http.Request) (*messagesRequest, []byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		writeError(w, http.StatusRequestEntityTooLarge, "Request exceeds the maximum size")
		return nil, nil, false
	}
	req, err := decodeRequest(body)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return nil, nil, false
	}
	if strings.HasPrefix(req.Model, "no-such") {
		writeError(w, http.StatusNotFound, "model: "+req.Model)
		return nil, nil, false
	}
	return req, body, true
}

func (m *Model) messages(w http.ResponseWriter, r *http.Request) {
	req, body, ok := m.decode(w, r)
	if !ok {
		return
	}
	t := readTurn(req)
	seen := m.remember(r, req, &t)
	p := &player{
		model: m, ctx: r.Context(), reply: answer(&t, req), attempt: seen.Attempt, limit: req.MaxTokens,
		pace: m.opts.Pace, name: req.Model, id: messageID(body, seen.Number), usage: inputUsage(req),
		whole: func(stop string) {
			if m.opts.Answered != nil {
				seen.Stop = stop
				m.opts.Answered(seen)
			}
		},
	}
	p.play(w, req.Stream)
}

func (m *Model) remember(r *http.Request, req *messagesRequest, t *turn) Request {
	one := Request{
		At: time.Now(), Kind: t.kind, SessionID: r.Header.Get("x-claude-code-session-id"),
		AgentID: r.Header.Get("x-claude-code-agent-id"), Model: req.Model, Effort: req.OutputConfig.Effort, Stream: req.Stream,
		Messages: len(req.Messages), Prompt: clip(t.prompt, maxPrompt), Calls: len(t.calls),
	}
	if one.SessionID == "" {
		one.SessionID = req.sessionID()
	}
	if t.kind == Turn {
		for _, o := range parseOrders(t.prompt) {
			if len(one.Orders) < maxOrders {
				one.Orders = append(one.Orders, clip(o.String(), maxPrompt))
			}
		}
	}
	one = m.record.add(one, requestKey(one, t.prompt))
	m.opts.Logger.Debug("scripted model asked", "number", one.Number, "kind", one.Kind, "session", one.SessionID,
		"model", one.Model, "stream", one.Stream, "orders", len(one.Orders), "attempt", one.Attempt)
	return one
}

func (m *Model) countTokens(w http.ResponseWriter, r *http.Request) {
	req, _, ok := m.decode(w, r)
	if !ok {
		return
	}
	t := readTurn(req)
	t.kind = TokenCount
	m.remember(r, req, &t)
	writeJSON(w, http.StatusOK, map[string]int{"input_tokens": inputUsage(req).input()})
}

type modelInfo struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

func newModelInfo(id string) modelInfo {
	return modelInfo{"model", id, id + " (scripted)", modelsSince}
}

func (m *Model) models(w http.ResponseWriter, _ *http.Request) {
	list := make([]modelInfo, len(m.opts.Models))
	for i, id := range m.opts.Models {
		list[i] = newModelInfo(id)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"data": list, "has_more": false, "first_id": list[0].ID, "last_id": list[len(list)-1].ID,
	})
}

func (m *Model) model(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if strings.HasPrefix(id, "no-such") {
		writeError(w, http.StatusNotFound, "model: "+id)
		return
	}
	writeJSON(w, http.StatusOK, newModelInfo(id))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}
