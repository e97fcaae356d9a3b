package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/journal"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// session is one conversation.
type session struct {
	ss    *Sessions
	id    string
	gate  chan struct{}                    // held by the one who starts its process
	past  chan struct{}                    // held by the one who takes in its transcript
	set   chan struct{}                    // held by the one who changes its settings
	grave chan struct{}                    // held by the one who deletes it
	info  atomic.Pointer[protocol.Session] // what lists show, but for LastSeq
	last  atomic.Int64                     // number of the last event
	files files

	interrupted bool // it was at work when the last supervisor was killed; New reads it, and nobody else

	mu       sync.Mutex
	meta     meta
	users    int                   // calls, readers and a process that need the journal
	journal  *journal.Journal      // nil while there are none
	ledger   *ledger               // nil while there are none, or none but readers of events
	durable  int64                 // events up to this number are safe from a crash of the machine
	standing *standing             // while it waits in line for a place
	run      *run                  // the process, from its start until its whole tree is gone
	starts   int                   // since the last result, after a process died at work
	held     protocol.HeldResponse // where the conversation on disk stands, for the process to be started
	starved  int                   // times in a row that there was no process left to start it with
	guessed  bool                  // the CLI said that resuming, or not, was wrong; the other was tried
	deleting bool                  // somebody has begun to, and nobody else takes it up any more
	gone     bool                  // it is not on the list any more
	lastUsed time.Time

	fresh      []ended       // turns that ended a moment ago, the first before the others
	loose      int64         // bytes of tokens that were journaled since it was last compacted
	compacting chan struct{} // closed when that is done; nil while it is not
	offered    bool          // compacting was considered since the session had no process, or was opened
}

// errGone means that a session was deleted, or never became one.
var errGone = errors.New("session is gone")

func (ss *Sessions) newSession(id string) *session {
	return &session{
		ss: ss, id: id, files: files{dir: filepath.Join(ss.opt.Config.JournalDir, id)},
		gate: make(chan struct{}, 1), past: make(chan struct{}, 1), set: make(chan struct{}, 1), grave: make(chan struct{}, 1),
	}
}

// takeUp reads what is needed to list a session when the supervisor starts. One that was live when the last
// supervisor ended is told to be dormant now.
func (s *session) takeUp() error {
	last, err := journal.Last(s.files.journal())
	if err != nil {
		return err
	}
	s.last.Store(last)
	if err := s.files.readMeta(&s.meta); err != nil {
		s.ss.opt.Log.Warn("read session", "session", s.id, "error", err) // what it held comes again with the next request
	}
	s.lastUsed = s.meta.LastActivityAt
	s.publishLocked()
	if !s.meta.Live {
		return nil
	}
	if err := s.hold(); err != nil {
		return err
	}
	defer s.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meta.Live = false
	err = s.enterLocked(protocol.StateDormant, reasonRestarted)
	s.saveLocked()
	s.interrupted = (s.ledger.busy() || s.ledger.cut) && s.ledger.restarts <= maxStarts
	return err
}

// goOn puts an interrupted session in line for a process, as if its prompts had just been sent: who sent them may be
// gone for the day. A turn that has ended the supervisor again and again waits for somebody to open it.
func (s *session) goOn() {
	if s.hold() != nil {
		return // nothing of it could be written
	}
	defer s.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standLocked(&protocol.OpenRequest{SessionID: s.id})
}

// hold keeps the journal open, and the ledger with it, until release.
func (s *session) hold() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.holdLocked(); err != nil {
		return err
	}
	if s.ledger == nil {
		if err := s.replayLocked(); err != nil {
			s.releaseLocked()
			return fmt.Errorf("open session %s: %w", s.id, err)
		}
	}
	return nil
}

// holdToRead keeps the journal open until release. The ledger is not made for it: a conversation is shown as fast
// however many prompts there were.
func (s *session) holdToRead() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holdLocked()
}

// holdToDelete is the last hold there is: from then on nobody else gets one.
func (s *session) holdToDelete() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleting = true
	return s.keepLocked()
}

func (s *session) holdLocked() error {
	if s.deleting && !s.gone {
		return errNoSession()
	}
	return s.keepLocked()
}

