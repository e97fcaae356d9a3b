package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

var (
	sessionFields = []string{"id", "project", "title", "state", "model", "permission_mode", "effort", "created_at", "last_activity_at", "seen_at", "last_seq", "usage", "cost_usd"}
	uuidPattern   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
)

// conversation is a session as the contract has it.
type conversation struct {
	ID, Project, Title, State, Model string
	PermissionMode                   string         `json:"permission_mode"`
	Effort                           string         `json:"effort"`
	LastSeq                          int64          `json:"last_seq"`
	Usage                            map[string]any `json:"usage"`
	CostUSD                          float64        `json:"cost_usd"`
}

func contractSessions(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "session-bob")
	bob.Must(201, "POST", "/projects", map[string]any{"name": "one"}, nil)
	bob.Must(201, "POST", "/projects", map[string]any{"name": "第二"}, nil)
	var s, plain conversation
	res := bob.Must(201, "POST", "/sessions", map[string]any{"project": "one", "title": "My title", "model": "sonnet", "permission_mode": "plan"}, &s)
	wellFormed(t, res, sessionFields...)
	if !uuidPattern.MatchString(s.ID) || s.Project != "one" || s.Title != "My title" || s.Model != "sonnet" || s.PermissionMode != "plan" || s.State != "dormant" || s.LastSeq != 0 || s.Usage == nil {
		t.Errorf("got %s", res.Text)
	}
	bob.Must(201, "POST", "/sessions", map[string]any{"project": "第二"}, &plain)
	wellFormed(t, bob.Must(200, "GET", "/sessions/"+plain.ID, nil, &plain), sessionFields...)
	if plain.PermissionMode != "default" || plain.Effort != "default" {
		t.Errorf("mode %q, effort %q; want default", plain.PermissionMode, plain.Effort)
	}
	for project, want := range map[string]string{"one": s.ID, "第二": plain.ID} {
		var l list[conversation]
		bob.Must(200, "GET", "/sessions?project="+url.QueryEscape(project), nil, &l)
		if len(l.Items) != 1 || l.Items[0].ID != want {
			t.Errorf("of %s: %+v", project, l.Items)
		}
	}
	if l := bob.Must(200, "GET", "/sessions?project=none", nil, nil); !strings.Contains(l.Text, `"items":[]`) {
		t.Errorf("of a project that is not there: %s", l.Text)
	}
	for field, body := range map[string]map[string]any{
		"body.permission_mode": {"project": "one", "permission_mode": "none"},
		"body.effort":          {"project": "one", "effort": "none"},
		"body.model":           {"project": "one", "model": "-x"},
		"body.title":           {"project": "one", "title": strings.Repeat("a", 501)},
		"body.project":         {"project": "../x"},
		"body":                 {},
	} {
		names(t, field, bob.Do("POST", "/sessions", body, nil), field)
	}
	refused(t, "in no project", bob.Do("POST", "/sessions", map[string]any{"project": "none"}, nil), 404, "not_found")

	// Changes, while it is dormant and while it lives.
	change := func(c map[string]any, want conversation) {
		t.Helper()
		var got conversation
		wellFormed(t, bob.Must(200, "PATCH", "/sessions/"+s.ID, c, &got), sessionFields...)
		bob.Must(200, "GET", "/sessions/"+s.ID, nil, &got)
		if got.Title != want.Title || got.PermissionMode != want.PermissionMode || !strings.Contains(got.Model, want.Model) || want.Effort != "" && got.Effort != want.Effort {
			t.Errorf("after %v: %+v", c, got)
		}
	}
	change(map[string]any{"title": "文 Another"}, conversation{Title: "文 Another", PermissionMode: "plan", Model: "sonnet"})
	change(map[string]any{"permission_mode": "acceptEdits", "model": "opus", "effort": "low"}, conversation{Title: "文 Another", PermissionMode: "acceptEdits", Model: "opus", Effort: "low"})
	ws := bob.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": s.ID, "after": 0})
	ws.WaitEvent("ready", s.ID, 0, isState("ready"))
	change(map[string]any{"permission_mode": "plan", "model": "haiku", "effort": "high", "title": "Live"}, conversation{Title: "Live", PermissionMode: "plan", Model: "haiku", Effort: "high"})
	names(t, "a mode that is none", bob.Do("PATCH", "/sessions/"+s.ID, map[string]any{"permission_mode": "x"}, nil), "body.permission_mode")
	names(t, "an effort that is none", bob.Do("PATCH", "/sessions/"+s.ID, map[string]any{"effort": "x"}, nil), "body.effort")
	names(t, "an empty title", bob.Do("PATCH", "/sessions/"+s.ID, map[string]any{"title": " "}, nil), "body.title")
	_, at := ws.Turn(s.ID, "p", "[echo hello]")
	var after conversation
	carrel.Await(t, "the numbers of the turn", func() error {
		if bob.Must(200, "GET", "/sessions/"+s.ID, nil, &after); after.LastSeq < at || len(after.Usage) == 0 || after.CostUSD <= 0 || after.State != "ready" {
			return fmt.Errorf("%+v", after)
		}
		return nil
	})
	if after.Title != "Live" {
		t.Errorf("the title that a person gave became %q", after.Title)
	}
	// It is the last one used.
	var l list[conversation]
	if bob.Must(200, "GET", "/sessions", nil, &l); len(l.Items) != 2 || l.Items[0].ID != s.ID {
		t.Errorf("list: %+v; want %s first", l.Items, s.ID)
	}
	bob.Must(204, "DELETE", "/sessions/"+s.ID, nil, nil)
	refused(t, "a deleted session", bob.Do("GET", "/sessions/"+s.ID, nil, nil), 404, "not_found")
	refused(t, "its events", bob.Do("GET", "/sessions/"+s.ID+"/events", nil, nil), 404, "not_found")
	refused(t, "deleting it again", bob.Do("DELETE", "/sessions/"+s.ID, nil, nil), 404, "not_found")
	for _, id := range []string{"x", "../" + plain.ID, strings.ToUpper(plain.ID), plain.ID + "x", "%00"} {
		if res := bob.Do("GET", "/sessions/"+url.PathEscape(id), nil, nil); res.StatusCode != 404 && res.StatusCode != 400 {
			t.Errorf("GET /sessions/%s: %s", id, res.Status)
		}
	}
}

