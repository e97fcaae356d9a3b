package session

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// maxShown bounds what is shown of one call or result; the JSONL export has all of it.
const maxShown = 32 << 10

// markdown writes a conversation for people: what they asked, what Claude answered, what it called and what came of it.
type markdown struct {
	w       io.Writer
	speaker string          // under whose heading we are
	history bool            // what comes was said elsewhere: prompts are replays
	seen    map[string]bool // after a compaction the CLI says kept lines again
}

func newMarkdown(w io.Writer) *markdown { return &markdown{w: w, seen: map[string]bool{}} }

func (m *markdown) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(m.w, format, args...)
	return err
}

func (m *markdown) title(r *row) error {
	about := "Session " + r.ID
	if r.Project != "" {
		about = "Project " + r.Project + " · " + about
	}
	return m.printf("# %s\n\n*%s. Times are UTC.*\n", plain(cmp.Or(r.Title, "Conversation")), about)
}

// event writes what an event says to people, which most do not.
func (m *markdown) event(ev *protocol.Event) error {
	l, err := claude.Parse(ev.Event)
	if err != nil {
		return nil // it is not the CLI's, nor ours
	}
	if strings.HasPrefix(l.Type, "carrel.") {
		m.history = l.Type == protocol.EventHistory
		return m.own(ev, l)
	}
	if l.Type == "system" && l.Subtype == "compact_boundary" {
		m.speaker = ""
		return m.printf("\n---\n\n*The conversation was compacted here: Claude went on with a summary.*\n")
	}
	if r, ok := l.Result(); ok && r.IsError && len(r.Errors) > 0 {
		return m.note(strings.Join(r.Errors, "; "))
	}
	said, ok := l.Said()
	if !ok || said.Subagent || m.seen[said.UUID] {
		return nil // what a subagent found is in the result of its call
	}
	if said.UUID != "" {
		m.seen[said.UUID] = true
	}
	switch {
	case said.Role == "assistant":
		return m.answer(ev, said.Blocks)
	case said.Replay && m.history:
		return m.prompt(ev, "You", said.Blocks)
	case said.Replay:
		return nil // carrel.prompt said it
	}
	for _, b := range said.Blocks {
		if b.Type == "tool_result" {
			if err := m.result(b); err != nil {
				return err
			}
		} else if strings.HasPrefix(b.Text, "[Request interrupted") {
			return m.note("Interrupted.")
		}
	}
	return nil
}

func (m *markdown) own(ev *protocol.Event, l claude.Line) error {
	var e struct {
		Author  string          `json:"author"`
		Content json.RawMessage `json:"content"`
		Detail  string          `json:"detail"`
	}
	_ = json.Unmarshal(l.Raw, &e) // what is of another kind is not shown
	switch l.Type {
	case protocol.EventPrompt:
		return m.prompt(ev, cmp.Or(e.Author, "You"), claude.Blocks(e.Content))
	case protocol.EventWithdrawn:
		return m.note("A prompt was withdrawn before Claude began with it.")
	case protocol.EventError:
		return m.note(e.Detail)
	}
	return nil
}

func (m *markdown) heading(who string, at time.Time) error {
	m.speaker = who
	return m.printf("\n## %s · %s\n", plain(who), at.UTC().Format("2006-01-02 15:04"))
}

func (m *markdown) note(text string) error { return m.printf("\n> **Note:** %s\n", plain(text)) }

func (m *markdown) prompt(ev *protocol.Event, who string, blocks []claude.Block) error {
	if err := m.heading(who, ev.At); err != nil {
		return err
	}
	m.speaker = "" // each prompt has a heading
	return m.blocks(blocks)
}

func (m *markdown) answer(ev *protocol.Event, blocks []claude.Block) error {
	const claudes = "Claude"
	if m.speaker != claudes {
		if err := m.heading(claudes, ev.At); err != nil {
			return err
		}
	}
	return m.blocks(blocks)
}

func (m *markdown) blocks(blocks []claude.Block) (err error) {
	for _, b := range blocks {
		switch b.Type {
		case "text":
			err = m.printf("\n%s\n", strings.TrimSpace(b.Text))
		case "thinking":
			if text := strings.TrimSpace(b.Thinking); text != "" {
				err = m.printf("\n> *Thinking:* %s\n", strings.ReplaceAll(text, "\n", "\n> "))
			}
		case "tool_use", "server_tool_use":
			err = m.call(b)
		case "image":
			err = m.printf("\n*[image]*\n")
		case "document":
			err = m.printf("\n*[document %s]*\n", plain(b.Title))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// call writes what a tool was asked for: what people know best as they know it, all else as JSON.
func (m *markdown) call(b claude.Block) error {
	var in struct {
		Command string `json:"command"`
		Path    string `json:"file_path"`
		Content string `json:"content"`
		Old     string `json:"old_string"`
		New     string `json:"new_string"`
	}
	_ = json.Unmarshal(b.Input, &in) // a field of another kind is left to JSON
	about, language, text := "", "json", ""
	switch {
	case b.Name == "Bash" && in.Command != "":
		language, text = "bash", in.Command
	case b.Name == "Write" && in.Path != "":
		about, language, text = in.Path, "", in.Content
	case b.Name == "Edit" && in.Path != "":
		about, language, text = in.Path, "diff", "-"+strings.ReplaceAll(in.Old, "\n", "\n-")+"\n+"+strings.ReplaceAll(in.New, "\n", "\n+")
	case b.Name == "Read" && in.Path != "":
		return m.printf("\n**%s** %s\n", plain(b.Name), code(in.Path))
	default:
		var out bytes.Buffer
		if json.Indent(&out, b.Input, "", "  ") != nil {
			out.Reset()
		}
		text = out.String()
	}
	if about != "" {
		about = " " + code(about)
	}
	return m.printf("\n**%s**%s\n\n%s", plain(b.Name), about, fenced(language, text))
}

func (m *markdown) result(b claude.Block) error {
	text := strings.TrimRight(b.ResultText(), "\n")
	if text == "" {
		return nil
	}
	label := "Result"
	if b.IsError {
		label = "Failed"
	}
	return m.printf("\n%s:\n\n%s", label, fenced("", text))
}

// fenced is a block of code that its content cannot end.
func fenced(language, text string) string {
	if len(text) > maxShown {
		left := len(text) - maxShown
		text = strings.ToValidUTF8(text[:maxShown], "") + fmt.Sprintf("\n… (%d bytes more)", left)
	}
	fence := strings.Repeat("`", max(3, longestRun(text)+1))
	return fence + language + "\n" + strings.TrimSuffix(text, "\n") + "\n" + fence + "\n"
}

// code is text in a line as it is.
func code(text string) string {
	text = oneLine(text)
	fence := strings.Repeat("`", longestRun(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return fence + text + fence
}

func longestRun(text string) (longest int) {
	n := 0
	for i := range len(text) {
		if text[i] != '`' {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// plain is text in a line that means nothing to Markdown.
func plain(text string) string {
	var b strings.Builder
	for _, r := range oneLine(text) {
		if r < utf8.RuneSelf && strings.ContainsRune("\\`*_[]<>#|", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
