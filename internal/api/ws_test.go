package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/session"
)

// client is one end of a WebSocket.
type client struct {
	t  *testing.T
	ws *websocket.Conn
}

// frame is any message from the server.
type frame struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	SessionID string          `json:"session_id"`
	RequestID string          `json:"request_id"`
	Seq       int64           `json:"seq"`
	Code      string          `json:"code"`
	Detail    string          `json:"detail"`
	Kind      string          `json:"kind"`
	Duplicate bool            `json:"duplicate"`
	Event     json.RawMessage `json:"event"`
	User      account.User    `json:"user"`
	Version   string          `json:"version"`
}

const readTimeout = time.Minute

// dial connects and takes the hello.
func (r *rig) dial(name string) *client {
	r.t.Helper()
	c := r.connect("/ws", http.Header{"Authorization": {"Bearer " + r.tokens[name]}})
	if f := c.next(); f.Type != "hello" || f.User.Username != name || f.Version != "1.2.3" {
		r.t.Fatalf("got %+v; want a hello to %s", f, name)
	}
	return c
}

func (r *rig) connect(path string, header http.Header) *client {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, r.http.URL+Base+path, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		r.t.Fatalf("dial %s: %v", path, err)
	}
	ws.SetReadLimit(-1)
	r.t.Cleanup(func() { _ = ws.CloseNow() })
	return &client{r.t, ws}
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *client) read() (frame, error) {
	b, err := c.readRaw()
	if err != nil {
		return frame{}, err
	}
	var f frame
	return f, json.Unmarshal(b, &f)
}

func (c *client) readRaw() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	_, b, err := c.ws.Read(ctx)
	return b, err
}

func (c *client) next() frame {
	c.t.Helper()
	f, err := c.read()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return f
}

// events takes n events and checks that they are those after a number.
func (c *client) events(after int64, n int) {
	c.t.Helper()
	for i := range int64(n) {
		b, err := c.readRaw()
		if err != nil {
			c.t.Fatalf("read event %d: %v", after+i+1, err)
		}
		// By its beginning: decoding megabytes takes long under the race detector.
		if want := fmt.Sprintf(`,"seq":%d,`, after+i+1); !bytes.HasPrefix(b, []byte(`{"type":"event",`)) || !bytes.Contains(b[:min(len(b), 200)], []byte(want)) {
			c.t.Fatalf("got %.200s; want event %d", b, after+i+1)
		}
	}
}

// fails takes an error and checks its code.
func (c *client) fails(code string) frame {
	c.t.Helper()
	f := c.next()
	if f.Type != "error" || f.Code != code || f.Detail == "" {
		c.t.Fatalf("got %+v; want the error %s", f, code)
	}
	return f
}

// ends reads until the connection ends and gives its close frame.
func (c *client) ends() websocket.CloseError {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			var ce websocket.CloseError
			if !errors.As(err, &ce) {
				c.t.Fatalf("the connection ended without a close frame: %v", err)
			}
			return ce
		}
	}
}

