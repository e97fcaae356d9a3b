package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// open makes a session, subscribes to it and waits until its process is ready.
func open(t *testing.T, p *carrel.Person, project string) (*carrel.Socket, string) {
	t.Helper()
	id := newSession(p, project)
	ws := p.Dial()
	ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	ws.WaitEvent("ready", id, 0, isState("ready"))
	return ws, id
}

func isState(state string) func(carrel.Event) bool {
	return func(e carrel.Event) bool { return e.Type == "carrel.state" && e.State == state }
}

func isResult(e carrel.Event) bool { return e.Type == "result" }

func isRequest(tool string) func(carrel.Event) bool {
	return func(e carrel.Event) bool {
		return e.Type == "control_request" && e.Request.Subtype == "can_use_tool" && e.Request.ToolName == tool
	}
}

// TestTwoPeopleTalk is the main job over the API: each has the real CLI in a
// sandbox of their own, at the same time, and nothing mixes.
func TestTwoPeopleTalk(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	people := []*carrel.Person{ada, s.Add(ada, "bob")}
	var wg sync.WaitGroup
	for _, p := range people {
		wg.Go(func() {
			ws, id := open(t, p, "demo")
			for turn := range 3 {
				want := fmt.Sprintf("only for %s %d", p.Name, turn)
				result, seq := ws.Turn(id, fmt.Sprintf("p%d", turn), "[echo "+want+"]")
				if result.IsError || !strings.Contains(result.Result, want) {
					t.Errorf("%s: %+v; want %q", p.Name, result, want)
				}
				if got := ws.Text(id, 0, seq); !strings.Contains(got, want) {
					t.Errorf("%s: streamed %q; want %q", p.Name, got, want)
				}
			}
			for _, m := range ws.Messages() {
				other := people[0].Name
				if p.Name == other {
					other = people[1].Name
				}
				if strings.Contains(string(m.Event), "only for "+other) || strings.Contains(string(m.Event), "/home/"+other) {
					t.Errorf("%s was sent something of %s: %.300s", p.Name, other, m.Event)
				}
			}
			ws.CheckOrder()
		})
	}
	wg.Wait()
}

func TestPermissionAndQuestion(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	ws, id := open(t, ada, "demo")
	answer := func(request string, more map[string]any) {
		m := map[string]any{"type": "answer", "session_id": id, "request_id": request}
		for k, v := range more {
			m[k] = v
		}
		ws.Send(m)
	}

	// Allowed: it runs, and the file is there.
	ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "write", "content": "[write note.txt from Claude]"})
	request, at := ws.WaitEvent("a request to write", id, 0, isRequest("Write"))
	ws.WaitEvent("waiting", id, at, isState("waiting"))
	if ada.Do("GET", "/files/content?path=projects/demo/note.txt", nil, nil).StatusCode != 404 {
		t.Error("the file was written before it was allowed")
	}
	answer(request.RequestID, map[string]any{"behavior": "allow"})
	_, at = ws.WaitEvent("result", id, at, isResult)
	if got := ada.Must(200, "GET", "/files/content?path=projects/demo/note.txt", nil, nil).Text; !strings.Contains(got, "from Claude") {
		t.Errorf("note.txt is %q", got)
	}

	// Answered again: refused, and nothing changes.
	answer(request.RequestID, map[string]any{"behavior": "deny"})
	if m := ws.Wait("a refusal", func(m carrel.Message) bool { return m.Type == "error" && m.SessionID == id }); m.Code != "conflict" && m.Code != "not_found" {
		t.Errorf("a second answer: %s %s", m.Code, m.Detail)
	}

	// Denied: it does not run, and the turn goes on.
	ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "rm", "content": "[bash rm note.txt]"})
	request, at = ws.WaitEvent("a request to remove", id, at, isRequest("Bash"))
	answer(request.RequestID, map[string]any{"behavior": "deny", "message": "Keep it."})
	_, at = ws.WaitEvent("result", id, at, isResult)
	ada.Must(200, "GET", "/files/content?path=projects/demo/note.txt", nil, nil)

	// A question with an answer.
	ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "ask", "content": "[ask Which colour? | Red | Green]"})
	request, at = ws.WaitEvent("a question", id, at, isRequest("AskUserQuestion"))
	var input map[string]any
	if err := json.Unmarshal(request.Request.Input, &input); err != nil {
		t.Fatal(err)
	}
	question := input["questions"].([]any)[0].(map[string]any)["question"].(string)
	input["answers"] = map[string]string{question: "Green"}
	answer(request.RequestID, map[string]any{"behavior": "allow", "updated_input": input})
	result, _ := ws.WaitEvent("result", id, at, isResult)
	if !strings.Contains(result.Result, "Green") {
		t.Errorf("after the answer: %q", result.Result)
	}
	ws.CheckOrder()
}

