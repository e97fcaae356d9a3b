package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

func contractSocketMessages(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "socket-bob")
	ws := bob.Dial()
	raw, _ := dial(t, bob.Server().URL, "/ws", map[string]string{"Authorization": "Bearer " + tokenOf(bob)})
	ctx, cancel := context.WithTimeout(t.Context(), carrel.Patience)
	defer cancel()
	typ, b, err := raw.Read(ctx)
	var hello struct {
		Type    string
		User    struct{ ID int64 }
		Version string
	}
	if err == nil {
		err = json.Unmarshal(b, &hello)
	}
	if err != nil || typ != websocket.MessageText || hello.Type != "hello" || hello.User.ID != bob.ID || hello.Version == "" {
		t.Errorf("the first message: %v %s", err, b)
	}

	// What changes is told: a session, an instance, a quota.
	notice := func(what string, holds ...string) {
		t.Helper()
		deadline := time.Now().Add(carrel.Patience)
		for time.Now().Before(deadline) {
			_, b, err := raw.Read(ctx)
			if err != nil {
				t.Fatalf("no notice of %s: %v", what, err)
			}
			var m struct{ Type string }
			_ = json.Unmarshal(b, &m)
			all := m.Type == "notice"
			for _, h := range holds {
				all = all && strings.Contains(string(b), h)
			}
			if all {
				var v any
				_ = json.Unmarshal(b, &v)
				conventions(t, "notice", v)
				return
			}
		}
	}
	bob.Must(201, "PUT", "/instance", nil, nil)
	notice("an instance", `"instance"`, `"status":"active"`)
	id := newSession(bob, "demo")
	notice("a session", id, `"dormant"`)
	ada.Must(200, "PUT", "/users/"+itoa(bob.ID)+"/quota", map[string]any{"pids": 333}, nil)
	notice("a quota", `"quota"`, `333`)
	bob.Must(200, "PATCH", "/sessions/"+id, map[string]any{"title": "told"}, nil)
	notice("a title", id, "told")

	// Unknown fields are passed over; a prompt is acknowledged once it is on disk.
	ws.SendText(`{"type":"subscribe","session_id":"` + id + `","after":0,"colour":"blue","x":{"y":[1]}}`)
	ws.SendText(`{"type":"prompt","session_id":"` + id + `","id":"one","content":"[echo one]","priority":"high"}`)
	ws.Wait("ack", func(m carrel.Message) bool { return m.Type == "ack" && m.ID == "one" })
	_, at := ws.WaitEvent("result", id, 0, isResult)
	ws.SendText(`{"type":"prompt","session_id":"` + id + `","id":"one","content":"[echo one]"}`)
	n := 0
	ws.Wait("ack again", func(m carrel.Message) bool {
		if m.Type == "ack" && m.ID == "one" {
			n++
		}
		return n == 2
	})
	notice("the numbers of a turn", id, `"cost_usd"`, `"ready"`)

	// An error names the message that it is about, and the connection stays open.
	for _, c := range []struct{ send, code, id string }{
		{`{"type":"prompt","session_id":"` + id + `","id":"e1","content":""}`, "invalid", "e1"},
		{`{"type":"prompt","session_id":"` + id + `","id":"e2","content":[{"no":"type"}]}`, "invalid", "e2"},
		{`{"type":"prompt","session_id":"none","id":"e3","content":"x"}`, "not_found", "e3"},
		{`{"type":"answer","session_id":"` + id + `","id":"e4","request_id":"none","behavior":"allow"}`, "not_found", "e4"},
		{`{"type":"answer","session_id":"` + id + `","id":"e5","request_id":"none","behavior":"maybe"}`, "invalid", "e5"},
		{`{"type":"set","session_id":"` + id + `","id":"e6"}`, "invalid", "e6"},
		{`{"type":"set","session_id":"` + id + `","id":"e7","model":7}`, "invalid", "e7"},
		{`{"type":"subscribe","session_id":"` + id + `","id":"e8","after":-1}`, "invalid", "e8"},
		{`{"type":"subscribe","session_id":"` + id + `","id":"e9","after":"x"}`, "invalid", "e9"},
		{`{"type":"subscribe","session_id":"` + id + `","id":"e10","after":1.5}`, "invalid", "e10"},
	} {
		ws.SendText(c.send)
		m := ws.Wait("an error for "+c.send, func(m carrel.Message) bool { return m.Type == "error" && m.ID == c.id })
		if m.Code != c.code || m.Detail == "" {
			t.Errorf("%s: %s %q; want %s", c.send, m.Code, m.Detail, c.code)
		}
		if !strings.Contains(c.send, m.SessionID) || m.SessionID == "" {
			t.Errorf("%s: the error names session %q", c.send, m.SessionID)
		}
	}
	if result, _ := ws.Turn(id, "after", "[echo still open]"); !strings.Contains(result.Result, "still open") {
		t.Errorf("after the errors: %+v", result)
	}
	_ = at
	ws.CheckOrder()
	// Every event has what the contract gives it.
	for _, m := range ws.Messages() {
		if m.Type == "event" && (m.SessionID == "" || m.Seq < 1 || m.Parse().Type == "") {
			t.Errorf("event %+v", m)
		}
	}
}

