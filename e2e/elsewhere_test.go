package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// inTerminal runs the CLI in the project demo as a person does in a terminal.
func inTerminal(t *testing.T, p *carrel.Person, args ...string) {
	t.Helper()
	argv := append([]string{"claude", "-p", "--permission-mode", "acceptEdits"}, args...)
	var r result
	p.Must(200, "POST", "/commands", map[string]any{"argv": argv, "project": "demo"}, &r)
	if r.ExitCode != 0 {
		t.Fatalf("%q: %+v", argv, r)
	}
}

// words are what was said in a session so far: prompts of ours, and the texts,
// calls and results of whole messages.
func words(t *testing.T, p *carrel.Person, id string) (all []string) {
	t.Helper()
	var replays []string
	prompts := map[string]bool{}
	for _, raw := range walk(t, p, "/sessions/"+id+"/events", 1000) {
		var line journalLine
		if err := json.Unmarshal(raw, &line); err != nil {
			t.Fatal(err)
		}
		var e struct {
			Type, UUID string
			Content    any
			IsReplay   bool `json:"isReplay"`
			Message    struct{ Content any }
		}
		_ = json.Unmarshal(line.Event, &e) // one of another shape says nothing
		switch {
		case e.Type == "carrel.prompt":
			prompts[e.UUID] = true
			all = append(all, fmt.Sprint("prompt ", e.Content))
		case e.Type == "user" && e.IsReplay && prompts[e.UUID]:
			replays = append(replays, e.UUID)
		case e.Type == "user" && e.IsReplay:
			all = append(all, fmt.Sprint("prompt ", e.Message.Content))
		case e.Type == "user" || e.Type == "assistant":
			blocks, _ := e.Message.Content.([]any)
			for _, b := range blocks {
				b := b.(map[string]any)
				for _, field := range []string{"text", "name", "content"} {
					if b[field] != nil {
						all = append(all, fmt.Sprint(b["type"], " ", b[field]))
					}
				}
			}
		}
	}
	if got := len(slices.Compact(slices.Sorted(slices.Values(replays)))); got != len(replays) {
		t.Errorf("a prompt was replayed twice: %v", replays)
	}
	return all
}

