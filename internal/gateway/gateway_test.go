package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("CARREL_TEST_SPOOL"); dir != "" {
		fillSpool(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	testKey      = "sk-ant-test-0123456789abcdef"
	testInstance = "i-abcdefghijkl"
	testSession  = "11111111-2222-4333-8444-555555555555"
	patience     = 20 * time.Second
)

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// house is one gateway's folders, and the gateway that runs on them.
type house struct {
	opts    Options
	log     *logBuffer
	client  *Client
	sockets []*os.File // of testInstance: messages, egress; the keeper's copies
	path    string     // of the messages socket

	stop func()
}

// setup makes the folders and sockets and starts a gateway for upstream ("":
// no base URL).
func setup(t testing.TB, upstream, key string, change ...func(*Options)) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{log: &logBuffer{}, path: filepath.Join(dir, "m.sock")}
	h.opts = Options{RunDir: filepath.Join(dir, "run"), DataDir: filepath.Join(dir, "data"), Settings: filepath.Join(dir, "gateway.json"),
		ServerUID: os.Getuid(), Version: "test", Grace: 100 * time.Millisecond}
	for _, d := range []string{h.opts.RunDir, h.opts.DataDir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.settings(t, upstream, key)
	for _, f := range change {
		f(&h.opts)
	}
	h.sockets = []*os.File{listening(t, h.path), listening(t, filepath.Join(dir, "e.sock"))}
	h.client = NewClient(h.opts.RunDir)
	t.Cleanup(h.client.Close)
	h.start(t)
	return h
}

func (h *house) settings(t testing.TB, upstream, key string) {
	t.Helper()
	b, err := json.Marshal(map[string]string{"api_key": key, "base_url": upstream})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.opts.Settings, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// listening makes a unix socket and gives its descriptor alone.
func listening(t testing.TB, path string) *os.File {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// start runs the gateway and hands the instance's sockets in.
func (h *house) start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Main(ctx, h.opts, slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	}()
	h.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the gateway ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the gateway does not stop")
		}
	})
	t.Cleanup(h.stop)
	k := h.handoff(t)
	defer func() { _ = k.Close() }()
	if err := k.Sync(t.Context(), []string{testInstance}); err != nil {
		t.Fatal(err)
	}
	if err := k.Add(t.Context(), testInstance, 7, h.sockets[0], h.sockets[1]); err != nil {
		t.Fatal(err)
	}
}

