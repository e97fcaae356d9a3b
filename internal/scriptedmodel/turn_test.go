package scriptedmodel

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadTurn reads requests that the real CLI 2.1.331 made, with the long
// texts cut.
func TestReadTurn(t *testing.T) {
	t.Parallel()
	const deferred = 13
	for name, want := range map[string]struct {
		kind     Kind
		prompt   string
		calls    string // the tools called since the prompt
		resumes  int
		planFile bool
	}{
		"notification":  {kind: Notification},
		"plan-mode":     {kind: Turn, prompt: `[tool ExitPlanMode {"plan":"x"}]`, planFile: true},
		"subagent":      {kind: Turn, prompt: "sub prompt"},
		"tool-loaded":   {kind: Turn, prompt: `[tool ToolSearch {"query":"select:EnterPlanMode"}]`, calls: "ToolSearch"},
		"folded":        {kind: Turn, prompt: `[tool Bash {"command":"sleep 1"}]` + "\nfolded in", calls: "Bash"},
		"interrupted":   {kind: Turn, prompt: "after interrupt"},
		"queued":        {kind: Turn, prompt: "second queued\nthird with image"},
		"failed-before": {kind: Turn, prompt: "one FAIL\ntwo"},
		"resume":        {kind: Turn, prompt: "one MAXT", resumes: 1},
		"slash":         {kind: Turn, prompt: "Do the thing with foo bar [say 3]"},
		"title":         {kind: Title, prompt: "<session>"},
		"summary":       {kind: Summary, prompt: "CRITICAL"},
		"side":          {kind: SideQuestion, prompt: "what is up"},
		"probe":         {kind: Probe, prompt: "Hi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			req, err := decodeRequest(body)
			if err != nil {
				t.Fatal(err)
			}
			got := readTurn(req)
			var calls []string
			for _, c := range got.calls {
				calls = append(calls, c.tool)
				if !c.done {
					t.Errorf("%s has no result", c.tool)
				}
			}
			if got.kind != want.kind || strings.Join(calls, " ") != want.calls || got.resumes != want.resumes || (got.planFile != "") != want.planFile {
				t.Errorf("got kind %s, calls %v, resumes %d, plan file %q", got.kind, calls, got.resumes, got.planFile)
			}
			if want.kind == Turn && got.prompt != want.prompt || !strings.HasPrefix(got.prompt, want.prompt) {
				t.Errorf("prompt = %q, want %q", got.prompt, want.prompt)
			}
			if want.kind == Turn && name != "subagent" && (got.cwd != "/home/alice/projects/demo" || len(got.deferred) != deferred) {
				t.Errorf("cwd = %q, deferred tools %v", got.cwd, got.deferred)
			}
		})
	}
}

func TestOnlyPeopleGiveOrders(t *testing.T) {
	t.Parallel()
	text := func(s string) block { return block{Type: "text", Text: s} }
	for name, c := range map[string]struct {
		content blocks
		want    string
	}{
		"reminder":        {blocks{text("<system-reminder>[bash rm -rf /]</system-reminder>"), text("hi")}, "hi"},
		"reminder inside": {blocks{text("a <system-reminder>[say 9]</system-reminder> b")}, "a  b"},
		"unclosed":        {blocks{text("a <system-reminder>[say 9]")}, "a"},
		"tool result":     {blocks{{Type: "tool_result", Content: blocks{text("[say 9]")}}}, ""},
		"compacted":       {blocks{text("This session is being continued from a previous conversation\n[say 9]"), text("[say 2]")}, "[say 2]"},
		"interrupted":     {blocks{text("[wait k]"), text("[Request interrupted by user]\n"), text("next")}, "next"},
		"failed for good": {blocks{text("[fail 400]\n"), text("next")}, "next"},
		"failed a while":  {blocks{text("[fail 500 2]\n"), text("next")}, "[fail 500 2]\nnext"},
		"queued together": {blocks{text("[say 1]\n"), text("[say 2]")}, "[say 1]\n[say 2]"},
		"typed the same":  {blocks{text("Tool loaded.")}, "Tool loaded."},
	} {
		if got := typedText(c.content); got != c.want {
			t.Errorf("%s: typed %q, want %q", name, got, c.want)
		}
	}
}

func TestTitles(t *testing.T) {
	t.Parallel()
	for prompt, want := range map[string]string{
		"<session>\nFix the login page\n</session>\n\nWrite the title": "Login page",
		"[bash ls -la]":                 "Bash ls -la",
		"please [say 3]":                "Please",
		"":                              "Scripted session",
		"看看日志":                          "看看日志",
		"one two three four five six":   "One two three four five",
		"explain [say 2] the gateway's": "Gateway's",
	} {
		if got := title(prompt); got != want {
			t.Errorf("title(%q) = %q, want %q", prompt, got, want)
		}
	}
	schema := `{"type":"object","properties":{"title":{"type":"string"},"n":{"type":"integer"},"l":{"type":"array","minItems":1,"items":{"enum":["a","b"]}},"skip":{"type":"string"}},"required":["title","n","l"]}`
	if got, want := jsonAnswer(json.RawMessage(schema), "T"), `{"l":["a"],"n":0,"title":"T"}`; got != want {
		t.Errorf("jsonAnswer = %s, want %s", got, want)
	}
}

// TestTaskThatEnds: what became of a background task is a turn of its own, unless it is told to a turn that was cut
// short.
func TestTaskThatEnds(t *testing.T) {
	t.Parallel()
	text := func(role, s string) message {
		return message{Role: role, Content: blocks{{Type: "text", Text: s}}}
	}
	prompt, call := text("user", "[background sleep 9] [say 2]"), message{Role: "assistant", Content: blocks{{Type: "tool_use", ID: "1", Name: "Bash"}}}
	result, notice := message{Role: "user", Content: blocks{{Type: "tool_result", ToolUseID: "1"}}}, text("user", "<task-notification><summary>It ended</summary></task-notification>")
	for name, c := range map[string]struct {
		messages []message
		want     Kind
	}{
		"after the turn":       {[]message{prompt, call, result, text("assistant", "The carrel."), notice}, Notification},
		"cut after the call":   {[]message{prompt, call, result, notice}, Turn},
		"cut before the call":  {[]message{prompt, text("assistant", "I will."), notice}, Turn},
		"interrupted":          {[]message{prompt, call, result, text("user", interruptedStart+"]"), notice}, Notification},
		"a prompt of no order": {[]message{text("user", "hello"), call, result, notice}, Notification},
	} {
		if got := readTurn(&messagesRequest{Messages: c.messages}); got.kind != c.want || got.kind == Notification && (got.prompt != "" || got.notice != "It ended") {
			t.Errorf("%s: %s, prompt %q, notice %q; want %s", name, got.kind, got.prompt, got.notice, c.want)
		}
	}
}
