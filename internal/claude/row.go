package claude

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Kind is what a row of a transcript is to a reader.
type Kind uint8

// Kinds of row. All but RowSilent are shown when a conversation is shown again.
const (
	RowSilent   Kind = iota // attachments, meta rows, subagents, requests: they only hold the thread together
	RowPrompt               // what a person sent; in a terminal also !ls
	RowAnswer               // one block of Claude's
	RowResults              // of tools
	RowCommand              // a local command that a person gave: /cost
	RowOutput               // what it printed
	RowNote                 // what the CLI wrote in a person's name
	RowFolded               // a prompt that was sent while a tool ran
	RowBoundary             // where the conversation was compacted
)

// Row is one line of a transcript, the file in which the CLI keeps a conversation. The file is a person's own:
// nothing of it is certain.
type Row struct {
	Type        string          `json:"type"`
	Subtype     string          `json:"subtype"`
	UUID        string          `json:"uuid"`
	Parent      string          `json:"parentUuid"`
	Logical     string          `json:"logicalParentUuid"` // the parent over a compaction
	Timestamp   string          `json:"timestamp"`
	Sidechain   bool            `json:"isSidechain"`
	Meta        bool            `json:"isMeta"`
	Summary     bool            `json:"isCompactSummary"`
	APIError    bool            `json:"isApiErrorMessage"`
	ErrorKind   string          `json:"error"`
	ErrorStatus int             `json:"apiErrorStatus"`
	RequestID   string          `json:"requestId"`
	Content     string          `json:"content"` // of a system row
	Message     json.RawMessage `json:"message"`
	ToolResult  json.RawMessage `json:"toolUseResult"`
	Attachment  json.RawMessage `json:"attachment"`
	Compaction  struct {
		Trigger   string `json:"trigger"`
		PreTokens int64  `json:"preTokens"`
		Tokens    int64  `json:"postTokens"`
	} `json:"compactMetadata"`

	said rowMessage // what Message holds, read once
}

// ParseRow reads a row. It fails only on what is not a JSON object.
func ParseRow(b []byte) (Row, error) {
	var r Row
	if err := loose(b, &r); err != nil {
		return Row{}, err
	}
	if len(r.Message) > 0 {
		_ = loose(r.Message, &r.said) // what is not a message has no content
	}
	return r, nil
}

type rowMessage struct {
	ID      string          `json:"id"`
	Role    string          `json:"role"`
	Model   string          `json:"model"`
	Content json.RawMessage `json:"content"`
}

// Tags with which the CLI marks what it writes into a person's mouth.
const (
	tagCommand = "<command-name>"
	tagMessage = "<command-message>"
	tagArgs    = "<command-args>"
	tagStdout  = "<local-command-stdout>"
	tagStderr  = "<local-command-stderr>"
	tagCaveat  = "<local-command-caveat>"
	tagTask    = "<task-notification>"
	tagShell   = "<bash-input>"
	tagShellUp = "<bash-stdout>"
	tagReject  = "[Request interrupted"
)

// Kind says what a row is.
func (r Row) Kind() Kind {
	switch {
	case r.Sidechain || r.Meta || !validUUID(r.UUID):
		return RowSilent
	case r.Type == "assistant" && r.said.Role == "assistant":
		return RowAnswer
	case r.Type == "system" && r.Subtype == "compact_boundary":
		return RowBoundary
	case r.Type == "system" && r.Subtype == "local_command":
		return tagged(r.Content)
	case r.Type == "attachment" && r.folded() != nil:
		return RowFolded
	case r.Type != "user":
		return RowSilent
	}
	m := r.said
	if m.Role != "user" {
		return RowSilent
	}
	text, blocks := contentOf(m.Content)
	for _, b := range blocks {
		if b.Type == "tool_result" {
			return RowResults
		}
	}
	if r.Summary {
		return RowNote
	}
	for _, b := range blocks {
		if b.Type == "text" {
			text = b.Text
			break
		}
	}
	if k := tagged(text); k != RowSilent {
		return k
	}
	switch text = strings.TrimSpace(text); {
	case strings.HasPrefix(text, tagReject):
		return RowNote
	case strings.HasPrefix(text, tagTask), strings.HasPrefix(text, tagCaveat), text == "" && len(blocks) == 0:
		return RowSilent
	}
	return RowPrompt
}

// tagged tells local commands and their output by their tags.
func tagged(text string) Kind {
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, tagShell): // it may begin a turn, and only in a terminal
		return RowPrompt
	case strings.HasPrefix(text, tagCommand), strings.HasPrefix(text, tagMessage) && strings.Contains(text, tagCommand):
		return RowCommand
	case strings.HasPrefix(text, tagStdout), strings.HasPrefix(text, tagStderr), strings.HasPrefix(text, tagShellUp):
		return RowOutput
	}
	return RowSilent
}

// folded is a prompt that was queued while a tool ran: the CLI keeps it as an attachment.
func (r Row) folded() json.RawMessage {
	var a struct {
		Type   string          `json:"type"`
		Mode   string          `json:"commandMode"`
		Prompt json.RawMessage `json:"prompt"`
	}
	if loose(r.Attachment, &a) != nil || a.Type != "queued_command" || a.Mode == "task-notification" {
		return nil
	}
	if c, err := ParseContent(a.Prompt); err == nil && !strings.HasPrefix(firstText(json.RawMessage(c)), tagTask) {
		return json.RawMessage(c)
	}
	return nil
}

