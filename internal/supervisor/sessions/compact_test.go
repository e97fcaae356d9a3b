package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/journal"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// compacted waits until a session's journal is.
func (w *world) compacted(session string) {
	w.t.Helper()
	path := filepath.Join(w.cfg.JournalDir, session, "ledger.json")
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the journal is not compacted")
		}
	}
}

// forgetAtOnce lets the pieces of the last turn go as soon as it has ended.
func (w *world) forgetAtOnce() {
	w.t.Helper()
	w.stop()
	w.keep = time.Nanosecond
	w.start()
}

// TestFreshTurnsAreKept: the pieces of turns that ended a moment ago stay, also of one that another came after.
func TestFreshTurnsAreKept(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	for range 2 {
		w.prompt(id, "[say 300 1]")
		f.result()
		f.state(protocol.StateReady)
	}
	before := w.all(id)
	w.close(id)
	f.state(protocol.StateDormant)
	w.mu.Lock()
	s := w.Sessions.all[id]
	w.mu.Unlock()
	s.mu.Lock()
	compacting := s.compacting // it is begun with the end of the process, or not
	s.mu.Unlock()
	if compacting != nil {
		<-compacting
	}
	after := w.all(id)
	if had, has := count(before, isDelta), count(after, isDelta); had < 400 || has != had {
		t.Errorf("of %d pieces %d are left", had, has)
	}
}

// touch uses a session for more than reading.
func (w *world) touch(session string) {
	w.t.Helper()
	if _, err := w.Interrupt(w.ctx(), &protocol.SessionRequest{SessionID: session}); err != nil {
		w.t.Fatal(err)
	}
}

// isDelta says whether an event is a piece of text.
func isDelta(e event) bool {
	return e.Type == "stream_event" && strings.Contains(e.Raw, `"type":"content_block_delta"`)
}

// TestCompact: once a session has no process, the pieces of what the real CLI said are gone from the journal, each of
// them in an assistant line; all else is as it was, byte for byte; and so is what the session knows.
func TestCompact(t *testing.T) {
	w := newWorld(t)
	w.forgetAtOnce()
	id := uuid.NewString()
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	first := w.prompt(id, "[say 300 1]", "the first")
	f.result()
	w.prompt(id, "[bash echo a] [say 30]")
	f.result()
	f.state(protocol.StateReady)
	before := w.all(id)
	w.close(id)
	f.state(protocol.StateDormant)
	w.compacted(id)
	after := w.all(id)
	left := map[int64]string{}
	for _, e := range after {
		left[e.Seq] = e.Raw
	}
	gone := 0
	for _, e := range before {
		switch raw, stays := left[e.Seq]; {
		case stays && raw != e.Raw:
			t.Errorf("event %d is not what it was:\n%s\n%s", e.Seq, raw, e.Raw)
		case !stays && !isDelta(e):
			t.Errorf("gone: %v", e)
		case !stays:
			gone++
		}
	}
	if n := count(before, isDelta); gone < 300 || n != gone {
		t.Errorf("%d of %d pieces are gone", gone, n)
	}
	size := func(events []event) (n int) {
		for _, e := range events {
			n += len(e.Raw)
		}
		return n
	}
	t.Logf("%d events of %d bytes, compacted %d of %d", len(before), size(before), len(after), size(after))

	// One who saw a half of it gets the rest, asking after a number that is gone.
	var asked int64
	for _, e := range before {
		if _, stays := left[e.Seq]; !stays {
			asked = e.Seq
		}
	}
	var got []int64
	err := w.Events(w.ctx(), &protocol.EventsRequest{SessionID: id, After: asked, Until: true}, func(e *protocol.Event) error {
		got = append(got, e.Seq)
		return nil
	})
	var want []int64
	for _, e := range after {
		if e.Seq > asked {
			want = append(want, e.Seq)
		}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("after %d: got %v, %v; want %v", asked, got, err, want)
	}

	// The next supervisor knows the prompts, and goes on with the number after the last.
	w.stop()
	w.start()
	if res := w.prompt(id, "[say 300 1]", "the first"); !res.Duplicate || res.Seq != first.Seq {
		t.Errorf("the same prompt again: %+v, want the duplicate of %d", res, first.Seq)
	}
	res := w.prompt(id, "[say 1]")
	if last := after[len(after)-1].Seq; res.Seq <= last {
		t.Errorf("got number %d after %d", res.Seq, last)
	}
	w.follow(id, res.Seq).result()
}

