package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names is a resolver with a fixed answer for each name.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	list, ok := n[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

type bench struct {
	outlet *Outlet
	socket string
	log    *logBuffer
	mu     sync.Mutex
	dialed []string // guarded by mu
}

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

// public is the address that the tests' names lead to; the dial is redirected.
const public = "203.0.113.9"

// setup serves an outlet on a unix socket; every permitted dial ends at far.
func setup(t testing.TB, far string, o Options) *bench {
	t.Helper()
	b := &bench{log: &logBuffer{}, socket: filepath.Join(t.TempDir(), "e.sock")}
	o.Log = slog.New(slog.NewJSONHandler(b.log, nil))
	if o.Resolver == nil {
		o.Resolver = names{"ok.test": {public}, "sub.ok.test": {public}, "local.test": {"127.0.0.1"},
			"mixed.test": {"10.0.0.1", public}, "down.test": {public}, "meta.test": {"169.254.169.254"}, "mapped.test": {"::ffff:127.0.0.1"}}
	}
	if o.Dial == nil && far != "" {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			b.mu.Lock()
			b.dialed = append(b.dialed, address)
			b.mu.Unlock()
			var d net.Dialer
			return d.DialContext(ctx, network, far)
		}
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", b.socket)
	if err != nil {
		t.Fatal(err)
	}
	b.outlet = p.Open(Owner{InstanceID: "i-abcdefghijkl", UserID: 7})
	b.outlet.Serve(l)
	t.Cleanup(b.outlet.Close)
	return b
}

func dial(ctx context.Context, socket string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", socket)
}

// raw sends bytes and gives all that comes back until the other side ends.
func (b *bench) raw(t testing.TB, text string) string {
	t.Helper()
	c, err := dial(t.Context(), b.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(c)
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

func (b *bench) dials() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.dialed...)
}

func TestAnswers(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range []string{"Proxy-Authorization", "Upgrade", "Secret-Hop"} {
			if r.Header.Get(h) != "" {
				t.Errorf("the header %s went through", h)
			}
		}
		w.Header().Set("X-Host", r.Host)
		_, _ = io.WriteString(w, "far")
	}))
	defer far.Close()
	allow := []string{"ok.test", "*.ok.test", "local.test", "mixed.test", "meta.test", "mapped.test", "nowhere.test", "127.0.0.1"}
	b := setup(t, far.Listener.Addr().String(), Options{Allow: allow, Deny: []string{"no.ok.test"}})
	for _, c := range []struct{ name, request, want string }{
		{"plain http", "GET http://ok.test/a HTTP/1.1\r\nHost: ok.test\r\nConnection: close, Secret-Hop\r\nSecret-Hop: x\r\nUpgrade: websocket\r\nProxy-Authorization: Basic x\r\n\r\n", "HTTP/1.1 200"},
		{"the URL counts, not Host", "GET http://evil.test/a HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n", "HTTP/1.1 403"},
		{"upper case and a dot", "GET http://OK.Test./ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200"},
		{"below", "CONNECT sub.ok.test:80 HTTP/1.1\r\nHost: sub.ok.test:80\r\n\r\nGET / HTTP/1.1\r\nHost: sub.ok.test\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 Connection established"},
		{"denied below", "CONNECT no.ok.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"not listed", "CONNECT evil.test:443 HTTP/1.1\r\nHost: ok.test:443\r\n\r\n", "HTTP/1.1 403"},
		{"another port", "CONNECT ok.test:22 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"no port", "CONNECT ok.test HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"https by GET", "GET https://ok.test/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 403"},
		{"no proxy request", "GET / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n", "HTTP/1.1 400"},
		{"listed but local", "CONNECT local.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"listed but local, http", "GET http://local.test/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 403"},
		{"listed but metadata", "CONNECT meta.test:80 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"listed but mapped", "CONNECT mapped.test:80 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"an address", "CONNECT 203.0.113.9:443 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"a listed loopback address", "CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"mapped loopback", "CONNECT [::ffff:127.0.0.1]:80 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403"},
		{"no such name", "CONNECT nowhere.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 502"},
		{"no such name, http", "GET http://nowhere.test/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 502"},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "HTTP/1.1 400"},
		{"two lengths", "GET http://ok.test/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "HTTP/1.1 400"},
		{"a huge header", "GET http://ok.test/ HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "HTTP/1.1 431"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := b.raw(t, c.request)
			if !strings.HasPrefix(got, c.want) {
				t.Fatalf("got %.300q; want %q…", got, c.want)
			}
			if strings.Contains(got, "127.0.0.1") && !strings.Contains(c.request, "127.0.0.1") || strings.Contains(got, "169.254") {
				t.Fatalf("the answer says where the name leads: %q", got)
			}
		})
	}
	if got := b.raw(t, "CONNECT mixed.test:443 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.0\r\n\r\n"); !strings.Contains(got, "far") {
		t.Fatalf("got %q; want a tunnel to the public address", got)
	}
	for _, d := range b.dials() {
		if !strings.HasPrefix(d, public+":") {
			t.Fatalf("dialled %s; want only %s", d, public)
		}
	}
}

