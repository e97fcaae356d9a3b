package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// The contract's tests hold the running program to every sentence of the
// public contract, as a stranger who has read it would. Most share one server;
// each part has people of its own.

func TestContract(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t, "CARREL_REGISTRATION=invite", "CARREL_EGRESS_DENY=refused.example")
	ada := s.Setup("ada")
	t.Run("parts", func(t *testing.T) {
		for _, part := range []struct {
			name  string
			check func(*testing.T, *carrel.Person)
		}{
			{"openapi", contractOpenAPI},
			{"problems", contractProblems},
			{"language", contractLanguage},
			{"login", contractLogin},
			{"origin", contractOrigin},
			{"tokens", contractTokens},
			{"me", contractMe},
			{"users", contractUsers},
			{"deactivated", contractDeactivated},
			{"instance", contractInstance},
			{"instances", contractInstances},
			{"projects", contractProjects},
			{"clone", contractClone},
			{"sessions", contractSessions},
			{"left sessions", contractLeftSessions},
			{"fork", contractFork},
			{"events", contractEvents},
			{"prompts", contractPrompts},
			{"answers", contractAnswers},
			{"queue", contractQueue},
			{"budget", contractBudget},
			{"files", contractFiles},
			{"uploads", contractUploads},
			{"find", contractFind},
			{"guarded files", contractGuardedFiles},
			{"file names", contractFileNames},
			{"paths out", contractPathsOut},
			{"large file", contractLargeFile},
			{"lists", contractLists},
			{"commands", contractCommands},
			{"terminals", contractTerminals},
			{"socket messages", contractSocketMessages},
			{"subscriptions", contractSubscriptions},
			{"slow reader", contractSlowReader},
			{"connections", contractConnections},
			{"many sessions", contractManySessions},
			{"not yours", contractNotYours},
		} {
			t.Run(part.name, func(t *testing.T) {
				t.Parallel()
				part.check(t, ada.In(t))
			})
		}
	})
}

// member is a new user of the shared server.
func member(t *testing.T, ada *carrel.Person, name string) *carrel.Person {
	t.Helper()
	return ada.Server().Add(ada, name).In(t)
}

// request is one that the person's own client would not make.
type request struct {
	method, path string // below /api/v1, or with a "!" before it at the root
	body         any    // as JSON; a string goes as it is
	header       map[string]string
}

func (r request) send(t *testing.T, base string) carrel.Response {
	t.Helper()
	var body io.Reader
	switch b := r.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(j)
	}
	path, root := strings.CutPrefix(r.path, "!")
	if !root {
		path = "/api/v1" + path
	}
	req, err := http.NewRequest(r.method, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	ctx, cancel := context.WithTimeout(t.Context(), carrel.Patience)
	defer cancel()
	res, err := http.DefaultTransport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: read answer: %v", r.method, r.path, err)
	}
	return carrel.Response{Response: res, Text: string(b)}
}

// cookieOf signs a person in and gives the cookie that they would send.
func cookieOf(t *testing.T, p *carrel.Person) string {
	t.Helper()
	return cookieIn(t, p.Server().URL, p.Name, p.Password)
}

func cookieIn(t *testing.T, base, name, password string) string {
	t.Helper()
	res := request{method: "POST", path: "/auth/login", body: map[string]any{"username": name, "password": password}}.send(t, base)
	if res.StatusCode != 200 || len(res.Cookies()) != 1 {
		t.Fatalf("login: %s %s %v", res.Status, res.Text, res.Cookies())
	}
	c := res.Cookies()[0]
	return c.Name + "=" + c.Value
}

func itoa(id int64) string { return strconv.FormatInt(id, 10) }

// tokenOf makes an API token.
func tokenOf(p *carrel.Person) string {
	var made struct {
		Secret string `json:"secret"`
	}
	p.Must(201, "POST", "/me/tokens", map[string]any{"name": "contract"}, &made)
	return made.Secret
}

