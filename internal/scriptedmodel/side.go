package scriptedmodel

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// answer is what the model says to one request.
func answer(t *turn, req *messagesRequest) reply {
	switch t.kind {
	case Title:
		return plainReply(jsonAnswer(req.OutputConfig.Format.Schema, title(t.prompt)))
	case Summary:
		return plainReply(summary(req.Messages))
	case SideQuestion:
		return textOnly(t)
	case Suggestion:
		return plainReply("[say 20]")
	case Probe:
		return plainReply("Hi")
	case Notification:
		return plainReply(strings.TrimSpace("A background task has ended. " + t.notice))
	}
	return next(t, req.offers)
}

// textOnly follows the text orders of a question and no others: a side
// question has no tools.
func textOnly(t *turn) reply {
	var orders []order
	for _, o := range parseOrders(t.prompt) {
		switch o.Name {
		case "say", "echo", "markdown", "pace", "think", "wait":
			orders = append(orders, o)
		}
	}
	if len(orders) == 0 {
		return plainReply("The scripted model has no opinion on: " + brief(t.prompt, 200))
	}
	return compile(t, orders, func(string) bool { return false })[0].reply
}

var (
	sessionPattern = regexp.MustCompile(`(?s)<session>\s*(.*?)\s*</session>`)
	// askedVerbs lead a request; a title leaves them out.
	askedVerbs = map[string]bool{
		"please": true, "fix": true, "add": true, "check": true, "implement": true, "debug": true, "refactor": true, "update": true,
		"write": true, "make": true, "create": true, "help": true, "explain": true, "the": true, "a": true, "an": true, "me": true, "with": true,
	}
)

// title names a session by the first words that were asked, or by its first
// order when there are none.
func title(prompt string) string {
	text := prompt
	if m := sessionPattern.FindStringSubmatch(prompt); m != nil {
		text = m[1]
	}
	orders, plain := splitOrders(text)
	list := strings.Fields(plain)
	for len(list) > 1 && askedVerbs[strings.ToLower(list[0])] {
		list = list[1:]
	}
	if len(list) == 0 && len(orders) > 0 {
		list = strings.Fields(orders[0].Name + " " + orders[0].Text)
	}
	if len(list) == 0 {
		return "Scripted session"
	}
	name := strings.TrimRight(clip(strings.Join(list[:min(5, len(list))], " "), 40), ".,;:!?。，！？")
	r, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(r)) + name[size:]
}

// summary is what compaction asks for: an analysis and a summary, here with
// what the person said.
func summary(messages []message) string {
	var said []string
	for _, m := range messages {
		if m.Role != "user" || strings.Contains(m.Content.text(), summaryAsked) {
			continue
		}
		if text := typedText(m.Content); text != "" {
			said = append(said, "- "+brief(text, 200))
		}
	}
	said = said[max(0, len(said)-20):]
	return fmt.Sprintf("<analysis>\nThe scripted model looked at %d messages.\n</analysis>\n\n<summary>\n1. Primary Request and Intent:\n"+
		"   A conversation with the scripted model.\n\n6. All user messages:\n%s\n\n9. Optional Next Step:\n   None; wait for the next prompt.\n</summary>",
		len(messages), strings.Join(said, "\n"))
}

// jsonAnswer fills a JSON schema: every required string is the text, numbers
// are 0, lists are empty.
func jsonAnswer(schema json.RawMessage, text string) string {
	out, err := json.Marshal(fill(schema, text, 0))
	if err != nil {
		return "{}"
	}
	return string(out)
}

func fill(schema json.RawMessage, text string, depth int) any {
	var s struct {
		Type       any                        `json:"type"`
		Const      any                        `json:"const"`
		Enum       []any                      `json:"enum"`
		AnyOf      []json.RawMessage          `json:"anyOf"`
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
		Items      json.RawMessage            `json:"items"`
		MinItems   int                        `json:"minItems"`
		Minimum    float64                    `json:"minimum"`
	}
	const deepest = 8 // a schema that refers to itself ends here
	if depth > deepest || json.Unmarshal(schema, &s) != nil {
		return nil
	}
	kind, _ := s.Type.(string)
	if many, ok := s.Type.([]any); ok && len(many) > 0 {
		kind, _ = many[0].(string)
	}
	switch {
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return fill(s.AnyOf[0], text, depth+1)
	case kind == "object" || s.Properties != nil:
		object := map[string]any{}
		for _, name := range s.Required {
			object[name] = fill(s.Properties[name], text, depth+1)
		}
		return object
	case kind == "array":
		list := []any{}
		for range min(s.MinItems, 3) {
			list = append(list, fill(s.Items, text, depth+1))
		}
		return list
	case kind == "string":
		return text
	case kind == "number" || kind == "integer":
		return s.Minimum
	case kind == "boolean":
		return false
	}
	return nil
}
