package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// poll reads the journal as a program without a WebSocket does, until an event matches.
func poll(t *testing.T, p *carrel.Person, id string, after int64, match func(carrel.Event) bool) (carrel.Event, int64) {
	t.Helper()
	deadline := time.Now().Add(carrel.Patience)
	last := ""
	for time.Now().Before(deadline) {
		var l list[journalLine]
		p.Must(200, "GET", fmt.Sprintf("/sessions/%s/events?after=%d&wait=20", id, after), nil, &l)
		for _, line := range l.Items {
			after, last = line.Seq, string(line.Event)
			var e carrel.Event
			if err := json.Unmarshal(line.Event, &e); err == nil && match(e) {
				return e, after
			}
		}
	}
	t.Fatalf("no such event; the last was %d %.300s", after, last)
	return carrel.Event{}, 0
}

func contractEvents(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "event-bob")
	id := newSession(bob, "demo")
	at := "/sessions/" + id
	if l := bob.Must(200, "GET", at+"/events", nil, nil); !strings.Contains(l.Text, `"items":[]`) {
		t.Errorf("of a new session: %s", l.Text)
	}
	// A long poll on nothing ends with nothing, in its time.
	begin := time.Now()
	bob.Must(200, "GET", at+"/events?wait=1", nil, nil)
	if took := time.Since(begin); took < 900*time.Millisecond || took > 10*time.Second {
		t.Errorf("wait=1 took %v", took)
	}
	// It returns early on news.
	type answer struct {
		l    list[journalLine]
		took time.Duration
	}
	got := make(chan answer, 1)
	go func() {
		var a answer
		begin := time.Now()
		_, _ = bob.Try("GET", at+"/events?wait=50", nil, &a.l)
		a.took = time.Since(begin)
		got <- a
	}()
	var accepted map[string]any
	wellFormed(t, bob.Must(202, "POST", at+"/prompts", map[string]any{"id": "one", "content": "[say 40]"}, &accepted))
	if a := <-got; len(a.l.Items) == 0 || a.took > 30*time.Second {
		t.Errorf("a long poll got %d events in %v", len(a.l.Items), a.took)
	}
	_, end := poll(t, bob, id, 0, isResult)

	// All of it, in order: what is asked for by number, by pages, and anew.
	var seqs []int64
	kinds := map[string]int{}
	for _, raw := range walk(t, bob, at+"/events", 7) {
		var l journalLine
		if err := json.Unmarshal(raw, &l); err != nil {
			t.Fatal(err)
		}
		var e carrel.Event
		if err := json.Unmarshal(l.Event, &e); err != nil || e.Type == "" {
			t.Errorf("event %d is %s", l.Seq, l.Event)
		}
		if !instant.MatchString(l.At) {
			t.Errorf("at %q", l.At)
		}
		kinds[e.Type]++
		if n := len(seqs); n > 0 && l.Seq <= seqs[n-1] {
			t.Errorf("event %d came after %d", l.Seq, seqs[n-1])
		}
		seqs = append(seqs, l.Seq)
	}
	if len(seqs) == 0 || seqs[0] != 1 || kinds["carrel.prompt"] != 1 || kinds["carrel.state"] == 0 || kinds["assistant"] == 0 || kinds["result"] != 1 || kinds["system"] == 0 {
		t.Errorf("numbers %v, kinds %v", seqs, kinds)
	}
	var l list[journalLine]
	bob.Must(200, "GET", fmt.Sprintf("%s/events?after=%d&limit=2", at, seqs[3]), nil, &l)
	if len(l.Items) != 2 || l.Items[0].Seq != seqs[4] || l.Items[1].Seq != seqs[5] || l.NextCursor == nil {
		t.Errorf("after %d: %+v; want %d and %d", seqs[3], l, seqs[4], seqs[5])
	}
	// Backwards, from the end and from an event.
	bob.Must(200, "GET", at+"/events?before=0&limit=2", nil, &l)
	if len(l.Items) != 2 || l.Items[0].Seq >= l.Items[1].Seq || l.Items[1].Seq < seqs[len(seqs)-1] || l.NextCursor == nil {
		t.Errorf("the end: %+v; want the last two after %d", l, seqs[len(seqs)-1])
	}
	bob.Must(200, "GET", fmt.Sprintf("%s/events?before=%d&limit=2", at, seqs[3]), nil, &l)
	if len(l.Items) != 2 || l.Items[0].Seq != seqs[1] || l.Items[1].Seq != seqs[2] || l.NextCursor == nil {
		t.Errorf("before %d: %+v; want %d and %d", seqs[3], l, seqs[1], seqs[2])
	}
	var s conversation
	bob.Must(200, "GET", at, nil, &s)
	// Beyond the end there is nothing, which may be told as a mistake.
	if res := bob.Do("GET", fmt.Sprintf("%s/events?after=%d", at, max(s.LastSeq, end)+1000), nil, &l); res.StatusCode != 200 {
		names(t, "beyond the end", res, "query.after")
	} else if len(l.Items) > 0 {
		t.Errorf("beyond the end came %+v", l.Items)
	}
	for _, bad := range []string{"after=-1", "after=x", "limit=0", "limit=-1", "wait=-1", "wait=x", "cursor=x", "before=-1", "before=x", "before=1&wait=1", "after=99999999999999999999"} {
		refused(t, bad, bob.Do("GET", at+"/events?"+bad, nil, nil), 0, "invalid")
	}
}

