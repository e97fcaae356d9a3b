package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
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
	// Bodies of the largest size that never come, and something else of that size.
	host := strings.TrimPrefix(r.http.URL, "http://")
	for range maxHeld/socket.MaxMessageBytes - 1 {
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := fmt.Fprintf(c, "POST %s/sessions/%s/prompts HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
			Base, anas, host, r.tokens["ana"], socket.MaxMessageBytes); err != nil {
			t.Fatal(err)
		}
		begun = append(begun, c)
	}
	a := r.server.allowances.Enter(r.users["ana"].ID)
	eventually(t, "all to be held", func() (bool, string) {
		if !a.Take(socket.MaxMessageBytes) {
			return false, "too much is held"
		}
		if a.Take(1) {
			a.Give(1 + socket.MaxMessageBytes)
			return false, "there is room"
		}
		return true, ""
	})
	large := fmt.Sprintf(`{"id":"p","content":%q}`, strings.Repeat("x", 2*freeBytes))
	if p := r.do(call{method: "POST", path: "/sessions/" + anas + "/prompts", as: "ana", body: large}); p.status != 429 || p.code(t) != "rate_limited" || p.header.Get("Retry-After") == "" {
		t.Errorf("one more: got %v", p)
	}
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
	a.Give(socket.MaxMessageBytes)
	for _, c := range begun {
		_ = c.Close()
	}
	eventually(t, "all to be let go of", func() (bool, string) {
		if !a.Take(maxHeld) {
			return false, "some is held"
		}
		a.Give(maxHeld)
		return true, ""
	})
}

// TestBodiesOfUnknownLength: they count as they come, and not as the largest that there may be.
func TestBodiesOfUnknownLength(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	unending, end := io.Pipe()
	t.Cleanup(func() { _ = end.Close() })
	send := func(body io.Reader) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.http.URL+Base+"/sessions/"+anas+"/prompts", body)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+r.tokens["ana"])
		req.Header.Set("Content-Type", "application/json")
		return r.http.Client().Do(req)
	}
	large := func(id string) io.Reader { // without a length that the client could tell
		return io.MultiReader(strings.NewReader(fmt.Sprintf(`{"id":%q,"content":"%s"}`, id, strings.Repeat("x", 4*freeBytes))))
	}
	a := r.server.allowances.Enter(r.users["ana"].ID)
	if !a.Take(maxHeld - 5*freeBytes) {
		t.Fatal("nothing is held")
	}
	begun := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		res, err := send(unending)
		if err == nil {
			_ = res.Body.Close()
		}
		ended <- err
	}()
	go func() {
		defer close(begun)
		_, _ = end.Write([]byte(`{"id":"begun","content":"`))
	}()
	<-begun
	post := func(id string, want int) {
		t.Helper()
		res, err := send(large(id))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if answer, _ := io.ReadAll(res.Body); res.StatusCode != want {
			t.Errorf("%s: got %d %s; want %d", id, res.StatusCode, answer, want)
		}
		if again := res.Header.Get("Retry-After"); (again != "") != (want == http.StatusTooManyRequests) {
			t.Errorf("%s: Retry-After is %q", id, again)
		}
	}
	post("fits", http.StatusAccepted)
	post("fits again", http.StatusAccepted)
	if !a.Take(3 * freeBytes) {
		t.Fatal("what was read is still held")
	}
	post("too much", http.StatusTooManyRequests)
	if !a.Take(2 * freeBytes) {
		t.Error("what was refused is still held")
	}
	if _, err := end.Write([]byte(`it"}`)); err != nil {
		t.Error(err)
	}
	_ = end.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
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
			l := decodeTo[EventList](t, p)
			if got = fmt.Sprint(len(l.Items)); l.NextCursor != nil {
				got += " more"
			}
		}
		if got != want {
			t.Errorf("%s: got %s; want %s", path, got, want)
		}
	}
}
