package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// page reads events and the cursor that goes on.
func (r *rig) page(path string) (seqs []int64, next string) {
	r.t.Helper()
	l := decodeTo[EventList](r.t, r.do(call{method: "GET", path: path, as: "ana"}))
	for _, e := range l.Items {
		seqs = append(seqs, e.Seq)
	}
	if l.NextCursor != nil {
		next = *l.NextCursor
	}
	return seqs, next
}

func TestEventsBackwards(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	r.sessions.emit(anas, 25, 10)
	at := "/sessions/" + anas + "/events"
	var pages []string
	for path := at + "?before=0&limit=10"; ; {
		seqs, next := r.page(path)
		pages = append(pages, fmt.Sprint(seqs))
		if next == "" {
			break
		}
		path = at + "?limit=10&cursor=" + next
	}
	if want := []string{"[16 17 18 19 20 21 22 23 24 25]", "[6 7 8 9 10 11 12 13 14 15]", "[1 2 3 4 5]"}; !slices.Equal(pages, want) {
		t.Errorf("got %v; want %v", pages, want)
	}
	if seqs, next := r.page(at + "?before=4&limit=2"); fmt.Sprint(seqs) != "[2 3]" || next != "-2" {
		t.Errorf("before 4: got %v and %q", seqs, next)
	}
	if p := r.do(call{method: "GET", path: at + "?before=1", as: "ana"}); p.body != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("before the first: got %s", p.body)
	}
	for _, q := range []string{"before=-1", "before=x", "before=3&after=1", "before=0&wait=1", "before=0&cursor=5", "cursor=-", "cursor=5-"} {
		if p := r.do(call{method: "GET", path: at + "?" + q, as: "ana"}); p.code(t) != "invalid" {
			t.Errorf("%s: got %d %s; want invalid", q, p.status, p.body)
		}
	}
	if p := r.do(call{method: "GET", path: at + "?before=0", as: "bob"}); p.code(t) != "not_found" {
		t.Errorf("of someone else: got %d %s", p.status, p.body)
	}
	// What Claude means to do was said before.
	r.sessions.mu.Lock()
	r.sessions.sessions[anas].events[15].Todos = &protocol.Todos{Seq: 3, Items: []protocol.Todo{{ID: "1", Text: "dig <here>", Status: "pending"}}}
	r.sessions.mu.Unlock()
	if p := r.do(call{method: "GET", path: at + "?before=0&limit=10", as: "ana"}); !strings.HasSuffix(p.body, `"next_cursor":"-16","todos":{"seq":3,"items":[{"id":"1","text":"dig \u003chere\u003e","status":"pending"}]}}`+"\n") {
		t.Errorf("todos: got …%s", p.body[len(p.body)-200:])
	}
	// Large events are given in parts, from the end.
	r.sessions.emit(anas, 3, maxEventsBytes/2)
	if seqs, next := r.page(at + "?before=0"); fmt.Sprint(seqs) != "[28]" || next != "-28" {
		t.Errorf("large events: got %v and %q; want the last", seqs, next)
	}
}

func TestPollEndsWithTheSignIn(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	cookie := r.signIn("ana")
	answer := make(chan reply, 1)
	go func() {
		answer <- r.do(call{method: "GET", path: "/sessions/" + anas + "/events?wait=30", cookie: cookie})
	}()
	eventually(t, "a long poll", func() (bool, string) {
		r.sessions.mu.Lock()
		defer r.sessions.mu.Unlock()
		return r.sessions.polls == 1, fmt.Sprint(r.sessions.polls)
	})
	if err := r.accounts.Logout(t.Context(), cookie); err != nil {
		t.Fatal(err)
	}
	r.sessions.emit(anas, 1, 10)
	if p := <-answer; p.status != 401 {
		t.Errorf("got %d %s; want 401: what came after the sign-out is for nobody", p.status, p.body)
	}
}

// TestEventsAreNotRewritten guards that an event leaves as it came, byte for byte, over HTTP and over the WebSocket.
// Package session has the same for the way from the journal to here.
func TestEventsAreNotRewritten(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	lines := []string{
		`{"type":"odd","big":123456789012345678901234567890,"exact":1.0,"small":1e-400,"minus":-0,"exp":1E+2}`,
		`{"type":"odd","a":1,"a":2,"A":3,"type":"again"}`,
		`{ "type" :	"odd" , "spaces" : [ 1 ,2,  3 ] , "empty": { } }`,
		`{"type":"odd","escapes":"\u00fc\u4e2d\/\u003c\u0000\ud83d\ude00 \ud83d <>&"}`,
		"{\"type\":\"odd\",\"raw\":\"ü中😀\u2028\u2029\x7f<script>&amp;\"}",
		`{}`,
	}
	r.sessions.mu.Lock()
	for _, l := range lines {
		r.sessions.appendLocked(r.sessions.sessions[anas], l)
	}
	r.sessions.mu.Unlock()
	at := "/sessions/" + anas + "/events"
	for _, q := range []string{"?after=0", "?before=0"} {
		p := r.do(call{method: "GET", path: at + q, as: "ana"})
		rest := p.body
		for _, l := range lines {
			_, after, found := strings.Cut(rest, `","event":`+l+"}")
			if !found {
				t.Fatalf("%s: %q is not in what is left: %.300q", q, l, rest)
			}
			rest = after
		}
		if got := decodeTo[EventList](t, p); len(got.Items) != len(lines) || got.Items[0].SessionID != anas || got.Items[0].At.IsZero() {
			t.Errorf("%s: got %+v", q, got)
		}
	}
	c := r.dial("ana")
	c.send(`{"type":"subscribe","session_id":%q,"after":0}`, anas)
	for i, l := range lines {
		b, err := c.readRaw()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(string(b), `","event":`+l+"}") {
			t.Errorf("event %d over the WebSocket: got %q, want %q", i+1, b, l)
		}
	}
}
