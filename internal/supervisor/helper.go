package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/files"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

const (
	helperIdle  = time.Minute     // without a request: the helper is ended, its memory given back
	helperGrace = 2 * time.Second // to end by itself once its connection is gone
	helperAsk   = 10 * time.Second
	// An answer has begun by then, or the helper hangs: the person can stop a process of their own uid.
	// Removing a great tree answers only at its end.
	helperAnswer = 5 * time.Minute
)

// helper is the file helper as the supervisor sees it: started when it is needed, ended when it is idle, replaced when
// it died. The supervisor itself never opens a file of the person's.
type helper struct {
	table   *process.Table
	config  files.Config
	argv    []string // of the program; empty: served within this process, for tests
	env     []string
	idleFor time.Duration
	log     *slog.Logger

	wg       sync.WaitGroup
	mu       sync.Mutex
	now      *running // nil: none
	requests int      // through now
	idle     *time.Timer
	stopped  bool
}

// running is one life of the helper.
type running struct {
	caller *rpc.Caller
	conn   net.Conn
	gone   chan struct{} // closed when the connection is
	once   sync.Once
}

// Close ends the connection, by which the helper ends itself.
func (r *running) Close() error {
	r.once.Do(func() { close(r.gone) })
	return r.conn.Close()
}

// heldConn closes the running when the transport gives the connection up.
type heldConn struct {
	net.Conn
	r *running
}

func (c heldConn) Close() error { return c.r.Close() }

func newHelper(c protocol.Config, table *process.Table, argv, env []string, log *slog.Logger) (*helper, error) {
	config := files.Config{Home: c.Home, Name: c.Name, Language: c.Language}
	settings, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode file helper's settings: %w", err)
	}
	if len(argv) == 0 && c.PersonUID >= 0 {
		return nil, errors.New("the file helper must be a process of its own where the person has a uid of their own")
	}
	return &helper{
		table: table, config: config, argv: argv, idleFor: helperIdle, log: log,
		env: withEnv(env, map[string]string{files.Variable: string(settings), "GOMAXPROCS": "2"}),
	}, nil
}

// ServeHTTP passes a request of the file part on, and streams both ways.
func (h *helper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	run, err := h.acquire()
	if err != nil {
		h.unavailable(w, err)
		return
	}
	defer h.release()
	proxy := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			u, err := url.Parse(run.caller.URL("", nil))
			if err == nil {
				p.Out.URL.Scheme, p.Out.URL.Host = u.Scheme, u.Host
			}
		},
		Transport:     run.caller.HTTP.Transport,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				h.unavailable(w, err)
			}
		},
	}
	proxy.ServeHTTP(w, r)
}

func (h *helper) unavailable(w http.ResponseWriter, err error) {
	h.log.Warn("file helper not reached", "error", err)
	f := fault.New(fault.InstanceUnavailable, "The files could not be reached. Try again in a moment.")
	if g := (*fault.Error)(nil); errors.As(err, &g) {
		f = fault.New(fault.InstanceUnavailable, "%s", g.Said()) // why it could not be started: the instance's limits, or its end
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the reader is gone, or reads
		"title": http.StatusText(http.StatusServiceUnavailable), "status": http.StatusServiceUnavailable,
		"detail": f.Detail, "code": f.Code, "said": f.Texts(),
	})
}

// acquire gives the helper that runs, or a new one, and keeps it from being idle.
func (h *helper) acquire() (*running, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return nil, fmt.Errorf("start file helper: %w", process.ErrStopped)
	}
	if h.now != nil {
		select {
		case <-h.now.gone:
			h.now = nil
		default:
		}
	}
	if h.now == nil {
		run, err := h.start()
		if err != nil {
			return nil, fmt.Errorf("start file helper: %w", err)
		}
		h.now = run
	}
	if h.idle != nil {
		h.idle.Stop()
	}
	h.requests++
	return h.now, nil
}

func (h *helper) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.requests--; h.requests == 0 && h.now != nil && !h.stopped {
		run := h.now
		h.idle = time.AfterFunc(h.idleFor, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.now == run && h.requests == 0 {
				h.now = nil
				_ = run.Close() // its process is seen to its end by whom start left with it
			}
		})
	}
}