// TestCompactBetweenTurns: a long answer is compacted when its turn ends, while the process lives on and somebody
// follows; who follows misses nothing but pieces, and gets nothing twice.
func TestCompactBetweenTurns(t *testing.T) {
	w := newWorld(t)
	w.forgetAtOnce()
	id := uuid.NewString()
	w.open(id)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var followed []event
	ended := make(chan struct{})
	const last = "the last answer"
	go func() {
		defer close(ended)
		results := 0
		_ = w.Events(ctx, &protocol.EventsRequest{SessionID: id}, func(e *protocol.Event) error {
			ev := event{Seq: e.Seq, Raw: string(e.Event)}
			_ = json.Unmarshal(e.Event, &ev.parts) // a field of another kind is as if it were not there
			followed = append(followed, ev)
			if ev.Type == "result" {
				if results++; results == 2 {
					cancel()
				}
			}
			return nil
		})
	}()
	w.prompt(id, "[say 1500 1]")
	w.compacted(id)
	if w.state(id) == protocol.StateDormant {
		t.Error("the process has ended; it was to be compacted before that")
	}
	w.prompt(id, last+" [say 3]")
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("no second result")
	}
	got := map[int64]string{}
	before := int64(0)
	for _, e := range followed {
		if e.Seq <= before {
			t.Errorf("%d after %d", e.Seq, before)
		}
		before = e.Seq
		got[e.Seq] = e.Raw
	}
	pieces := 0
	for _, e := range w.all(id) {
		if e.Seq <= before && got[e.Seq] != e.Raw {
			t.Errorf("the follower has\n%s, the journal\n%s", got[e.Seq], e.Raw)
		}
		if isDelta(e) {
			pieces++
		}
	}
	if pieces > 10 {
		t.Errorf("%d pieces are left; those of the second turn alone were to be", pieces)
	}
}

// TestInterruptedIsKept: of an answer that was never finished every word stays, unless the CLI repeated it.
func TestInterruptedIsKept(t *testing.T) {
	w := newWorld(t)
	w.forgetAtOnce()
	id := uuid.NewString()
	w.open(id)
	f := w.follow(id, 0)
	f.state(protocol.StateReady)
	w.prompt(id, "[pace 5ms] [say 300]")
	for range 100 {
		f.typed("stream_event")
	}
	pid := w.pid(id)
	p, _ := os.FindProcess(pid)
	_ = p.Kill()
	f.typed(protocol.EventError)
	f.result() // of the next process, which says it all again
	f.state(protocol.StateReady)
	before := w.all(id)
	w.close(id)
	w.compacted(id)
	left := map[int64]bool{}
	for _, e := range w.all(id) {
		left[e.Seq] = true
	}
	killed := int64(0)
	for _, e := range before {
		if e.Type == protocol.EventError {
			killed = e.Seq
			break
		}
	}
	for _, e := range before {
		if isDelta(e) && left[e.Seq] != (e.Seq < killed) {
			t.Fatalf("the process was killed at %d; this piece stays: %v; %v", killed, left[e.Seq], e)
		}
	}
}

