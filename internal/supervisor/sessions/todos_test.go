package sessions

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// called is a call of a tool and its result, as the CLI says them.
func called(id, tool, input, structured string) []string {
	return []string{
		fmt.Sprintf(`{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":%q,"name":%q,"input":%s}]}}`, id, tool, input),
		fmt.Sprintf(`{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":%q,"content":"ok"}]},"tool_use_result":%s}`, id, structured),
	}
}

func taskMade(id, subject string) []string {
	return called("make-"+id, taskCreate, fmt.Sprintf(`{"subject":%q}`, subject), fmt.Sprintf(`{"task":{"id":%q,"subject":%q}}`, id, subject))
}

func taskChanged(call, input string) []string { return called(call, taskUpdate, input, `{}`) }

func joined(all ...[]string) (lines []string) {
	for _, l := range all {
		lines = append(lines, l...)
	}
	return lines
}

func TestTodos(t *testing.T) {
	two := joined(taskMade("1", "dig"), taskMade("2", "sow"))
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"made":               {two, "1 dig pending, 2 sow pending"},
		"changed":            {joined(two, taskChanged("a", `{"taskId":"1","status":"completed"}`), taskChanged("b", `{"taskId":"2","subject":"plant","status":"in_progress"}`)), "1 dig completed, 2 plant in_progress"},
		"deleted":            {joined(two, taskChanged("a", `{"taskId":"1","status":"deleted"}`)), "2 sow pending"},
		"said again":         {joined(two, taskChanged("a", `{"taskId":"1","status":"completed"}`), two), "1 dig completed, 2 sow pending"},
		"written whole":      {joined(two, called("w", todoWrite, `{"todos":[{"content":"read","status":"in_progress"},{"content":"write","status":"odd"}]}`, `{}`)), "0 read in_progress, 1 write pending"},
		"not done yet":       {two[:3], "1 dig pending"},
		"refused":            {append(two[:3:3], strings.Replace(two[3], `"content":"ok"`, `"is_error":true,"content":"no"`, 1)), "1 dig pending"},
		"cut off":            {append(two[:3:3], entered("starting", ""), two[3]), "1 dig pending"},
		"cleared":            {append(two, `{"type":"conversation_reset"}`), ""},
		"of other kinds":     {joined(two, called("w", taskCreate, `{"subject":7}`, `{"task":{"id":3}}`), called("x", taskUpdate, `[]`, `null`)), "1 dig pending, 2 sow pending"},
		"named, not called":  {joined(two, called("b", "Bash", `{"command":"\"TodoWrite\""}`, `{}`)), "1 dig pending, 2 sow pending"},
		"results of a batch": {[]string{`{"type":"assistant","message":{"content":[{"type":"tool_use","id":"r","name":"Read"},{"type":"tool_use","id":"c","name":"TaskCreate","input":{"subject":"dig"}}]}}`, `{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"r"},{"type":"tool_result","tool_use_id":"c"}]},"tool_use_result":{"task":{"id":"9"}}}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			// It is the same however often the ledger was put away and taken up again.
			l := newLedger()
			for i, line := range c.lines {
				parsed, err := claude.Parse([]byte(line))
				if err != nil {
					t.Fatal(err)
				}
				l.apply(int64(i+1), parsed)
				raw, err := l.checkpoint(int64(i + 1))
				if err != nil {
					t.Fatal(err)
				}
				if l, _, err = restore(raw); err != nil {
					t.Fatal(err)
				}
			}
			if got := shown(l.todos.Items); got != c.want {
				t.Errorf("got %s; want %s", got, c.want)
			}
		})
	}
}

func TestTodosAreBounded(t *testing.T) {
	in, err := json.Marshal(map[string]any{"todos": make([]map[string]string, 3*maxTodos)})
	if err != nil {
		t.Fatal(err)
	}
	lines := joined(called("w", todoWrite, string(in), `{}`), taskMade("x", strings.Repeat("树", 2*maxTodoRunes)), taskMade(strings.Repeat("9", maxTodoID+1), "dig"))
	l := ledgerOf(t, lines...)
	last := l.todos.Items[len(l.todos.Items)-1]
	if len(l.todos.Items) != maxTodos || last.ID != "x" || last.Text != strings.Repeat("树", maxTodoRunes)+"…" {
		t.Errorf("got %d, the last %+v", len(l.todos.Items), last)
	}
	// Calls without results, and one that is given very much.
	lines = append(lines, called("w", todoWrite, `{"x":"`+strings.Repeat("x", maxTodoInput)+`"}`, `{}`)[0])
	lines = append(lines, called(strings.Repeat("w", maxTodoInput), todoWrite, `{}`, `{}`)[0])
	for i := range 2 * maxTodos {
		lines = append(lines, taskMade(fmt.Sprint(i), "dig")[0])
	}
	if l = ledgerOf(t, lines...); len(l.todos.Calls) != maxTodos {
		t.Errorf("%d calls are kept; want %d", len(l.todos.Calls), maxTodos)
	}
	for id := range l.todos.Calls {
		if strings.HasPrefix(id, "w") {
			t.Errorf("one with an id of %d bytes is kept", len(id))
		}
	}
}

func shown(items []protocol.Todo) string {
	var out []string
	for _, todo := range items {
		out = append(out, todo.ID+" "+todo.Text+" "+todo.Status)
	}
	return strings.Join(out, ", ")
}

// TestTodosOfAPage: who reads a conversation from its end is told what Claude meant to do before, also from a journal
// that an earlier Carrel wrote, once it was opened.
func TestTodosOfAPage(t *testing.T) {
	w := makeWorld(t, os.Args[0], pretenderEnv("quick"))
	w.stop()
	id := uuid.NewString()
	var journal strings.Builder
	lines := joined(taskMade("1", "dig"), []string{resultLine, entered("dormant", "idle")})
	for i, line := range lines {
		_, _ = fmt.Fprintf(&journal, `{"seq":%d,"at":%q,"event":%s}`+"\n", i+1, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), line)
	}
	dir := filepath.Join(w.cfg.JournalDir, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), []byte(journal.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.touch(id)
	want := &protocol.Todos{Seq: 2, Items: []protocol.Todo{{ID: "1", Text: "dig", Status: "pending"}}}
	for before, want := range map[int64][]*protocol.Todos{0: {want, nil}, 4: {nil, nil}} {
		var got []*protocol.Todos
		err := w.Events(w.ctx(), &protocol.EventsRequest{SessionID: id, Until: true, Before: before, Last: 2}, func(e *protocol.Event) error {
			got = append(got, e.Todos)
			var back protocol.Event
			if err := json.Unmarshal(e.AppendJSON(nil), &back); err != nil || !reflect.DeepEqual(back.Todos, e.Todos) {
				t.Errorf("got %+v, %v over the wire", back.Todos, err)
			}
			return nil
		})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("before %d: got %v, %v; want %v", before, got, err, want)
		}
	}
}

// TestTodosWhileItRuns: what the real CLI does is known at once, without another opening.
func TestTodosWhileItRuns(t *testing.T) {
	w := makeWorld(t, claudePath(t), "CLAUDE_CODE_ENABLE_TASKS=1")
	id := uuid.NewString()
	if _, err := w.Open(w.ctx(), &protocol.OpenRequest{SessionID: id, Project: "demo", Model: "claude-sonnet-4-6"}); err != nil {
		t.Fatal(err)
	}
	f := w.follow(id, 0)
	w.prompt(id, `[tool ToolSearch {"query":"select:TaskCreate,TaskUpdate"}] [tool TaskCreate {"subject":"dig","description":"d"}] [tool TaskUpdate {"taskId":"1","status":"in_progress"}]`)
	f.result()
	var got *protocol.Todos
	err := w.Events(w.ctx(), &protocol.EventsRequest{SessionID: id, Until: true, Last: 1}, func(e *protocol.Event) error {
		got = e.Todos
		return nil
	})
	if err != nil || got == nil || shown(got.Items) != "1 dig in_progress" {
		t.Errorf("got %+v, %v", got, err)
	}
}