// handoff dials until the gateway listens.
func (h *house) handoff(t testing.TB) *Handoff {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		k, err := DialHandoff(t.Context(), filepath.Join(h.opts.RunDir, HandoffSocket))
		if err == nil {
			return k
		}
		if time.Now().After(deadline) {
			t.Fatalf("no gateway: %v\n%s", err, h.log)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// http is a client inside the instance.
func (h *house) http(t testing.TB) *http.Client {
	tr := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", h.path)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// prompt is a request as Claude sends it.
func prompt(t testing.TB, stream bool) *http.Request {
	t.Helper()
	body := fmt.Sprintf(`{"model":"claude-asked","stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://carrel/v1/messages?beta=true", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", "placeholder")
	r.Header.Set("Authorization", "Bearer placeholder")
	r.Header.Set("X-Claude-Code-Session-Id", testSession)
	r.Header.Set("Anthropic-Beta", "some-beta")
	r.Header.Set("Content-Type", "application/json")
	return r
}

// ask sends a prompt and gives status, header and body.
func (h *house) ask(t testing.TB, r *http.Request) (int, http.Header, string) {
	t.Helper()
	res, err := h.http(t).Do(r)
	if err != nil {
		t.Fatalf("%v\n%s", err, h.log)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%v after %q", err, b)
	}
	return res.StatusCode, res.Header, string(b)
}

// record waits for the record of a number.
func (h *house) record(t testing.TB, seq int64) Record {
	t.Helper()
	st, err := h.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.client.Records(t.Context(), RecordsRequest{Spool: st.Spool, After: seq - 1, Limit: 1, WaitS: 20})
	if err != nil || len(res.Records) != 1 || res.Records[0].Seq != seq {
		t.Fatalf("got %+v, %v; want record %d\n%s", res, err, seq, h.log)
	}
	return res.Records[0]
}

func serve(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

const jsonAnswer = `{"id":"msg_1","model":"claude-real","content":[{"type":"text","text":"{\"usage\":{\"input_tokens\":9}}"}],` +
	`"usage":{"input_tokens":10,"output_tokens":20,"cache_creation_input_tokens":30,"cache_read_input_tokens":40,"server_tool_use":{"web_search_requests":1}}}`

func TestRequestPassesUnchanged(t *testing.T) {
	type seen struct {
		header http.Header
		uri    string
		body   string
		host   string
	}
	got := make(chan seen, 1)
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- seen{r.Header, r.RequestURI, string(b), r.Host}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Request-Id", "req_1")
		_, _ = io.WriteString(w, jsonAnswer)
	})
	h := setup(t, up+"/prefix", testKey)
	status, header, body := h.ask(t, prompt(t, false))
	if status != http.StatusOK || body != jsonAnswer || header.Get("Request-Id") != "req_1" {
		t.Fatalf("got %d %v %s", status, header, body)
	}
	s := <-got
	if s.uri != "/prefix/v1/messages?beta=true" || s.host != up[len("http://"):] {
		t.Errorf("asked %s %s", s.host, s.uri)
	}
	if want := `{"model":"claude-asked","stream":false,"messages":[{"role":"user","content":"hi"}]}`; s.body != want {
		t.Errorf("the body is %s", s.body)
	}
	want := map[string]string{"X-Api-Key": testKey, "Authorization": "", "Anthropic-Beta": "some-beta", "X-Claude-Code-Session-Id": testSession,
		"Accept-Encoding": "identity", "X-Forwarded-For": ""}
	for k, v := range want {
		if s.header.Get(k) != v {
			t.Errorf("header %s is %q; want %q", k, s.header.Get(k), v)
		}
	}
	r := h.record(t, 1)
	r.At, r.DurationMS = time.Time{}, 0
	if w := (Record{Seq: 1, UserID: 7, InstanceID: testInstance, SessionID: testSession, Model: "claude-real", Status: 200,
		Tokens: Tokens{Input: 10, Output: 20, CacheCreation: 30, CacheRead: 40}}); r != w {
		t.Errorf("recorded %+v; want %+v", r, w)
	}
	for _, path := range []string{"/v1/messages/count_tokens", "/v1/models", "/v1/models/claude-x"} {
		r := prompt(t, false)
		r.URL.Path = path
		if path != "/v1/messages/count_tokens" {
			r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0
		}
		if status, _, _ := h.ask(t, r); status != http.StatusOK {
			t.Errorf("%s: got %d", path, status)
		}
		<-got
	}
	st, err := h.client.Status(t.Context())
	if err != nil || st.Upstream != UpstreamCustom || !st.HasKey || st.BaseURLHost != up[len("http://"):] || len(st.Instances) != 1 || st.Version != "test" {
		t.Errorf("status %+v, %v", st, err)
	}
}

// Without a key a custom upstream gets what the instance sent.
func TestCustomUpstreamWithoutKey(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("X-Api-Key")) })
	h := setup(t, up, "")
	if _, _, body := h.ask(t, prompt(t, false)); body != "placeholder" {
		t.Fatalf("got %q", body)
	}
}

func TestScripted(t *testing.T) {
	next := make(chan struct{})
	h := setup(t, "", "", func(o *Options) {
		o.Scripted = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "one")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-time.After(patience):
			}
			panic(http.ErrAbortHandler) // the model cuts its own answer
		})
	})
	res, err := h.http(t).Do(prompt(t, true))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b := make([]byte, 3)
	if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "one" {
		t.Fatalf("got %q, %v", b, err)
	}
	close(next)
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Fatal("the cut looks like an end")
	}
	if st, err := h.client.Status(t.Context()); err != nil || st.Upstream != UpstreamScripted || st.HasKey || st.BaseURLHost != "" {
		t.Fatalf("status %+v, %v", st, err)
	}
}

func TestNoUpstream(t *testing.T) {
	h := setup(t, "", "")
	status, header, body := h.ask(t, prompt(t, false))
	if status != http.StatusUnauthorized || header.Get("X-Should-Retry") != "false" {
		t.Fatalf("got %d %v %s", status, header, body)
	}
}

func TestSettingsAreReadAgain(t *testing.T) {
	one := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "one") })
	two := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "two") })
	h := setup(t, one, testKey)
	if _, _, body := h.ask(t, prompt(t, false)); body != "one" {
		t.Fatalf("got %q", body)
	}
	h.settings(t, two, testKey)
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(hup); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for {
		if _, _, body := h.ask(t, prompt(t, false)); body == "two" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new settings are not used:\n%s", h.log)
		}
	}
	if err := os.WriteFile(h.opts.Settings, []byte(`{"api_key": sk-ant-broken`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(hup); err != nil {
		t.Fatal(err)
	}
	for !bytes.Contains([]byte(h.log.String()), []byte("cannot be used")) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing in the log:\n%s", h.log)
		}
		time.Sleep(time.Millisecond)
	}
	if _, _, body := h.ask(t, prompt(t, false)); body != "two" {
		t.Fatalf("got %q after settings that cannot be read", body)
	}
}

func TestOneGatewayAtATime(t *testing.T) {
	h := setup(t, "", "")
	err := Main(t.Context(), h.opts, slog.New(slog.DiscardHandler))
	if err == nil || errors.Is(err, context.Canceled) {
		t.Fatalf("got %v; want a refusal", err)
	}
}
