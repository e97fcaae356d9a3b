package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/claude"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestScript(t *testing.T) {
	t.Parallel()
	for prompt, want := range map[string]script{
		`"hello"`:               {pieces: 1, first: usualFirst},
		`"[say 30]"`:            {pieces: 30, first: usualFirst},
		`"[say 5] [pace 20ms]"`: {pieces: 5, pace: 20 * time.Millisecond, first: usualFirst},
		`[{"type":"text","text":"[blocks 7] [first 0s]"}]`: {pieces: 1, blocks: 7},
	} {
		if got, err := scriptOf(prompt); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", prompt, got, err, want)
		}
	}
	if s, err := scriptOf(`"[say x]"`); err == nil {
		t.Errorf("[say x] is %+v; want an error", s)
	}
}

// TestSpeaksAsTheCLI reads the stand-in with the parser that Carrel reads the CLI with.
func TestSpeaksAsTheCLI(t *testing.T) {
	t.Parallel()
	const uuid, id = "5ada6373-1552-433b-9f0b-a9dffd2a34e8", "22ad3721-3cc1-44a6-a8a0-b19ce606acaa"
	argv := claude.Launch{Path: "standin", SessionID: id}.Argv()
	content, err := claude.ParseContent([]byte(`"[say 20] [blocks 3] [first 0s]"`))
	if err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(append(claude.Initialize("hello"), claude.User(uuid, content)...))
	var out bytes.Buffer
	if err := run(argv, in, &out); err != nil {
		t.Fatal(err)
	}
	var told []string
	for raw := range strings.Lines(out.String()) {
		l, err := claude.Parse([]byte(raw))
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		word := l.Type
		if a, ok := l.Answer(); ok {
			word = "answer " + a.RequestID + " " + a.Greeting().PermissionMode
		} else if lc, ok := l.Lifecycle(); ok && lc.Prompt == uuid {
			word = lc.State
		} else if u, ok := l.Replayed(); ok && u == uuid {
			word = "replay"
		} else if s, ok := l.System(); ok {
			word = l.Subtype + s.State
		} else if r, ok := l.Result(); ok {
			word = fmt.Sprint("result ", r.IsError, r.Prompts)
		}
		if n := len(told); n == 0 || told[n-1] != word {
			told = append(told, word)
		}
		if l.SessionID != "" && l.SessionID != id {
			t.Errorf("a line of session %q: %s", l.SessionID, raw)
		}
	}
	want := "answer hello default,queued,started,session_state_changedrunning,init,status,replay,stream_event,assistant,stream_event,assistant,result false [" + uuid + "],session_state_changedidle,completed"
	if got := strings.Join(told, ","); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := strings.Count(out.String(), `"text_delta"`); n != 20 {
		t.Errorf("%d pieces; want 20", n)
	}
}
