package claude

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorded reads the lines that the CLI wrote in one recorded conversation.
func recorded(t testing.TB, name string) (out [][]byte) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var r struct {
			Dir  string          `json:"dir"`
			Line json.RawMessage `json:"line"`
		}
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Dir == "<" {
			out = append(out, r.Line)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// kinds tells a conversation in words, without tokens and chatter.
func kinds(t *testing.T, name string) (out []string) {
	for _, raw := range recorded(t, name) {
		l, err := Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v in %s", name, err, raw)
		}
		if !bytes.Equal(l.Raw, raw) {
			t.Fatalf("%s: a line was changed", name)
		}
		switch lc, ok := l.Lifecycle(); {
		case ok:
			out = append(out, lc.State+" "+lc.Prompt[:4])
			continue
		}
		if uuid, ok := l.Replayed(); ok {
			out = append(out, "replay "+uuid[:4])
		} else if r, ok := l.Result(); ok {
			word := "result"
			if r.IsError {
				word = "result!"
			}
			out = append(out, word)
		} else if s, ok := l.System(); ok && s.State != "" {
			out = append(out, s.State)
		} else if r, ok := l.Request(); ok && r.Permission() {
			out = append(out, "ask "+r.Tool)
		} else if _, ok := l.Withdrawn(); ok {
			out = append(out, "withdrawn")
		} else if a, ok := l.Answer(); ok {
			out = append(out, "answer "+a.RequestID[:4])
		} else if l.Subtype == "init" {
			out = append(out, "init "+l.SessionID[:4])
		}
	}
	return out
}

func TestRecordedConversations(t *testing.T) {
	for name, want := range map[string]string{
		"01-plain-turn":                  "init 22ad, replay d9a8, result",
		"04a-permission-allow-once":      "init 0f14, replay a983, ask Bash, answer 5db1, result",
		"07b-interrupt-open-permission":  "init c082, replay 0366, ask Bash, withdrawn, answer req-, result!, init c082, replay f1aa, result",
		"09c-resume-unknown":             "result!",
		"15b-prompt-during-tool":         "init 6c93, replay 7209, ask Bash, answer 4ebd, queued 20e0, replay 20e0, started 20e0, ask Bash, answer 9a25, completed 20e0, result",
		"17-resume-interrupted-turn-env": "started 8757, answer req-, init 79dc, result, completed 8757, init 79dc, replay 9a56, result",
	} {
		if got := strings.Join(kinds(t, name), ", "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestRecordedDetails(t *testing.T) {
	for _, raw := range recorded(t, "09c-resume-unknown") {
		l, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := l.Result(); !ok || len(r.Errors) != 1 || !Unknown(r.Errors[0]) {
			t.Errorf("got %+v", r)
		}
	}
	var ids []string
	for _, raw := range recorded(t, "11c-clear") {
		l, _ := Parse(raw)
		if len(ids) == 0 || ids[len(ids)-1] != l.SessionID {
			ids = append(ids, l.SessionID)
		}
	}
	if len(ids) != 2 {
		t.Errorf("/clear changes the session id once; got %v", ids)
	}
	tasks := 0
	for _, raw := range recorded(t, "12b-background-bash") {
		l, _ := Parse(raw)
		if s, ok := l.System(); ok && l.Subtype == "background_tasks_changed" {
			tasks = max(tasks, len(s.Tasks))
		}
	}
	if tasks != 1 {
		t.Errorf("got %d background tasks, want 1", tasks)
	}
}

func TestParseForgives(t *testing.T) {
	for _, s := range []string{
		`{"type":"never_seen","uuid":7,"x":[1,2]}`,
		`{"subtype":{"a":1},"type":"system"}`,
		`{"type":"result","modelUsage":3,"errors":"x","total_cost_usd":"much"}`,
		`{"type":"control_request","request":"?"}`,
		`{"type":"system","subtype":"background_tasks_changed","tasks":{}}`,
		` {} `,
	} {
		l, err := Parse([]byte(s))
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		touch(l)
	}
	for _, s := range []string{``, `null`, `7`, `"x"`, `[]`, `{"a":`, `{} {}`, "Warning: x"} {
		if _, err := Parse([]byte(s)); err == nil {
			t.Errorf("%q was taken for a line", s)
		}
	}
}

// touch reads a line in every way there is.
func touch(l Line) {
	l.Lifecycle()
	l.Replayed()
	l.Result()
	l.System()
	l.Request()
	l.Withdrawn()
	if a, ok := l.Answer(); ok {
		a.Greeting()
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"07b-interrupt-open-permission", "08b-file-rewind-and-state-events", "09c-resume-unknown"} {
		for _, raw := range recorded(f, name) {
			if len(raw) < 4096 {
				f.Add([]byte(raw))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b)
		if err != nil {
			return
		}
		if !json.Valid(l.Raw) {
			t.Errorf("not JSON: %q", l.Raw)
		}
		touch(l)
	})
}

func BenchmarkParseTokens(b *testing.B) {
	var lines [][]byte
	for _, raw := range recorded(b, "01-plain-turn") {
		if bytes.Contains(raw, []byte("text_delta")) {
			lines = append(lines, raw)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := Parse(lines[i%len(lines)]); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReason(t *testing.T) {
	for text, want := range map[string]string{
		"API Error: Request rejected (429) · The budget is used up · wait.": "The budget is used up · wait.",
		"API Error: 402 scripted 402":                                       "API Error: 402 scripted 402",
		"Fine · and good.":                                                  "Fine · and good.",
	} {
		if got := (Result{Text: text}).Reason(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestEffort(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"type":"assistant","local_command_run":{"command":"effort","args":"low"}}`, "low"},
		{`{"type":"assistant","local_command_run":{"command":"effort","args":" XHigh "}}`, "xhigh"},
		{`{"type":"assistant","local_command_run":{"command":"effort","args":"auto"}}`, DefaultEffort},
		{`{"type":"assistant","local_command_run":{"command":"effort","args":"bogus"}}`, ""},
		{`{"type":"assistant","local_command_run":{"command":"effort","args":""}}`, ""},
		{`{"type":"assistant","local_command_run":{"command":"model","args":"max"}}`, ""},
		{`{"type":"assistant","message":{"content":[{"type":"text","text":"\"local_command_run\": effort max"}]}}`, ""},
	} {
		l, err := Parse([]byte(c.line))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := l.Effort(); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: got %q, %v", c.line, got, ok)
		}
	}
}