func contractPrompts(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "prompt-bob")
	id := newSession(bob, "demo")
	at := "/sessions/" + id
	prompts := at + "/prompts"
	for what, body := range map[string]any{
		"no id":             map[string]any{"content": "x"},
		"an empty id":       map[string]any{"id": "", "content": "x"},
		"a long id":         map[string]any{"id": strings.Repeat("i", 300), "content": "x"},
		"no content":        map[string]any{"id": "x"},
		"empty content":     map[string]any{"id": "x", "content": ""},
		"no blocks":         map[string]any{"id": "x", "content": []any{}},
		"a number":          map[string]any{"id": "x", "content": 7},
		"an object":         map[string]any{"id": "x", "content": map[string]any{"type": "text", "text": "x"}},
		"a block of text":   map[string]any{"id": "x", "content": []any{"text"}},
		"a block sans type": map[string]any{"id": "x", "content": []any{map[string]any{"text": "x"}}},
	} {
		refused(t, what, bob.Do("POST", prompts, body, nil), 0, "invalid")
	}
	refused(t, "20 MB", bob.Do("POST", prompts, map[string]any{"id": "x", "content": strings.Repeat("a", 20<<20)}, nil), 413, "too_large")

	// The same id runs once, however often and at what time it comes.
	for range 3 {
		bob.Must(202, "POST", prompts, map[string]any{"id": "once", "content": "[echo once]"}, nil)
	}
	_, after := poll(t, bob, id, 0, isResult)
	bob.Must(202, "POST", prompts, map[string]any{"id": "once", "content": "[echo another]"}, nil)

	// Blocks: a text and a picture.
	const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	blocks := []any{
		map[string]any{"type": "text", "text": "[echo seen 看见了]"},
		map[string]any{"type": "image", "source": map[string]any{"type": "base64", "media_type": "image/png", "data": pixel}},
	}
	bob.Must(202, "POST", prompts, map[string]any{"id": "blocks", "content": blocks}, nil)
	result, after := poll(t, bob, id, after, isResult)
	if result.IsError || !strings.Contains(result.Result, "seen 看见了") {
		t.Errorf("blocks: %+v", result)
	}
	var prompted []string
	for _, raw := range walk(t, bob, at+"/events", 500) {
		var l struct {
			Event struct {
				Type, ID, Author string
				Content          any
			}
		}
		_ = json.Unmarshal(raw, &l)
		if l.Event.Type != "carrel.prompt" {
			continue
		}
		prompted = append(prompted, l.Event.ID)
		if l.Event.Author != bob.Name {
			t.Errorf("a prompt of %q; want %s", l.Event.Author, bob.Name)
		}
		if l.Event.ID == "blocks" {
			got, _ := json.Marshal(l.Event.Content)
			want, _ := json.Marshal(blocks)
			if string(got) != string(want) {
				t.Errorf("content %s; want %s", got, want)
			}
		}
	}
	if strings.Join(prompted, " ") != "once blocks" {
		t.Errorf("prompts in the journal: %v; want once, blocks", prompted)
	}
	// One that the API refuses ends with a result that says so, and the session goes on.
	bob.Must(202, "POST", prompts, map[string]any{"id": "bad", "content": "[fail 400]"}, nil)
	if result, after = poll(t, bob, id, after, isResult); !result.IsError {
		t.Errorf("a refused request: %+v", result)
	}
	bob.Must(202, "POST", prompts, map[string]any{"id": "good", "content": "[echo good]"}, nil)
	if result, _ = poll(t, bob, id, after, isResult); result.IsError || !strings.Contains(result.Result, "good") {
		t.Errorf("after it: %+v", result)
	}
}