func (s *session) keepLocked() error {
	if s.gone {
		return errGone
	}
	if s.journal == nil {
		if err := s.openLocked(); err != nil {
			if s.users == 0 && s.last.Load() == 0 {
				s.dropLocked()
			}
			return storageFault(fmt.Errorf("open session %s: %w", s.id, err))
		}
	}
	s.users++
	return nil
}

func (s *session) openLocked() error {
	if err := os.MkdirAll(s.files.dir, 0o700); err != nil {
		return err
	}
	j, err := journal.Open(s.files.journal())
	if err != nil {
		return err
	}
	if err := s.sinceBoot(j); err != nil {
		return errors.Join(err, j.Close())
	}
	s.journal, s.durable, s.offered = j, j.Last(), false
	s.last.Store(j.Last())
	return nil
}

// skipped is more numbers than events can be on their way to the disk.
const skipped = 1_000_000

// sinceBoot goes on with numbers that nobody has seen where the machine has been started anew: it may have lost events
// that were read already, and who says that they have read them must not be told nothing of what came in their place.
func (s *session) sinceBoot(j *journal.Journal) error {
	boot := s.ss.opt.Boot
	if boot == "" || boot == s.meta.Boot {
		return nil
	}
	if s.meta.Boot != "" && j.Last() > 0 { // else it is new, or of a time when nobody asked
		if err := j.Skip(skipped); err != nil {
			return err
		}
	}
	s.meta.Boot = boot
	if j.Last() > 0 {
		s.saveLocked()
	} // else the first event does
	return nil
}

// tokens is how most events by far begin.
var tokens = []byte(`{"type":"stream_event"`)

// replayLocked makes the ledger: of the last checkpoint, and the events since. It also counts the tokens that were not
// compacted yet.
func (s *session) replayLocked() error {
	last, loose := s.journal.Last(), int64(0)
	s.fresh = nil
	l, known := s.readCheckpoint(last)
	moved, _ := s.journal.Moved()
	seq := min(known, moved)
	reader, err := s.journal.Read(seq)
	for err == nil && seq < last {
		var e journal.Event
		if e, err = reader.Next(context.Background()); err != nil { // it is there; this does not wait
			break
		}
		seq = e.Seq
		switch {
		case bytes.HasPrefix(e.Data, tokens):
			if seq > moved {
				loose += int64(len(e.Data))
			}
		default:
			line, err := claude.Parse(e.Data)
			if err == nil && seq > known {
				l.apply(seq, line)
			}
			if err == nil && line.Type == "result" {
				s.fresh = append(s.fresh, ended{begun: l.settled, at: e.At})
			}
		}
	}
	if err != nil {
		return err
	}
	s.ledger, s.loose = l, loose
	if l.todos.Seq != s.meta.Todos.Seq { // killed before it was saved, or journaled by a Carrel that did not ask
		s.saveLocked()
	}
	return nil
}

// release lets the journal be closed. A session of which nothing was ever journaled is forgotten.
func (s *session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked()
}

func (s *session) releaseLocked() {
	s.users--
	if s.users > 0 {
		return
	}
	if !s.offered && s.ledger != nil {
		s.offered = true
		if s.compactLocked(looseDormant) {
			return // which releases it again
		}
	}
	if err := s.journal.Close(); err != nil {
		s.ss.opt.Log.Error("close journal", "session", s.id, "error", err)
	}
	s.journal, s.ledger = nil, nil
	if s.last.Load() == 0 && !s.gone && !s.deleting {
		s.dropLocked()
	}
}

// dropLocked takes a session of which there is nothing off the list.
func (s *session) dropLocked() {
	// The folder first: once it is off the list, its id may be used again.
	if err := os.RemoveAll(s.files.dir); err != nil {
		s.ss.opt.Log.Warn("remove an empty session", "session", s.id, "error", err)
	}
	s.gone = true
	s.info.Store(nil)
	s.ss.forget(s)
}