// contractLeftSessions finds what the CLI itself left in the workspace, and
// goes on with it.
func contractLeftSessions(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "left-bob")
	bob.Must(201, "POST", "/projects", map[string]any{"name": "demo"}, nil)
	run := func(argv ...string) {
		t.Helper()
		var out struct {
			ExitCode       int `json:"exit_code"`
			Stdout, Stderr string
		}
		bob.Must(200, "POST", "/commands", map[string]any{"argv": argv, "project": "demo"}, &out)
		if out.ExitCode != 0 {
			t.Fatalf("%v: %+v", argv, out)
		}
	}
	const id = "11111111-2222-4333-8444-555555555555"
	run("claude", "-p", "--session-id", id, "[echo left by the CLI]")
	var found *conversation
	carrel.Await(t, "the session in the list", func() error {
		var l list[conversation]
		bob.Must(200, "GET", "/sessions?project=demo", nil, &l)
		for _, s := range l.Items {
			if s.ID == id {
				found = &s
				return nil
			}
		}
		return fmt.Errorf("%+v", l.Items)
	})
	if found.Project != "demo" || found.State != "dormant" || found.Title == "" {
		t.Errorf("got %+v; want demo, dormant, with a title", found)
	}
	wellFormed(t, bob.Must(200, "GET", "/sessions/"+id, nil, nil), sessionFields...)
	ws := bob.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.WaitEvent("ready", id, 0, isState("ready"))
	if result, _ := ws.Turn(id, "on", "[echo and on]"); !strings.Contains(result.Result, "and on") {
		t.Errorf("going on: %+v", result)
	}
	ws.CheckOrder()
	// One that somebody else wrote there is somebody's file, and must not do harm.
	bob.Must(201, "PUT", "/files/content?path=.claude/projects/-home-left-bob-projects-demo/99999999-2222-4333-8444-555555555555.jsonl",
		strings.NewReader("{\"type\":\"user\",\"cwd\":\"/etc\",\n\x00\xff garbage\n"), nil)
	bob.Must(200, "GET", "/sessions", nil, nil)
	bob.Must(204, "DELETE", "/sessions/"+id, nil, nil)
	refused(t, "deleted", bob.Do("GET", "/sessions/"+id, nil, nil), 404, "not_found")
}

func contractFork(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "fork-bob")
	id := newSession(bob, "demo")
	refused(t, "a fork of nothing", bob.Do("POST", "/sessions/"+id+"/fork", nil, nil), 409, "conflict")
	ws := bob.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	_, at := ws.Turn(id, "one", "[echo the first]")
	var fork conversation
	wellFormed(t, bob.Must(201, "POST", "/sessions/"+id+"/fork", nil, &fork), sessionFields...)
	if fork.ID == id || fork.Project != "demo" {
		t.Fatalf("got %+v", fork)
	}
	// It begins with the other's history.
	ws.Send(map[string]any{"type": "subscribe", "session_id": fork.ID, "after": 0})
	if result, _ := ws.WaitEvent("the history", fork.ID, 0, isResult); !strings.Contains(result.Result, "the first") {
		t.Errorf("the fork begins with %+v", result)
	}
	if result, _ := ws.Turn(fork.ID, "two", "[echo the second]"); !strings.Contains(result.Result, "the second") {
		t.Errorf("in the fork: %+v", result)
	}
	// The original knows nothing of it.
	for _, m := range ws.Messages() {
		if m.SessionID == id && m.Seq > at && strings.Contains(string(m.Event), "the second") {
			t.Errorf("the original got %.200s", m.Event)
		}
	}
	// One that goes back before a prompt knows what was said until then.
	ws.Turn(id, "three", "[echo the third]")
	var back conversation
	bob.Must(201, "POST", "/sessions/"+id+"/fork", map[string]any{"before": "three"}, &back)
	ws.Send(map[string]any{"type": "subscribe", "session_id": back.ID, "after": 0})
	ws.WaitEvent("the history", back.ID, 0, isResult)
	for _, m := range ws.Messages() {
		if m.SessionID == back.ID && strings.Contains(string(m.Event), "the third") {
			t.Errorf("the fork before it got %.200s", m.Event)
		}
	}
	refused(t, "a fork before the first prompt", bob.Do("POST", "/sessions/"+id+"/fork", map[string]any{"before": "one"}, nil), 409, "conflict")
	refused(t, "a fork before no prompt", bob.Do("POST", "/sessions/"+id+"/fork", map[string]any{"before": "none"}, nil), 404, "not_found")
	ws.CheckOrder()
	bob.Must(204, "DELETE", "/sessions/"+id, nil, nil)
	if result, _ := ws.Turn(fork.ID, "three", "[echo the third]"); !strings.Contains(result.Result, "the third") {
		t.Errorf("after the original went: %+v", result)
	}
}

