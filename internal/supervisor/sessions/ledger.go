package sessions

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// ledger is what a session's events say of its prompts, its turn and its permission requests. It is made of nothing
// but the events, in order: those in the journal when a session is taken up, and each new one once it is journaled.
//
// A prompt that is not done is given to every new process of the session, with the same uuid, unless the conversation
// on disk holds it: so it runs once, whatever died in between.
type ledger struct {
	prompts  map[string]*prompt // all there ever were, by the client's id
	open     []*prompt          // those that are not done, by seq
	fresh    []*prompt          // those that are done, and no turn has told a result since
	asks     map[string]int64   // open permission requests: the number of their event, by id
	answered map[string]bool    // ids of permission requests that somebody answered
	turn     bool               // a turn runs
	cut      bool               // a turn was cut short; the next process is to take it up
	restarts int                // of the supervisor since the last result, with work to do
	tasks    int                // background tasks that run
	state    string             // of the last carrel.state
	idle     int64              // number of the last event, but for tokens, after which no turn ran nor was cut short
	settled  int64              // idle, as it was before the last turn began
	todos    todos
}

type prompt struct {
	id, uuid string
	seq      int64
	content  claude.Content // nil once done
	state    promptState
	// withdrawn says that it is done without having begun.
	withdrawn bool
	// finished says that a turn which ended after it was done has told its result.
	finished bool
}

type promptState int

const (
	waits promptState = iota // in our hands
	sent                     // written to the process that runs
	begun                    // that process has taken it up
	done                     // it has run, was withdrawn or given up
)

func newLedger() *ledger {
	return &ledger{prompts: map[string]*prompt{}, asks: map[string]int64{}, answered: map[string]bool{}, state: protocol.StateDormant}
}

