package scriptedmodel

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// toolUse is a tool call that the model makes.
type toolUse struct {
	Name  string
	Input map[string]any // maps marshal in one order, so that answers are the same each time
}

// toolSteps turns a tool order into the messages it takes, each of one or more
// calls at once. A text instead says what could not be read.
func (t *turn) toolSteps(o order, offers func(string) bool) (steps [][]toolUse, text string) {
	one := func(u toolUse) [][]toolUse { return [][]toolUse{{u}} }
	switch o.Name {
	case "bash":
		return one(bash(o.Text, false)), ""
	case "background":
		inner := parseOrders(o.Text)
		if len(inner) == 1 && inner[0].Name == "agent" {
			return one(agent(inner[0].Text, true)), ""
		}
		if len(inner) == 1 && inner[0].Name == "bash" {
			return one(bash(inner[0].Text, true)), ""
		}
		return one(bash(o.Text, true)), ""
	case "agent":
		return one(agent(o.Text, false)), ""
	case "read":
		file, _ := cutPath(o.Text)
		return one(toolUse{"Read", map[string]any{"file_path": t.abs(file)}}), ""
	case "write":
		file, content := cutPath(o.Text)
		return one(toolUse{"Write", map[string]any{"file_path": t.abs(file), "content": unescape(content)}}), ""
	case "edit":
		file, change := cutPath(o.Text)
		before, after, ok := strings.Cut(change, "=>")
		if !ok {
			return nil, fmt.Sprintf("The order %s has no ` => ` between the old text and the new.", o)
		}
		return one(toolUse{"Edit", map[string]any{
			"file_path":  t.abs(file),
			"old_string": unescape(strings.TrimSpace(before)), "new_string": unescape(strings.TrimSpace(after)),
		}}), ""
	case "tool":
		name, input, _ := strings.Cut(o.Text, " ")
		u := toolUse{Name: name, Input: map[string]any{}}
		if input = strings.TrimSpace(input); input != "" {
			if err := json.Unmarshal([]byte(input), &u.Input); err != nil {
				return nil, fmt.Sprintf("The input of the order %s is not a JSON object: %v.", o, err)
			}
		}
		return one(u), ""
	case "ask":
		return one(ask(o.Text)), ""
	case "plan":
		return t.plan(o.Text), ""
	case "todo":
		return todo(o.Text, offers)
	case "parallel":
		var all []toolUse
		for _, inner := range parseOrders(o.Text) {
			steps, text := t.toolSteps(inner, offers)
			if text != "" {
				return nil, text
			}
			for _, step := range steps {
				all = append(all, step...)
			}
		}
		if len(all) == 0 {
			return nil, fmt.Sprintf("The order %s holds no tool orders.", o)
		}
		return [][]toolUse{all}, ""
	}
	return nil, ""
}

func bash(command string, background bool) toolUse {
	in := map[string]any{"command": command, "description": "Run " + brief(command, 60)}
	if background {
		in["run_in_background"] = true
	}
	return toolUse{"Bash", in}
}

func agent(prompt string, background bool) toolUse {
	if prompt == "" {
		prompt = "[say 20]"
	}
	return toolUse{"Agent", map[string]any{
		"description": "Scripted subagent", "prompt": prompt,
		"subagent_type": "general-purpose", "run_in_background": background,
	}}
}

// plan writes the plan file that plan mode names, since ExitPlanMode shows
// that file, and then asks for approval.
func (t *turn) plan(text string) [][]toolUse {
	exit := []toolUse{{"ExitPlanMode", map[string]any{}}}
	if text == "" {
		return [][]toolUse{exit}
	}
	if t.planFile == "" { // not in plan mode: the text still travels
		exit[0].Input["plan"] = unescape(text)
		return [][]toolUse{exit}
	}
	write := toolUse{"Write", map[string]any{"file_path": t.planFile, "content": unescape(text) + "\n"}}
	return [][]toolUse{{write}, exit}
}

