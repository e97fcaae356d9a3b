package sessions

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/journal"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// origin is where a session that begins as a copy of another comes from.
type origin struct {
	conversation string           // under which the CLI has its history
	journal      *journal.Journal // nil when it is not a session of ours
	until        int64            // its last event that is copied
	at           string           // the last message that is, by its uuid; "": all
	begun        map[string]bool  // with at: the prompts that had begun by then, by their uuid
}

// origin looks up a session to copy, and holds it until release. What was said in it elsewhere is copied as well.
func (ss *Sessions) origin(ctx context.Context, id, before string) (o origin, release func(), err error) {
	if id == "" {
		return origin{}, func() {}, nil
	}
	if _, err := ss.Recall(ctx, &protocol.SessionRequest{SessionID: id}); err != nil && fault.CodeOf(err) != fault.NotFound {
		ss.opt.Log.Warn("recall the session to copy", "session", id, "error", err) // Claude remembers it all the same
	}
	from, release, err := ss.use(id, false)
	if fault.CodeOf(err) == fault.NotFound {
		return origin{conversation: id}, func() {}, nil // one that the CLI was begun with elsewhere
	}
	if err != nil {
		return origin{}, nil, err
	}
	from.mu.Lock()
	o = origin{conversation: from.meta.conversation(id), journal: from.journal, until: from.last.Load()}
	uuid := before
	if p, ok := from.ledger.prompts[before]; ok {
		uuid = p.uuid
	}
	from.mu.Unlock()
	if before != "" {
		if err := o.endBefore(uuid); err != nil {
			release()
			return origin{}, nil, err
		}
	}
	return o, release, nil
}

// endBefore moves the end of what is copied to where a prompt began: to the last message of Claude's before it.
func (o *origin) endBefore(prompt string) error {
	o.begun = map[string]bool{}
	reader, err := o.journal.Read(0)
	if err != nil {
		return fmt.Errorf("find the prompt: %w", err)
	}
	for seq := int64(0); seq < o.until; {
		e, err := reader.Next(context.Background()) // it is there; this does not wait
		if err != nil {
			return fmt.Errorf("find the prompt: %w", err)
		}
		if seq = e.Seq; bytes.HasPrefix(e.Data, tokens) {
			continue
		}
		line, err := claude.Parse(e.Data)
		if err != nil {
			continue
		}
		uuid, begins := line.Began()
		if begins && uuid == prompt {
			if o.at == "" {
				return fault.New(fault.Conflict, "Nothing was said before this prompt. Begin a new session instead.")
			}
			o.until = seq - 1
			return nil
		}
		if begins {
			o.begun[uuid] = true
		}
		if line.Type == "assistant" && line.OfMain() {
			o.at = line.UUID
		}
	}
	return fault.New(fault.NotFound, "There is no such prompt in this conversation.")
}

// copyLocked begins the journal with the events of the conversation that was copied, so that it can be read where it
// goes on. What belonged to its process is left out, and the pieces of its messages. Nothing of it is open: what the
// other was asked to do is its own.
func (s *session) copyLocked(o origin) error {
	if o.journal == nil || o.until == 0 {
		return nil
	}
	reader, err := o.journal.Read(0)
	if err != nil {
		return fmt.Errorf("copy events: %w", err)
	}
	for seq := int64(0); seq < o.until; {
		e, err := reader.Next(context.Background()) // it is there; this does not wait
		if err != nil {
			return fmt.Errorf("copy events: %w", err)
		}
		if seq = e.Seq; seq > o.until {
			break // the last one was compacted away meanwhile
		}
		if bytes.HasPrefix(e.Data, tokens) {
			continue
		}
		line, err := claude.Parse(e.Data)
		if err != nil || !ofHistory(line) || o.at != "" && line.Type == protocol.EventPrompt && !o.begun[line.UUID] {
			continue
		}
		n, err := s.journal.AppendAt(e.At, e.Data)
		if err != nil {
			return fmt.Errorf("copy events: %w", storageFault(err))
		}
		s.last.Store(n)
		s.ledger.apply(n, line)
	}
	s.durable = s.last.Load()
	return s.enterLocked(protocol.StateDormant, reasonCopied)
}

// ofHistory says whether an event belongs to the conversation, and not to the process that held it.
func ofHistory(l claude.Line) bool {
	switch l.Type {
	case "stream_event", "control_response", protocol.EventState, protocol.EventQueue, protocol.EventError:
		return false
	}
	return strings.HasPrefix(l.Type, "carrel.") || l.Subtype != "session_state_changed"
}