func sid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func TestSubscribe(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	r.sessions.emit(sid(1), 250, 10)
	c := r.dial("ana")
	c.send(`{"type":"subscribe","session_id":%q,"after":0}`, sid(1))
	c.events(0, 250)
	r.sessions.emit(sid(1), 3, 100_000) // larger than one write
	c.events(250, 3)
	// From an earlier number again: those events come anew, and then go on.
	c.send(`{"type":"subscribe","session_id":%q,"after":249}`, sid(1))
	c.events(249, 4)
	r.sessions.emit(sid(1), 1, 10)
	c.events(253, 1)
	// After what is there: nothing but what comes.
	c.send(`{"type":"subscribe","session_id":%q,"after":254}`, sid(1))
	c.send(`{"type":"unsubscribe","session_id":%q}`, sid(1))
	c.send(`{"type":"prompt","session_id":%q,"id":"p","content":"hi"}`, sid(1))
	if f := c.next(); f.Type != "ack" || f.ID != "p" || f.Seq != 255 {
		t.Fatalf("got %+v; want the ack alone after unsubscribing", f)
	}
	// Deleted: the client is told, the connection stays.
	c.send(`{"type":"subscribe","session_id":%q,"after":255}`, sid(1))
	c.send(`{"type":"stop","session_id":%q}`, sid(1))
	c.fails("invalid")
	c.send(`{"type":"stop","session_id":%q,"task_id":"b1"}`, sid(1)) // in order: the subscription is there when this is done
	eventually(t, "the stop", func() (bool, string) {
		r.sessions.mu.Lock()
		defer r.sessions.mu.Unlock()
		return len(r.sessions.calls) == 1 && r.sessions.calls[0] == "stop b1", fmt.Sprint(r.sessions.calls)
	})
	if err := r.sessions.Delete(t.Context(), r.users["ana"].ID, sid(1)); err != nil {
		t.Fatal(err)
	}
	if f := c.fails("not_found"); f.SessionID != sid(1) {
		t.Errorf("got %+v; want the session's id", f)
	}
}

func TestManySessionsOnOneConnection(t *testing.T) {
	r := newRig(t)
	c := r.dial("ana")
	const n = 200
	for i := range n {
		r.sessions.make(r.users["ana"].ID, sid(i))
	}
	for i := range n {
		c.send(`{"type":"subscribe","session_id":%q}`, sid(i))
		r.sessions.emit(sid(i), 20, 10)
	}
	last := map[string]int64{}
	for range n * 20 {
		f := c.next()
		if f.Type != "event" || f.Seq != last[f.SessionID]+1 {
			t.Fatalf("got %+v after %d; want the next event", f, last[f.SessionID])
		}
		last[f.SessionID] = f.Seq
	}
}

func TestTurns(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	c := r.dial("ana")
	for i, duplicate := range []bool{false, true, true} {
		c.send(`{"type":"prompt","session_id":%q,"id":"one","content":[{"type":"text","text":"hi"}]}`, sid(1))
		if f := c.next(); f.Type != "ack" || f.ID != "one" || f.Seq != 1 || f.Duplicate != duplicate {
			t.Errorf("%d: got %+v; want an ack, duplicate %v", i, f, duplicate)
		}
	}
	c.send(`{"type":"answer","session_id":%q,"request_id":"r1","behavior":"deny","message":"no","updated_input":null}`, sid(1))
	c.send(`{"type":"set","session_id":%q,"model":"opus"}`, sid(1))
	c.send(`{"type":"prompt","session_id":%q,"id":"two","content":"after them"}`, sid(1))
	if f := c.next(); f.Type != "ack" || f.ID != "two" || f.Seq != 2 {
		t.Errorf("got %+v; want the second ack", f)
	}
	// With an id they are acknowledged, so that nothing that was pressed is lost with a connection that dies.
	for _, m := range []string{`"type":"set","model":"opus"`, `"type":"stop","task_id":"t"`, `"type":"interrupt"`} {
		c.send(`{%s,"session_id":%q,"id":"wish"}`, m, sid(1))
		if f := c.next(); f.Type != "ack" || f.ID != "wish" || f.SessionID != sid(1) {
			t.Errorf("%s: got %+v; want an ack", m, f)
		}
	}
	s, err := r.sessions.Get(t.Context(), r.users["ana"].ID, sid(1))
	if err != nil || s.Model != "opus" || strings.Join(r.sessions.calls, ",") != "answer r1 deny,stop t,interrupt" {
		t.Errorf("got model %q and %v, %v; want what was sent, before the prompt", s.Model, r.sessions.calls, err)
	}
	// The same over HTTP, with the same ids.
	p := r.do(call{method: "POST", path: "/sessions/" + sid(1) + "/prompts", as: "ana", body: `{"id":"two","content":"again"}`})
	if p.status != 202 || !decodeTo[PromptAccepted](t, p).Duplicate {
		t.Errorf("got %d %s; want 202 and a duplicate", p.status, p.body)
	}
}

