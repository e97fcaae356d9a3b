package scriptedmodel

import (
	"regexp"
	"slices"
	"strings"
)

// turn is what one request asks for, read from the conversation in it alone:
// nothing of it is kept here, so that retries, resumed sessions and forks work.
type turn struct {
	kind   Kind
	prompt string // what the person typed, and nothing that the CLI put around it
	calls  []call // tool calls made since that prompt, oldest first
	// resumes counts how often the CLI has asked to go on since the prompt, after a cut or refused answer.
	resumes  int
	notice   string // of a Notification: the task's summary
	cwd      string
	planFile string
	deferred map[string]bool // tools that ToolSearch must load first
}

// call is a tool call of the turn and what came of it.
type call struct {
	tool    string
	result  string
	isError bool
	done    bool
}

// Kind says what a request is for.
type Kind string

// The kinds of request that the Claude CLI makes.
const (
	Turn         Kind = "turn"         // a prompt of a person, or of an agent to its subagent
	Notification Kind = "notification" // a turn that the CLI started itself: a background task ended
	Title        Kind = "title"        // a name for the session, or any other answer in a JSON schema
	Summary      Kind = "summary"      // compaction
	SideQuestion Kind = "side"         // a question beside the conversation
	Suggestion   Kind = "suggestion"   // a guess at the next prompt
	Probe        Kind = "probe"        // one word, to see whether a model is there
	TokenCount   Kind = "count"        // /v1/messages/count_tokens
)

// The CLI's own texts, as seen with 2.1.331. Where one changes, the tests
// against the real CLI fail.
const (
	foldedStart      = "The user sent a new message while you were working:\n"
	foldedEnd        = "\n\nThis is how Claude Code surfaces"
	interruptedStart = "[Request interrupted by user"
	summaryAsked     = "Your task is to create a detailed summary of th" // "the conversation so far", "this conversation", …
	noticeTag        = "<task-notification>"
	deferredTag      = "deferred tools are now available via ToolSearch"
)

var (
	// injectedTags surround what the CLI adds to a user message.
	injectedTags = []string{
		"system-reminder", "task-notification", "local-command-caveat", "command-name", "command-message",
		"command-args", "local-command-stdout", "local-command-stderr", "bash-stdout", "bash-stderr", "user-prompt-submit-hook",
		"ide_opened_file", "ide_selection",
	}
	// injectedStarts begin blocks of a user message that nobody typed.
	injectedStarts = []string{
		"[Image: source:", "[Image: original",
		"This session is being continued from a previous conversation",
		"Continue from where you left off.", "Stop hook feedback",
	}
	// resumeStarts ask the model to go on with the same turn.
	resumeStarts = []string{"Output token limit hit.", "Your response above was stopped by a safety classifier"}

	cwdPattern      = regexp.MustCompile(`(?m)(?:Primary w|W)orking directory: (\S.*)$`)
	planFilePattern = regexp.MustCompile(`(?:create your plan at|A plan file (?:already )?exists at) (\S+\.md)`)
	summaryPattern  = regexp.MustCompile(`<summary>([^<]*)</summary>`)
)

func readTurn(req *messagesRequest) turn {
	t := turn{deferred: map[string]bool{}}
	t.readSurroundings(req)

	last := lastUserMessage(req.Messages)
	if last < 0 {
		t.kind = Turn
		return t
	}
	raw := req.Messages[last].Content.text()
	prompt := last
	for ; prompt >= 0; prompt-- {
		m := req.Messages[prompt]
		if m.Role == "user" {
			if t.prompt = typedText(m.Content); t.prompt != "" {
				break
			}
		}
	}
	t.kind = kindOf(req, raw, prompt == last)
	if t.kind == Notification {
		if prompt >= 0 && t.cutShort(req, prompt) {
			t.kind = Turn // it is told on the way; the turn goes on
			return t
		}
		t.prompt, t.calls, t.resumes, t.notice = "", nil, 0, noticeSummary(raw)
	}
	if t.kind == Turn {
		t.readProgress(req.Messages[max(prompt, 0):], prompt >= 0)
	}
	return t
}

// cutShort says whether the last prompt's turn has not come to its end: its process was killed, and the next one tells
// what became of a background task before it takes the turn up. It reads the turn's progress.
func (t *turn) cutShort(req *messagesRequest, prompt int) bool {
	t.readProgress(req.Messages[prompt:], true)
	orders := parseOrders(t.prompt)
	if len(orders) == 0 || failsForGood(t.prompt) {
		return false
	}
	spoke := false // the last of the model's messages calls nothing
	for _, m := range req.Messages[prompt:] {
		if m.Role == "assistant" {
			spoke = !m.Content.has("tool_use")
		}
		for _, b := range m.Content {
			if m.Role == "user" && strings.HasPrefix(b.Text, interruptedStart) {
				return false
			}
		}
	}
	steps := compile(t, orders, req.offers)
	return !spoke || progress(t, steps) < len(steps)-1
}

