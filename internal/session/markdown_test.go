package session

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

var renew = flag.Bool("renew", false, "write the golden files anew")

func TestMarkdown(t *testing.T) {
	events := strings.Split(strings.TrimSpace(`
{"type":"carrel.history"}
{"type":"user","isReplay":true,"uuid":"1","message":{"role":"user","content":"在终端里问的"}}
{"type":"assistant","uuid":"2","message":{"content":[{"type":"thinking","thinking":"first\nsecond"},{"type":"text","text":"终端里答的"}]}}
{"type":"carrel.state","state":"starting"}
{"type":"carrel.prompt","id":"a","uuid":"3","author":"ana_b","content":[{"type":"text","text":"Mend *it*"},{"type":"image"}]}
{"type":"user","isReplay":true,"uuid":"3","message":{"role":"user","content":"Mend *it*"}}
{"type":"assistant","uuid":"4","message":{"content":[{"type":"text","text":"I look."}]}}
{"type":"assistant","uuid":"5","message":{"content":[{"type":"tool_use","name":"Bash","input":{"command":"cat a.md\nls"}}]}}
{"type":"user","uuid":"6","message":{"content":[{"type":"tool_result","content":"`+"````md\\\\nx\\\\n````"+`\n"}]}}
{"type":"assistant","uuid":"7","message":{"content":[{"type":"tool_use","name":"Edit","input":{"file_path":"a`+"`"+`b.md","old_string":"x\ny","new_string":"z"}}]}}
{"type":"user","uuid":"8","message":{"content":[{"type":"tool_result","is_error":true,"content":[{"type":"text","text":"no such file"}]}]}}
{"type":"assistant","uuid":"9","message":{"content":[{"type":"tool_use","name":"Grep","input":{"pattern":"x","n":1}},{"type":"tool_use","name":"Read","input":{"file_path":"/home/ana/x"}},{"type":"tool_use","name":"Write","input":{"file_path":"w","content":"w\n"}}]}}
{"type":"assistant","uuid":"10","parent_tool_use_id":"toolu","message":{"content":[{"type":"text","text":"NOT SHOWN"}]}}
{"type":"user","uuid":"11","message":{"content":[{"type":"text","text":"[Request interrupted by user]"}]}}
{"type":"system","subtype":"compact_boundary"}
{"type":"assistant","uuid":"4","message":{"content":[{"type":"text","text":"I look."}]}}
{"type":"user","uuid":"12","message":{"content":"NOT SHOWN: a summary"}}
{"type":"carrel.error","code":"quota_exceeded","detail":"Your *storage* is full."}
{"type":"carrel.prompt","id":"b","content":"go on"}
{"type":"assistant","uuid":"13","message":{"content":[{"type":"text","text":"Done."}]}}
{"type":"result","is_error":true,"errors":["it <broke>"]}
not json
`), "\n")
	var b strings.Builder
	m := newMarkdown(&b)
	r := &row{ID: "3d0660e5-e2c7-4b06-9eed-e1d3bfa6bb52", Project: "demo", Title: "Mend the door"}
	if err := m.title(r); err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		at := time.Date(2026, 11, 24, 20, i, 0, 0, time.UTC)
		if err := m.event(&protocol.Event{Seq: int64(i + 1), At: at, Event: json.RawMessage(e)}); err != nil {
			t.Fatal(err)
		}
	}
	const golden = "testdata/conversation.md"
	if *renew {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) || strings.Contains(b.String(), "NOT SHOWN") {
		t.Errorf("got\n%s", b.String())
	}
}

func TestFenced(t *testing.T) {
	long := fenced("", strings.Repeat("é", maxShown))
	if len(long) > maxShown+100 || !strings.Contains(long, "bytes more)\n```\n") {
		t.Errorf("got %d bytes, ending in %q", len(long), long[len(long)-60:])
	}
}

func TestFileName(t *testing.T) {
	for title, want := range map[string]string{
		"Mend the door": "Mend the door.md", "../../etc/passwd": "etc passwd.md", "": "session-3d0660e5.md", "...": "session-3d0660e5.md",
		"修好\n登录/页面\u202e\x00": "修好 登录 页面.md", strings.Repeat("x", 300): strings.Repeat("x", nameLength) + ".md",
	} {
		if got := fileName(&row{ID: "3d0660e5-e2c7-4b06-9eed-e1d3bfa6bb52", Title: title}, ".md"); got != want {
			t.Errorf("%q: got %q, want %q", title, got, want)
		}
	}
}