// ask reads "QUESTION | OPTION: DESCRIPTION | OPTION", several questions with
// "||" between them, a question with more than one answer by a "*" at its end.
func ask(text string) toolUse {
	var questions []any
	for one := range strings.SplitSeq(text, "||") {
		parts := strings.Split(one, "|")
		question, multi := strings.CutSuffix(strings.TrimSpace(parts[0]), "*")
		if question = strings.TrimSpace(question); question == "" {
			question = "Which one?"
		}
		var options []any
		for _, p := range parts[1:] {
			label, about, _ := strings.Cut(strings.TrimSpace(p), ": ")
			if label != "" {
				options = append(options, map[string]any{"label": label, "description": about})
			}
		}
		for _, filler := range []string{"Yes", "No"} { // the tool takes two at the least
			if len(options) < 2 {
				options = append(options, map[string]any{"label": filler, "description": ""})
			}
		}
		questions = append(questions, map[string]any{
			"question": question, "header": header(question), "multiSelect": multi, "options": options[:min(len(options), 4)],
		})
	}
	return toolUse{"AskUserQuestion", map[string]any{"questions": questions[:min(len(questions), 4)]}}
}

// header is a label of at most 12 characters for a question.
func header(question string) string {
	words := strings.Fields(strings.TrimRight(question, "?？ "))
	if len(words) == 0 {
		return "Question"
	}
	last := words[len(words)-1]
	if utf8.RuneCountInString(last) > 12 {
		return string([]rune(last)[:12])
	}
	return last
}

// todo fills the list that the CLI offers a tool for; some offer none, and
// then the list is text. "x " before an item means done, "> " in work.
func todo(text string, offers func(string) bool) ([][]toolUse, string) {
	type item struct{ content, status, mark string }
	var items []item
	for part := range strings.SplitSeq(text, "|") {
		part = strings.TrimSpace(part)
		it := item{content: part, status: "pending", mark: "- [ ] "}
		if rest, ok := strings.CutPrefix(part, "x "); ok {
			it = item{strings.TrimSpace(rest), "completed", "- [x] "}
		} else if rest, ok := strings.CutPrefix(part, "> "); ok {
			it = item{strings.TrimSpace(rest), "in_progress", "- [ ] "}
		}
		if it.content != "" {
			items = append(items, it)
		}
	}
	switch {
	case offers("TodoWrite"):
		todos := []any{}
		for _, it := range items {
			todos = append(todos, map[string]any{"content": it.content, "status": it.status, "activeForm": it.content})
		}
		return [][]toolUse{{{"TodoWrite", map[string]any{"todos": todos}}}}, ""
	case offers("TaskCreate") && len(items) > 0:
		var uses []toolUse
		for _, it := range items {
			uses = append(uses, toolUse{"TaskCreate", map[string]any{"subject": it.content, "description": it.content, "activeForm": it.content}})
		}
		return [][]toolUse{uses}, ""
	}
	var b strings.Builder
	for _, it := range items {
		b.WriteString(it.mark + it.content + "\n")
	}
	return nil, b.String()
}

// cutPath takes a path off the front of a text; one with spaces stands in
// double quotes.
func cutPath(text string) (file, rest string) {
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		if file, rest, ok := strings.Cut(quoted, `"`); ok {
			return file, strings.TrimPrefix(rest, " ")
		}
	}
	if n := strings.IndexAny(text, " \n\t"); n >= 0 {
		return text[:n], text[n+1:]
	}
	return text, ""
}

func (t *turn) abs(file string) string {
	if path.IsAbs(file) || strings.HasPrefix(file, "~") || t.cwd == "" {
		return file
	}
	return path.Join(t.cwd, file)
}

// brief is a text on one line, cut to a length.
func brief(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return strings.TrimSpace(string(r[:n])) + "…"
	}
	return s
}