// between is what stands between a tag and its end.
func between(text, tag string) string {
	_, rest, ok := strings.Cut(text, tag)
	if !ok {
		return ""
	}
	in, _, _ := strings.Cut(rest, "</"+tag[1:])
	return strings.TrimSpace(in)
}

// typed is a local command as a person typed it.
func typed(text string) string {
	if in := between(text, tagShell); in != "" {
		return "!" + in
	}
	name := between(text, tagCommand)
	if name != "" && name[0] != '/' {
		name = "/" + name
	}
	return strings.TrimSpace(name + " " + between(text, tagArgs))
}

// printed is what a local command printed.
func printed(text string) string {
	var parts []string
	for _, tag := range []string{tagStdout, tagStderr, tagShellUp, "<bash-stderr>"} {
		if in := between(text, tag); in != "" {
			parts = append(parts, in)
		}
	}
	return strings.Join(parts, "\n")
}

// At is when a row was written; not ok when it does not say so.
func (r Row) At() (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, r.Timestamp)
	return at.UTC(), err == nil
}

// spoken is a line of the CLI, as it says it on stdout.
type spoken struct {
	Type       string          `json:"type"`
	Subtype    string          `json:"subtype,omitempty"`
	Message    any             `json:"message,omitempty"`
	Parent     *string         `json:"parent_tool_use_id"`
	SessionID  string          `json:"session_id"`
	UUID       string          `json:"uuid"`
	Timestamp  string          `json:"timestamp,omitempty"`
	Replay     bool            `json:"isReplay,omitempty"`
	Synthetic  bool            `json:"isSynthetic,omitempty"`
	ToolResult json.RawMessage `json:"tool_use_result,omitempty"`
	RequestID  string          `json:"request_id,omitempty"`
	Error      string          `json:"error,omitempty"`
	Status     int             `json:"api_error_status,omitempty"`
	APIError   bool            `json:"is_api_error_message,omitempty"`
	Source     string          `json:"local_command_source,omitempty"`
	Compacted  *compacted      `json:"compact_metadata,omitempty"`
}

type compacted struct {
	Trigger   string `json:"trigger"`
	PreTokens int64  `json:"pre_tokens"`
	Tokens    int64  `json:"post_tokens"`
}

type message struct {
	ID      string `json:"id,omitempty"`
	Type    string `json:"type,omitempty"`
	Role    string `json:"role"`
	Model   string `json:"model,omitempty"`
	Content any    `json:"content"`
}

// Line is the row as the CLI would have said it to us, had it run for us; nil for one that is silent. No other types
// than user, assistant and system/compact_boundary come of it, whatever the file holds.
func (r Row) Line(sessionID string) json.RawMessage {
	l := spoken{Type: "user", SessionID: sessionID, UUID: r.UUID}
	if at, ok := r.At(); ok {
		l.Timestamp = at.Format(time.RFC3339Nano)
	}
	m := r.said
	person := func(content any) {
		l.Message, l.Replay = message{Role: "user", Content: content}, true
	}
	switch r.Kind() {
	case RowSilent:
		return nil
	case RowPrompt:
		if text := firstText(m.Content); strings.HasPrefix(strings.TrimSpace(text), tagShell) {
			person(typed(text))
		} else {
			person(m.Content)
		}
	case RowFolded:
		person(r.folded())
	case RowCommand:
		person(typed(r.text(m)))
	case RowOutput:
		text := printed(r.text(m))
		if text == "" {
			return nil
		}
		l.Type, l.Source = "assistant", tagStdout
		l.Message = message{ID: r.UUID, Type: "message", Role: "assistant", Model: "<synthetic>", Content: []Block{{Type: "text", Text: text}}}
	case RowAnswer:
		l.Type, l.Message, l.RequestID = "assistant", r.Message, r.RequestID
		l.APIError, l.Error, l.Status = r.APIError, r.ErrorKind, r.ErrorStatus
	case RowResults:
		l.Message, l.ToolResult = message{Role: "user", Content: m.Content}, r.ToolResult
	case RowNote:
		l.Message, l.Synthetic = message{Role: "user", Content: m.Content}, r.Summary
	case RowBoundary:
		l.Type, l.Subtype = "system", "compact_boundary"
		l.Compacted = &compacted{r.Compaction.Trigger, r.Compaction.PreTokens, r.Compaction.Tokens}
	}
	b, err := marshal(l)
	if err != nil {
		return nil // a message that is not JSON was no message
	}
	return b
}

// Synthetic says whether an answer is not the model's but the CLI's own.
func (r Row) Synthetic() bool { return r.said.Model == "<synthetic>" || r.APIError }

// text is what a row of a local command says.
func (r Row) text(m rowMessage) string {
	if r.Type == "system" {
		return r.Content
	}
	return firstText(m.Content)
}

// marshal leaves <, > and & as they are, as the CLI does.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// validUUID says whether a string is a UUID as the CLI writes it.
func validUUID(s string) bool {
	_, ok := parseUUID(s)
	return ok
}
