package claude

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Block is one block of a message, as far as people read it.
type Block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text,omitempty"`
	Thinking  string          `json:"thinking,omitempty"`
	Signature string          `json:"signature,omitempty"` // of thinking
	ID        string          `json:"id,omitempty"`        // of a tool_use
	Name      string          `json:"name,omitempty"`      // of the tool
	Input     json.RawMessage `json:"input,omitempty"`     // of the tool
	ToolUseID string          `json:"tool_use_id,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"` // of a tool_result
	IsError   bool            `json:"is_error,omitempty"`
	Title     string          `json:"title,omitempty"` // of a document
}

// Blocks reads a message's content; a string is one block of text. What is neither has none.
func Blocks(content json.RawMessage) []Block {
	text, blocks := contentOf(content)
	if text != "" {
		return []Block{{Type: "text", Text: text}}
	}
	return blocks
}

func contentOf(raw json.RawMessage) (text string, blocks []Block) {
	if len(raw) > 0 && raw[0] == '"' {
		_ = json.Unmarshal(raw, &text) // it is a string
		return text, nil
	}
	_ = json.Unmarshal(raw, &blocks) // a field of another kind is as if it were not there
	return "", blocks
}

func firstText(content json.RawMessage) string {
	for _, b := range Blocks(content) {
		if b.Type == "text" {
			return b.Text
		}
	}
	return ""
}

// Said is what a message says to people.
type Said struct {
	Role     string  // user or assistant
	Blocks   []Block //
	Replay   bool    // it says a prompt again
	Subagent bool    // it is said to or by a subagent
	UUID     string
}

// Said reads an assistant or a user line.
func (l Line) Said() (Said, bool) {
	if l.Type != "assistant" && l.Type != "user" {
		return Said{}, false
	}
	m := decode[struct {
		Message struct {
			Content json.RawMessage `json:"content"`
		} `json:"message"`
		Parent *string `json:"parent_tool_use_id"`
		Replay bool    `json:"isReplay"`
	}](l)
	return Said{Role: l.Type, Blocks: Blocks(m.Message.Content), Replay: m.Replay, Subagent: m.Parent != nil && *m.Parent != "", UUID: l.UUID}, true
}

// ResultText is what a tool said, without the images.
func (b Block) ResultText() string {
	text, parts := contentOf(b.Content)
	if text != "" {
		return text
	}
	var texts []string
	for _, p := range parts {
		if p.Type == "text" {
			texts = append(texts, p.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// InputText is what a tool was given, as text: its strings, a line each.
func (b Block) InputText() string {
	var v any
	if json.Unmarshal(b.Input, &v) != nil {
		return ""
	}
	var texts []string
	gather(v, &texts)
	return strings.Join(texts, "\n")
}

func gather(v any, texts *[]string) {
	switch v := v.(type) {
	case string:
		*texts = append(*texts, v)
	case []any:
		for _, e := range v {
			gather(e, texts)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			gather(v[k], texts)
		}
	}
}

// parseUUID reads a UUID in the one form in which the CLI writes it.
func parseUUID(s string) (uuid.UUID, bool) {
	u, err := uuid.Parse(s)
	return u, err == nil && len(s) == 36 && u.String() == s
}