func TestInterruptModeAndModel(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	ws, id := open(t, ada, "demo")
	ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "long", "content": "[pace 20ms] [say 5000]"})
	_, at := ws.WaitEvent("first words", id, 0, func(e carrel.Event) bool { return e.Event.Delta.Text != "" })
	ws.Send(map[string]any{"type": "interrupt", "session_id": id})
	_, at = ws.WaitEvent("the end of the turn", id, at, isResult)
	if result, _ := ws.Turn(id, "after", "[echo still here]"); !strings.Contains(result.Result, "still here") {
		t.Errorf("after the interrupt: %+v", result)
	}

	ws.Send(map[string]any{"type": "set", "session_id": id, "permission_mode": "acceptEdits"})
	carrel.Await(t, "the new mode", func() error {
		var got struct {
			PermissionMode string `json:"permission_mode"`
		}
		ada.Must(200, "GET", "/sessions/"+id, nil, &got)
		if got.PermissionMode != "acceptEdits" {
			return fmt.Errorf("mode %q", got.PermissionMode)
		}
		return nil
	})
	if result, _ := ws.Turn(id, "edit", "[write free.txt no question asked]"); result.IsError {
		t.Errorf("with acceptEdits: %+v", result)
	}
	ada.Must(200, "GET", "/files/content?path=projects/demo/free.txt", nil, nil)
	ws.Send(map[string]any{"type": "set", "session_id": id, "permission_mode": "no such mode"})
	ws.Wait("a refusal", func(m carrel.Message) bool { return m.Type == "error" && m.Code == "invalid" })
	_ = at
}

// TestWithdraw: a prompt in the queue is withdrawn, over the WebSocket and over
// HTTP; it never runs, also when it is sent again. One that has begun is a conflict.
func TestWithdraw(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	ws, id := open(t, ada, "demo")
	prompt := func(name, content string) {
		ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": name, "content": content})
		ws.Wait("the ack of "+name, func(m carrel.Message) bool { return m.Type == "ack" && m.ID == name })
	}
	prompt("long", "[pace 20ms] [say 5000]")
	_, at := ws.WaitEvent("first words", id, 0, func(e carrel.Event) bool { return e.Event.Delta.Text != "" })
	prompt("one", "[echo never one]")
	prompt("two", "[echo never two]")
	prompt("three", "[echo it is the third]")
	ws.Send(map[string]any{"type": "withdraw", "session_id": id, "id": "one"})
	ws.WaitEvent("the withdrawal", id, at, func(e carrel.Event) bool { return e.Type == "carrel.withdrawn" })
	path := "/sessions/" + id + "/prompts/"
	bob.Must(404, "DELETE", path+"two", nil, nil)
	ada.Must(204, "DELETE", path+"two", nil, nil)
	ada.Must(204, "DELETE", path+"two", nil, nil)
	ada.Must(409, "DELETE", path+"long", nil, nil)
	ada.Must(404, "DELETE", path+"none", nil, nil)
	ws.Send(map[string]any{"type": "withdraw", "session_id": id, "id": "long"})
	ws.Wait("a conflict", func(m carrel.Message) bool { return m.Type == "error" && m.Code == "conflict" && m.ID == "long" })
	prompt("one", "[echo never one]")
	ws.Send(map[string]any{"type": "interrupt", "session_id": id})
	if last, _ := ws.WaitEvent("the next turn", id, at, func(e carrel.Event) bool { return isResult(e) && !e.IsError }); !strings.Contains(last.Result, "it is the third") || strings.Contains(last.Result, "never") {
		t.Errorf("got %+v", last)
	}
	if result, _ := ws.Turn(id, "after", "[echo after all]"); !strings.Contains(result.Result, "after all") {
		t.Errorf("got %+v", result)
	}
}