// TestWithdraw: on the WebSocket and over HTTP; one that has begun is a conflict that names the prompt.
func TestWithdraw(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	c := r.dial("ana")
	c.send(`{"type":"withdraw","session_id":%q,"id":"one"}`, sid(1))
	c.send(`{"type":"withdraw","session_id":%q,"id":"begun"}`, sid(1))
	if f := c.next(); f.Type != "error" || f.Code != "conflict" || f.ID != "begun" {
		t.Errorf("got %+v; want a conflict", f)
	}
	c.send(`{"type":"withdraw","session_id":%q}`, sid(1))
	if f := c.next(); f.Type != "error" || f.Code != "invalid" {
		t.Errorf("without an id: %+v", f)
	}
	for who, want := range map[string]map[string]int{"ana": {"two": 204, "begun": 409}, "bob": {"two": 404}} {
		for id, status := range want {
			if p := r.do(call{method: "DELETE", path: "/sessions/" + sid(1) + "/prompts/" + id, as: who}); p.status != status {
				t.Errorf("%s withdraws %s: got %d %s; want %d", who, id, p.status, p.body, status)
			}
		}
	}
	if got := strings.Join(r.sessions.calls, ","); got != "withdraw one,withdraw two" {
		t.Errorf("got %q", got)
	}
}

func TestMalformedMessagesHarmNobody(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	r.sessions.make(r.users["bob"].ID, sid(2))
	bad, good, other := r.dial("ana"), r.dial("ana"), r.dial("bob")
	good.send(`{"type":"subscribe","session_id":%q}`, sid(1))
	other.send(`{"type":"subscribe","session_id":%q}`, sid(2))
	shapes := []string{
		``, `{`, `[]`, `null`, `"x"`, `{}`, `{"type":"nonsense","session_id":"x"}`, `{"type":7}`, `{"type":"prompt"}`,
		`{"type":"prompt","session_id":"%s"}`, `{"type":"prompt","session_id":"%s","id":"x"}`, `{"type":"prompt","session_id":"%s","id":"x","content":7}`,
		`{"type":"prompt","session_id":"%s","id":"x","content":[]}`, `{"type":"subscribe","session_id":"%s","after":-1}`,
		`{"type":"subscribe","session_id":"%s","after":"x"}`, `{"type":"answer","session_id":"%s","request_id":"r","behavior":"maybe"}`,
		`{"type":"set","session_id":"%s"}`, `{"type":"subscribe","session_id":""}`, "{\"type\":\"subscribe\",\"session_id\":\"a\\u0000\"}",
		`{"type":"prompt","session_id":"%s","id":"` + strings.Repeat("x", 200) + `","content":"x"}`, strings.Repeat("[", 5000), "\xff\xfe",
		`{"type":"interrupt","session_id":"%s"} trailing`,
	}
	const n = 500
	go func() {
		for i := range n {
			shape := shapes[i%len(shapes)]
			if strings.Contains(shape, "%s") {
				shape = fmt.Sprintf(shape, sid(1))
			}
			typ := websocket.MessageText
			if i%10 == 9 {
				typ = websocket.MessageBinary
			}
			if bad.ws.Write(context.Background(), typ, []byte(shape)) != nil {
				return
			}
		}
	}()
	for range n {
		bad.fails("invalid")
	}
	bad.send(`{"type":"prompt","session_id":%q,"id":"p","content":"still here"}`, sid(1))
	if f := bad.next(); f.Type != "ack" || f.Seq != 1 {
		t.Fatalf("got %+v; want the first prompt's ack", f)
	}
	good.events(0, 1)
	r.sessions.emit(sid(2), 1, 1)
	other.events(0, 1)
	if len(r.sessions.calls) != 0 {
		t.Errorf("malformed messages did %v", r.sessions.calls)
	}
}