// fakeSession makes a journal without a process.
func fakeSession(t testing.TB, ss *Sessions, lines ...string) string {
	t.Helper()
	id := uuid.NewString()
	dir := filepath.Join(ss.opt.Config.JournalDir, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, l := range lines {
		if _, err := j.Append([]byte(l)); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
	}
	return id
}

// TestOldJournal: one that was written before there was a past is read as it is, and compacted on first use.
func TestOldJournal(t *testing.T) {
	w := makeWorld(t, "/nonexistent")
	w.stop()
	lines := []string{`{"type":"carrel.state","state":"starting"}`, `{"type":"system","subtype":"init"}`, start("m"), blockStart(0, textBlock)}
	said1 := ""
	for n := range 500 {
		said1 += fmt.Sprint(n, " ")
		lines = append(lines, text(0, fmt.Sprint(n, " ")))
	}
	lines = append(lines, said("m", fmt.Sprintf(`{"type":"text","text":%q}`, said1)), `{"type":"result","subtype":"success"}`,
		`{"type":"carrel.state","state":"dormant","reason":"idle"}`)
	w.keep = time.Nanosecond
	id := fakeSession(t, w.Sessions, lines...)
	w.start()
	if got := w.all(id); len(got) != len(lines) {
		t.Fatalf("got %d events, want %d", len(got), len(lines))
	}
	w.touch(id)
	w.compacted(id)
	got := w.all(id)
	if len(got) != len(lines)-500 || count(got, isDelta) != 0 {
		t.Errorf("got %d events, want %d", len(got), len(lines)-500)
	}
	if w.List()[0].LastSeq != int64(len(lines)) {
		t.Errorf("got %+v", w.List()[0])
	}
}

// TestCheckpoint: a ledger that is written down and read again in the middle is the one that read it all.
func TestCheckpoint(t *testing.T) {
	lines := []string{
		`{"type":"carrel.prompt","id":"%d","uuid":"u%d","author":"ana","content":"<b> & %d"}`,
		`{"type":"command_lifecycle","state":"queued","command_uuid":"u%d"}`,
		`{"type":"command_lifecycle","state":"started","command_uuid":"u%d"}`,
		`{"type":"command_lifecycle","state":"completed","command_uuid":"u%d"}`,
		`{"type":"command_lifecycle","state":"cancelled","command_uuid":"u%d"}`,
		`{"type":"user","isReplay":true,"uuid":"u%d"}`,
		`{"type":"result","user_message_uuids":["u%d"]}`,
		`{"type":"control_request","request_id":"r%d","request":{"subtype":"can_use_tool"}}`,
		`{"type":"control_cancel_request","request_id":"r%d"}`,
		`{"type":"carrel.answer","request_id":"r%d"}`,
		`{"type":"system","subtype":"init"}`,
		`{"type":"system","subtype":"session_state_changed","state":"idle"}`,
		`{"type":"system","subtype":"background_tasks_changed","tasks":[1]}`,
		`{"type":"carrel.state","state":"running"}`,
		`{"type":"carrel.state","state":"dormant","reason":"restarted"}`,
		`{"type":"carrel.state","state":"dormant","reason":"idle"}`,
		`{"type":"carrel.state","state":"starting"}`,
	}
	rapid.Check(t, func(rt *rapid.T) {
		whole, parts := newLedger(), newLedger()
		for seq := range int64(rapid.IntRange(0, 60).Draw(rt, "events")) {
			raw := strings.ReplaceAll(rapid.SampledFrom(lines).Draw(rt, "line"), "%d", fmt.Sprint(rapid.IntRange(0, 4).Draw(rt, "n")))
			line, err := claude.Parse([]byte(raw))
			if err != nil {
				rt.Fatal(err)
			}
			whole.apply(seq+1, line)
			parts.apply(seq+1, line)
			if rapid.Bool().Draw(rt, "checkpoint") {
				b, err := parts.checkpoint(seq + 1)
				if err != nil {
					rt.Fatal(err)
				}
				again, n, err := restore(b)
				if err != nil || n != seq+1 {
					rt.Fatalf("got %d, %v", n, err)
				}
				parts = again
			}
		}
		a, _ := whole.checkpoint(1)
		b, _ := parts.checkpoint(1)
		if !bytes.Equal(a, b) || len(whole.open) != len(parts.open) {
			rt.Fatalf("got\n%s\nwant\n%s", b, a)
		}
		for i, p := range whole.open {
			q := parts.open[i]
			if q != parts.prompts[q.id] || p.id != q.id || p.state != q.state || !bytes.Equal(p.content, q.content) {
				rt.Fatalf("open prompt %d: got %+v, want %+v", i, q, p)
			}
		}
		if !maps.Equal(whole.asks, parts.asks) || !reflect.DeepEqual(whole.answered, parts.answered) {
			rt.Fatal("other requests")
		}
	})
}

// TestCheckpointIsNotTrusted: what is no checkpoint of these events costs time, and nothing else.
func TestCheckpointIsNotTrusted(t *testing.T) {
	w := makeWorld(t, "/nonexistent")
	w.stop()
	id := fakeSession(t, w.Sessions, `{"type":"carrel.prompt","id":"p","uuid":"u","author":"ana","content":"x"}`, `{"type":"result","user_message_uuids":["u"]}`)
	for name, raw := range map[string]string{
		"of the future":   `{"version":1,"seq":99,"prompts":[],"state":"dormant"}`,
		"another version": `{"version":0,"seq":2,"prompts":[],"state":"dormant"}`,
		"torn":            `{"version":1,"se`,
		"zeros":           "\x00\x00\x00",
		"empty":           "",
	} {
		if err := os.WriteFile(filepath.Join(w.cfg.JournalDir, id, "ledger.json"), []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		w.start()
		if res := w.prompt(id, "x", "p"); !res.Duplicate || res.Seq != 1 {
			t.Errorf("%s: got %+v", name, res)
		}
		w.stop()
	}
}

// BenchmarkOpenAtEnd opens a session that has no process and reads its last 100 events, as the page does.
func BenchmarkOpenAtEnd(b *testing.B) {
	for _, events := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			cfg := protocol.Config{JournalDir: b.TempDir()}
			ss := New(Options{Config: cfg})
			var lines []string
			for n := 0; len(lines) < events; n++ {
				lines = append(lines,
					fmt.Sprintf(`{"type":"carrel.prompt","id":"%d","uuid":"u%d","author":"ana","content":"x"}`, n, n),
					fmt.Sprintf(`{"type":"command_lifecycle","state":"started","command_uuid":"u%d"}`, n), start("m"), blockStart(0, textBlock))
				all := ""
				for w := range 85 {
					all += fmt.Sprint(w, " ")
					lines = append(lines, text(0, fmt.Sprint(w, " ")))
				}
				lines = append(lines, said("m", fmt.Sprintf(`{"type":"text","text":%q}`, all)))
				for range 9 {
					lines = append(lines, `{"type":"user","message":{"content":"`+strings.Repeat("tool result ", 50)+`"}}`)
				}
				lines = append(lines, fmt.Sprintf(`{"type":"result","user_message_uuids":["u%d"]}`, n))
			}
			id := fakeSession(b, ss, lines...)
			stop := func() {
				if err := ss.Stop(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			stop()
			ss = New(Options{Config: cfg, KeepPieces: time.Nanosecond})
			page := func() (n int) {
				err := ss.Events(context.Background(), &protocol.EventsRequest{SessionID: id, Last: 100}, func(*protocol.Event) error { n++; return nil })
				if err != nil {
					b.Fatal(err)
				}
				return n
			}
			if _, err := ss.Interrupt(context.Background(), &protocol.SessionRequest{SessionID: id}); err != nil { // and compact
				b.Fatal(err)
			}
			for s := ss.all[id]; ; time.Sleep(time.Millisecond) {
				s.mu.Lock()
				done := s.compacting == nil && s.users == 0
				s.mu.Unlock()
				if done {
					break
				}
			}
			b.ResetTimer()
			for b.Loop() {
				if n := page(); n != 100 {
					b.Fatal(n)
				}
			}
			b.StopTimer()
			stop()
		})
	}
}

// TestPage: a page is the last events before a number, in order.
func TestPage(t *testing.T) {
	w := makeWorld(t, "/nonexistent")
	w.stop()
	var lines []string
	for n := range 50 {
		lines = append(lines, fmt.Sprintf(`{"type":"user","n":%d}`, n+1))
	}
	id := fakeSession(t, w.Sessions, lines...)
	w.start()
	for name, c := range map[string]struct {
		req         protocol.EventsRequest
		first, last int64
	}{
		"the end":         {protocol.EventsRequest{Last: 7}, 44, 50},
		"the middle":      {protocol.EventsRequest{Last: 7, Before: 20}, 13, 19},
		"the beginning":   {protocol.EventsRequest{Last: 7, Before: 4}, 1, 3},
		"before all":      {protocol.EventsRequest{Last: 7, Before: 1}, 0, 0},
		"beyond the end":  {protocol.EventsRequest{Last: 2, Before: 1000}, 49, 50},
		"few bytes":       {protocol.EventsRequest{Last: 7, MaxBytes: 1}, 50, 50},
		"more than there": {protocol.EventsRequest{Last: 700}, 1, 50},
	} {
		c.req.SessionID = id
		var got []int64
		err := w.Events(w.ctx(), &c.req, func(e *protocol.Event) error {
			if !json.Valid(e.Event) {
				t.Errorf("event %d is %s", e.Seq, e.Event)
			}
			got = append(got, e.Seq)
			return nil
		})
		var want []int64
		for seq := c.first; seq <= c.last && seq > 0; seq++ {
			want = append(want, seq)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, want)
		}
	}
}