// TestChangedQuotaIsTold: whose limits an administrator changes is told so, and
// nobody else.
func TestChangedQuotaIsTold(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	hers, his := ada.Dial(), bob.Dial()
	for _, ws := range []*carrel.Socket{hers, his} {
		ws.Wait("hello", func(m carrel.Message) bool { return m.Type == "hello" })
	}
	isQuota := func(m carrel.Message) bool { return m.Type == "notice" && m.Kind == "quota" }
	setInstances(t, ada, 1)
	hers.Wait("a notice to ada", isQuota)
	ada.Must(200, "PUT", fmt.Sprintf("/users/%d/quota", bob.ID), map[string]any{"pids": 300}, nil)
	his.Wait("a notice to bob", isQuota)
	n := 0
	for _, m := range hers.Messages() {
		if isQuota(m) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("ada was told %d times; want once, of her own", n)
	}
}

// TestPromptRunsOnce sends one id again and again, from two devices.
func TestPromptRunsOnce(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	ws, id := open(t, ada, "demo")
	other := ada.Dial()
	other.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 2})
	for _, socket := range []*carrel.Socket{ws, other, ws} {
		socket.Send(map[string]any{"type": "prompt", "session_id": id, "id": "once", "content": "[echo once]"})
	}
	ws.WaitEvent("result", id, 0, isResult)
	ada.Must(202, "POST", "/sessions/"+id+"/prompts", map[string]any{"id": "once", "content": "[echo once]"}, nil)
	_, last := ws.Turn(id, "then", "[echo then]")
	other.WaitEvent("the same end", id, last-1, isResult)
	count := func(w *carrel.Socket, typ string) (n int) {
		for _, m := range w.Messages() {
			if m.Type == "event" && m.Parse().Type == typ {
				n++
			}
		}
		return n
	}
	for _, w := range []*carrel.Socket{ws, other} {
		if got := count(w, "carrel.prompt"); got != 2 {
			t.Errorf("%d prompts in the journal; want 2", got)
		}
		if got := count(w, "result"); got != 2 {
			t.Errorf("%d results; want 2", got)
		}
		w.CheckOrder()
	}
	for _, m := range other.Messages() {
		if m.Type == "event" && m.Seq <= 2 {
			t.Errorf("event %d was sent to one who asked for those after 2", m.Seq)
		}
	}
}

// TestServerIsReplaced ends the server in the middle of an answer. The next one
// takes the instance over, and the client gets the rest, once.
func TestServerIsReplaced(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	ws, id := open(t, ada, "demo")
	var before instance
	ada.Must(200, "GET", "/instance", nil, &before)
	ws.Send(map[string]any{"type": "prompt", "session_id": id, "id": "long", "content": "[say 150] [pace 15ms]"})
	ws.WaitEvent("first words", id, 0, func(e carrel.Event) bool { return e.Event.Delta.Text != "" })
	s.Signal(syscall.SIGKILL)
	seen := int64(0)
	for _, m := range ws.Messages() {
		seen = max(seen, m.Seq)
	}
	text := ws.Text(id, 0, seen)
	s.Serve()
	again := ada.Dial()
	again.Send(map[string]any{"type": "subscribe", "session_id": id, "after": seen})
	_, end := again.WaitEvent("result", id, seen, isResult)
	text += again.Text(id, seen, end)
	if got := len(strings.Fields(text)); got != 150 {
		t.Errorf("%d words reached the client; want 150, once each", got)
	}
	again.CheckOrder()
	var after instance
	ada.Must(200, "GET", "/instance", nil, &after)
	if after.ID != before.ID {
		t.Errorf("instance %s became %s", before.ID, after.ID)
	}
}

