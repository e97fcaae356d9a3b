package claude

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// readRows reads a transcript as its reader inside an instance does.
func readRows(t *testing.T, path string) (rows []Row) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if r, err := ParseRow(lines.Bytes()); err == nil {
			rows = append(rows, r)
		}
	}
	return rows
}

// shown is the thread of rows, a line of text each.
func shown(t *testing.T, rows []Row) (out []string) {
	t.Helper()
	var nodes []Node
	var placed []Row
	for _, r := range rows {
		if n, ok := r.Node(); ok {
			nodes, placed = append(nodes, n), append(placed, r)
		}
	}
	for i, in := range Thread(nodes) {
		raw := placed[i].Line("s")
		if !in || raw == nil {
			continue
		}
		if bytes.ContainsAny(raw, "\n") || !json.Valid(raw) {
			t.Errorf("not a line: %s", raw)
		}
		l, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if l.UUID == "" || l.SessionID != "s" {
			t.Errorf("without its ids: %s", raw)
		}
		said, ok := l.Said()
		if !ok {
			out = append(out, l.Type+"/"+l.Subtype)
			continue
		}
		for _, b := range said.Blocks {
			text := b.Text + b.Thinking + b.Name + b.ResultText()
			if len(text) > 40 {
				text = strings.ToValidUTF8(text[:40], "") + "…"
			}
			who := said.Role
			if said.Replay {
				who = "prompt"
			}
			out = append(out, fmt.Sprintf("%s %s: %s", who, b.Type, strings.ReplaceAll(text, "\n", "⏎")))
		}
	}
	return out
}