// recordLocked journals an event of ours.
func (s *session) recordLocked(event any) (int64, error) {
	raw, err := json.Marshal(event)
	if err != nil {
		return 0, fmt.Errorf("encode event: %w", err)
	}
	line, err := claude.Parse(raw)
	if err != nil {
		return 0, fmt.Errorf("encode event: %w", err)
	}
	seq, err := s.appendLocked(raw)
	if err != nil {
		return 0, err
	}
	s.ledger.apply(seq, line)
	return seq, nil
}

func (s *session) appendLocked(raw []byte) (int64, error) {
	seq, err := s.journal.Append(raw)
	if err != nil {
		return 0, storageFault(err)
	}
	s.last.Store(seq)
	s.ss.grew(s)
	return seq, nil
}

// storageFault says what a person can do about a full volume.
func storageFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.QuotaExceeded, "Your storage is full. Delete files to go on.")
	}
	return err
}

// stateLocked is the state that the process and the ledger make.
func (s *session) stateLocked() string {
	switch {
	case s.run == nil && s.standing != nil:
		return protocol.StateQueued
	case s.run == nil:
		return protocol.StateDormant
	case !s.run.greeted:
		return protocol.StateStarting
	case len(s.ledger.asks) > 0:
		return protocol.StateWaiting
	case s.ledger.busy():
		return protocol.StateRunning
	}
	return protocol.StateReady
}

// settleLocked tells everyone when the state is another than before.
func (s *session) settleLocked() {
	if state := s.stateLocked(); state != s.ledger.state {
		_ = s.enterLocked(state, "") // it says itself when the disk is full
	}
	s.yieldLocked()
	s.ss.moveLine() // it may be idle now
}

// enterLocked journals a state. It is entered also when that fails.
func (s *session) enterLocked(state, reason string) error {
	event := stateEvent{Type: protocol.EventState, State: state, Reason: reason}
	if state == protocol.StateStarting {
		event.Held, s.held.UUIDs = s.held.UUIDs, nil
	}
	_, err := s.recordLocked(event)
	if err != nil {
		// The journal's word stays behind, but not ours: lists tell the truth.
		s.ss.opt.Log.Error("journal a state", "session", s.id, "state", state, "error", err)
		raw, _ := json.Marshal(event) // it was encoded a moment ago
		s.ledger.applyOwn(s.last.Load(), "state", raw)
	}
	s.publishLocked()
	return err
}

// complainLocked tells everyone what went wrong, in the person's language: what is journaled is read by people alone.
func (s *session) complainLocked(code fault.Code, format string, args ...any) {
	text := fault.Say(format, args...)
	detail := words.Say(*s.ss.language.Load(), text)
	if _, err := s.recordLocked(errorEvent{Type: protocol.EventError, Code: string(code), Detail: detail}); err != nil {
		s.ss.opt.Log.Error("journal an error", "session", s.id, "detail", text.String(), "error", err)
	}
}

// publishLocked renews what lists show, and tells watchers.
func (s *session) publishLocked() {
	info := &protocol.Session{
		ID: s.id, Project: s.meta.Project, State: protocol.StateDormant,
		Model: s.meta.Model, PermissionMode: s.meta.PermissionMode, Effort: s.meta.Effort,
		LastActivityAt: s.meta.LastActivityAt, Title: s.meta.Title, Usage: s.meta.Usage, CostUSD: s.meta.CostUSD,
	}
	if info.Model == "" {
		info.Model = s.meta.CurrentModel
	}
	if s.ledger != nil {
		info.State, info.Tasks = s.ledger.state, s.ledger.tasks
	}
	if s.gone {
		return
	}
	s.info.Store(info)
	s.ss.notify(s)
}

// snapshot is what lists show; not ok before there is anything of the session, and after it is gone.
func (s *session) snapshot() (protocol.Session, bool) {
	info := s.info.Load()
	if info == nil {
		return protocol.Session{}, false
	}
	out := *info
	out.LastSeq = s.last.Load()
	return out, true
}

func (s *session) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// touchLocked takes in that something was said. To look at a session is to use it, but moves it nowhere.
func (s *session) touchLocked() {
	s.lastUsed = time.Now().UTC()
	s.meta.LastActivityAt = s.lastUsed
}