func wantWords(t *testing.T, when string, p *carrel.Person, id string, want ...string) {
	t.Helper()
	if got := words(t, p, id); !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// found are the hits of a search: role and snippet.
func found(t *testing.T, p *carrel.Person, q string) (hits []string) {
	t.Helper()
	for _, raw := range walk(t, p, "/search?q="+url.QueryEscape(q), 1) {
		var h struct{ Role, Snippet, Title, Project string }
		if err := json.Unmarshal(raw, &h); err != nil {
			t.Fatal(err)
		}
		if h.Project != "demo" || h.Title == "" {
			t.Errorf("hit %s", raw)
		}
		hits = append(hits, h.Role+" "+h.Snippet)
	}
	return hits
}

// again opens a session that is dormant, from its first event on.
func again(p *carrel.Person, id string) *carrel.Socket {
	var before conversation
	p.Must(200, "GET", "/sessions/"+id, nil, &before)
	ws := p.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.WaitEvent("ready again", id, before.LastSeq, isState("ready"))
	return ws
}

// TestSessionFromATerminal opens what was said in a terminal, goes on with it
// in turns with the terminal, and loses and doubles nothing.
func TestSessionFromATerminal(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t)
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	ada.Must(201, "POST", "/projects", map[string]any{"name": "demo"}, nil)
	const id, other = "11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555"
	inTerminal(t, ada, "--session-id", id, "[bash echo heard] [echo 门开了]")
	inTerminal(t, ada, "--session-id", other, "[echo never opened]")

	var l list[conversation]
	ada.Must(200, "GET", "/sessions?project=demo", nil, &l)
	if len(l.Items) != 2 || l.Items[0].LastSeq != 0 {
		t.Fatalf("listed: %+v", l.Items)
	}
	said := []string{"prompt [bash echo heard] [echo 门开了]", "tool_use Bash", "tool_result heard", "text 门开了"}

	// Over the WebSocket its history comes before anything else.
	ws := ada.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.WaitEvent("ready", id, 0, isState("ready"))
	if first := ws.Wait("the first event", func(m carrel.Message) bool { return m.SessionID == id && m.Seq == 1 }); first.Parse().Type != "carrel.history" {
		t.Errorf("the first event is %s", first.Event)
	}
	wantWords(t, "opened", ada, id, said...)
	result, _ := ws.Turn(id, "on", "[echo and on]")
	if result.Result != "and on" {
		t.Errorf("going on: %+v", result)
	}
	said = append(said, "prompt [echo and on]", "text and on")
	wantWords(t, "gone on", ada, id, said...)

	// In turns with the terminal: the process ends, the terminal goes on, the session is opened again.
	ws.Close()
	ada.Must(204, "DELETE", "/instance", nil, nil)
	inTerminal(t, ada, "--resume", id, "[echo meanwhile]")
	said = append(said, "prompt [echo meanwhile]", "text meanwhile")
	again(ada, id)
	wantWords(t, "after the terminal", ada, id, said...)

	// Nothing is doubled, whoever is restarted.
	s.Signal(syscall.SIGKILL)
	s.Serve()
	ada.Must(204, "DELETE", "/instance", nil, nil)
	ws = again(ada, id)
	if result, _ := ws.Turn(id, "last", "[echo at last]"); result.Result != "at last" {
		t.Errorf("after the restart: %+v", result)
	}
	said = append(said, "prompt [echo at last]", "text at last")
	wantWords(t, "restarted", ada, id, said...)
	ws.CheckOrder()

	// Its own name stays.
	ada.Must(200, "PATCH", "/sessions/"+id, map[string]any{"title": "修门 / the door"}, nil)
	ada.Must(200, "GET", "/sessions", nil, nil)
	export := ada.Must(200, "GET", "/sessions/"+id+"/export", nil, nil)
	if got := export.Header.Get("Content-Disposition"); got != "attachment; filename*=utf-8''%E4%BF%AE%E9%97%A8%20the%20door.md" {
		t.Errorf("file name: %q", got)
	}
	at := 0
	for _, want := range []string{"# 修门 / the door\n", "## You · ", "[bash echo heard]", "**Bash**\n\n```bash\necho heard\n```", "```\nheard\n```", "门开了", "## ada", "and on", "meanwhile", "at last"} {
		i := strings.Index(export.Text[at:], want)
		if i < 0 {
			t.Fatalf("no %q in its place in\n%s", want, export.Text)
		}
		at += i
	}
	// One that nobody opened has what was said in it, too.
	jsonl := ada.Must(200, "GET", "/sessions/"+other+"/export?format=jsonl", nil, nil).Text
	var event journalLine
	for line := range strings.Lines(jsonl) {
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Seq == 0 || strings.Contains(line, `"stream_event"`) {
			t.Fatalf("line %q: %v", line, err)
		}
	}
	if strings.Count(jsonl, "\n") != 3 || !strings.Contains(string(event.Event), "never opened") {
		t.Errorf("exported:\n%s", jsonl)
	}

	for q, want := range map[string][]string{
		"门开":             {"assistant 门开了", "user [bash echo heard] [echo 门开了]"},
		"HEARD":          {"result heard", "tool echo heard Run echo heard", "user [bash echo heard] [echo 门开了]"},
		"meanwhile":      {"assistant meanwhile", "user [echo meanwhile]"},
		"and on":         {"assistant and on", "user [echo and on]"},
		`"never opened"`: {"assistant never opened", "user [echo never opened]"},
		"no such words":  nil,
	} {
		if got := found(t, ada, q); !slices.Equal(got, want) {
			t.Errorf("search for %s: got %q, want %q", q, got, want)
		}
	}
	if got := found(t, bob, "meanwhile"); got != nil {
		t.Errorf("bob found %q", got)
	}

	// A copy, and the end.
	var fork conversation
	ada.Must(201, "POST", "/sessions/"+other+"/fork", nil, &fork)
	ws.Send(map[string]any{"type": "subscribe", "session_id": fork.ID, "after": 0})
	ws.WaitEvent("the copy's readiness", fork.ID, 0, isState("ready"))
	wantWords(t, "the copy", ada, fork.ID, "prompt [echo never opened]", "text never opened")
	ada.Must(204, "DELETE", "/sessions/"+id, nil, nil)
	ada.Must(204, "DELETE", "/sessions/"+other, nil, nil)
	if r := command(t, ada, "", "sh", "-c", "ls .claude/projects/*/"); strings.Contains(r.Stdout, id) || strings.Contains(r.Stdout, other) {
		t.Errorf("left: %s", r.Stdout)
	}
	if got := found(t, ada, "meanwhile"); got != nil {
		t.Errorf("after the end: %q", got)
	}
	refused(t, "deleted", ada.Do("GET", "/sessions/"+id+"/export", nil, nil), 404, "not_found")
	refused(t, "another's", bob.Do("GET", "/sessions/"+fork.ID+"/export", nil, nil), 404, "not_found")
	ws.CheckOrder()
}
