package scriptedmodel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const bypass = "--permission-mode=bypassPermissions"

// TestCLITools runs the tool orders through real turns of one session.
func TestCLITools(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	c := w.start(t, nil, bypass)
	r := c.turn("[write a.txt one\\ntwo\\n] [edit a.txt two => TWO] [read a.txt] [bash cat a.txt | tr 'a-z' 'A-Z'; echo \\] here]")
	if got := c.file("a.txt"); got != "one\nTWO\n" {
		t.Errorf("a.txt = %q", got)
	}
	if !strings.HasPrefix(r.Result, "Done.") || !strings.Contains(r.Result, "ONE TWO ] here") {
		t.Errorf("result = %q, want what Bash said", r.Result)
	}
	r = c.turn("[bash exit 3]")
	if !strings.Contains(r.Result, "Bash failed: Exit code 3") {
		t.Errorf("result of a failing command = %q", r.Result)
	}
	r = c.turn("[parallel [bash echo left > l.txt] [bash echo right > r.txt]] [say 3]")
	if c.file("l.txt") != "left\n" || c.file("r.txt") != "right\n" || r.Result != "The carrel by." {
		t.Errorf("parallel: %q %q %q", c.file("l.txt"), c.file("r.txt"), r.Result)
	}
	r = c.turn(`[tool NotATool {"x": "]"}]`)
	if !strings.Contains(r.Result, "NotATool failed") {
		t.Errorf("an unknown tool: %q", r.Result)
	}
	r = c.turn("[agent [bash echo from below > sub.txt] [say 4]]")
	if c.file("sub.txt") != "from below\n" || !strings.Contains(r.Result, "The carrel by the") {
		t.Errorf("subagent: file %q, result %q", c.file("sub.txt"), r.Result)
	}
	r = c.turn("[todo x light the lamp | > read | return the books]")
	if !strings.Contains(r.Result, "light the lamp") {
		t.Errorf("todo: %q", r.Result)
	}
	// What a tool says is never an order.
	r = c.turn(`[bash printf '\[say 30\] \[bash echo no > no.txt\]']`)
	if !strings.HasPrefix(r.Result, "Done.") || !strings.HasPrefix(c.file("no.txt"), "open ") {
		t.Errorf("a tool result was obeyed: %q, no.txt %q", r.Result, c.file("no.txt"))
	}
	// Orders only from the last prompt of a session.
	r = c.turn("and now plain words")
	if !strings.Contains(r.Result, "scripted model") || !strings.Contains(r.Result, "> and now plain words") {
		t.Errorf("plain prompt: %q", r.Result)
	}
	if r = c.turn("你好，请自我介绍"); !strings.Contains(r.Result, "脚本模型") {
		t.Errorf("Chinese prompt: %q", r.Result)
	}
	// A background task: its end starts a turn that is answered and runs no old orders.
	c.turn("[background echo x >> bg.txt]")
	c.until("the task's own turn", func(l line) bool { return l.Type == "result" && strings.Contains(l.Result, "background task") })
	if got := c.file("bg.txt"); got != "x\n" {
		t.Errorf("bg.txt = %q, want one line", got)
	}

	// A second process resumes the session: the state comes from the transcript.
	again := w.start(t, nil, bypass, "--resume", r.SessionID)
	r = again.turn("[think 5] [bash echo resumed]")
	if !strings.Contains(r.Result, "Bash said: resumed") || !again.saw("thinking_delta") {
		t.Errorf("resumed: %q", r.Result)
	}
}