// A public address of the host's own is as closed as its loopback, whatever name leads to it.
func TestTheHostItselfIsRefused(t *testing.T) {
	far := httptest.NewServer(http.NotFoundHandler())
	defer far.Close()
	b := setup(t, far.Listener.Addr().String(), Options{Allow: []string{"*"}, own: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr(public)} }})
	if got := b.raw(t, "CONNECT ok.test:443 HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Errorf("got %.200q; want 403", got)
	}
	if d := b.dials(); len(d) > 0 {
		t.Errorf("dialled %v", d)
	}
	if len(ownAddresses()) == 0 {
		t.Error("this host has no address")
	}
}

func TestLogHasNoPaths(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12345") }))
	defer far.Close()
	b := setup(t, far.Listener.Addr().String(), Options{Allow: []string{"ok.test"}})
	b.raw(t, "GET http://me:pass@ok.test/secret-path?token=abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	b.raw(t, "GET http://me:pass@evil.test/secret-path?token=abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	b.raw(t, "CONNECT ok.test:443 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.0\r\n\r\n")
	b.outlet.Close()
	got := b.log.String()
	for _, not := range []string{"secret-path", "token", "pass"} {
		if strings.Contains(got, not) {
			t.Errorf("the log holds %q: %s", not, got)
		}
	}
	for _, want := range []string{`"user_id":7`, `"instance_id":"i-abcdefghijkl"`, `"host":"ok.test"`, `"decision":"refused"`, `"bytes_received":5`, `"method":"CONNECT"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %s: %s", want, got)
		}
	}
}

// A name that leads elsewhere the second time it is asked for.
func TestRebinding(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer far.Close()
	asked := 0
	b := setup(t, far.Listener.Addr().String(), Options{Allow: []string{"r.test"}, Resolver: resolverFunc(func() []netip.Addr {
		asked++
		return []netip.Addr{netip.MustParseAddr([]string{"203.0.113.9", "127.0.0.1"}[min(asked-1, 1)])}
	})})
	if got := b.raw(t, "CONNECT r.test:443 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Fatalf("got %q", got)
	}
	if asked != 1 {
		t.Fatalf("the name was resolved %d times; want once", asked)
	}
	if got := b.raw(t, "CONNECT r.test:443 HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Fatalf("got %q; want 403", got)
	}
}

type resolverFunc func() []netip.Addr

func (f resolverFunc) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return f(), nil
}

func TestDialIsCheckedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	d := net.Dialer{Control: RefusePrivate}
	if _, err := d.DialContext(t.Context(), "tcp", l.Addr().String()); !errors.Is(err, errDeny) {
		t.Fatalf("got %v; want a refusal", err)
	}
}
