package claude

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Line is one line out, with what says which kind it is. Unknown kinds come with every version of the CLI.
type Line struct {
	Raw       json.RawMessage `json:"-"` // as it came, without the line break
	Type      string          `json:"type"`
	Subtype   string          `json:"subtype"`
	UUID      string          `json:"uuid"`
	SessionID string          `json:"session_id"`
	RequestID string          `json:"request_id"`
}

// Parse reads a line. It fails only on what is not a JSON object; a field of an unexpected kind is as if it were
// not there. Raw is b itself.
func Parse(b []byte) (Line, error) {
	l := Line{}
	if err := loose(b, &l); err != nil {
		return Line{}, err
	}
	l.Raw = b
	return l, nil
}

// loose decodes an object and forgives fields of other types.
func loose(b []byte, v any) error {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return errors.New("not a JSON object")
	}
	var mismatch *json.UnmarshalTypeError
	if err := json.Unmarshal(b, v); err != nil && !errors.As(err, &mismatch) {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	return nil
}

// decode reads more of a line that Parse has found to be an object.
func decode[T any](l Line) (v T) {
	_ = loose(l.Raw, &v) // it cannot be anything but a mismatch, which leaves the zero value
	return v
}

// Tokens says whether a line is a piece of a message that is still being written: most lines are, and none of them
// changes anything but the text.
func (l Line) Tokens() bool { return l.Type == "stream_event" }

// Lifecycle is what became of a prompt that had a uuid.
type Lifecycle struct {
	Prompt string `json:"command_uuid"`
	State  string `json:"state"` // queued, started, completed, cancelled
}

// Lifecycle reads a command_lifecycle.
func (l Line) Lifecycle() (Lifecycle, bool) {
	if l.Type != "command_lifecycle" {
		return Lifecycle{}, false
	}
	return decode[Lifecycle](l), true
}

// Replayed is the uuid of a prompt that is now part of the conversation on disk.
func (l Line) Replayed() (uuid string, ok bool) {
	if l.Type != "user" {
		return "", false
	}
	return l.UUID, decode[struct {
		IsReplay bool `json:"isReplay"`
	}](l).IsReplay
}

// Began is the uuid of a prompt that this line shows to have begun: it is part of a turn now.
func (l Line) Began() (uuid string, ok bool) {
	if c, ok := l.Lifecycle(); ok {
		return c.Prompt, c.State == "started"
	}
	return l.Replayed()
}

// OfMain says whether a message is of the conversation itself, and not of a subagent.
func (l Line) OfMain() bool {
	return decode[struct {
		Parent *string `json:"parent_tool_use_id"`
	}](l).Parent == nil
}

// Effort is the level that /effort, typed as a prompt, has just set.
func (l Line) Effort() (level string, ok bool) {
	if l.Type != "assistant" || !bytes.Contains(l.Raw, []byte(`"local_command_run"`)) {
		return "", false
	}
	run := decode[struct {
		Run struct {
			Command string `json:"command"`
			Args    string `json:"args"`
		} `json:"local_command_run"`
	}](l).Run
	level = strings.ToLower(strings.TrimSpace(run.Args))
	if level == "auto" {
		level = DefaultEffort
	}
	return level, run.Command == "effort" && ValidEffort(level)
}

// Result ends a turn.
type Result struct {
	Text    string          `json:"result"`
	APIType string          `json:"api_error_type"` // of the error that ended the turn
	IsError bool            `json:"is_error"`
	Ended   string          `json:"terminal_reason"` // completed, aborted_streaming, aborted_tools and others
	Errors  []string        `json:"errors"`
	Turns   int             `json:"num_turns"`      // 0: of a note of the CLI's own, or a command that asks no model
	CostUSD float64         `json:"total_cost_usd"` // of the whole session
	Usage   json.RawMessage `json:"modelUsage"`     // of the whole session, by model
	Prompts []string        `json:"user_message_uuids"`
}

// BudgetExceeded is the error type by which our gateway tells its refusal from the API's own.
const BudgetExceeded = "budget_exceeded"