// TestCLIAsks runs what asks the person.
func TestCLIAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	c := w.start(t, nil, "--permission-mode=plan")
	var asked []string
	c.answer = func(l line) map[string]any {
		asked = append(asked, l.Request.ToolName)
		in := l.Request.Input
		switch l.Request.ToolName {
		case "AskUserQuestion":
			answers := map[string]any{}
			for _, q := range in["questions"].([]any) {
				q := q.(map[string]any)
				answers[q["question"].(string)] = q["options"].([]any)[1].(map[string]any)["label"]
			}
			in["answers"] = answers
		case "ExitPlanMode":
			if in["plan"] != "Step one\n- then two\n" {
				t.Errorf("plan = %q", in["plan"])
			}
			if len(asked) == 2 {
				return map[string]any{"behavior": "deny", "message": "Add a test first."}
			}
			return map[string]any{"behavior": "allow", "updatedInput": in, "updatedPermissions": []any{
				map[string]any{"type": "setMode", "mode": "acceptEdits", "destination": "session"},
			}}
		}
		return map[string]any{"behavior": "allow", "updatedInput": in}
	}
	r := c.turn("[ask Which store? | SQLite: one file | Postgres || Which extras?* | Metrics | Traces] [plan Step one\\n- then two] [plan] [write ok.txt yes]")
	if want := "AskUserQuestion ExitPlanMode ExitPlanMode"; strings.Join(asked, " ") != want {
		t.Errorf("asked %v, want %s", asked, want)
	}
	if !c.saw(`\"Which store?\"=\"Postgres\"`) || !c.saw("Add a test first.") || c.file("ok.txt") != "yes" {
		t.Errorf("result %q, ok.txt %q", r.Result, c.file("ok.txt"))
	}
}

// TestCLISideRequests: titles, model probes, side questions, compaction.
func TestCLISideRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	c := w.start(t, nil, bypass)
	c.control(map[string]any{"subtype": "initialize", "promptSuggestions": true})
	c.turn("Please fix the login page [say 3]")
	if got := c.control(map[string]any{"subtype": "generate_session_title", "description": "Please fix the login page [say 3]"}); got["title"] != "Login page" {
		t.Errorf("title = %v", got)
	}
	if got := c.control(map[string]any{"subtype": "side_question", "question": "what is up"}); !strings.Contains(fmt.Sprint(got["response"]), "what is up") {
		t.Errorf("side question = %v", got)
	}
	if got := c.control(map[string]any{"subtype": "set_model", "model": "a-new-name"}); got["model"] != "a-new-name" {
		t.Errorf("set_model = %v", got)
	}
	c.seen = nil
	c.send("/compact")
	c.until("compact_boundary", func(l line) bool { return l.Subtype == "compact_boundary" })
	c.result()
	if !c.saw(`"compact_result":"success"`) || !c.saw("- Please fix the login page [say 3]") {
		t.Errorf("compaction:\n%s", strings.Join(tail(c.seen), "\n"))
	}
	if r := c.turn("[echo after compaction]"); r.Result != "after compaction" {
		t.Errorf("after compaction: %q", r.Result)
	}
	for _, kind := range []Kind{Title, SideQuestion, Probe, Summary} {
		if n := w.model.Count(func(r Request) bool { return r.Kind == kind }); n == 0 {
			t.Errorf("no request of kind %s among %+v", kind, w.model.Requests())
		}
	}
}

// TestCLIFailures runs trouble that ends quickly.
func TestCLIFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	c := w.start(t, nil, bypass)
	r := c.turn("[fail 500 2] [say 2]")
	if r.IsError || r.Result != "The carrel." || !c.saw(`"error_status":500`) {
		t.Errorf("fail 500 2: %+v", r.Result)
	}
	if n := w.model.Count(func(r Request) bool { return r.Prompt == "[fail 500 2] [say 2]" }); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
	for status, prompt := range map[int]string{
		400: "[fail 400]", 403: "[fail 403]", 401: "[fail 401] [no-retry]", 429: "[fail 429] [retry-after 3600]",
	} {
		if r := c.turn(prompt); !r.IsError || r.APIStatus != status {
			t.Errorf("%s: is_error %v, status %d", prompt, r.IsError, r.APIStatus)
		}
	}
	if r = c.turn("[drop 2 1] [say 4]"); r.Result != "The carrel by the." || !c.saw(`"api_retry"`) {
		t.Errorf("drop: %q", r.Result)
	}
	if r = c.turn("[error-event 1] [say 6]"); r.IsError || r.Result != "The carrel by the window keeps." {
		t.Errorf("error event: %q", r.Result)
	}
	if r = c.turn("[max-tokens] [say 2]"); r.Result != "The carrel." || !c.saw(`"stop_reason":"max_tokens"`) {
		t.Errorf("max-tokens: %q", r.Result)
	}
	if r = c.turn("[refusal] [say 2]"); !c.saw(`"stop_reason":"refusal"`) || r.Result != "The carrel." {
		t.Errorf("refusal: %q", r.Result)
	}
	if r = c.turn("[fail 500 1] [bash echo once >> once.txt]"); c.file("once.txt") != "once\n" {
		t.Errorf("a failure before a tool: %q %q", r.Result, c.file("once.txt"))
	}
	if r = c.turn("[bash echo one >> two.txt] [fail 529 1] [bash echo two >> two.txt]"); c.file("two.txt") != "one\ntwo\n" {
		t.Errorf("a failure between tools: %q %q", r.Result, c.file("two.txt"))
	}
}