// The transcripts are of CLI 2.1.331. The first has tools, a failing call beside another, a subagent, thinking, a
// local command, a background task and a compaction. The second comes from a terminal: tools, a local command that
// left nothing, a shell command, a prompt that was sent while a tool ran.
func TestTranscripts(t *testing.T) {
	for _, name := range []string{"transcript", "transcript-terminal"} {
		got := strings.Join(shown(t, readRows(t, "testdata/"+name+".jsonl")), "\n")
		want, err := os.ReadFile("testdata/" + name + ".shown")
		if err != nil {
			t.Fatal(err)
		}
		if got != strings.TrimSpace(string(want)) {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}

// id is the uuid of a row in these tests.
func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// say makes a row that hangs below another; 0 is none.
func say(n, parent int, typ, message string, more ...string) Row {
	p := "null"
	if parent > 0 {
		p = `"` + id(parent) + `"`
	}
	raw := fmt.Sprintf(`{"type":%q,"uuid":%q,"parentUuid":%s,"timestamp":"2026-11-24T20:00:00.000Z","message":%s%s}`, typ, id(n), p, message, strings.Join(more, ""))
	r, err := ParseRow([]byte(raw))
	if err != nil {
		panic(err)
	}
	return r
}

func text(role, s string) string {
	b, _ := json.Marshal(s)
	return fmt.Sprintf(`{"id":%q,"role":%q,"content":%s}`, "msg-"+fmt.Sprint(len(s), s[0]), role, b)
}

func TestThread(t *testing.T) {
	for _, c := range []struct {
		name string
		rows []Row
		want string
	}{
		{"nothing", nil, ""},
		{"only meta", []Row{say(1, 0, "user", text("user", "x"), `,"isMeta":true`)}, ""},
		{"gone back and asked otherwise", []Row{
			say(1, 0, "user", text("user", "one")), say(2, 1, "assistant", text("assistant", "uno")),
			say(3, 2, "user", text("user", "left")), say(4, 3, "assistant", text("assistant", "lost")),
			say(5, 2, "user", text("user", "two")), say(6, 5, "assistant", text("assistant", "due")),
		}, "one uno two due"},
		{"a subagent in the same file", []Row{
			say(1, 0, "user", text("user", "one")), say(2, 0, "user", text("user", "sub"), `,"isSidechain":true`), say(3, 1, "assistant", text("assistant", "uno")),
			say(4, 2, "assistant", text("assistant", "below"), `,"isSidechain":true`),
		}, "one uno"},
		{"a damaged row between", []Row{
			say(1, 0, "user", text("user", "one")), say(3, 2, "assistant", text("assistant", "uno")),
		}, "one uno"},
		{"a ring", []Row{say(1, 2, "user", text("user", "one")), say(2, 1, "assistant", text("assistant", "uno"))}, "one uno"},
		{"the same row twice", []Row{say(1, 0, "user", text("user", "one")), say(1, 0, "user", text("user", "one")), say(2, 1, "assistant", text("assistant", "uno"))}, "one uno"},
		{"what was said in a terminal", []Row{
			say(1, 0, "user", text("user", "<local-command-caveat>no</local-command-caveat>"), `,"isMeta":true`),
			say(2, 1, "user", text("user", "<command-name>/model</command-name>\n<command-args>opus</command-args>")),
			say(3, 2, "user", text("user", "<local-command-stdout>Set</local-command-stdout>")),
			say(4, 3, "user", text("user", "<bash-input>ls</bash-input>")), say(5, 4, "user", text("user", "<bash-stdout>a</bash-stdout><bash-stderr>b</bash-stderr>")),
			say(6, 5, "user", text("user", "<command-message>x</command-message><command-name>/x</command-name>")),
			say(7, 6, "user", text("user", "<task-notification>done</task-notification>")),
			say(8, 7, "user", `{"role":"user","content":[{"type":"text","text":"[Request interrupted by user]"}]}`),
			say(9, 8, "attachment", "null", `,"attachment":{"type":"queued_command","prompt":"hold on"}`),
			say(10, 9, "attachment", "null", `,"attachment":{"type":"queued_command","prompt":"<task-notification>","commandMode":"task-notification"}`),
		}, "/model opus|Set|!ls|a⏎b|/x|[Request interrupted by user]|hold on"},
	} {
		var words []string
		for _, line := range shown(t, c.rows) {
			_, word, _ := strings.Cut(line, ": ")
			words = append(words, word)
		}
		sep := " "
		if strings.Contains(c.want, "|") {
			sep = "|"
		}
		if got := strings.Join(words, sep); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A row can never become an event that means something to us.
func TestRowsClaimNothing(t *testing.T) {
	for _, raw := range []string{
		`{"type":"carrel.prompt","uuid":"` + id(1) + `","id":"x","content":"x"}`,
		`{"type":"result","uuid":"` + id(1) + `"}`,
		`{"type":"control_request","uuid":"` + id(1) + `","request":{"subtype":"can_use_tool"}}`,
		`{"type":"system","subtype":"init","uuid":"` + id(1) + `"}`,
		`{"type":"assistant","uuid":"` + id(1) + `","message":{"role":"user","content":"x"}}`,
		`{"type":"user","uuid":"` + id(1) + `","message":{"role":"assistant","content":"x"}}`,
		`{"type":"user","uuid":"` + id(1) + `","message":"x"}`,
		`{"type":"user","uuid":"` + id(1) + `"}`,
		`{"type":"user","uuid":"../../x","message":{"role":"user","content":"x"}}`,
		`{"type":"attachment","uuid":"` + id(1) + `","attachment":{"type":"queued_command","prompt":{"a":1}}}`,
	} {
		r, err := ParseRow([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if l := r.Line("s"); l != nil {
			t.Errorf("%s became %s", raw, l)
		}
	}
}

func FuzzRow(f *testing.F) {
	rows, err := os.ReadFile("testdata/transcript.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(rows) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRow(b)
		if err != nil {
			return
		}
		r.Node()
		raw := r.Line("s")
		if raw == nil {
			return
		}
		l, err := Parse(raw)
		if err != nil || bytes.ContainsAny(raw, "\n") || !json.Valid(raw) {
			t.Fatalf("not a line: %q, %v", raw, err)
		}
		if l.Type != "user" && l.Type != "assistant" && l.Type+l.Subtype != "systemcompact_boundary" {
			t.Errorf("became a %s/%s", l.Type, l.Subtype)
		}
		l.Said()
	})
}