func TestErrorNamesTheMessage(t *testing.T) {
	r := newRig(t)
	c := r.dial("ana")
	c.send(`{"type":"prompt","session_id":%q,"id":"p9","content":7}`, sid(1))
	if f := c.fails("invalid"); f.ID != "p9" || f.SessionID != sid(1) {
		t.Errorf("got %+v; want id and session_id", f)
	}
	c.send(`{"type":"answer","session_id":%q,"request_id":"r9","behavior":7}`, sid(1))
	if f := c.fails("invalid"); f.RequestID != "r9" {
		t.Errorf("got %+v; want the request_id", f)
	}
}

func TestMessageTooLarge(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	c, other := r.dial("ana"), r.dial("bob")
	r.sessions.make(r.users["bob"].ID, sid(2))
	other.send(`{"type":"subscribe","session_id":%q}`, sid(2))
	big := strings.Repeat("x", 20<<20)
	for range 2 {
		c.send(`{"type":"prompt","session_id":%q,"id":"big","content":"%s"}`, sid(1), big)
		if f := c.fails("too_large"); f.ID != "big" || f.SessionID != sid(1) {
			t.Errorf("got %+v; want id and session_id", f)
		}
	}
	r.sessions.emit(sid(2), 1, 1)
	other.events(0, 1)
	c.send(`{"type":"prompt","session_id":%q,"id":"small","content":"x"}`, sid(1))
	if f := c.next(); f.Type != "ack" || f.Seq != 1 {
		t.Errorf("got %+v; want the connection to go on, and nothing of the large one", f)
	}
	// As large as is allowed.
	c.send(`{"type":"prompt","session_id":%q,"id":"just","content":"%s"}`, sid(1), big[:15<<20])
	if f := c.next(); f.Type != "ack" || f.Seq != 2 {
		t.Errorf("got %+v; want an ack", f)
	}
}

func TestForeignSession(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	r.sessions.emit(sid(1), 5, 10)
	c := r.dial("bob")
	for _, m := range []string{
		`{"type":"subscribe","session_id":%q}`, `{"type":"prompt","session_id":%q,"id":"p","content":"x"}`, `{"type":"interrupt","session_id":%q}`,
		`{"type":"answer","session_id":%q,"request_id":"r","behavior":"allow"}`, `{"type":"set","session_id":%q,"model":"x"}`,
	} {
		c.send(m, sid(1))
		foreign := c.fails("not_found")
		c.send(m, sid(9))
		missing := c.fails("not_found")
		if foreign.Detail != missing.Detail {
			t.Errorf("%s: %q for a foreign session, %q for none; want the same", m, foreign.Detail, missing.Detail)
		}
	}
}

func TestSlowCallHoldsUpOnlyItsSession(t *testing.T) {
	r := newRig(t)
	for i := 1; i <= 2; i++ {
		r.sessions.make(r.users["ana"].ID, sid(i))
	}
	gate := make(chan struct{})
	r.sessions.gates[sid(1)] = gate
	c := r.dial("ana")
	for i := range 5 {
		c.send(`{"type":"prompt","session_id":%q,"id":"slow-%d","content":"x"}`, sid(1), i)
	}
	c.send(`{"type":"prompt","session_id":%q,"id":"quick","content":"x"}`, sid(2))
	if f := c.next(); f.ID != "quick" {
		t.Fatalf("got %+v; want the other session's ack at once", f)
	}
	close(gate)
	for i := range 5 {
		if f := c.next(); f.ID != fmt.Sprint("slow-", i) || f.Seq != int64(i+1) {
			t.Fatalf("got %+v; want slow-%d: the order of one session is kept", f, i)
		}
	}
}

func TestTooManyWaiting(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	gate := make(chan struct{})
	r.sessions.gates[sid(1)] = gate
	c := r.dial("ana")
	const n = 300
	for i := range n {
		c.send(`{"type":"prompt","session_id":%q,"id":"p%d","content":"x"}`, sid(1), i)
	}
	f := c.fails("rate_limited")
	close(gate)
	refused, acked := 1, 0
	for range n - 1 {
		switch f = c.next(); {
		case f.Type == "ack":
			acked++
		case f.Code == "rate_limited" && strings.HasPrefix(f.ID, "p"):
			refused++
		default:
			t.Fatalf("got %+v", f)
		}
	}
	if acked < 256 || acked+refused != n {
		t.Errorf("got %d acks and %d refusals of %d", acked, refused, n)
	}
}