// Our own events, as they are in the journal.
type (
	promptEvent struct {
		Type    string          `json:"type"`
		ID      string          `json:"id"`
		UUID    string          `json:"uuid"`
		Author  string          `json:"author"`
		Content json.RawMessage `json:"content"`
	}
	stateEvent struct {
		Type   string `json:"type"`
		State  string `json:"state"`
		Reason string `json:"reason,omitempty"`
		// Held are prompts, by uuid, that are not given to the process which is starting: the conversation that it takes
		// up holds them.
		Held []string `json:"held,omitempty"`
	}
	answerEvent struct {
		Type      string `json:"type"`
		RequestID string `json:"request_id"`
		Behavior  string `json:"behavior"`
		Author    string `json:"author"`
		Message   string `json:"message,omitempty"`
		Interrupt bool   `json:"interrupt,omitempty"`
		// UpdatedInput has the fields that are not as Claude asked: a question's answers, a plan that was edited.
		UpdatedInput       map[string]json.RawMessage `json:"updated_input,omitempty"`
		UpdatedPermissions json.RawMessage            `json:"updated_permissions,omitempty"`
		Truncated          bool                       `json:"truncated,omitempty"` // some of it was too large to be kept
	}
	withdrawnEvent struct {
		Type   string `json:"type"`
		ID     string `json:"id"`
		Author string `json:"author"`
	}
	queueEvent struct {
		Type  string `json:"type"`
		Place int    `json:"place"` // 1: the next one
		Own   bool   `json:"own,omitempty"`
	}
	errorEvent struct {
		Type   string `json:"type"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
)

// Reasons of a carrel.state.
const (
	reasonClosed     = "closed"      // somebody closed the session: a turn that ran is given up
	reasonIdle       = "idle"        // it made room for another
	reasonStopped    = "stopped"     // the supervisor was stopped
	reasonRestarted  = "restarted"   // the supervisor was started anew
	reasonExited     = "exited"      // Claude ended by itself, without a turn
	reasonNoProcess  = "no_process"  // there were too many in the instance to start Claude; it waits in line and is tried again
	reasonNotStarted = "not_started" // Claude could not be started; prompts wait for the next try
	reasonCopied     = "copied"      // all before belongs to the session that this one began as a copy of
	reasonWithdrawn  = "withdrawn"   // somebody interrupted it while it waited in line: its prompts are given up
	reasonYielded    = "yielded"     // its work was done and others waited for its place; prompts that came meanwhile wait in line
	reasonSuspended  = "suspended"   // it waited for its person while others waited for its place; the turn is taken up with the next one
	reasonFailed     = "failed"      // Claude ended again and again: what was asked of it is given up
)

// apply takes in one event.
func (l *ledger) apply(seq int64, line claude.Line) {
	turn := l.turn
	defer func() {
		switch {
		case !l.turn && !l.cut:
			l.idle = seq
		case l.turn && !turn:
			l.settled = l.idle
		}
	}()
	l.todos.apply(seq, line)
	if kind, own := strings.CutPrefix(line.Type, "carrel."); own {
		l.applyOwn(seq, kind, line.Raw)
		return
	}
	if lc, ok := line.Lifecycle(); ok {
		switch lc.State {
		case "started":
			l.turn, l.cut = true, false
			l.move(lc.Prompt, begun)
		case "completed":
			l.move(lc.Prompt, done)
		case "cancelled":
			l.withdraw(func(p *prompt) bool { return p.uuid == lc.Prompt })
		}
	} else if uuid, ok := line.Replayed(); ok {
		l.move(uuid, begun)
	} else if r, ok := line.Result(); ok {
		// A turn that is to be taken up begins after what the CLI has to say first: that a background task is no more.
		ended := !l.cut || r.Turns > 0 || r.IsError
		if ended {
			l.endTurn()
			l.restarts = 0
		}
		for _, uuid := range r.Prompts {
			l.move(uuid, done)
		}
		if ended {
			for _, p := range l.fresh {
				p.finished = true
			}
			l.fresh = nil
		}
	} else if r, ok := line.Request(); ok {
		if r.Permission() && line.RequestID != "" {
			l.asks[line.RequestID] = seq
		}
	} else if id, ok := line.Withdrawn(); ok {
		delete(l.asks, id)
	} else if s, ok := line.System(); ok {
		switch line.Subtype {
		case "init":
			l.turn = true
		case "session_state_changed":
			switch {
			case s.State == "idle":
				l.endTurn()
			case s.State == "running" && l.cut:
				l.turn = true // it is being taken up
			}
		case "background_tasks_changed":
			l.tasks = len(s.Tasks)
		}
	}
}

func (l *ledger) applyOwn(seq int64, kind string, raw json.RawMessage) {
	switch "carrel." + kind {
	case protocol.EventPrompt:
		var e promptEvent
		if json.Unmarshal(raw, &e) != nil || l.prompts[e.ID] != nil {
			return
		}
		p := &prompt{id: e.ID, uuid: e.UUID, seq: seq, content: claude.Content(e.Content)}
		l.prompts[p.id] = p
		l.open = append(l.open, p)
	case protocol.EventWithdrawn:
		var e withdrawnEvent
		if json.Unmarshal(raw, &e) == nil {
			l.withdraw(func(p *prompt) bool { return p.id == e.ID })
		}
	case protocol.EventAnswer:
		var e answerEvent
		if json.Unmarshal(raw, &e) == nil {
			delete(l.asks, e.RequestID)
			l.answered[e.RequestID] = true
		}
	case protocol.EventState:
		var e stateEvent
		if json.Unmarshal(raw, &e) != nil {
			return
		}
		l.state = e.State
		if e.State == protocol.StateDormant || e.State == protocol.StateStarting {
			l.processGone(e.Reason)
		}
		if len(e.Held) > 0 {
			l.finish(func(p *prompt) bool { return slices.Contains(e.Held, p.uuid) })
			l.cut = true // if they have run to their end, the CLI finds nothing to take up
		}
	}
}

// processGone takes in that the process with which all this was going on is no more.
func (l *ledger) processGone(reason string) {
	clear(l.asks)
	clear(l.todos.Calls)
	l.tasks = 0
	working := l.turn || l.cut
	for _, p := range l.open {
		working = working || p.state == begun
	}
	switch reason {
	case reasonClosed, reasonIdle, reasonYielded:
		l.endTurn()
	case reasonFailed, reasonCopied:
		l.endTurn()
		l.finish(func(*prompt) bool { return true })
	case reasonWithdrawn:
		l.endTurn()
		l.withdraw(func(*prompt) bool { return true })
	default:
		l.turn, l.cut = false, working
		if reason == reasonRestarted && (working || len(l.open) > 0) {
			l.restarts++
		}
	}
	for _, p := range l.open {
		p.state = waits
	}
}

// endTurn takes in that no turn runs: what had begun is done.
func (l *ledger) endTurn() {
	l.turn, l.cut = false, false
	l.finish(func(p *prompt) bool { return p.state == begun })
}

// move brings an open prompt forward; it never goes back here.
func (l *ledger) move(uuid string, to promptState) {
	if to == done {
		l.finish(func(p *prompt) bool { return p.uuid == uuid })
		return
	}
	for _, p := range l.open {
		if p.uuid == uuid {
			p.state = max(p.state, to)
		}
	}
}

// withdraw ends open prompts of which nobody has begun any. One that has begun is merely done.
func (l *ledger) withdraw(which func(*prompt) bool) {
	l.finish(func(p *prompt) bool {
		if !which(p) {
			return false
		}
		p.withdrawn = p.state < begun
		return true
	})
}

func (l *ledger) finish(which func(*prompt) bool) {
	kept := l.open[:0]
	for _, p := range l.open {
		if which(p) {
			p.state, p.content = done, nil
			l.fresh = append(l.fresh, p)
		} else {
			kept = append(kept, p)
		}
	}
	clear(l.open[len(kept):])
	l.open = kept
}

// busy says whether the process has something to do, or will when it is ready.
func (l *ledger) busy() bool { return l.turn || len(l.open) > 0 }

// atWork says whether the process has a prompt that is not done.
func (l *ledger) atWork() bool {
	return slices.ContainsFunc(l.open, func(p *prompt) bool { return p.state != waits })
}

// openBytes is the size of all prompts that are not done.
func (l *ledger) openBytes() (n int) {
	for _, p := range l.open {
		n += len(p.content)
	}
	return n
}
