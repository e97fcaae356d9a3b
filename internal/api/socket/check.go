package socket

import (
	"bytes"
	"encoding/json"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/session"
)

// maxNameBytes bounds ids that clients give.
const maxNameBytes = 128

// CheckPrompt refuses a prompt that has no id or no content of a known shape.
// at is where its fields stand in the input ("body." or "").
func CheckPrompt(at string, p session.Prompt) error {
	if p.ID == "" {
		return fault.InvalidField(at+"id", "The prompt has no id. Give it a unique name of your own, so that sending it again is harmless.")
	}
	if !printable(p.ID, maxNameBytes) {
		return fault.InvalidField(at+"id", "The id must be at most %d printable characters.", maxNameBytes)
	}
	return checkContent(at+"content", p.Content)
}

// checkContent takes a string or a list of content blocks, neither empty.
func checkContent(at string, content json.RawMessage) error {
	wrong := fault.InvalidField(at, "The content must be a text or a list of Messages API content blocks, and not empty.")
	content = bytes.TrimSpace(content)
	if len(content) == 0 {
		return wrong
	}
	switch content[0] {
	case '"':
		if len(content) <= 2 {
			return wrong
		}
		return nil
	case '[':
		var blocks []struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(content, &blocks); err != nil || len(blocks) == 0 {
			return wrong
		}
		for _, b := range blocks {
			if b.Type == "" {
				return fault.InvalidField(at, "Every content block needs a type.")
			}
		}
		return nil
	}
	return wrong
}

// CheckAnswer refuses an answer that names no request or no known behaviour.
func CheckAnswer(at string, a session.Answer) error {
	if a.RequestID == "" || !printable(a.RequestID, maxNameBytes) {
		return fault.InvalidField(at+"request_id", "The answer must name the request_id that it answers.")
	}
	if a.Behavior != "allow" && a.Behavior != "deny" {
		return fault.InvalidField(at+"behavior", "The behavior must be allow or deny.")
	}
	if !startsWith(a.UpdatedInput, '{') {
		return fault.InvalidField(at+"updated_input", "updated_input must be an object.")
	}
	if !startsWith(a.UpdatedPermissions, '[') {
		return fault.InvalidField(at+"updated_permissions", "updated_permissions must be a list.")
	}
	return nil
}

// startsWith tells whether a JSON value is absent or begins with a character.
func startsWith(v json.RawMessage, c byte) bool {
	v = bytes.TrimSpace(v)
	return len(v) == 0 || v[0] == c
}

// OrNil takes a null for a field that is not there.
func OrNil(v json.RawMessage) json.RawMessage {
	if bytes.Equal(bytes.TrimSpace(v), []byte("null")) {
		return nil
	}
	return v
}

// printable says whether all of a name can be seen. U+FFFD stands for what was none: decoded, half a surrogate pair is
// that, and names that differ would be one.
func printable(s string, most int) bool {
	if len(s) > most || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}
