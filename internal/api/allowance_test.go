package api

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/api/socket"
)

// TestOneUserHoldsSoMuch: what a user begins and does not end is bounded over all their connections, harms nobody else,
// and is let go of with the connections.
func TestOneUserHoldsSoMuch(t *testing.T) {
	r := newRig(t)
	for name, id := range map[string]string{"ana": anas, "bob": sid(2)} {
		r.sessions.make(r.users[name].ID, id)
	}
	var begun []net.Conn
	// Four bodies of the largest size that never come.
	host := strings.TrimPrefix(r.http.URL, "http://")
	for range 2 * maxHeld / socket.MaxMessageBytes { // more than there is room for: one may meet a try below
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := fmt.Fprintf(c, "POST %s/sessions/%s/prompts HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
			Base, anas, host, r.tokens["ana"]); err != nil {
			t.Fatal(err)
		}
		begun = append(begun, c)
	}
	large := fmt.Sprintf(`{"id":"p","content":%q}`, strings.Repeat("x", 2*freeBytes))
	eventually(t, "one more to be refused", func() (bool, string) {
		p := r.do(call{method: "POST", path: "/sessions/" + anas + "/prompts", as: "ana", body: large})
		return p.status == 429 && p.code(t) == "rate_limited" && p.header.Get("Retry-After") != "", fmt.Sprint(p)
	})
	c := r.dial("ana")
	c.send(`{"type":"prompt","session_id":%q,"id":"over the socket","content":%q}`, anas, strings.Repeat("x", 2*freeBytes))
	if f := c.fails("rate_limited"); f.ID != "over the socket" {
		t.Errorf("over the socket: got %+v", f)
	}
	r.sessions.emit(anas, 1, 1000)
	if p := r.do(call{method: "GET", path: "/sessions/" + anas + "/events", as: "ana"}); p.code(t) != "rate_limited" {
		t.Errorf("events: got %d %s", p.status, p.body)
	}
	if p := r.do(call{method: "POST", path: "/sessions/" + anas + "/prompts", as: "ana", body: `{"id":"q","content":"short"}`}); p.status != 202 {
		t.Errorf("what is short: got %d %s", p.status, p.body)
	}
	c.send(`{"type":"interrupt","session_id":%q}`, anas)
	c.send(`{"type":"ping"}`)
	if f := c.next(); f.Type != "pong" {
		t.Errorf("what is short over the socket: got %+v", f)
	}
	if p := r.do(call{method: "POST", path: "/sessions/" + sid(2) + "/prompts", as: "bob", body: large}); p.status != 202 {
		t.Errorf("somebody else: got %d %s", p.status, p.body)
	}
	for _, c := range begun {
		_ = c.Close()
	}
	eventually(t, "all to be let go of", func() (bool, string) {
		p := r.do(call{method: "POST", path: "/sessions/" + anas + "/prompts", as: "ana", body: large})
		return p.status == 202, fmt.Sprint(p)
	})
}

// TestEventsAsFarAsThereIsRoom: an answer of events is cut where the user's allowance ends, and says that there is more.
func TestEventsAsFarAsThereIsRoom(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	r.sessions.emit(anas, 3, 1000)
	a := r.server.allowances.Enter(r.users["ana"].ID)
	if !a.Take(maxHeld - 2500) {
		t.Fatal("nothing is held")
	}
	for path, want := range map[string]string{"?after=0": "2 more", "?after=2": "1", "?before=0": "429"} {
		p := r.do(call{method: "GET", path: "/sessions/" + anas + "/events" + path, as: "ana"})
		got := fmt.Sprint(p.status)
		if p.status == 200 {
			l := decodeTo[List[Event]](t, p)
			if got = fmt.Sprint(len(l.Items)); l.NextCursor != nil {
				got += " more"
			}
		}
		if got != want {
			t.Errorf("%s: got %s; want %s", path, got, want)
		}
	}
}
