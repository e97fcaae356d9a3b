package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// watch is what one device learns of a session, from its events alone, each once and in order. It holds what must be
// true of any session, whatever struck.
type watch struct {
	events    int
	prompts   map[string]int64 // carrel.prompt, by the client's id
	answers   map[string]int64 // the number of the finished answer with a prompt's marker
	results   map[string]int   // results that came right after it
	begun     []string         // prompts answered since the last result
	open      map[string]openRequest
	asked     map[string]bool
	decided   map[string]int // carrel.answer, by request
	state     string
	stateAt   int64
	idle      time.Time // since when the session has had nothing to do
	starts    int       // processes that were started
	againFrom int64     // an answer may be said again since
	saidAgain int       // answers of which a killed process had said the words already
	restarts  int       // answers of the model that began anew
	failures  []string  // carrel.error and results that are errors
	recent    []string
	pieces    map[int64]bool // events that are pieces of an answer

	message string   // of the model, that is being streamed
	block   string   // text of its open block
	tokens  []string // of it
	longest []string // tokens of the longest block so far
	texts   []string // finished
}

type openRequest struct {
	seq   int64
	tried time.Time
}

func newWatch() *watch {
	return &watch{prompts: map[string]int64{}, answers: map[string]int64{}, results: map[string]int{}, open: map[string]openRequest{}, asked: map[string]bool{}, decided: map[string]int{}, pieces: map[int64]bool{}}
}

