package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/journal"
	"github.com/carrel-dev/carrel/internal/project"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// oddLines are events that a decoder and an encoder would not give back as they came.
var oddLines = []string{
	`{"type":"assistant","message":{"content":[{"type":"tool_use","id":"w","name":"TodoWrite","input":{"todos":[{"content":"dig  it","status":"in_progress"}]}}]}}`,
	`{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"w"}]}}`,
	`{"type":"odd","big":123456789012345678901234567890,"exact":1.0,"small":1e-400,"minus":-0,"exp":1E+2}`,
	`{"type":"odd","a":1,"a":2,"A":3,"type":"again"}`,
	`{ "type" :	"odd" , "spaces" : [ 1 ,2,  3 ] , "empty": { } }`,
	`{"type":"odd","escapes":"\u00fc\u4e2d\/\u003c\u0000\ud83d\ude00 \ud83d <>&"}`,
	"{\"type\":\"odd\",\"raw\":\"ü中😀\u2028\u2029\x7f<script>&amp;\"}",
	"{\"type\":\"odd\",\"not utf-8\":\"\xff\xfe\"}",
	`{"type":"odd","nothing":null,"deep":[[[[[[[[]]]]]]]]}`,
	`{}`,
	`{"type":"carrel.odd","x":" "}`,
	`{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"a\u0062","n":1.50}]}}`,
}

// TestEventsAreNotRewritten guards that no code rewrites an event: what is in the journal comes out of the supervisor,
// through a socket, and out of the session, byte for byte, followed and in pages, before and after it is compacted.
func TestEventsAreNotRewritten(t *testing.T) {
	rig := newRealRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, p := rig.serve(ctx)
	if _, err := project.NewService(p, s, rig.log).Create(ctx, 1, project.New{Name: "demo"}); err != nil {
		t.Fatal(err)
	}
	ss, err := s.Create(ctx, 1, NewSession{Project: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Destroy(ctx, 1); err != nil { // a supervisor knows the journals that it finds at its start
		t.Fatal(err)
	}
	folder := filepath.Join(rig.dir, "data", "volumes", "user-1", "journal", ss.ID)
	wrote := writeJournal(t, folder)

	compare := func(when string, want map[int64]string) {
		t.Helper()
		got := map[string]map[int64]string{"all": {}, "pages": {}, "followed": {}}
		evs, _, err := s.Events(ctx, 1, ss.ID, 0, 0, 0, anyRoom)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range evs {
			got["all"][e.Seq] = string(e.Event)
		}
		for before := int64(0); ; {
			page, err := s.EventsBefore(ctx, 1, ss.ID, before, 7, anyRoom)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for i, e := range page {
				if i > 0 && e.Seq <= page[i-1].Seq {
					t.Errorf("%s: %d after %d", when, e.Seq, page[i-1].Seq)
				}
				got["pages"][e.Seq] = string(e.Event)
			}
			before = page[0].Seq
		}
		enough := errors.New("enough")
		last := evs[len(evs)-1].Seq
		err = s.Subscribe(ctx, 1, ss.ID, 0, func(e *protocol.Event) error {
			got["followed"][e.Seq] = string(e.Event)
			if e.Seq >= last {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
		for how, events := range got {
			for seq, line := range want {
				if events[seq] != line {
					t.Errorf("%s, %s: event %d is\n%q, want\n%q", when, how, seq, events[seq], line)
				}
			}
			for seq := range events {
				if wrote.all[seq] != "" && want[seq] == "" {
					t.Errorf("%s, %s: event %d is still there", when, how, seq)
				}
			}
		}
	}
	compare("before", wrote.all)
	inst, _, err := p.Get(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := inst.Client().CloseSession(ctx, &protocol.SessionRequest{SessionID: ss.ID}); err != nil { // then it is compacted
		t.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(folder, "ledger.json"))
		if err == nil {
			break
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			t.Fatalf("it was not compacted: %v", err)
		}
	}
	if len(wrote.left) >= len(wrote.all) {
		t.Fatal("nothing was to be dropped")
	}
	compare("after", wrote.left)

	// What Claude meant to do long before comes with the last page, beside the events.
	want := []protocol.Todo{{ID: "0", Text: "dig  it", Status: "in_progress"}}
	page, err := s.EventsBefore(ctx, 1, ss.ID, 0, 7, anyRoom)
	if err != nil || len(page) == 0 || page[0].Todos == nil || !slices.Equal(page[0].Todos.Items, want) || page[0].Todos.Seq >= page[0].Seq {
		t.Errorf("got %+v, %v; want %v with the last page", page[0].Todos, err, want)
	}
}

// written is what a journal holds, and what is left of it.
type written struct{ all, left map[int64]string }

// writeJournal mixes odd lines with turns whose pieces of text will go.
func writeJournal(t *testing.T, folder string) written {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(filepath.Join(folder, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	w := written{map[int64]string{}, map[int64]string{}}
	add := func(line string, stays bool) {
		seq, err := j.AppendAt(time.Now().Add(-time.Hour), []byte(line)) // the last turn's pieces stay for a while
		if err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		w.all[seq] = line
		if stays {
			w.left[seq] = line
		}
	}
	for i, odd := range oddLines {
		m := fmt.Sprintf("msg_%d", i)
		add(fmt.Sprintf(`{"type":"stream_event","event":{"type":"message_start","message":{"id":%q}},  "parent_tool_use_id":null}`, m), true)
		add(`{"type":"stream_event","event":{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}}`, true)
		text := ""
		for n := range 60 {
			text += fmt.Sprint(n, " ")
			add(fmt.Sprintf(`{"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%d "}},"uuid":"9ee04f29-c944-431c-bceb-c52aca847cf2"}`, n), false)
			if n == 15 {
				add(odd, true) // in the midst of it
			}
		}
		add(fmt.Sprintf(`{"type":"assistant","message":{"id":%q,"content":[{"type":"text","text":%q,"x":1.0}]}}`, m, text), true)
		add(`{"type":"result","subtype":"success","duration_ms":1.0}`, true)
	}
	return w
}

func anyRoom(int) error { return nil }