// contractBudget spends a user's tokens.
func contractBudget(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "budget-bob")
	ada.Must(200, "PUT", "/users/"+itoa(bob.ID)+"/quota", map[string]any{"tokens_per_day": 100}, nil)
	id := newSession(bob, "demo")
	ask := func(prompt string, after int64) (carrel.Event, int64) {
		bob.Must(202, "POST", "/sessions/"+id+"/prompts", map[string]any{"id": prompt, "content": "[say 50]"}, nil)
		return poll(t, bob, id, after, isResult)
	}
	_, at := ask("first", 0)
	carrel.Await(t, "the use to be counted", func() error {
		var me struct {
			Usage struct {
				Today int64 `json:"tokens_today"`
				Month int64 `json:"tokens_this_month"`
			}
		}
		if bob.Must(200, "GET", "/me", nil, &me); me.Usage.Today < 100 || me.Usage.Month < me.Usage.Today {
			return fmt.Errorf("%+v", me.Usage)
		}
		return nil
	})
	spent, at := ask("second", at)
	if !spent.IsError || !strings.Contains(spent.Result, "budget of 100 tokens") || !strings.Contains(spent.Result, "00:00 UTC") {
		t.Errorf("a spent budget: %+v; want the reason, and when it starts anew", spent)
	}
	told, at := poll(t, bob, id, at, func(e carrel.Event) bool { return e.Type == "carrel.error" })
	if told.Code != "budget_exceeded" || !strings.HasPrefix(told.Detail, "Today's token budget of 100 tokens") {
		t.Errorf("told as an event: %+v", told)
	}
	// With more, the session goes on.
	ada.Must(200, "PUT", "/users/"+itoa(bob.ID)+"/quota", map[string]any{"tokens_per_day": nil}, nil)
	if result, _ := ask("third", at); result.IsError {
		t.Errorf("with a new budget: %+v", result)
	}
}

// contractQueue lets two sessions want the one place there is.
func contractQueue(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "queue-bob")
	ada.Must(200, "PUT", "/users/"+itoa(bob.ID)+"/quota", map[string]any{"live_sessions": 1}, nil)
	first, second := newSession(bob, "demo"), newSession(bob, "demo")
	ws := bob.Dial()
	for _, id := range []string{first, second} {
		ws.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	}
	ws.Send(map[string]any{"type": "prompt", "session_id": first, "id": "a", "content": "[pace 20ms] [say 5000]"})
	_, at := ws.WaitEvent("the first to run", first, 0, func(e carrel.Event) bool { return e.Event.Delta.Text != "" })
	ws.Send(map[string]any{"type": "prompt", "session_id": second, "id": "b", "content": "[echo at last]"})
	ws.WaitEvent("the second to be queued", second, 0, isState("queued"))
	m := ws.Wait("its place in line", func(m carrel.Message) bool {
		return m.Type == "event" && m.SessionID == second && strings.Contains(string(m.Event), `"carrel.queue"`)
	})
	var q struct{ Place *int }
	if err := json.Unmarshal(m.Event, &q); err != nil || q.Place == nil || *q.Place < 1 {
		t.Errorf("queue: %s; want a place", m.Event)
	}
	carrel.Await(t, "the list to say so", func() error {
		var s conversation
		if bob.Must(200, "GET", "/sessions/"+second, nil, &s); s.State != "queued" {
			return fmt.Errorf("state %q", s.State)
		}
		return nil
	})
	ws.Send(map[string]any{"type": "interrupt", "session_id": first})
	ws.WaitEvent("the first's end", first, at, isResult)
	if result, _ := ws.WaitEvent("the second's turn", second, m.Seq, isResult); !strings.Contains(result.Result, "at last") {
		t.Errorf("the second: %+v", result)
	}
	ws.CheckOrder()
}
