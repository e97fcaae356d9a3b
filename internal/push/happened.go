package push

import (
	"encoding/json"
	"strings"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// request is one that waits for its person.
type request struct {
	id    string
	tool  string
	input json.RawMessage
}

// Tools whose requests take more than a yes or no.
const (
	toolQuestion = "AskUserQuestion"
	toolPlan     = "ExitPlanMode"
)

func (r request) plain() bool { return r.tool != toolQuestion && r.tool != toolPlan }

// what is the part of the input that says what it is about.
func (r request) what() string {
	var in struct {
		Command     string `json:"command"`
		FilePath    string `json:"file_path"`
		Notebook    string `json:"notebook_path"`
		URL         string `json:"url"`
		Query       string `json:"query"`
		Description string `json:"description"`
		Questions   []struct {
			Question string `json:"question"`
		} `json:"questions"`
	}
	_ = json.Unmarshal(r.input, &in) // what has other fields is told by its tool
	if len(in.Questions) > 0 {
		return in.Questions[0].Question
	}
	for _, s := range []string{in.Command, in.FilePath, in.Notebook, in.URL, in.Query, in.Description} {
		if s != "" {
			return s
		}
	}
	return ""
}

// openRequests are those of the events that nobody has answered, in order.
func openRequests(events []protocol.Event) []request {
	var open []request
	gone := func(id string) {
		for i, r := range open {
			if r.id == id {
				open = append(open[:i], open[i+1:]...)
				return
			}
		}
	}
	for _, ev := range events {
		l, err := claude.Parse(ev.Event)
		if err != nil || l.Tokens() {
			continue
		}
		if r, ok := l.Request(); ok && r.Permission() {
			gone(l.RequestID) // the same again, after a resume
			open = append(open, request{id: l.RequestID, tool: r.Tool, input: r.Input})
		} else if id, ok := l.Withdrawn(); ok {
			gone(id)
		} else if l.Type == protocol.EventAnswer {
			gone(l.RequestID)
		} else if l.Type == protocol.EventState && !atWork(stateOf(l)) {
			open = nil // the process that asked is gone; another one asks anew
		}
	}
	return open
}

func stateOf(l claude.Line) string {
	var s struct {
		State string `json:"state"`
	}
	_ = json.Unmarshal(l.Raw, &s) // an unknown one is at rest
	return s.State
}

// ending is how the last turn ended.
type ending struct {
	failed bool
	text   string
}

// endOf says how the last turn of the events ended; false: somebody ended it, or it has not.
func endOf(events []protocol.Event) (ending, bool) {
	for i := len(events) - 1; i >= 0; i-- {
		l, err := claude.Parse(events[i].Event)
		if err != nil || l.Tokens() {
			continue
		}
		switch l.Type {
		case protocol.EventError:
			var e struct {
				Detail string `json:"detail"`
			}
			_ = json.Unmarshal(l.Raw, &e) // without one it has failed all the same
			return ending{failed: true, text: e.Detail}, true
		case protocol.EventPrompt, protocol.EventWithdrawn:
			return ending{}, false
		}
		r, ok := l.Result()
		if !ok {
			continue
		}
		if strings.HasPrefix(r.Ended, "aborted") {
			return ending{}, false
		}
		return ending{failed: r.IsError, text: r.Text}, true
	}
	return ending{}, false
}
