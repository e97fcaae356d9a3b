package scriptedmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// messagesRequest is what of a Messages API request matters here; all else is
// read over.
type messagesRequest struct {
	Model        string          `json:"model"`
	MaxTokens    int             `json:"max_tokens"`
	Stream       bool            `json:"stream"`
	System       blocks          `json:"system"`
	Messages     []message       `json:"messages"`
	Tools        []toolSpec      `json:"tools"`
	OutputConfig outputConfig    `json:"output_config"`
	Metadata     requestMetadata `json:"metadata"`
}

type outputConfig struct {
	Effort string `json:"effort"`
	Format struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"schema"`
	} `json:"format"`
}

type requestMetadata struct {
	UserID string `json:"user_id"`
}

type toolSpec struct {
	Name string `json:"name"`
	size int
}

func (t *toolSpec) UnmarshalJSON(data []byte) error {
	type plain toolSpec
	if err := json.Unmarshal(data, (*plain)(t)); err != nil {
		return err
	}
	t.size = len(data)
	return nil
}

type message struct {
	Role    string `json:"role"`
	Content blocks `json:"content"`
}

// blocks is content as the API takes it: a string, or a list of blocks.
type blocks []block

type block struct {
	Type      string `json:"type"`
	Text      string `json:"text"`
	ID        string `json:"id"`          // of a tool_use
	Name      string `json:"name"`        // of a tool_use
	ToolUseID string `json:"tool_use_id"` // of a tool_result
	Content   blocks `json:"content"`     // of a tool_result
	IsError   bool   `json:"is_error"`

	size int // bytes in the request, for the usage numbers
}

// pictureBytes is what a picture or a document counts for: its tokens depend
// on its area, not on its bytes.
const pictureBytes = 6000

func (b *blocks) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil
	}
	if data[0] == '"' {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*b = blocks{{Type: "text", Text: s, size: len(data)}}
		return nil
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(data, &raws); err != nil {
		return err
	}
	out := make(blocks, 0, len(raws))
	for _, raw := range raws {
		one := block{}
		var head struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return err
		}
		switch head.Type {
		case "text", "tool_use", "tool_result":
			if err := json.Unmarshal(raw, &one); err != nil {
				return err
			}
		}
		one.Type, one.size = head.Type, len(raw)
		if head.Type == "image" || head.Type == "document" {
			one.size = min(one.size, pictureBytes)
		}
		out = append(out, one)
	}
	*b = out
	return nil
}

// text joins the text of all blocks.
func (b blocks) text() string {
	var parts []string
	for _, one := range b {
		if one.Type == "text" && one.Text != "" {
			parts = append(parts, one.Text)
		}
	}
	return strings.Join(parts, "\n")
}

func (b blocks) has(kind string) bool {
	for _, one := range b {
		if one.Type == kind {
			return true
		}
	}
	return false
}

func decodeRequest(body []byte) (*messagesRequest, error) {
	req := &messagesRequest{}
	if err := json.Unmarshal(body, req); err != nil {
		return nil, fmt.Errorf("the body is not a Messages API request: %w", err)
	}
	if req.Model == "" {
		return nil, fmt.Errorf("model: field required")
	}
	if len(req.Messages) == 0 {
		return nil, fmt.Errorf("messages: at least one message is required")
	}
	return req, nil
}

// sessionID is the conversation that a request belongs to, as the Claude CLI
// writes it into the metadata.
func (r *messagesRequest) sessionID() string {
	var id struct {
		SessionID string `json:"session_id"`
	}
	_ = json.Unmarshal([]byte(r.Metadata.UserID), &id) // another client's user_id is any string
	return id.SessionID
}

func (r *messagesRequest) offers(tool string) bool {
	for _, t := range r.Tools {
		if t.Name == tool {
			return true
		}
	}
	return false
}
