package sessions

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// deletedPrefix is what a session's folder is renamed to before it is removed, so that a half-removed one is never
// taken for a session.
const deletedPrefix = ".deleted-"

// files are a session's: <journal dir>/<id>/{events.jsonl,events.jsonl.past,ledger.json,session.json}.
type files struct{ dir string }

func (f *files) journal() string    { return filepath.Join(f.dir, "events.jsonl") }
func (f *files) meta() string       { return filepath.Join(f.dir, "session.json") }
func (f *files) checkpoint() string { return filepath.Join(f.dir, "ledger.json") }

// meta is what is remembered of a session beside its events. Losing it loses a title and settings, nothing more.
type meta struct {
	Project        string          `json:"project"`
	Model          string          `json:"model,omitempty"`           // asked for; "" is the CLI's choice
	PermissionMode string          `json:"permission_mode,omitempty"` // asked for, or changed by the CLI
	Effort         string          `json:"effort,omitempty"`          // asked for, here or by /effort
	CurrentModel   string          `json:"current_model,omitempty"`   // what the CLI said that it uses
	ClaudeID       string          `json:"claude_id,omitempty"`       // of the CLI's conversation, when it is not the session's id
	LeftIDs        []string        `json:"left_ids,omitempty"`        // of conversations that /clear left behind
	ForkOf         string          `json:"fork_of,omitempty"`         // the CLI's conversation to begin with a copy of
	ForkAt         string          `json:"fork_at,omitempty"`         // the last message of the copy, by its uuid
	Ran            bool            `json:"ran,omitempty"`             // the CLI has the conversation on disk
	Live           bool            `json:"live,omitempty"`            // it has a process; left behind by a supervisor that was killed
	Title          string          `json:"title,omitempty"`
	Usage          json.RawMessage `json:"usage,omitempty"`
	CostUSD        float64         `json:"cost_usd,omitempty"`
	LastActivityAt time.Time       `json:"last_activity_at"`
	Boot           string          `json:"boot,omitempty"`    // of the machine, when the journal was last open
	Recalled       recalled        `json:"recalled,omitzero"` // what of the transcript is in the journal
	Todos          protocol.Todos  `json:"todos,omitzero"`    // the ledger's: who only reads has no ledger
}

// conversation is the id under which the CLI has the conversation.
func (m *meta) conversation(sessionID string) string {
	if m.ClaudeID != "" {
		return m.ClaudeID
	}
	return sessionID
}

// moved takes in that the CLI goes on under another id, as it does after /clear.
func (m *meta) moved(sessionID, to string) bool {
	from := m.conversation(sessionID)
	if from == to || !validID(to) {
		return false
	}
	if !slices.Contains(m.LeftIDs, from) {
		m.LeftIDs = append(m.LeftIDs, from)
	}
	m.ClaudeID = to
	return true
}

func (f *files) readMeta(m *meta) error {
	raw, err := os.ReadFile(f.meta())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var read meta
	if err := json.Unmarshal(raw, &read); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(f.meta()), err)
	}
	if read.ClaudeID != "" && !validID(read.ClaudeID) || read.Project != "" && !validProject(read.Project) {
		return errors.New("session.json does not hold a session")
	}
	*m = read
	return nil
}

func (f *files) writeMeta(m *meta) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	// In the place of another, ext4 has the content on disk with the name. The first must see to it itself.
	_, err = os.Lstat(f.meta())
	return replace(f.meta(), raw, errors.Is(err, fs.ErrNotExist))
}

// replace gives a file other content at once or not at all.
func replace(path string, raw []byte, sync bool) error {
	next := path + ".new"
	out, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(raw)
	if err == nil && sync {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		_ = os.Remove(next) // it takes space that may be short
		return err
	}
	return os.Rename(next, path)
}

// saveLocked writes meta, as far as the disk allows: nothing depends on it.
func (s *session) saveLocked() {
	if s.ledger != nil {
		s.meta.Todos = s.ledger.todos.Todos
	}
	if err := s.files.writeMeta(&s.meta); err != nil {
		s.ss.opt.Log.Warn("save session", "session", s.id, "error", err)
	}
}

// remove takes a session's files away.
func (f *files) remove() error {
	away := filepath.Join(filepath.Dir(f.dir), deletedPrefix+filepath.Base(f.dir))
	if err := os.RemoveAll(away); err != nil {
		return err
	}
	if err := os.Rename(f.dir, away); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(away)
}