// refused holds an answer against the shape of a problem. status 0 is any of 4xx.
func refused(t *testing.T, what string, res carrel.Response, status int, code string) {
	t.Helper()
	if status == 0 && res.StatusCode/100 == 4 {
		status = res.StatusCode
	}
	if res.StatusCode != status || res.Code() != code {
		t.Errorf("%s: %s %s; want %d %s", what, res.Status, res.Text, status, code)
		return
	}
	if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("%s: Content-Type %q", what, ct)
	}
	var p struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Errors []struct{ Location, Message string }
	}
	if err := json.Unmarshal([]byte(res.Text), &p); err != nil || p.Title == "" || p.Status != status || len(p.Detail) < 10 {
		t.Errorf("%s: %v in %s; want title, status and a detail", what, err, res.Text)
	}
	if strings.Contains(res.Text, "/data/") || strings.Contains(res.Text, "goroutine") {
		t.Errorf("%s: a path of the host in %s", what, res.Text)
	}
	for _, e := range p.Errors {
		if e.Location == "" || e.Message == "" {
			t.Errorf("%s: an entry of errors says nothing: %s", what, res.Text)
		}
	}
}

// names checks that a refusal names the field at fault.
func names(t *testing.T, what string, res carrel.Response, field string) {
	t.Helper()
	refused(t, what, res, 0, "invalid")
	if !strings.Contains(res.Text, `"location":"`+field) {
		t.Errorf("%s: %s; want errors with %s", what, res.Text, field)
	}
}

var (
	snake   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	instant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
)

// wellFormed holds a JSON answer against the conventions: names, times, and
// exactly the fields that the contract names, if any are given.
func wellFormed(t *testing.T, res carrel.Response, fields ...string) {
	t.Helper()
	if ct := res.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q; want application/json", ct)
	}
	var v any
	if err := json.Unmarshal([]byte(res.Text), &v); err != nil {
		t.Errorf("%v in %s", err, res.Text)
		return
	}
	conventions(t, res.Request.URL.Path, v)
	if m, ok := v.(map[string]any); ok {
		for _, f := range fields {
			if _, ok := m[f]; !ok {
				t.Errorf("%s: no %s in %s", res.Request.URL.Path, f, res.Text)
			}
		}
	}
}

func conventions(t *testing.T, at string, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			conventions(t, at+"["+strconv.Itoa(i)+"]", e)
		}
	case map[string]any:
		for k, e := range v {
			where := at + "." + k
			if !snake.MatchString(k) {
				t.Errorf("%s is not in snake_case", where)
			}
			if s, ok := e.(string); ok && (strings.HasSuffix(k, "_at") || k == "at") && !instant.MatchString(s) {
				t.Errorf("%s is %q; want RFC 3339 in UTC", where, s)
			}
			if k != "event" && k != "usage" { // the CLI's own
				conventions(t, where, e)
			}
		}
	}
}

// list is a page of a list.
type list[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// walk reads a list page by page and gives all its items.
func walk(t *testing.T, p *carrel.Person, path string, limit int) (items []json.RawMessage) {
	t.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	for cursor, pages := "", 0; ; pages++ {
		var l list[json.RawMessage]
		res := p.Must(200, "GET", fmt.Sprintf("%s%slimit=%d%s", path, sep, limit, cursor), nil, &l)
		wellFormed(t, res, "items", "next_cursor")
		if l.Items == nil || len(l.Items) > limit {
			t.Errorf("%s: %d items with limit %d: %s", path, len(l.Items), limit, res.Text)
		}
		items = append(items, l.Items...)
		if l.NextCursor == nil {
			return items
		}
		if pages > 200 {
			t.Fatalf("%s has no end", path)
		}
		cursor = "&cursor=" + *l.NextCursor
	}
}

// dial opens a WebSocket with any headers, and gives the refusal if there is one.
func dial(t *testing.T, base, path string, header map[string]string) (*websocket.Conn, *http.Response) {
	t.Helper()
	h := http.Header{}
	for k, v := range header {
		h.Set(k, v)
	}
	ctx, cancel := context.WithTimeout(t.Context(), carrel.Patience)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, strings.Replace(base, "http", "ws", 1)+"/api/v1"+path, &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		if res == nil {
			t.Fatalf("dial %s: %v", path, err)
		}
		return nil, res
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, res
}

// sendAndGiveUp begins a command and lets go of the request when ctx ends.
func sendAndGiveUp(ctx context.Context, t *testing.T, p *carrel.Person, token string, command map[string]any) {
	b, err := json.Marshal(command)
	if err != nil {
		t.Error(err)
		return
	}
	req, err := http.NewRequestWithContext(ctx, "POST", p.Server().URL+"/api/v1/commands", bytes.NewReader(b))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Errorf("a command that should run on: %s", res.Status)
	}
}