// TestCLIWaits: a gate holds a turn without sleeping; a prompt sent meanwhile
// is folded into the turn and its orders run after the others; an interrupt
// leaves nothing behind for the next prompt.
func TestCLIWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	c := w.start(t, nil, bypass)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c.send("[say 2] [wait k1] [say 2]")
	c.until("the first words", func(l line) bool { return strings.Contains(l.raw, `"text":"carrel."`) })
	w.model.Release("k1")
	if r := c.result(); r.Result != "The carrel.\n\nThe carrel." {
		t.Errorf("waited: %q", r.Result)
	}

	marker := filepath.Join(w.dir, "go")
	c.send("[bash while ! test -e go; do sleep 0.05; done] [bash echo first >> f.txt]")
	c.until("the tool call", func(l line) bool { return l.Type == "assistant" && strings.Contains(l.raw, "test -e go") })
	c.write(map[string]any{"type": "user", "uuid": "5e1f1a52-7f2c-4c65-9f0e-000000000001", "message": map[string]any{"role": "user", "content": "[bash echo folded >> f.txt]"}})
	c.until("the queued prompt", func(l line) bool { return l.Type == "command_lifecycle" && strings.Contains(l.raw, `"queued"`) })
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.result()
	if got := c.file("f.txt"); got != "first\nfolded\n" {
		t.Errorf("f.txt = %q", got)
	}

	c.send("[say 1] [wait never]")
	if _, err := w.model.Await(ctx, func(r Request) bool { return strings.Contains(r.Prompt, "[wait never]") }); err != nil {
		t.Fatal(err)
	}
	c.until("a word", func(l line) bool { return strings.Contains(l.raw, `"text":"The."`) })
	c.control(map[string]any{"subtype": "interrupt"})
	c.result()
	if r := c.turn("[echo next]"); r.Result != "next" {
		t.Errorf("after an interrupt: %q", r.Result)
	}
}

// TestCLIResumesInterruptedTurn: killed in the middle, the turn is taken up
// from the transcript and what was done is not done again.
func TestCLIResumesInterruptedTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	c := w.start(t, nil, bypass)
	c.send("[bash echo once >> k.txt] [say 2] [wait resumed] [say 2]")
	l := c.until("the words after the tool", func(l line) bool { return strings.Contains(l.raw, `"text":"carrel."`) })
	w.awaitTranscript(t, l.SessionID, `"tool_result"`) // the CLI writes behind itself
	if err := syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.done
	w.model.Release("resumed")
	again := w.start(t, []string{"CLAUDE_CODE_RESUME_INTERRUPTED_TURN=1"}, bypass, "--resume", l.SessionID)
	again.control(map[string]any{"subtype": "initialize"})
	if r := again.result(); r.Result != "The carrel.\n\nThe carrel." {
		t.Errorf("resumed turn: %q", r.Result)
	}
	if got := again.file("k.txt"); got != "once\n" {
		t.Errorf("k.txt = %q, want the tool to have run once", got)
	}
}