// Result reads a result.
func (l Line) Result() (Result, bool) {
	if l.Type != "result" {
		return Result{}, false
	}
	return decode[Result](l), true
}

// Reason is the API's own text in the result of a turn that it ended; the CLI puts words of its own before it.
func (r Result) Reason() string {
	if _, said, ok := strings.Cut(r.Text, " · "); ok && strings.HasPrefix(r.Text, "API Error: ") {
		return said
	}
	return r.Text
}

// System is what we read of system lines.
type System struct {
	State          string            `json:"state"`          // of session_state_changed: idle, running, requires_action
	Model          string            `json:"model"`          // of init
	PermissionMode string            `json:"permissionMode"` // of init and status
	Title          string            `json:"title"`          // of session_title_changed
	Tasks          []json.RawMessage `json:"tasks"`          // of background_tasks_changed: all that run
}

// What is kept of the names of tasks: the model writes them.
const (
	maxTaskNames     = 10
	maxTaskNameRunes = 100
)

// TaskNames says what runs in the background, in a line each.
func (s System) TaskNames() []string {
	var names []string
	for _, raw := range s.Tasks[:min(len(s.Tasks), maxTaskNames)] {
		var t struct {
			Description string `json:"description"`
			ID          string `json:"task_id"`
		}
		_ = loose(raw, &t) // what cannot be read has no name
		name := []rune(strings.Join(strings.Fields(cmp.Or(t.Description, t.ID, "?")), " "))
		if len(name) > maxTaskNameRunes {
			name = append(name[:maxTaskNameRunes], '…')
		}
		names = append(names, string(name))
	}
	return names
}

// System reads a system line.
func (l Line) System() (System, bool) {
	if l.Type != "system" {
		return System{}, false
	}
	return decode[System](l), true
}

// Request is what the CLI asks of us.
type Request struct {
	Subtype string          `json:"subtype"`
	Tool    string          `json:"tool_name"`
	Input   json.RawMessage `json:"input"`
}

// Permission says whether it asks if a tool may run.
func (r Request) Permission() bool { return r.Subtype == "can_use_tool" }

// Request reads a control_request.
func (l Line) Request() (Request, bool) {
	if l.Type != "control_request" {
		return Request{}, false
	}
	return decode[struct {
		Request Request `json:"request"`
	}](l).Request, true
}

// Withdrawn is the id of a request that the CLI no longer wants answered.
func (l Line) Withdrawn() (requestID string, ok bool) {
	return l.RequestID, l.Type == "control_cancel_request"
}

// Answer answers a control request of ours. The CLI also echoes the answers that we gave to its own.
type Answer struct {
	RequestID string          `json:"request_id"`
	Subtype   string          `json:"subtype"` // success, error
	Error     string          `json:"error"`
	ErrorCode string          `json:"error_code"`
	Response  json.RawMessage `json:"response"`
}

// Refused says whether the CLI did not do what it was asked.
func (a Answer) Refused() bool { return a.Subtype == "error" }

// Answer reads a control_response.
func (l Line) Answer() (Answer, bool) {
	if l.Type != "control_response" {
		return Answer{}, false
	}
	return decode[struct {
		Response Answer `json:"response"`
	}](l).Response, true
}

// Cancelled says whether a message that was to be cancelled was still in the queue.
func (a Answer) Cancelled() bool {
	var c struct {
		Cancelled bool `json:"cancelled"`
	}
	_ = loose(a.Response, &c) // an answer without one did not
	return c.Cancelled
}

// Written is what a command has written so far: the end of it, where Cut.
type Written struct {
	Output string `json:"output"`
	Bytes  int64  `json:"total_bytes"`
	Cut    bool   `json:"truncated"`
}

// Written reads the answer to TaskOutput.
func (a Answer) Written() Written {
	var w Written
	_ = loose(a.Response, &w) // an answer without one has nothing written
	return w
}

// Greeting is what we read of the answer to Initialize.
type Greeting struct {
	PermissionMode string `json:"current_permission_mode"`
}

// Greeting reads the answer to Initialize.
func (a Answer) Greeting() Greeting {
	var g Greeting
	_ = loose(a.Response, &g) // an answer without one is fine
	return g
}
