package claude

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Lines in. Each ends with a line break and holds no other.

type request struct {
	Subtype      string  `json:"subtype"`
	Mode         string  `json:"mode,omitempty"`
	Model        *string `json:"model,omitempty"`
	CancelQueued bool    `json:"cancel_queued,omitempty"`
	TaskID       string  `json:"task_id,omitempty"`
	UserMessage  string  `json:"user_message_id,omitempty"`
	DryRun       bool    `json:"dry_run,omitempty"`
	MessageUUID  string  `json:"message_uuid,omitempty"`
	Settings     any     `json:"settings,omitempty"`
}

func controlRequest(id string, r request) []byte {
	return line(struct {
		Type      string  `json:"type"`
		RequestID string  `json:"request_id"`
		Request   request `json:"request"`
	}{"control_request", id, r})
}

// Initialize greets a new process. Its answer holds commands, models and more.
func Initialize(id string) []byte { return controlRequest(id, request{Subtype: "initialize"}) }

// Interrupt ends the running turn. With queued, prompts that have not begun are given up too.
func Interrupt(id string, queued bool) []byte {
	return controlRequest(id, request{Subtype: "interrupt", CancelQueued: queued})
}

// Cancel takes a prompt out of the queue. The answer tells whether it was still there.
func Cancel(id, uuid string) []byte {
	return controlRequest(id, request{Subtype: "cancel_async_message", MessageUUID: uuid})
}

// Probe asks for what changes nothing and costs nothing. A CLI that does not know the question answers, too.
func Probe(id string) []byte { return controlRequest(id, request{Subtype: "get_binary_version"}) }

// SetModel changes the model; "" is the CLI's own choice.
func SetModel(id, model string) []byte {
	r := request{Subtype: "set_model"}
	if model != "" {
		r.Model = &model
	}
	return controlRequest(id, r)
}

// SetPermissionMode changes the permission mode.
func SetPermissionMode(id, mode string) []byte {
	return controlRequest(id, request{Subtype: "set_permission_mode", Mode: mode})
}

// SetEffort changes the effort from the next turn on.
func SetEffort(id, level string) []byte {
	var s struct {
		EffortLevel *string `json:"effortLevel"` // null takes back what was set
	}
	if level != "" && level != DefaultEffort {
		s.EffortLevel = &level
	}
	return controlRequest(id, request{Subtype: "apply_flag_settings", Settings: s})
}

// StopTask ends a task in the background.
func StopTask(id, task string) []byte {
	return controlRequest(id, request{Subtype: "stop_task", TaskID: task})
}

// TaskOutput asks what a command that runs has written so far. Written reads the answer.
func TaskOutput(id, task string) []byte {
	return controlRequest(id, request{Subtype: "get_task_output", TaskID: task})
}

// RewindFiles puts the files that Claude changed back to what they were before a prompt, or says with dryRun which
// those are. Rewind reads the answer.
func RewindFiles(id, prompt string, dryRun bool) []byte {
	return controlRequest(id, request{Subtype: "rewind_files", UserMessage: prompt, DryRun: dryRun})
}

// User is a prompt. The content must come from ParseContent, and the uuid be one: a line that is not right ends the CLI.
func User(uuid string, content Content) []byte {
	type message struct {
		Role    string  `json:"role"`
		Content Content `json:"content"`
	}
	return line(struct {
		Type    string  `json:"type"`
		Message message `json:"message"`
		UUID    string  `json:"uuid"`
	}{"user", message{"user", content}, uuid})
}

type response struct {
	Subtype   string `json:"subtype"`
	RequestID string `json:"request_id"`
	Response  any    `json:"response,omitempty"`
	Error     string `json:"error,omitempty"`
}

func controlResponse(r response) []byte {
	return line(struct {
		Type     string   `json:"type"`
		Response response `json:"response"`
	}{"control_response", r})
}

// Allow lets a tool run with an input, a JSON object. Permissions, nil or a JSON array, are rules to add.
func Allow(requestID string, input, permissions json.RawMessage) ([]byte, error) {
	if !isKind(input, '{') {
		return nil, &InputError{"updated_input", "must be a JSON object"}
	}
	if permissions != nil && !isKind(permissions, '[') {
		return nil, &InputError{"updated_permissions", "must be a JSON array"}
	}
	return controlResponse(response{Subtype: "success", RequestID: requestID, Response: struct {
		Behavior           string          `json:"behavior"`
		UpdatedInput       json.RawMessage `json:"updatedInput"`
		UpdatedPermissions json.RawMessage `json:"updatedPermissions,omitempty"`
	}{"allow", input, permissions}}), nil
}

// Deny keeps a tool from running. The model reads the message and goes on, or its turn ends with interrupt.
func Deny(requestID, message string, interrupt bool) []byte {
	return controlResponse(response{Subtype: "success", RequestID: requestID, Response: struct {
		Behavior  string `json:"behavior"`
		Message   string `json:"message"`
		Interrupt bool   `json:"interrupt,omitempty"`
	}{"deny", message, interrupt}})
}

// Refuse answers a control request that we have no answer to, so that the CLI does not wait for one.
func Refuse(requestID, why string) []byte {
	return controlResponse(response{Subtype: "error", RequestID: requestID, Error: why})
}

// InputError names the part of an input that is not right.
type InputError struct {
	Location string // e.g. "content[2].source.data"
	Message  string
}

func (e *InputError) Error() string { return e.Location + " " + e.Message }

// line encodes. Everything in v was checked to be valid JSON, so that this cannot fail.
func line(v any) []byte {
	b, err := encode(v)
	if err != nil {
		panic(fmt.Sprintf("claude: a line that was checked does not encode: %v", err))
	}
	return append(b, '\n')
}

// encode is json.Marshal that leaves <, > and & alone.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// isKind says whether raw is valid JSON whose first character is open.
func isKind(raw json.RawMessage, open byte) bool {
	t := bytes.TrimLeft(raw, " \t\r\n")
	return len(t) > 0 && t[0] == open && json.Valid(raw)
}