func kindOf(req *messagesRequest, raw string, typed bool) Kind {
	switch {
	case req.OutputConfig.Format.Type == "json_schema" && len(req.Tools) == 0:
		return Title
	case strings.Contains(raw, summaryAsked):
		return Summary
	case strings.Contains(raw, "This is a side question from the user."):
		return SideQuestion
	case strings.Contains(raw, "[SUGGESTION MODE"):
		return Suggestion
	case req.MaxTokens == 1:
		return Probe
	case !typed && strings.Contains(raw, noticeTag):
		return Notification
	}
	return Turn
}

func lastUserMessage(messages []message) int {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == "user" {
			return i
		}
	}
	return -1
}

// readProgress reads what has been done since the prompt, messages[0].
func (t *turn) readProgress(messages []message, hasPrompt bool) {
	byID := map[string]int{}
	for i, m := range messages {
		afterPrompt := i > 0 || !hasPrompt
		for _, b := range m.Content {
			switch {
			case b.Type == "tool_use" && afterPrompt:
				byID[b.ID] = len(t.calls)
				t.calls = append(t.calls, call{tool: b.Name})
			case b.Type == "tool_result" && afterPrompt:
				if at, ok := byID[b.ToolUseID]; ok {
					c := &t.calls[at]
					c.result, c.isError, c.done = b.Content.text(), b.IsError, true
				}
			case b.Type == "text" && m.Role != "assistant" && afterPrompt:
				if m.Role == "user" && startsWithAny(strings.TrimSpace(strings.TrimPrefix(b.Text, "<system-reminder>")), resumeStarts) {
					t.resumes++
				}
				if folded := foldedPrompts(b.Text); folded != "" {
					t.prompt = strings.TrimSpace(t.prompt + "\n" + folded)
				}
			}
		}
	}
}

// foldedPrompts are prompts sent while a turn ran: the CLI tells of them
// within the turn, in a message of the system's or in a reminder.
func foldedPrompts(text string) string {
	var all []string
	for {
		_, rest, ok := strings.Cut(text, foldedStart)
		if !ok {
			return strings.Join(all, "\n")
		}
		one, after, _ := strings.Cut(rest, foldedEnd)
		all = append(all, one)
		text = after
	}
}

// readSurroundings takes what the CLI tells the model about where it is.
func (t *turn) readSurroundings(req *messagesRequest) {
	look := func(text string) {
		if m := cwdPattern.FindStringSubmatch(text); m != nil {
			t.cwd = strings.TrimSpace(m[1])
		}
		if m := planFilePattern.FindStringSubmatch(text); m != nil {
			t.planFile = m[1]
		}
		if _, list, ok := strings.Cut(text, deferredTag); ok {
			_, list, _ = strings.Cut(list, "\n")
			for name := range strings.SplitSeq(list, "\n") {
				if name == "" || strings.ContainsAny(name, " :") {
					break
				}
				t.deferred[name] = true
			}
		}
	}
	for _, b := range req.System {
		look(b.Text)
	}
	for _, m := range req.Messages {
		for _, b := range m.Content {
			if b.Type == "text" && (m.Role == "system" || m.Role == "user" && strings.HasPrefix(b.Text, "<system-reminder>")) {
				look(b.Text)
			}
		}
	}
}

// typedText is what of a user message a person typed. One message may hold
// several prompts: those that waited in the queue together, and those before
// them that got no answer. Of the latter, interrupted ones and ones that were
// ordered to fail are over.
func typedText(content blocks) string {
	var parts []string
	for _, b := range content {
		if b.Type != "text" {
			continue
		}
		text := strings.TrimSpace(withoutTags(b.Text))
		if strings.HasPrefix(text, interruptedStart) {
			parts = parts[:0]
			continue
		}
		if text == "" || startsWithAny(text, injectedStarts) || startsWithAny(text, resumeStarts) {
			continue
		}
		if text == "Tool loaded." && content.has("tool_result") {
			continue
		}
		if len(parts) > 0 && failsForGood(parts[len(parts)-1]) {
			parts = parts[:0]
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n")
}

// failsForGood says that a prompt orders trouble that does not end by itself.
func failsForGood(prompt string) bool {
	var s step
	for _, o := range parseOrders(prompt) {
		s.faultOrder(o, readArgs(o.Text))
	}
	return slices.ContainsFunc(s.faults, func(f fault) bool { return f.times == 0 })
}

// withoutTags cuts out what stands between the CLI's tags.
func withoutTags(text string) string {
	for _, tag := range injectedTags {
		for {
			start := strings.Index(text, "<"+tag+">")
			if start < 0 {
				break
			}
			end := len(text)
			if n := strings.Index(text[start:], "</"+tag+">"); n >= 0 {
				end = start + n + len(tag) + 3
			}
			text = text[:start] + text[end:]
		}
	}
	return text
}

func startsWithAny(text string, starts []string) bool {
	for _, s := range starts {
		if strings.HasPrefix(text, s) {
			return true
		}
	}
	return false
}

func noticeSummary(raw string) string {
	if m := summaryPattern.FindStringSubmatch(raw); m != nil {
		return strings.TrimSpace(m[1])
	}
	return ""
}
