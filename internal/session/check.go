package session

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// modes are the CLI's permission modes. bypassPermissions is one of them: what
// it lets Claude do ends at the instance's walls.
var modes = map[string]bool{
	"default": true, "acceptEdits": true, "plan": true, "dontAsk": true, "auto": true, "bypassPermissions": true,
}

func checkMode(mode string) error {
	if !modes[mode] {
		return fault.InvalidField("body.permission_mode", "The permission mode must be default, acceptEdits, plan, auto, dontAsk or bypassPermissions.")
	}
	return nil
}

// checkEffort takes the CLI's levels; which of them a model has, the CLI sees to.
func checkEffort(level string) error {
	if !claude.ValidEffort(level) {
		return fault.InvalidField("body.effort", "The effort must be default, low, medium, high, xhigh or max.")
	}
	return nil
}

// checkModel takes any short name; which there are is the CLI's to say.
func checkModel(model string) error {
	if len(model) > maxModelBytes || strings.HasPrefix(model, "-") || !printable(model) {
		return fault.InvalidField("body.model", "The model must be a name of at most %d printable characters.", maxModelBytes)
	}
	return nil
}

// checkedTitle is a person's title with its spaces put in order.
func checkedTitle(title string) (string, error) {
	t := squeeze(title)
	if t == "" || utf8.RuneCountInString(t) > maxTitleRunes {
		return "", fault.InvalidField("body.title", "The title must have 1 to %d characters.", maxTitleRunes)
	}
	return t, nil
}

func checkPrompt(p Prompt) error {
	switch {
	case p.ID == "" || len(p.ID) > 128 || !printable(p.ID):
		return fault.InvalidField("body.id", "The prompt's id must have 1 to 128 printable characters.")
	case len(p.Content) > maxContentBytes:
		return fault.New(fault.TooLarge, "The prompt is larger than %d MiB. Put large files into the workspace and name them instead.", maxContentBytes>>20)
	}
	return checkContent(p.Content)
}

// checkContent lets through what the Messages API may take: a text, or blocks.
// A line that the CLI cannot read would end its process.
func checkContent(content json.RawMessage) error {
	bad := fault.InvalidField("body.content", "The content must be a text or a list of content blocks, and not be empty.")
	content = bytes.TrimSpace(content)
	if len(content) == 0 {
		return bad
	}
	switch content[0] {
	case '"':
		var text string
		if json.Unmarshal(content, &text) != nil || strings.TrimSpace(text) == "" {
			return bad
		}
	case '[':
		var blocks []struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(content, &blocks) != nil || len(blocks) == 0 {
			return bad
		}
		for _, b := range blocks {
			if b.Type == "" {
				return bad
			}
		}
	default:
		return bad
	}
	return nil
}

func checkAnswer(a Answer) error {
	switch {
	case a.RequestID == "" || len(a.RequestID) > 128 || !printable(a.RequestID):
		return fault.InvalidField("body.request_id", "The request's id must have 1 to 128 printable characters.")
	case a.Behavior != "allow" && a.Behavior != "deny":
		return fault.InvalidField("body.behavior", "The behavior must be allow or deny.")
	case len(a.UpdatedInput)+len(a.UpdatedPermissions)+len(a.Message) > maxContentBytes:
		return fault.New(fault.TooLarge, "The answer is larger than %d MiB.", maxContentBytes>>20)
	case len(a.UpdatedInput) > 0 && !json.Valid(a.UpdatedInput):
		return fault.InvalidField("body.updated_input", "The updated input must be JSON.")
	case len(a.UpdatedPermissions) > 0 && !json.Valid(a.UpdatedPermissions):
		return fault.InvalidField("body.updated_permissions", "The updated permissions must be JSON.")
	}
	return nil
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// validID says whether an id has the form of the CLI's: a UUID in lower case.
func validID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(id) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// checkProject checks the name; whether there is one of it, the instance says.
func checkProject(name string) error {
	return fault.At("body.project", workspace.CheckProject(name))
}
