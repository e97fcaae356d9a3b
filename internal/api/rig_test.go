package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/audit"
	"github.com/carrel-dev/carrel/internal/push"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor/files"
	"github.com/carrel-dev/carrel/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const setupCode = "SETUP-CODE"

// rig is a whole server on real accounts, with fakes where instances would be.
type rig struct {
	t         *testing.T
	server    *Server
	http      *httptest.Server
	accounts  *account.Service
	audit     *audit.Log
	instances *fakeInstances
	sessions  *fakeSessions
	projects  *fakeProjects
	desk      *fakeDesk
	log       *lockedWriter
	users     map[string]account.User // by name
	tokens    map[string]string       // secrets, by name
}

// patience of tests: long enough for a slow machine, short enough to wait for.
var patience = socket.Times{Ping: 30 * time.Second, Stall: 3 * time.Second, Recheck: 50 * time.Millisecond, Grace: 300 * time.Millisecond, Call: 10 * time.Second, Message: 10 * time.Second}

// newRig starts a server with the users rita (admin), mo (moderator), ana and bob.
func newRig(t *testing.T, change ...func(*Deps)) *rig {
	t.Helper()
	r := emptyRig(t, change...)
	for name, role := range map[string]string{"rita": account.RoleAdmin, "mo": account.RoleModerator, "ana": account.RoleUser, "bob": account.RoleUser} {
		u, err := r.accounts.Create(t.Context(), account.NewUser{Username: name, Email: name + "@example.org", Password: password(name), Role: role})
		if err != nil {
			t.Fatal(err)
		}
		r.users[name] = u
		if _, r.tokens[name], err = r.accounts.CreateToken(t.Context(), u.ID, "test", nil); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func password(name string) string { return "correct horse of " + name }

func emptyRig(t *testing.T, change ...func(*Deps)) *rig {
	t.Helper()
	r := &rig{t: t, users: map[string]account.User{}, tokens: map[string]string{}, log: &lockedWriter{}}
	log := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "carrel.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r.accounts = account.New(account.Options{
		DB: db.Bun(), Policy: account.RegistrationInvite, DefaultQuota: quota.Default(), SetupCode: setupCode, Log: log,
		Hash: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	})
	r.audit = audit.New(audit.Options{DB: db.Bun(), Now: time.Now, Log: log})
	r.instances = newFakeInstances()
	r.sessions = newFakeSessions()
	r.projects = &fakeProjects{}
	r.desk = newFakeDesk(t)
	deps := Deps{
		Accounts: r.accounts, Audit: r.audit, Instances: r.instances, Sessions: r.sessions, Projects: r.projects, Desk: r.desk,
		Ready: func(context.Context) []runtime.Finding {
			return []runtime.Finding{{Name: "store", State: "ok", Detail: "/srv/carrel/carrel.db"}}
		},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "carrel_up 1\n") }),
		Web:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) }),
		Use:     func(context.Context, int64) (Use, error) { return Use{TokensToday: 12, TokensThisMonth: 345}, nil },
		Push:    push.New(push.Options{DB: db.Bun(), Accounts: r.accounts, Log: log}),
		History: fakeHistory{}, Started: time.Now(),
		Log: log, Version: "1.2.3", Registration: account.RegistrationInvite, Patience: patience,
	}
	for _, f := range change {
		f(&deps)
	}
	r.server = New(deps)
	r.http = httptest.NewServer(r.server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.server.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		r.http.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

func (r *rig) logText() string {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	return r.log.b.String()
}

// call is one request of a test.
type call struct {
	method, path string
	as           string // a user's name: by token; "": nobody
	cookie       string
	origin       string // "own": ours
	body         string
	header       map[string]string
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

func (p reply) code(t *testing.T) string {
	t.Helper()
	var d struct {
		Code   string `json:"code"`
		Status int    `json:"status"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal([]byte(p.body), &d); err != nil || p.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s %q; want a problem document", p.status, p.header.Get("Content-Type"), p.body)
	}
	if d.Status != p.status || d.Title == "" || d.Detail == "" {
		t.Fatalf("got a problem %s with status %d; want title, detail and the same status", p.body, p.status)
	}
	return d.Code
}

func (r *rig) do(c call) reply {
	r.t.Helper()
	path := c.path
	if !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "!") {
		path = Base + path
	}
	var content io.Reader
	if c.body != "" {
		content = strings.NewReader(c.body)
	}
	req, err := http.NewRequest(c.method, r.http.URL+strings.TrimPrefix(path, "!"), content)
	if err != nil {
		r.t.Fatal(err)
	}
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.as != "" {
		req.Header.Set("Authorization", "Bearer "+r.tokens[c.as])
	}
	if c.cookie != "" {
		req.AddCookie(&http.Cookie{Name: CookieName, Value: c.cookie})
	}
	switch c.origin {
	case "":
	case "own":
		req.Header.Set("Origin", r.http.URL)
	default:
		req.Header.Set("Origin", c.origin)
	}
	for k, v := range c.header {
		if req.Header.Set(k, v); k == "Host" {
			req.Host = v
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return reply{res.StatusCode, res.Header, string(b)}
}

// signIn gives the value of a user's cookie.
func (r *rig) signIn(name string) string {
	r.t.Helper()
	p := r.do(call{method: "POST", path: "/auth/login", body: fmt.Sprintf(`{"username":%q,"password":%q}`, name, password(name))})
	if p.status != 200 {
		r.t.Fatalf("sign in %s: %d %s", name, p.status, p.body)
	}
	return cookieOf(r.t, p).Value
}

func cookieOf(t *testing.T, p reply) *http.Cookie {
	t.Helper()
	for _, c := range (&http.Response{Header: p.header}).Cookies() {
		if strings.TrimPrefix(c.Name, hostPrefix) == CookieName {
			return c
		}
	}
	t.Fatalf("got no cookie in %v", p.header)
	return nil
}

func decodeTo[T any](t *testing.T, p reply) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(p.body))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %d %q: %v", p.status, p.body, err)
	}
	return v
}

// eventually polls until f is true; it fails with what f said last.
func eventually(t *testing.T, what string, f func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		ok, last := f()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about; last seen: %s", what, last)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// newFiles is the real file part on a folder of its own.
func newFiles(t *testing.T) (string, http.Handler) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	if err := workspace.Ensure(root, "ana", "en"); err != nil {
		t.Fatal(err)
	}
	return dir, files.New(root, "/home/ana", slog.New(slog.DiscardHandler))
}

func query(kv ...string) string {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return "?" + v.Encode()
}
