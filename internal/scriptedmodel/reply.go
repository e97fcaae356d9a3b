package scriptedmodel

import (
	"strings"
	"time"
)

// reply is one message of the model: what is played, in order, what goes wrong
// on the way, and how it ends.
type reply struct {
	acts   []act
	faults []fault
	stop   string // the stop_reason
}

type actKind int

const (
	actText actKind = iota
	actThink
	actTool
	actPace
	actWait
)

type act struct {
	kind   actKind
	tokens []string      // of text and thinking
	tool   toolUse       // of a tool call
	pace   time.Duration // between tokens from here on
	key    string        // of a wait
}

type faultKind int

const (
	faultStatus faultKind = iota // an error instead of an answer
	faultHang                    // silence before the first byte
	faultDrop                    // the stream is cut after some tokens
	faultStall                   // silence after some tokens
	faultEvent                   // an error event after some tokens
)

type fault struct {
	kind       faultKind
	status     int
	after      int           // tokens
	silence    time.Duration // 0: for ever
	times      int           // how often for this request; 0: always
	retryAfter string
	noRetry    bool
}

// step is a reply in the making: one message, up to a tool call or another end.
type step struct {
	reply
	uses       []toolUse
	hasText    bool
	retryAfter string
	noRetry    bool
}

// compile reads the orders of a turn into the messages that carry them out.
func compile(t *turn, orders []order, offers func(string) bool) []step {
	var steps []step
	current := step{}
	finish := func(stop string) {
		current.stop = stop
		for i := range current.faults {
			current.faults[i].retryAfter, current.faults[i].noRetry = current.retryAfter, current.noRetry
		}
		steps = append(steps, current)
		current = step{}
	}
	han := isChinese(t.prompt)
	for _, o := range orders {
		a := readArgs(o.Text)
		switch o.Name {
		case "say":
			if len(a.ints) == 0 && o.Text != "" {
				current.say(words(unescape(o.Text)))
			} else {
				current.say(prose(a.int(0, 50), han))
			}
		case "echo":
			text := unescape(o.Text)
			if text == "" {
				text = t.prompt
			}
			current.say(words(text))
		case "markdown":
			current.say(words(sample(han)))
		case "think":
			current.acts = append(current.acts, act{kind: actThink, tokens: prose(a.int(0, 40), han)})
		case "pace":
			pace := a.duration
			if !a.hasTime {
				pace = time.Duration(a.int(0, 0)) * time.Millisecond
			}
			current.acts = append(current.acts, act{kind: actPace, pace: pace})
		case "wait":
			current.acts = append(current.acts, act{kind: actWait, key: o.Text})
		case "max-tokens", "refusal":
			if !current.hasText {
				current.say(prose(6, han))
			}
			finish(strings.ReplaceAll(o.Name, "-", "_"))
		case "fail", "drop", "stall", "hang", "error-event", "retry-after", "no-retry":
			current.faultOrder(o, a)
		default:
			toolSteps, text := t.toolSteps(o, offers)
			if text != "" {
				current.say(words(text))
			}
			for _, uses := range toolSteps {
				current.uses = uses
				for _, u := range uses {
					current.acts = append(current.acts, act{kind: actTool, tool: u})
				}
				finish("tool_use")
			}
		}
	}
	finish("end_turn")
	return steps
}

// say adds text; a second one begins a paragraph of its own.
func (s *step) say(tokens []string) {
	if s.hasText && len(tokens) > 0 {
		tokens = append([]string{"\n\n"}, tokens...)
	}
	s.hasText = s.hasText || len(tokens) > 0
	s.acts = append(s.acts, act{kind: actText, tokens: tokens})
}

func (s *step) faultOrder(o order, a args) {
	silence := a.duration
	switch o.Name {
	case "fail":
		s.faults = append(s.faults, fault{kind: faultStatus, status: a.int(0, 500), times: max(a.times, a.int(1, 0))})
	case "hang":
		s.faults = append(s.faults, fault{kind: faultHang, silence: silence, times: max(a.times, a.int(0, 0))})
	case "stall":
		s.faults = append(s.faults, fault{kind: faultStall, after: a.int(0, 3), silence: silence, times: max(a.times, a.int(1, 0))})
	case "drop":
		s.faults = append(s.faults, fault{kind: faultDrop, after: a.int(0, 3), times: max(a.times, a.int(1, 0))})
	case "error-event":
		s.faults = append(s.faults, fault{kind: faultEvent, after: 3, times: max(a.times, a.int(0, 0))})
	case "retry-after":
		s.retryAfter = o.Text
	case "no-retry":
		s.noRetry = true
	}
}

// next is the message that a turn is at. Where it is follows from the calls
// that were made and answered since the prompt.
func next(t *turn, offers func(string) bool) reply {
	orders := parseOrders(t.prompt)
	if len(orders) == 0 && len(t.calls) == 0 {
		return plainReply(greeting(t.prompt))
	}
	steps := compile(t, orders, offers)
	at := progress(t, steps)
	s := steps[at]
	if missing := t.toLoad(s.uses, offers); missing != "" {
		return reply{stop: "tool_use", acts: []act{{kind: actTool, tool: toolUse{"ToolSearch", map[string]any{"query": "select:" + missing, "max_results": 5}}}}}
	}
	if s.stop == "end_turn" && !s.hasText {
		s.say(words(closingSentence(t, s.faults)))
	}
	return s.reply
}

// progress walks the steps along the calls of the conversation.
func progress(t *turn, steps []step) int {
	calls, resumes := t.calls, t.resumes
	for i, s := range steps {
		switch {
		case s.stop == "end_turn":
			return i
		case len(s.uses) == 0: // ended by max-tokens or refusal
			if resumes == 0 {
				return i
			}
			resumes--
		default:
			for len(calls) > 0 && calls[0].tool == "ToolSearch" && s.uses[0].Name != "ToolSearch" {
				calls = calls[1:] // ours, to load a tool
			}
			if len(calls) == 0 {
				return i
			}
			calls = calls[min(len(calls), len(s.uses)):]
		}
	}
	return len(steps) - 1
}

// toLoad names the tools that ToolSearch has to load before they can be
// called; none when that was tried already.
func (t *turn) toLoad(uses []toolUse, offers func(string) bool) string {
	var missing []string
	for _, u := range uses {
		if !offers(u.Name) && t.deferred[u.Name] && offers("ToolSearch") {
			missing = append(missing, u.Name)
		}
	}
	if n := len(t.calls); n > 0 && t.calls[n-1].tool == "ToolSearch" {
		return ""
	}
	return strings.Join(missing, ",")
}

func plainReply(text string) reply {
	return reply{acts: []act{{kind: actText, tokens: words(text)}}, stop: "end_turn"}
}
