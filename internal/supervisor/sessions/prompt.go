package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Bounds of what may wait in one session.
const (
	maxOpenPrompts = 100
	maxOpenBytes   = 64 << 20
	maxIDBytes     = 128
)

// Prompt journals a prompt and brings it to Claude. When it returns nil, the prompt is on disk and will run once,
// whatever dies from then on. The same id again runs nothing.
func (ss *Sessions) Prompt(ctx context.Context, req *protocol.PromptRequest) (*protocol.PromptResponse, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := ss.checkOpen(&req.OpenRequest); err != nil {
		return nil, err
	}
	if err := checkPromptID(req.ID); err != nil {
		return nil, err
	}
	content, err := claude.ParseContent(req.Content)
	if err != nil {
		return nil, contentFault(err)
	}
	s, release, err := ss.use(req.SessionID, true)
	if err != nil {
		return nil, err
	}
	defer release()
	if req.Language != "" {
		language := words.Language(req.Language)
		ss.language.Store(&language)
	}
	if seq, known := s.done(req.ID); known {
		return &protocol.PromptResponse{Seq: seq, Duplicate: true}, nil
	}
	err = s.ensure(ctx, &req.OpenRequest, forWork)
	if err != nil && !s.mayStand(req, err) {
		return nil, err
	}
	full := err != nil
	seq, duplicate, err := s.accept(req, content)
	if err != nil {
		return nil, err
	}
	// The disk is waited for without the lock: what Claude says meanwhile goes on.
	if err := s.journal.Sync(); err != nil {
		return nil, storageFault(ofReading(err))
	}
	if !s.deliver(seq) {
		// There was no place for it, or its process ended after ensure. The prompt is safe, and brought when the session
		// is live again: now, if it can be.
		var err error
		if !full {
			err = s.ensure(ctx, &req.OpenRequest, forWork)
		}
		if full || err != nil {
			s.mu.Lock()
			s.standLocked(&req.OpenRequest) // which tells what is wrong when that is no lack of places
			s.mu.Unlock()
		}
	}
	if s.leaves() {
		return nil, errNoSession() // it never runs
	}
	return &protocol.PromptResponse{Seq: seq, Duplicate: duplicate}, nil
}

// leaves says whether the session is being deleted.
func (s *session) leaves() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleting
}

// mayStand says whether a prompt for which there is no place may wait for one. A copy of another conversation must
// begin before that goes on.
func (s *session) mayStand(req *protocol.PromptRequest, err error) bool {
	return (errors.Is(err, errAtWork) || errors.Is(err, errNoProcess)) && (req.ForkOf == "" || s.last.Load() > 0)
}

// done finds a prompt that has been dealt with.
func (s *session) done(id string) (seq int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.ledger.prompts[id]
	if p == nil || p.state != done {
		return 0, false
	}
	return p.seq, true
}

// accept journals a prompt, unless it is known.
func (s *session) accept(req *protocol.PromptRequest, content claude.Content) (seq int64, duplicate bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deleting {
		return 0, false, errNoSession()
	}
	if p := s.ledger.prompts[req.ID]; p != nil {
		return p.seq, true, nil
	}
	if len(s.ledger.open) >= maxOpenPrompts || s.ledger.openBytes()+len(content) > maxOpenBytes {
		return 0, false, fault.New(fault.RateLimited, "Too many prompts wait in this session. Send this one again when some of them are done.")
	}
	seq, err = s.recordLocked(promptEvent{
		Type: protocol.EventPrompt, ID: req.ID, UUID: promptUUID(s.id, req.ID), Author: req.Author, Content: json.RawMessage(content),
	})
	if err != nil {
		return 0, false, err
	}
	s.touchLocked()
	return seq, false, nil
}

// deliver gives to Claude what is on disk up to a number. It says false when no process is there, or to be.
func (s *session) deliver(synced int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable = max(s.durable, synced)
	s.deliverLocked()
	s.settleLocked()
	return s.run != nil && s.run.ending == ""
}

// deliverLocked writes the prompts that wait, in order, once the process is greeted.
func (s *session) deliverLocked() {
	r := s.run
	if r == nil || !r.greeted || r.ending != "" {
		return
	}
	if s.ss.places.isCrowded() && (s.ledger.turn || s.ledger.atWork()) {
		return // others wait: what is asked from now on is asked in the session's next turn to have a place
	}
	for _, p := range s.ledger.open {
		if p.seq > s.durable {
			return // its disk write is being waited for, and those after it wait with it
		}
		if p.state == waits {
			r.stdin.put(claude.User(p.uuid, p.content))
			p.state = sent
			r.heardLocked()
		}
	}
}

// promptUUID is the uuid under which Claude knows a prompt: the client's id if it is one.
func promptUUID(sessionID, id string) string {
	if validID(id) {
		return id
	}
	return uuid.NewSHA1(uuid.MustParse(sessionID), []byte(id)).String()
}

func checkPromptID(id string) error {
	if id == "" || len(id) > maxIDBytes || !utf8.ValidString(id) {
		return fault.InvalidField("id", "A prompt's id must have from 1 to %d characters.", maxIDBytes)
	}
	for _, r := range id {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return fault.InvalidField("id", "A prompt's id must be printable.")
		}
	}
	return nil
}

func contentFault(err error) error {
	var in *claude.InputError
	switch {
	case errors.Is(err, claude.ErrContentTooLarge):
		return fault.Wrap(err, fault.TooLarge, "The prompt is larger than %d MiB.", claude.MaxContentBytes>>20)
	case errors.As(err, &in):
		return fault.InvalidField(in.Location, "The prompt's %s %s.", in.Location, fault.Quote(in.Message))
	}
	return err
}