func TestPanicEndsOneConnection(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, sid(1))
	c, other := r.dial("ana"), r.dial("ana")
	c.send(`{"type":"prompt","session_id":%q,"id":"p","content":"panic"}`, sid(1))
	if ce := c.ends(); ce.Code != websocket.StatusInternalError {
		t.Errorf("got the end %v; want 1011", ce)
	}
	other.send(`{"type":"prompt","session_id":%q,"id":"q","content":"x"}`, sid(1))
	if f := other.next(); f.Type != "ack" {
		t.Errorf("got %+v; want the other connection to go on", f)
	}
}

func TestNotices(t *testing.T) {
	r := newRig(t)
	c := r.dial("ana")
	eventually(t, "the watch", func() (bool, string) {
		r.sessions.mu.Lock()
		defer r.sessions.mu.Unlock()
		n := len(r.sessions.watchers[r.users["ana"].ID])
		return n == 1, fmt.Sprint(n)
	})
	r.sessions.tell(r.users["bob"].ID, session.Notice{Kind: "quota"})
	r.sessions.tell(r.users["ana"].ID, session.Notice{Kind: "session", Session: &session.Session{ID: sid(1)}})
	if f := c.next(); f.Type != "notice" || f.Kind != "session" {
		t.Errorf("got %+v; want ana's notice and not bob's", f)
	}
	p := r.do(call{method: "PATCH", path: fmt.Sprintf("/users/%d", r.users["ana"].ID), body: `{"role":"moderator"}`, as: "rita"})
	if p.status != 200 {
		t.Fatalf("got %d %s", p.status, p.body)
	}
	if f := c.next(); f.Type != "notice" || f.Kind != "quota" {
		t.Errorf("another role: got %+v", f)
	}
}

func TestHandshake(t *testing.T) {
	r := newRig(t)
	cookie := r.signIn("ana")
	upgrade := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
	with := func(kv ...string) map[string]string {
		m := map[string]string{}
		for k, v := range upgrade {
			m[k] = v
		}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, path := range []string{"/ws", "/terminals/t-1"} {
		for _, c := range []struct {
			name string
			call call
			want int
		}{
			{"nobody", call{header: with()}, 401},
			{"cookie without origin", call{cookie: cookie, header: with()}, 403},
			{"cookie from elsewhere", call{cookie: cookie, origin: "https://evil.example", header: with()}, 403},
			{"token from elsewhere", call{as: "ana", origin: "https://evil.example", header: with()}, 403},
			{"cross-site by the browser's word", call{cookie: cookie, header: with("Sec-Fetch-Site", "cross-site")}, 403},
			{"no upgrade", call{as: "ana"}, 400},
		} {
			c.call.method, c.call.path = "GET", path
			if p := r.do(c.call); p.status != c.want || p.code(t) == "" {
				t.Errorf("%s %s: got %d %s; want %d", path, c.name, p.status, p.body, c.want)
			}
		}
	}
	r.connect("/ws", http.Header{"Cookie": {CookieName + "=" + cookie}, "Origin": {r.http.URL}}).next()
}

// TestBadHandshakes: what is not quite a WebSocket is told so as any other error is.
func TestBadHandshakes(t *testing.T) {
	r := newRig(t)
	for name, header := range map[string]map[string]string{
		"none":      {},
		"alone":     {"Upgrade": "websocket"},
		"no key":    {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
		"version":   {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "12", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
		"short key": {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "<x>"},
	} {
		p := r.do(call{method: "GET", path: "/ws", as: "ana", header: header})
		if p.status != 400 || p.code(t) != "invalid" || p.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %v %s", name, p, p.body)
		}
	}
	if c := r.dial("ana"); c == nil {
		t.Error("a good one is refused")
	}
}
