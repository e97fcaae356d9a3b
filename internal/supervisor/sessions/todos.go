package sessions

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of a list of what is to be done: it is kept with the session's settings, and a model writes it.
const (
	maxTodos     = 200
	maxTodoRunes = 300
	maxTodoID    = 100      // bytes
	maxTodoInput = 64 << 10 // bytes that a call is given, with its id
)

// The tools that say what is to be done: one gives the list whole, the others piece by piece.
const (
	todoWrite  = "TodoWrite"
	taskCreate = "TaskCreate"
	taskUpdate = "TaskUpdate"
)

var todoTools = [][]byte{[]byte(`"` + todoWrite + `"`), []byte(`"` + taskCreate + `"`), []byte(`"` + taskUpdate + `"`)}

// todos is what Claude means to do. The page makes the same of the events that it has read, which begin somewhere.
type todos struct {
	protocol.Todos                     // its items are replaced, never changed: others read them
	Calls          map[string]todoCall `json:"calls,omitempty"` // without a result yet, by their id
}

type todoCall struct {
	Tool  string          `json:"tool"`
	Input json.RawMessage `json:"input"`
}

// apply takes in one line. Most lines are not looked into.
func (t *todos) apply(seq int64, line claude.Line) {
	switch line.Type {
	case "assistant":
		if slices.ContainsFunc(todoTools, func(name []byte) bool { return bytes.Contains(line.Raw, name) }) {
			t.call(line)
		}
	case "user":
		if len(t.Calls) > 0 {
			t.results(seq, line)
		}
	case "conversation_reset":
		t.set(seq, nil)
	}
}

func (t *todos) call(line claude.Line) {
	m, _ := line.Message()
	for _, b := range m.Blocks {
		if b.Type != "tool_use" || b.Name != todoWrite && b.Name != taskCreate && b.Name != taskUpdate {
			continue
		}
		if len(t.Calls) == maxTodos || len(b.ID)+len(b.Input) > maxTodoInput {
			continue // no list that somebody looks at
		}
		if t.Calls == nil {
			t.Calls = map[string]todoCall{}
		}
		t.Calls[b.ID] = todoCall{b.Name, b.Input}
	}
}

func (t *todos) results(seq int64, line claude.Line) {
	said, _ := line.Said()
	first := true // the structured result is that of the first
	for _, b := range said.Blocks {
		if b.Type != "tool_result" {
			continue
		}
		if call, ok := t.Calls[b.ToolUseID]; ok {
			delete(t.Calls, b.ToolUseID)
			if !b.IsError {
				t.done(seq, call, line, first)
			}
		}
		first = false
	}
}

// done takes in a call that was carried out. What it lacks, or has of another kind, is as if it were empty.
func (t *todos) done(seq int64, call todoCall, line claude.Line, structured bool) {
	switch call.Tool {
	case todoWrite:
		var in struct {
			Todos []struct {
				Content string `json:"content"`
				Status  string `json:"status"`
			} `json:"todos"`
		}
		_ = json.Unmarshal(call.Input, &in)
		var items []protocol.Todo
		for i, todo := range in.Todos {
			items = append(items, protocol.Todo{ID: strconv.Itoa(i), Text: todo.Content, Status: todo.Status})
		}
		t.set(seq, items)
	case taskCreate:
		var in struct {
			Subject string `json:"subject"`
		}
		_ = json.Unmarshal(call.Input, &in)
		var out struct {
			Result struct {
				Task struct {
					ID      string  `json:"id"`
					Subject *string `json:"subject"`
				} `json:"task"`
			} `json:"tool_use_result"`
		}
		if structured {
			_ = json.Unmarshal(line.Raw, &out)
		}
		made := out.Result.Task
		if made.Subject == nil {
			made.Subject = &in.Subject
		}
		known := func(todo protocol.Todo) bool { return todo.ID == made.ID } // after a compaction the CLI says lines again
		if made.ID != "" && len(made.ID) <= maxTodoID && !slices.ContainsFunc(t.Items, known) {
			t.set(seq, append(slices.Clip(t.Items), protocol.Todo{ID: made.ID, Text: *made.Subject}))
		}
	case taskUpdate:
		var in struct {
			ID      string  `json:"taskId"`
			Subject *string `json:"subject"`
			Status  *string `json:"status"`
		}
		_ = json.Unmarshal(call.Input, &in)
		var items []protocol.Todo
		for _, todo := range t.Items {
			if todo.ID == in.ID {
				if in.Status != nil && *in.Status == "deleted" {
					continue
				}
				if in.Subject != nil {
					todo.Text = *in.Subject
				}
				if in.Status != nil {
					todo.Status = *in.Status
				}
			}
			items = append(items, todo)
		}
		t.set(seq, items)
	}
}

// set replaces the list by one of a new array, which it may shorten.
func (t *todos) set(seq int64, items []protocol.Todo) {
	items = items[max(0, len(items)-maxTodos):]
	for i, todo := range items {
		if text := []rune(todo.Text); len(text) > maxTodoRunes {
			items[i].Text = string(text[:maxTodoRunes]) + "…"
		}
		if todo.Status != "in_progress" && todo.Status != "completed" {
			items[i].Status = "pending"
		}
	}
	t.Todos = protocol.Todos{Seq: seq, Items: items}
}
