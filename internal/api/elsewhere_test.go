package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/session"
)

// Export writes the journal's events, or fails as the session's title says: at once, or after some.
func (f *fakeSessions) Export(_ context.Context, userID int64, id, format string) (*session.Export, error) {
	s, err := f.find(userID, id)
	if err != nil {
		return nil, err
	}
	if format != session.Markdown && format != session.JSONL {
		return nil, fault.InvalidField("query.format", "There is no such format.")
	}
	return &session.Export{Name: s.Title + "." + format, ContentType: "text/x-" + format, Write: func(_ context.Context, w io.Writer) error {
		if s.Title == "at once" {
			return fault.New(fault.InstanceUnavailable, "It does not answer.")
		}
		for _, e := range s.events {
			if _, err := fmt.Fprintln(w, string(e.Event)); err != nil {
				return err
			}
		}
		if s.Title == "in the middle" {
			return errors.New("it broke off")
		}
		return nil
	}}, nil
}

func (f *fakeSessions) Search(_ context.Context, userID int64, query string, limit int, cursor string) ([]session.Found, string, error) {
	if query == "none" {
		return nil, "", nil
	}
	return []session.Found{{SessionID: anas, Title: fmt.Sprint(userID, limit, cursor), At: time.Unix(1e9, 0).UTC(), Role: "user", Snippet: query}}, "more", nil
}

func TestExport(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	r.sessions.sessions[anas].Title = "修好 it"
	at := "/sessions/" + anas + "/export"
	p := r.do(call{method: "GET", path: at, as: "ana"})
	if p.status != 200 || p.body != "" || p.header.Get("Content-Type") != "text/x-markdown" {
		t.Errorf("nothing said: got %d %q %v", p.status, p.body, p.header)
	}
	r.sessions.emit(anas, 3, 100_000)
	p = r.do(call{method: "GET", path: at + "?format=jsonl", as: "ana"})
	if p.status != 200 || strings.Count(p.body, "\n") != 3 || len(p.body) < 300_000 {
		t.Errorf("got %d and %d bytes", p.status, len(p.body))
	}
	for k, want := range map[string]string{
		"Content-Type": "text/x-jsonl", "Content-Disposition": "attachment; filename*=utf-8''%E4%BF%AE%E5%A5%BD%20it.jsonl",
		"Content-Security-Policy": contentPolicy, "Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := p.header.Get(k); got != want {
			t.Errorf("%s: got %q; want %q", k, got, want)
		}
	}
	for _, query := range []string{"?format=pdf", "?format=", "?format=jsonl&format=jsonl"} {
		if p = r.do(call{method: "GET", path: at + query, as: "ana"}); p.status != 400 || p.code(t) != "invalid" {
			t.Errorf("%s: got %d %s", query, p.status, p.body)
		}
	}
	foreign := r.do(call{method: "GET", path: at, as: "bob"})
	missing := r.do(call{method: "GET", path: "/sessions/" + nobody + "/export", as: "bob"})
	if foreign.status != 404 || foreign.body != missing.body {
		t.Errorf("somebody else's is %d %s, one that is not there %d %s", foreign.status, foreign.body, missing.status, missing.body)
	}
	if p = r.do(call{method: "GET", path: at}); p.status != 401 {
		t.Errorf("as nobody: got %d", p.status)
	}
	// What fails before the first byte is told; after it the transfer does not end well.
	r.sessions.sessions[anas].Title = "at once"
	if p = r.do(call{method: "GET", path: at, as: "ana"}); p.status != http.StatusServiceUnavailable || p.code(t) != "instance_unavailable" {
		t.Errorf("got %d %s", p.status, p.body)
	}
}

func TestExportThatBreaksOff(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	r.sessions.sessions[anas].Title = "in the middle"
	r.sessions.emit(anas, 3, 100_000)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.http.URL+Base+"/sessions/"+anas+"/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.tokens["ana"])
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); res.StatusCode != 200 || err == nil {
		t.Errorf("got %d, %d bytes and a good end; want it cut", res.StatusCode, len(b))
	}
}

func TestSearch(t *testing.T) {
	r := newRig(t)
	p := r.do(call{method: "GET", path: "/search" + query("q", "登录 page") + "&limit=7&cursor=c", as: "ana"})
	l := decodeTo[List[session.Found]](t, p)
	if p.status != 200 || len(l.Items) != 1 || l.Items[0].Snippet != "登录 page" || l.Items[0].Title != fmt.Sprint(r.users["ana"].ID, 7, "c") || l.NextCursor == nil {
		t.Errorf("got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "GET", path: "/search?q=none", as: "ana"}); p.body != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("nothing found: got %s", p.body)
	}
	for _, bad := range []string{"", "?q=", "?q=x&limit=0", "?q=x&limit=101", "?q=" + strings.Repeat("x", 201)} {
		if p = r.do(call{method: "GET", path: "/search" + bad, as: "ana"}); p.status != 400 || p.code(t) != "invalid" {
			t.Errorf("%.20s: got %d %s", bad, p.status, p.body)
		}
	}
	if p = r.do(call{method: "GET", path: "/search?q=x"}); p.status != 401 {
		t.Errorf("as nobody: got %d", p.status)
	}
}