// journalLine is one item of GET /sessions/{id}/events.
type journalLine struct {
	SessionID string          `json:"session_id"`
	Seq       int64           `json:"seq"`
	At        string          `json:"at"`
	Event     json.RawMessage `json:"event"`
}

// contractAnswers asks and answers over HTTP.
func contractAnswers(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "answer-bob")
	id := newSession(bob, "demo")
	at := "/sessions/" + id
	bob.Must(202, "POST", at+"/prompts", map[string]any{"id": "w", "content": "[write a.txt one]"}, nil)
	request, after := poll(t, bob, id, 0, isRequest("Write"))
	carrel.Await(t, "waiting", func() error {
		var s conversation
		if bob.Must(200, "GET", at, nil, &s); s.State != "waiting" {
			return fmt.Errorf("state %s", s.State)
		}
		return nil
	})
	for field, body := range map[string]map[string]any{
		"body.behavior":      {"request_id": request.RequestID, "behavior": "perhaps"},
		"body.request_id":    {"request_id": "", "behavior": "allow"},
		"body.updated_input": {"request_id": request.RequestID, "behavior": "allow", "updated_input": "x"},
	} {
		names(t, field, bob.Do("POST", at+"/answers", body, nil), field)
	}
	refused(t, "an answer to nothing", bob.Do("POST", at+"/answers", map[string]any{"request_id": "none", "behavior": "allow"}, nil), 404, "not_found")
	var input map[string]any
	if err := json.Unmarshal(request.Request.Input, &input); err != nil {
		t.Fatal(err)
	}
	input["content"] = "changed by the person"
	if res := bob.Do("POST", at+"/answers", map[string]any{"request_id": request.RequestID, "behavior": "allow", "updated_input": input}, nil); res.StatusCode/100 != 2 {
		t.Fatalf("answer: %s %s", res.Status, res.Text)
	}
	_, after = poll(t, bob, id, after, isResult)
	if got := bob.Must(200, "GET", "/files/content?path=projects/demo/a.txt", nil, nil).Text; !strings.Contains(got, "changed by the person") {
		t.Errorf("a.txt is %q", got)
	}
	refused(t, "a second answer", bob.Do("POST", at+"/answers", map[string]any{"request_id": request.RequestID, "behavior": "deny"}, nil), 409, "conflict")
	told := false
	for _, raw := range walk(t, bob, at+"/events", 1000) {
		var l journalLine
		_ = json.Unmarshal(raw, &l)
		var e carrel.Event
		_ = json.Unmarshal(l.Event, &e)
		told = told || e.Type == "carrel.answer" && e.RequestID == request.RequestID && e.Behavior == "allow" && e.Author == bob.Name
	}
	if !told {
		t.Error("the journal does not tell who answered, and what")
	}

	// Denied with an interrupt, the turn ends.
	bob.Must(202, "POST", at+"/prompts", map[string]any{"id": "r", "content": "[bash rm a.txt]"}, nil)
	request, after = poll(t, bob, id, after, isRequest("Bash"))
	bob.Do("POST", at+"/answers", map[string]any{"request_id": request.RequestID, "behavior": "deny", "message": "No.", "interrupt": true}, nil)
	_, after = poll(t, bob, id, after, isResult)
	// A turn is interrupted, and with nothing running that is harmless.
	bob.Must(202, "POST", at+"/prompts", map[string]any{"id": "long", "content": "[pace 20ms] [say 5000]"}, nil)
	_, after = poll(t, bob, id, after, func(e carrel.Event) bool { return e.Event.Delta.Text != "" })
	for range 2 {
		if res := bob.Do("POST", at+"/interrupt", nil, nil); res.StatusCode/100 != 2 {
			t.Errorf("interrupt: %s %s", res.Status, res.Text)
		}
	}
	poll(t, bob, id, after, isResult)
	if res := bob.Do("POST", at+"/interrupt", nil, nil); res.StatusCode/100 != 2 {
		t.Errorf("interrupt of nothing: %s %s", res.Status, res.Text)
	}
}