// line is an event as far as it is looked at.
type line struct {
	Type      string `json:"type"`
	Subtype   string `json:"subtype"`
	Parent    string `json:"parent_tool_use_id"`
	ID        string `json:"id"`
	RequestID string `json:"request_id"`
	State     string `json:"state"`
	Reason    string `json:"reason"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	IsError   bool   `json:"is_error"`
	NumTurns  int    `json:"num_turns"`
	Result    string `json:"result"`
	Aborted   bool   `json:"aborted"`
	Error     any    `json:"error"`
	Message   struct {
		ID      string          `json:"id"`
		Content json.RawMessage `json:"content"`
	} `json:"message"`
	Request struct {
		Subtype string `json:"subtype"`
	} `json:"request"`
	Event struct {
		Type    string `json:"type"`
		Message struct {
			ID string `json:"id"`
		} `json:"message"`
		Delta struct {
			Text string `json:"text"`
		} `json:"delta"`
	} `json:"event"`
}

var done = regexp.MustCompile(`done:(\w+);`)

// take takes in an event and says what is wrong with it. doubled are answers that came twice.
func (w *watch) take(seq int64, raw []byte) (wrong, doubled []string) {
	w.events++
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return []string{fmt.Sprintf("event %d: %v in %s", seq, err, brief(raw))}, nil
	}
	w.remember(seq, l, raw)
	switch l.Type {
	case "stream_event":
		w.pieces[seq] = true
		w.stream(l)
	case "assistant":
		return w.assistant(seq, l)
	case "user":
		if bytes.Contains(raw, []byte("was cut off mid-stream")) { // the CLI asks the model to go on, and ours says it all again
			w.againFrom = seq
		}
	case "result":
		if l.NumTurns == 0 && !l.IsError {
			break // what is told before a turn is taken up: that a task in the background is no more
		}
		for _, m := range w.begun {
			w.results[m]++
		}
		w.begun = nil
		if l.IsError {
			w.failures = append(w.failures, fmt.Sprintf("%d result %s: %.300s", seq, l.Subtype, raw))
		}
	case "control_request":
		if l.Request.Subtype == "can_use_tool" {
			if w.asked[l.RequestID] {
				doubled = append(doubled, fmt.Sprintf("event %d asks request %s again", seq, l.RequestID))
			}
			w.asked[l.RequestID] = true
			w.open[l.RequestID] = openRequest{seq: seq}
		}
	case "control_cancel_request":
		delete(w.open, l.RequestID)
	case "carrel.answer":
		delete(w.open, l.RequestID)
		if w.decided[l.RequestID]++; w.decided[l.RequestID] > 1 || !w.asked[l.RequestID] {
			doubled = append(doubled, fmt.Sprintf("event %d is an answer to request %s, which is not open", seq, l.RequestID))
		}
	case "carrel.prompt":
		if w.prompts[l.ID] != 0 {
			doubled = append(doubled, fmt.Sprintf("event %d is prompt %s, which was event %d", seq, l.ID, w.prompts[l.ID]))
		}
		w.prompts[l.ID] = seq
	case "carrel.error":
		w.failures = append(w.failures, fmt.Sprintf("%d %s: %s", seq, l.Code, l.Detail))
	case "carrel.state":
		w.state, w.stateAt, w.idle = l.State, seq, time.Now()
		if l.State == "starting" || l.State == "dormant" {
			clear(w.open) // asked anew by the next process
			w.message, w.block = "", ""
		}
		if l.State == "starting" {
			w.starts++
			w.againFrom = seq
		}
	}
	return nil, doubled
}

// remember keeps the last events for a failure's report; of pieces of an answer their text alone.
func (w *watch) remember(seq int64, l line, raw []byte) {
	if text := l.Event.Delta.Text; text != "" {
		if n := len(w.recent) - 1; n >= 0 && strings.HasPrefix(w.recent[n], "text ") {
			w.recent[n] += text
			return
		}
		w.recent = append(w.recent, fmt.Sprintf("text %d: %s", seq, text))
	} else if l.Type != "stream_event" || l.Event.Type == "message_start" {
		w.recent = append(w.recent, fmt.Sprintf("%d %s", seq, brief(raw)))
	}
	w.recent = w.recent[max(0, len(w.recent)-80):]
}

func (w *watch) stream(l line) {
	if l.Parent != "" {
		return
	}
	switch l.Event.Type {
	case "message_start":
		if w.message != "" {
			w.restarts++
		}
		w.message, w.block, w.tokens = l.Event.Message.ID, "", nil
	case "content_block_start":
		w.block, w.tokens = "", nil
	case "content_block_delta":
		if text := l.Event.Delta.Text; text != "" {
			w.block += text
			w.tokens = append(w.tokens, text)
		}
		if len(w.tokens) >= len(w.longest) {
			w.longest = w.tokens
		}
	case "message_stop":
		w.message = ""
	}
}

// assistant compares a finished block with what was streamed of it.
func (w *watch) assistant(seq int64, l line) (wrong, doubled []string) {
	var blocks []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	_ = json.Unmarshal(l.Message.Content, &blocks) // what is no list has no text
	if l.Parent != "" || l.Aborted || l.Error != nil {
		return nil, nil
	}
	for _, b := range blocks {
		if b.Type != "text" {
			continue
		}
		if l.Message.ID == w.message && w.block != b.Text {
			wrong = append(wrong, fmt.Sprintf("event %d: streamed %q of %q", seq, w.block, b.Text))
		}
		w.texts = append(w.texts, b.Text)
		for _, m := range done.FindAllStringSubmatch(b.Text, -1) {
			// A turn that was cut short is taken up, and what it had said may be said again.
			if at := w.answers[m[1]]; at != 0 && w.results[m[1]] == 0 && at < w.againFrom {
				w.saidAgain++
				w.begun = slices.DeleteFunc(w.begun, func(b string) bool { return b == m[1] })
			} else if at != 0 {
				doubled = append(doubled, fmt.Sprintf("event %d is a second finished answer to prompt %s; the first is %d", seq, m[1], at))
			}
			w.answers[m[1]] = seq
			w.begun = append(w.begun, m[1])
		}
	}
	return wrong, doubled
}

// settled says what a prompt still waits for, "" when it is answered and the session has nothing to do.
func (w *watch) settled(markers []string) string {
	for _, m := range markers {
		switch {
		case w.prompts[m] == 0:
			return "prompt " + m + " is not in the journal"
		case w.answers[m] == 0:
			return "prompt " + m + " has no finished answer"
		case w.stateAt < w.answers[m]:
			return "the state after the answer to " + m
		}
	}
	if w.state != "ready" && w.state != "dormant" {
		return "the session is " + w.state
	}
	return ""
}

func brief(raw []byte) string {
	s := string(raw)
	if i := strings.Index(s, `"type":"`); i > 0 && strings.HasPrefix(s, `{"duration`) {
		s = s[i:]
	}
	return fmt.Sprintf("%.260s", s)
}