// start starts a helper and hands it one end of a connection that has no name: nobody else can come by it.
func (h *helper) start() (*running, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs, ours := os.NewFile(uintptr(fds[0]), "files"), os.NewFile(uintptr(fds[1]), "files")
	defer ours.Close() // conn is a copy
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, err
	}
	run := &running{conn: conn, gone: make(chan struct{})}
	if len(h.argv) == 0 {
		h.wg.Go(func() {
			defer func() { _ = run.Close() }()
			if err := files.Serve(context.Background(), h.config, theirs, h.log); err != nil {
				h.log.Warn("files in this process", "error", err)
			}
		})
	} else if err := h.spawn(run, theirs); err != nil {
		conn.Close()
		return nil, err
	}
	run.caller = rpc.NewCaller(rpc.Once(heldConn{conn, run}))
	if t, ok := run.caller.HTTP.Transport.(*http.Transport); ok {
		t.ResponseHeaderTimeout = helperAnswer
		t.IdleConnTimeout = 0 // idleness is reckoned here
	}
	// The first request has the one connection set up, which all others share. It is answered once the workspace is
	// complete.
	ctx, cancel := context.WithTimeout(context.Background(), helperAsk)
	defer cancel()
	if err := run.ask(ctx, http.MethodGet, "?limit=1", nil); err != nil && fault.CodeOf(err) == fault.Internal {
		_ = run.Close()
		return nil, err
	}
	return run, nil
}

// spawn starts the helper's process and sees it to its end.
func (h *helper) spawn(run *running, stdin *os.File) error {
	r, w, err := os.Pipe()
	if err != nil {
		stdin.Close()
		return err
	}
	p, err := h.table.Start(process.Spec{Kind: process.KindHelper, Argv: h.argv, Env: h.env, Stdin: stdin, Stderr: w})
	if err != nil {
		r.Close()
		return err
	}
	said, read := &capped{most: 4 << 10}, make(chan struct{})
	h.wg.Go(func() {
		defer close(read)
		_, _ = io.Copy(said, r) // to its end, which comes with the helper's
	})
	h.wg.Go(func() {
		select {
		case <-p.Exited():
		case <-run.gone:
			select {
			case <-p.Exited():
			case <-time.After(helperGrace):
			}
		}
		p.End(helperGrace)
		_ = run.Close()
		select {
		case <-read:
		case <-time.After(drainGrace):
			_ = r.Close()
			<-read
		}
		_ = r.Close()
		if e := p.Exit(); e.Code != 0 {
			h.log.Warn("file helper ended", "code", e.Code, "said", said.text())
		}
	})
	return nil
}

// stop ends the helper and returns when nothing of it runs any more.
func (h *helper) stop() {
	h.mu.Lock()
	h.stopped = true
	if h.idle != nil {
		h.idle.Stop()
	}
	if h.now != nil {
		_ = h.now.Close()
	}
	h.mu.Unlock()
	h.wg.Wait()
}

// ask makes one request of the supervisor's own, and decodes its answer into v when that is not nil.
func (h *helper) ask(ctx context.Context, method, path string, v any) error {
	run, err := h.acquire()
	if err != nil {
		return err
	}
	defer h.release()
	ctx, cancel := context.WithTimeout(ctx, helperAsk)
	defer cancel()
	return run.ask(ctx, method, path, v)
}

func (r *running) ask(ctx context.Context, method, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, r.caller.URL(protocol.FilesPrefix+path, nil), nil)
	if err != nil {
		return fmt.Errorf("ask file helper: %w", err)
	}
	res, err := r.caller.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("ask file helper: %w", err)
	}
	if err := client.Problem(res); err != nil {
		return err
	}
	defer res.Body.Close()
	if v == nil {
		return nil
	}
	// The helper is the person's process; its answer is bounded as if they wrote it.
	if err := json.NewDecoder(io.LimitReader(res.Body, rpc.MaxMessageBytes/4)).Decode(v); err != nil {
		return fmt.Errorf("read file helper's answer: %w", err)
	}
	return nil
}

func (h *helper) projectExists(ctx context.Context, name string) error {
	return h.ask(ctx, http.MethodGet, "/projects/"+url.PathEscape(name), nil)
}

// Transcripts lists the conversations that the CLI left in the workspace. They are the person's files: untrusted.
func (h *helper) Transcripts(ctx context.Context) ([]protocol.Transcript, error) {
	var res protocol.TranscriptsResponse
	if err := h.ask(ctx, http.MethodGet, "/transcripts", &res); err != nil {
		return nil, err
	}
	return res.Transcripts, nil
}

// Held says which prompts, by uuid, a session's transcript holds, and whether its last turn came to an end.
func (h *helper) Held(ctx context.Context, sessionID string, uuids []string) (protocol.HeldResponse, error) {
	var res protocol.HeldResponse
	query := url.Values{"uuid": uuids}.Encode()
	if err := h.ask(ctx, http.MethodGet, "/transcripts/"+url.PathEscape(sessionID)+"/held?"+query, &res); err != nil {
		return protocol.HeldResponse{}, err
	}
	return res, nil
}

// RemoveTranscript removes a session's transcript and what else the CLI keeps by its id.
func (h *helper) RemoveTranscript(ctx context.Context, sessionID string) error {
	return h.ask(ctx, http.MethodDelete, "/transcripts/"+url.PathEscape(sessionID), nil)
}