// TestResumeDormant ends the instance; the session goes on from its transcript.
func TestResumeDormant(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	ws, id := open(t, ada, "demo")
	_, last := ws.Turn(id, "first", "[echo first words]")
	ws.Close()
	ada.Must(204, "DELETE", "/instance", nil, nil)
	var state struct {
		State string `json:"state"`
	}
	ada.Must(200, "GET", "/sessions/"+id, nil, &state)
	if state.State != "dormant" {
		t.Errorf("state %q; want dormant", state.State)
	}
	again := ada.Dial()
	again.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	again.WaitEvent("ready", id, last, isState("ready"))
	if result, _ := again.Turn(id, "second", "[echo second words]"); !strings.Contains(result.Result, "second words") {
		t.Errorf("resumed: %+v", result)
	}
	again.CheckOrder()
}

// TestAbuseOfTheSocket sends what no client should. Each is answered with an
// error, nothing changes, and everybody else goes on.
func TestAbuseOfTheSocket(t *testing.T) {
	s := carrel.Start(t)
	ada := s.Setup("ada")
	bob := s.Add(ada, "bob")
	theirs, adas := open(t, ada, "demo")
	ws := bob.Dial()
	ws.Wait("hello", func(m carrel.Message) bool { return m.Type == "hello" })
	refused := func(what, text, code string) {
		t.Helper()
		before := 0
		for _, m := range ws.Messages() {
			if m.Type == "error" {
				before++
			}
		}
		ws.SendText(text)
		n := 0
		m := ws.Wait("an error for "+what, func(m carrel.Message) bool {
			if m.Type == "error" {
				n++
			}
			return n > before
		})
		if m.Code != code || m.Detail == "" {
			t.Errorf("%s: %s %q; want %s and a text", what, m.Code, m.Detail, code)
		}
	}
	refused("no JSON", "{", "invalid")
	refused("no object", `"x"`, "invalid")
	refused("no type", `{}`, "invalid")
	refused("an unknown type", `{"type":"sudo"}`, "invalid")
	refused("no session", `{"type":"prompt","id":"x","content":"y"}`, "invalid")
	refused("no content", `{"type":"prompt","session_id":"`+adas+`","id":"x"}`, "invalid")
	for _, m := range []string{
		`{"type":"subscribe","session_id":"` + adas + `","after":0}`,
		`{"type":"prompt","session_id":"` + adas + `","id":"x","content":"y"}`,
		`{"type":"interrupt","session_id":"` + adas + `"}`,
		`{"type":"answer","session_id":"` + adas + `","request_id":"r","behavior":"allow"}`,
		`{"type":"set","session_id":"` + adas + `","model":"x"}`,
	} {
		refused("another's session: "+m[:24], m, "not_found")
	}
	refused("20 MB", `{"type":"prompt","session_id":"`+adas+`","id":"x","content":"`+strings.Repeat("a", 20<<20)+`"}`, "too_large")
	// Bob's connection still works, and Ada noticed nothing.
	bobs := newSession(bob, "own")
	ws.Send(map[string]any{"type": "subscribe", "session_id": bobs, "after": 0})
	ws.WaitEvent("ready", bobs, 0, isState("ready"))
	if result, _ := theirs.Turn(adas, "p", "[echo undisturbed]"); !strings.Contains(result.Result, "undisturbed") {
		t.Errorf("Ada got %+v", result)
	}
	theirs.CheckOrder()
	for _, path := range []string{"/sessions/" + adas, "/sessions/" + adas + "/events"} {
		there := bob.Must(404, "GET", path, nil, nil)
		nowhere := bob.Must(404, "GET", strings.Replace(path, adas, "00000000-0000-4000-8000-000000000000", 1), nil, nil)
		if there.Text != nowhere.Text {
			t.Errorf("%s: %s; a session that is not there: %s", path, there.Text, nowhere.Text)
		}
	}
}
