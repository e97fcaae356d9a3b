package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/project"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestSessionOverHTTP(t *testing.T) {
	r := newRig(t)
	p := r.do(call{method: "POST", path: "/sessions", as: "ana", body: `{"project":"thesis","title":"Mend it","model":"opus","permission_mode":"plan"}`})
	if p.status != 201 || !strings.Contains(p.body, `"usage":{}`) {
		t.Fatalf("got %d %s; want 201 and an object for usage", p.status, p.body)
	}
	id := decodeTo[session.Session](t, p).ID
	at := "/sessions/" + id
	for _, c := range []call{
		{method: "POST", path: at + "/interrupt"},
		{method: "POST", path: at + "/answers", body: `{"request_id":"r","behavior":"allow","updated_input":{"a":1},"updated_permissions":[{}]}`},
	} {
		c.as = "ana"
		if p := r.do(c); p.status != 204 {
			t.Errorf("%s: got %d %s; want 204", c.path, p.status, p.body)
		}
	}
	p = r.do(call{method: "POST", path: at + "/prompts", as: "ana", body: `{"id":"1","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}`})
	if a := decodeTo[PromptAccepted](t, p); p.status != 202 || a.Seq != 1 || a.ID != "1" {
		t.Errorf("prompt: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "POST", path: at + "/stop", as: "ana", body: `{"task_id":"t"}`}); p.status != 204 {
		t.Errorf("stop: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "GET", path: at + "/tasks/b1/output", as: "ana"}); p.status != 200 || !strings.Contains(p.body, `"output":"of b1","total_bytes":9,"truncated":false`) {
		t.Errorf("output of a task: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "POST", path: at + "/rewind", as: "ana", body: `{"prompt":"1","dry_run":true}`}); p.status != 200 || !strings.Contains(p.body, `"files":["1"]`) {
		t.Errorf("rewind: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "POST", path: at + "/rewind", as: "ana", body: `{}`}); p.status != 422 && p.status != 400 {
		t.Errorf("rewind to nothing: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "POST", path: at + "/fork", as: "ana", body: `{"before":"1"}`}); p.status != 201 {
		t.Errorf("fork before a prompt: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "POST", path: at + "/fork", as: "ana"}); p.status != 201 {
		t.Errorf("fork: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "DELETE", path: at, as: "ana"}); p.status != 204 {
		t.Errorf("delete: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "GET", path: at, as: "ana"}); p.status != 404 {
		t.Errorf("after it: got %d", p.status)
	}
}

func TestEvents(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	r.sessions.emit(anas, 25, 10)
	at := "/sessions/" + anas + "/events"
	var seqs []int64
	path := at + "?after=3&limit=10"
	for {
		l := decodeTo[EventList](t, r.do(call{method: "GET", path: path, as: "ana"}))
		for _, e := range l.Items {
			if e.SessionID != anas || e.At.IsZero() || !strings.HasPrefix(string(e.Event), `{"type":"assistant"`) {
				t.Fatalf("got %+v", e)
			}
			seqs = append(seqs, e.Seq)
		}
		if l.NextCursor == nil {
			break
		}
		path = at + "?limit=10&cursor=" + *l.NextCursor
	}
	if want := "[4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25]"; fmt.Sprint(seqs) != want {
		t.Errorf("got %v; want %s", seqs, want)
	}
	if p := r.do(call{method: "GET", path: at + "?after=25", as: "ana"}); p.body != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("nothing there: got %s", p.body)
	}
	// Large events are given in parts.
	r.sessions.emit(anas, 3, maxEventsBytes/2)
	l := decodeTo[EventList](t, r.do(call{method: "GET", path: at + "?after=25", as: "ana"}))
	if len(l.Items) != 1 || l.NextCursor == nil || *l.NextCursor != "26" {
		t.Errorf("got %d large events and the cursor %v; want one and 26", len(l.Items), l.NextCursor)
	}
}

func TestEventsLongPoll(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	done := make(chan reply, 1)
	go func() {
		done <- r.do(call{method: "GET", path: "/sessions/" + anas + "/events?wait=30", as: "ana"})
	}()
	select {
	case p := <-done:
		t.Fatalf("got %d %s at once; want it to wait", p.status, p.body)
	case <-time.After(100 * time.Millisecond): // that nothing happens can only be waited for
	}
	r.sessions.emit(anas, 1, 10)
	if l := decodeTo[EventList](t, <-done); len(l.Items) != 1 {
		t.Errorf("got %+v; want the event that came", l)
	}
	began := time.Now()
	p := r.do(call{method: "GET", path: "/sessions/" + anas + "/events?after=1&wait=1", as: "ana"})
	if took := time.Since(began); p.status != 200 || took < time.Second || took > 5*time.Second {
		t.Errorf("got %d after %v; want an empty list after 1 s", p.status, took)
	}
}

func TestCommands(t *testing.T) {
	r := newRig(t)
	for body, want := range map[string]string{
		`{"argv":["echo","a b"],"stdin":"in"}`:   "[echo a b] 60in",
		`{"argv":["sleep","1"],"timeout_s":2.5}`: "[sleep 1] 2.5",
	} {
		p := r.do(call{method: "POST", path: "/commands", as: "ana", body: body})
		if out := decodeTo[protocol.CommandResponse](t, p); p.status != 200 || out.Stdout != want {
			t.Errorf("%s: got %d %q; want %q", body, p.status, out.Stdout, want)
		}
	}
}

func TestProjects(t *testing.T) {
	r := newRig(t)
	l := decodeTo[List[project.Project]](t, r.do(call{method: "GET", path: "/projects", as: "ana"}))
	if len(l.Items) != 1 || l.NextCursor == nil || *l.NextCursor != "more" {
		t.Errorf("got %+v", l)
	}
	p := r.do(call{method: "POST", path: "/projects", as: "ana", body: `{"name":"new","git_url":"https://example.org/x.git"}`})
	if p.status != 201 || fmt.Sprint(r.projects.made) != "[{new https://example.org/x.git }]" {
		t.Errorf("got %d %s and %v", p.status, p.body, r.projects.made)
	}
}