// contractSubscriptions follows a session from different places.
func contractSubscriptions(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "follow-bob")
	id := newSession(bob, "demo")
	first := bob.Dial()
	first.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	_, end := first.Turn(id, "one", "[say 20]")
	subscribe := func(ws *carrel.Socket, after int64) {
		ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": after})
	}
	events := func(ws *carrel.Socket) (seqs []int64) {
		for _, m := range ws.Messages() {
			if m.Type == "event" {
				seqs = append(seqs, m.Seq)
			}
		}
		return seqs
	}

	// From the middle: nothing of before, and nothing twice.
	second := bob.Dial()
	subscribe(second, 5)
	second.WaitEvent("the end", id, end-1, isResult)
	if got := events(second); got[0] <= 5 {
		t.Errorf("after 5 came %v", got)
	}
	// Again from another place: it begins there, and goes on live.
	subscribe(second, 2)
	second.Wait("the third again", func(m carrel.Message) bool { return m.Type == "event" && m.Seq >= 3 && m.Seq <= 5 })
	first.Turn(id, "two", "[say 20]")
	_, last := second.WaitEvent("the live end", id, end, isResult)
	got := events(second)
	restart := 0
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			restart++
			if got[i] <= 2 {
				t.Errorf("after 2 came %d", got[i])
			}
		}
	}
	if restart != 1 {
		t.Errorf("the stream began anew %d times; want once: %v", restart, got)
	}
	first.CheckOrder()

	// Beyond the end: told, or waited for; in no case an old event.
	third := bob.Dial()
	subscribe(third, last+100000)
	third.SendText("{")
	third.Wait("an answer", func(m carrel.Message) bool { return m.Type == "error" })
	if got := events(third); len(got) > 0 {
		t.Errorf("beyond the end came %v", got)
	}

	// Unsubscribed, nothing comes any more; again, it does, from where one was.
	second.Send(map[string]any{"type": "unsubscribe", "session_id": id})
	// What is said of one session is done in turn: the answer to this comes after it.
	second.Send(map[string]any{"type": "answer", "session_id": id, "request_id": "nobody's", "behavior": "allow"})
	second.Wait("an answer", func(m carrel.Message) bool { return m.Type == "error" })
	before := len(events(second))
	_, last2 := first.Turn(id, "three", "[say 20]")
	second.SendText(`{"type":"x"}`)
	errors := 0
	second.Wait("another answer", func(m carrel.Message) bool {
		if m.Type == "error" {
			errors++
		}
		return errors == 2
	})
	if n := len(events(second)); n != before {
		t.Errorf("%d events came after the unsubscribe", n-before)
	}
	subscribe(second, last)
	second.WaitEvent("what was missed", id, last2-1, isResult)
	second.Send(map[string]any{"type": "unsubscribe", "session_id": id}) // and again, which is harmless
	second.Send(map[string]any{"type": "unsubscribe", "session_id": id})
	// Deleted, whoever follows it is told.
	bob.Must(204, "DELETE", "/sessions/"+id, nil, nil)
	first.Wait("word of the end", func(m carrel.Message) bool {
		return m.SessionID == id && m.Type == "error" && m.Code == "not_found"
	})
}

// contractManySessions carries a hundred sessions on one connection.
func contractManySessions(t *testing.T, ada *carrel.Person) {
	const many = 100
	bob := member(t, ada, "many-bob")
	ada.Must(200, "PUT", "/users/"+itoa(bob.ID)+"/quota", map[string]any{"live_sessions": 2}, nil)
	ws := bob.Dial()
	var ids []string
	bob.Must(201, "POST", "/projects", map[string]any{"name": "demo"}, nil)
	for range many {
		var s conversation
		bob.Must(201, "POST", "/sessions", map[string]any{"project": "demo"}, &s)
		ids = append(ids, s.ID)
	}
	for _, id := range ids {
		ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	}
	for _, i := range []int{many - 1, 0, many / 2} {
		want := fmt.Sprintf("session number %d", i)
		if result, _ := ws.Turn(ids[i], "p", "[echo "+want+"]"); !strings.Contains(result.Result, want) {
			t.Errorf("session %d: %+v", i, result)
		}
	}
	for _, m := range ws.Messages() {
		if m.Type == "error" {
			t.Errorf("an error: %s %s", m.Code, m.Detail)
		}
	}
	ws.CheckOrder()
}

// contractConnections opens 500 at once, each of which is served.
func contractConnections(t *testing.T, ada *carrel.Person) {
	const many = 500
	bob := member(t, ada, "many-connections")
	header := map[string]string{"Authorization": "Bearer " + tokenOf(bob)}
	id := newSession(bob, "demo")
	conns := make([]*websocket.Conn, many)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 50) // so many at a time: more would overflow the listener's queue, which is the kernel's
	for i := range conns {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			conn, res := dial(t, bob.Server().URL, "/ws", header)
			if conn == nil {
				t.Errorf("connection %d: %s", i, res.Status)
				return
			}
			conns[i] = conn
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	// A change of the user's reaches all of them, however lately they came.
	ctx, cancel := context.WithTimeout(t.Context(), carrel.Patience)
	defer cancel()
	told := make(chan struct{})
	go func() {
		defer close(told)
		for _, conn := range conns {
			wg.Go(func() {
				for {
					_, b, err := conn.Read(ctx)
					if err != nil {
						t.Errorf("a connection of the %d: %v", many, err)
						return
					}
					if strings.Contains(string(b), "to everybody") {
						return
					}
				}
			})
		}
		wg.Wait()
	}()
	for n, done := 0, false; !done; n++ {
		bob.Must(200, "PATCH", "/sessions/"+id, map[string]any{"title": fmt.Sprintf("to everybody %d", n)}, nil)
		select {
		case <-told:
			done = true
		case <-time.After(100 * time.Millisecond):
		}
	}
	for _, conn := range conns {
		_ = conn.CloseNow()
	}
}
