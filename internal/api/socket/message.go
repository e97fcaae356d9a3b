package socket

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/api/strictjson"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/session"
)

// MaxMessageBytes bounds one message of a client. The Claude CLI takes a line
// of 8 MiB; twice that leaves room for pictures as base64.
const MaxMessageBytes = 16 << 20

// Types of message from the client.
const (
	typeSubscribe   = "subscribe"
	typeUnsubscribe = "unsubscribe"
	typePrompt      = "prompt"
	typeWithdraw    = "withdraw"
	typeInterrupt   = "interrupt"
	typeStop        = "stop"
	typeAnswer      = "answer"
	typeSet         = "set"
	typePing        = "ping" // a page cannot see the protocol's own pings
)

// ClientMessage is one message of a client. Fields that it does not know are
// passed over, so that a newer page can speak to an older server.
type ClientMessage struct {
	Type               string          `json:"type" enum:"subscribe,unsubscribe,prompt,withdraw,interrupt,stop,answer,set,ping" doc:"What to do."`
	SessionID          string          `json:"session_id,omitempty" doc:"The session it is about; all but ping need one."`
	ID                 string          `json:"id,omitempty" doc:"prompt: your own unique name of it; the same again runs nothing. withdraw: that name. interrupt, stop, set: with one it is acknowledged. Any message: what an error about it names."`
	After              int64           `json:"after,omitempty" minimum:"0" doc:"subscribe: the last seq that was seen."`
	Content            json.RawMessage `json:"content,omitempty" doc:"prompt: a text or Messages API content blocks."`
	TaskID             string          `json:"task_id,omitempty" doc:"stop: which task in the background is to end."`
	RequestID          string          `json:"request_id,omitempty" doc:"answer: which control_request is answered."`
	Behavior           string          `json:"behavior,omitempty" enum:"allow,deny" doc:"answer: whether Claude may."`
	UpdatedInput       json.RawMessage `json:"updated_input,omitempty" doc:"answer: the tool's input, changed."`
	UpdatedPermissions json.RawMessage `json:"updated_permissions,omitempty" doc:"answer: permissions to remember."`
	Message            string          `json:"message,omitempty" doc:"answer, with deny: why, for Claude to read."`
	Interrupt          bool            `json:"interrupt,omitempty" doc:"answer, with deny: end the turn."`
	Model              *string         `json:"model,omitempty" doc:"set: the model from the next turn on."`
	PermissionMode     *string         `json:"permission_mode,omitempty" doc:"set: when Claude asks before it acts."`
	Effort             *string         `json:"effort,omitempty" doc:"set: how hard the model works, from the next turn on."`
}

func (m *ClientMessage) prompt() session.Prompt { return session.Prompt{ID: m.ID, Content: m.Content} }

func (m *ClientMessage) answer() session.Answer {
	return session.Answer{
		RequestID: m.RequestID, Behavior: m.Behavior, UpdatedInput: OrNil(m.UpdatedInput),
		UpdatedPermissions: OrNil(m.UpdatedPermissions), Message: m.Message, Interrupt: m.Interrupt,
	}
}

func (m *ClientMessage) change() session.Change {
	return session.Change{Model: m.Model, PermissionMode: m.PermissionMode, Effort: m.Effort}
}

// decode reads one message and checks its shape. With an error, the message
// still holds what names it: id and session_id, as far as they could be read.
func decode(data []byte) (ClientMessage, error) {
	var m ClientMessage
	if !utf8.Valid(data) {
		return m, fault.New(fault.Invalid, "The message is not UTF-8.")
	}
	if err := strictjson.Unmarshal(data, &m); err != nil {
		named := nameOf(data)
		return named, decodeFault(err)
	}
	return m, m.check()
}

func decodeFault(err error) error {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) && te.Field != "" {
		return fault.InvalidField(te.Field, "The field %s must not be a %s.", te.Field, fault.Quote(te.Value))
	}
	if errors.Is(err, strictjson.ErrTooDeep) {
		return fault.New(fault.Invalid, "The message is nested deeper than %d levels.", strictjson.MaxDepth)
	}
	if errors.Is(err, strictjson.ErrTwice) {
		return fault.New(fault.Invalid, "The message has two fields of the same name. Send each once.")
	}
	return fault.Wrap(err, fault.Invalid, "The message is not one JSON object.")
}

// check refuses a message that lacks what its type needs.
func (m *ClientMessage) check() error {
	switch m.Type {
	case typePing:
		return nil
	case typeSubscribe, typeUnsubscribe, typePrompt, typeWithdraw, typeInterrupt, typeStop, typeAnswer, typeSet:
	case "":
		return fault.InvalidField("type", "The message has no type.")
	default:
		return fault.InvalidField("type", "There is no such type of message.")
	}
	if m.SessionID == "" {
		return fault.InvalidField("session_id", "The message names no session_id.")
	}
	if !printable(m.SessionID, maxNameBytes) {
		return fault.InvalidField("session_id", "The session_id must be at most %d printable characters.", maxNameBytes)
	}
	switch m.Type {
	case typeSubscribe:
		if m.After < 0 {
			return fault.InvalidField("after", "after must be 0 or more.")
		}
	case typePrompt:
		return CheckPrompt("", m.prompt())
	case typeStop:
		if m.TaskID == "" || !printable(m.TaskID, maxNameBytes) {
			return fault.InvalidField("task_id", "The task_id must have 1 to %d printable characters.", maxNameBytes)
		}
	case typeWithdraw:
		if m.ID == "" || !printable(m.ID, maxNameBytes) {
			return fault.InvalidField("id", "The message must name the id of the prompt.")
		}
	case typeAnswer:
		return CheckAnswer("", m.answer())
	case typeSet:
		if m.Model == nil && m.PermissionMode == nil && m.Effort == nil {
			return fault.InvalidField("model", "The message sets none of model, permission_mode and effort.")
		}
	}
	return nil
}

// maxNamedPrefix is how much of a message is looked at for what names it.
const maxNamedPrefix = 64 << 10

// nameOf finds id and session_id in the beginning of a message that cannot be
// read as a whole, so that the client learns which one it was.
func nameOf(data []byte) ClientMessage {
	var m ClientMessage
	d := json.NewDecoder(bytes.NewReader(data[:min(len(data), maxNamedPrefix)]))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return m
	}
	for {
		key, err := d.Token()
		if err != nil {
			return m
		}
		name, ok := key.(string)
		if !ok {
			return m // the end of the object
		}
		value, err := d.Token()
		if err != nil {
			return m
		}
		switch v := value.(type) {
		case string:
			if !printable(v, maxNameBytes) {
				continue
			}
			switch name {
			case "id":
				m.ID = v
			case "session_id":
				m.SessionID = v
			case "request_id":
				m.RequestID = v
			}
		case json.Delim:
			if skip(d) != nil {
				return m
			}
		}
	}
}

// skip reads to the end of the object or list that has just begun.
func skip(d *json.Decoder) error {
	for depth := 1; depth > 0; {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > strictjson.MaxDepth {
				return io.ErrUnexpectedEOF
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}
