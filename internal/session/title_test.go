package session

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestPromptTitle(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`"Fix the bug"`: "Fix the bug",
		`"\n\n  Fix   the\tbug  \nand the other"`: "Fix the bug",
		`"   "`: "",
		`[{"type":"image"},{"type":"text","text":"What is this?"}]`: "What is this?",
		`[{"type":"image"}]`:                    "",
		`{}`:                                    "",
		`"` + strings.Repeat("word ", 30) + `"`: strings.TrimSpace(strings.Repeat("word ", 12))[:59] + "…",
		`"` + strings.Repeat("字", 100) + `"`:    strings.Repeat("字", 59) + "…",
		`"` + strings.Repeat("x", 61) + `"`:     strings.Repeat("x", 59) + "…",
		`"` + strings.Repeat("x", 60) + `"`:     strings.Repeat("x", 60),
		`"` + strings.Repeat("👩‍👩‍👧", 61) + `"`: strings.Repeat("👩‍👩‍👧", 59) + "…",
		`"` + "a\\u0007b\\u001b[31m" + `"`:      "ab[31m",
	} {
		if got := promptTitle(json.RawMessage(content)); got != want {
			t.Errorf("%.60s: got %q; want %q", content, got, want)
		}
	}
}

// TestTitleOfAFork: the CLI calls it what the original is called; its number stays until it is called otherwise.
func TestTitleOfAFork(t *testing.T) {
	t.Parallel()
	fork := &row{Title: "Fix the bug (2)", TitledBy: titledByPrompt, ForkOf: "original"}
	for _, c := range []struct{ told, want string }{
		{"Fix the bug", "Fix the bug (2)"},
		{"Another way", "Another way"},
	} {
		if fork.take(&protocol.Session{Title: c.told}); fork.Title != c.want {
			t.Errorf("told %q: got %q; want %q", c.told, fork.Title, c.want)
		}
	}
}

func FuzzPromptTitle(f *testing.F) {
	f.Add(`"Fix the bug"`)
	f.Add(`[{"type":"text","text":"e\u0301\u0301\u0301"}]`)
	f.Add("\"" + strings.Repeat("e"+strings.Repeat("\u0301", 50), 20) + "\"")
	f.Fuzz(func(t *testing.T, content string) {
		got := promptTitle(json.RawMessage(content))
		if n := uniseg.GraphemeClusterCount(got); n > titleLength {
			t.Fatalf("%d characters in %q", n, got)
		}
		if !utf8.ValidString(got) || got != strings.TrimSpace(got) || strings.ContainsAny(got, "\n\r\t\x00") || len(got) > 33*titleLength {
			t.Fatalf("got %q", got)
		}
	})
}

func TestTakeNeverGoesBack(t *testing.T) {
	t.Parallel()
	now := stamp(time.Now())
	r := row{Title: "t", TitledBy: titledByPerson, Model: "m", PermissionMode: "plan", LastSeq: 9, LastActivityAt: now, Usage: `{"m":1}`, CostUSD: 2}
	before := r
	r.take(&protocol.Session{State: "", LastSeq: 3, LastActivityAt: now.Add(-time.Hour), Title: "other", PermissionMode: "odd", Usage: json.RawMessage(`[1]`), Model: "-x"})
	if r != before {
		t.Fatalf("got %+v; want %+v", r, before)
	}
}

// What a process works with, and what it ended with, is taken over. What was chosen after its end is not undone by what
// is said of the one that was.
func TestTakeSettings(t *testing.T) {
	t.Parallel()
	told := protocol.Session{State: protocol.StateReady, Model: "b", PermissionMode: "plan", Effort: "max"}
	for _, c := range []struct {
		before, now string
		taken       bool
	}{
		{protocol.StateDormant, protocol.StateReady, true},
		{protocol.StateReady, protocol.StateReady, true},
		{protocol.StateReady, protocol.StateDormant, true},
		{protocol.StateDormant, protocol.StateDormant, false},
	} {
		r := row{State: c.before, Model: "a", PermissionMode: "default", Effort: "low", Usage: "{}"}
		p := told
		p.State = c.now
		r.take(&p)
		got := r.Model == told.Model && r.PermissionMode == told.PermissionMode && r.Effort == told.Effort
		kept := r.Model == "a" && r.PermissionMode == "default" && r.Effort == "low"
		if got != c.taken || kept == c.taken || r.State != c.now {
			t.Errorf("%s, then %s: %+v", c.before, c.now, r)
		}
	}
}
