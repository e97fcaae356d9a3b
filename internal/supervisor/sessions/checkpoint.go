package sessions

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/carrel-dev/carrel/internal/claude"
)

// ledgerVersion changes with what apply makes of events: a checkpoint of another version is not used.
const ledgerVersion = 4

// checkpoint is a ledger after the event with number Seq. It spares an opening the reading of what came before; losing
// it costs time and nothing else.
type checkpoint struct {
	Version  int                `json:"version"`
	Seq      int64              `json:"seq"`
	Prompts  []checkpointPrompt `json:"prompts"`
	Asks     map[string]int64   `json:"asks"`
	Answered map[string]bool    `json:"answered"`
	Turn     bool               `json:"turn"`
	Cut      bool               `json:"cut"`
	Restarts int                `json:"restarts"`
	Tasks    int                `json:"tasks"`
	State    string             `json:"state"`
	Idle     int64              `json:"idle"`
	Settled  int64              `json:"settled"`
	Todos    todos              `json:"todos,omitzero"`
}

type checkpointPrompt struct {
	ID      string      `json:"id"`
	UUID    string      `json:"uuid"`
	Seq     int64       `json:"seq"`
	State   promptState `json:"state"`
	Content []byte      `json:"content,omitempty"` // as bytes: JSON within JSON would not stay what it is

	Withdrawn bool `json:"withdrawn,omitempty"`
	Finished  bool `json:"finished,omitempty"`
}

// checkpoint writes down a ledger.
func (l *ledger) checkpoint(seq int64) ([]byte, error) {
	c := checkpoint{
		Version: ledgerVersion, Seq: seq, Asks: l.asks, Answered: l.answered,
		Turn: l.turn, Cut: l.cut, Restarts: l.restarts, Tasks: l.tasks, State: l.state, Idle: l.idle, Settled: l.settled, Todos: l.todos,
	}
	for _, p := range l.prompts {
		c.Prompts = append(c.Prompts, checkpointPrompt{ID: p.id, UUID: p.uuid, Seq: p.seq, State: p.state, Content: p.content, Withdrawn: p.withdrawn, Finished: p.finished})
	}
	slices.SortFunc(c.Prompts, func(a, b checkpointPrompt) int { return cmp.Compare(a.Seq, b.Seq) })
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode ledger: %w", err)
	}
	return raw, nil
}

// restore makes a ledger of a checkpoint.
func restore(raw []byte) (l *ledger, seq int64, err error) {
	var c checkpoint
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, 0, fmt.Errorf("read ledger: %w", err)
	}
	if c.Version != ledgerVersion {
		return nil, 0, fmt.Errorf("read ledger: it is of version %d", c.Version)
	}
	l = newLedger()
	l.turn, l.cut, l.restarts, l.tasks, l.state, l.idle, l.settled, l.todos = c.Turn, c.Cut, c.Restarts, c.Tasks, c.State, c.Idle, c.Settled, c.Todos
	for id, seq := range c.Asks {
		l.asks[id] = seq
	}
	for id := range c.Answered {
		l.answered[id] = true
	}
	for _, p := range c.Prompts {
		kept := &prompt{id: p.ID, uuid: p.UUID, seq: p.Seq, state: p.State, content: claude.Content(p.Content), withdrawn: p.Withdrawn, finished: p.Finished}
		l.prompts[kept.id] = kept
		switch {
		case kept.state != done:
			l.open = append(l.open, kept)
		case !kept.finished:
			l.fresh = append(l.fresh, kept)
		}
	}
	return l, c.Seq, nil
}

// readCheckpoint gives the ledger that was kept, or an empty one.
func (s *session) readCheckpoint(last int64) (l *ledger, seq int64) {
	raw, err := os.ReadFile(s.files.checkpoint())
	if err == nil {
		l, seq, err = restore(raw)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.ss.opt.Log.Warn("read checkpoint", "session", s.id, "error", err)
	case seq <= last:
		return l, seq
	default:
		s.ss.opt.Log.Warn("read checkpoint", "session", s.id, "error", "it knows events that are lost")
	}
	return newLedger(), 0
}

// writeCheckpoint replaces the checkpoint.
func (f *files) writeCheckpoint(raw []byte) error {
	return replace(f.checkpoint(), raw, true)
}
