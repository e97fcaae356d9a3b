package sessions

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/journal"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// recallWithin bounds the reading of a transcript. What is not read by then is there the next time.
const recallWithin = time.Minute

// recalled is how far a session's transcript has been taken in.
type recalled struct {
	Conversation string `json:"conversation"` // under which the CLI has it
	Until        int64  `json:"until"`        // an offset in the transcript
	Seq          int64  `json:"seq"`          // the last event of then: what lies behind both may be the same
}

type historyEvent struct {
	Type    string `json:"type"`
	LeftOut int    `json:"left_out,omitempty"` // rows that were too many or too long to be taken over
}

// Recall takes in what was said in a session elsewhere, and starts nothing: it is for who wants to read. A session
// of which there is neither a journal nor a transcript is not found.
func (ss *Sessions) Recall(ctx context.Context, req *protocol.SessionRequest) (*protocol.Session, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, release, err := ss.use(req.SessionID, true)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.recall(ctx); err != nil {
		return nil, err
	}
	info, ok := s.snapshot()
	if !ok {
		return nil, errNoSession()
	}
	return &info, nil
}

// recall appends to the journal what was said in the conversation elsewhere, say in a terminal, since it was last
// looked at. While a process of ours runs there is nothing to do: two on one conversation do not see each other's turns.
func (s *session) recall(ctx context.Context) error {
	select {
	case s.past <- struct{}{}:
		defer func() { <-s.past }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	idle, last, conversation, before := s.run == nil && !s.deleting, s.last.Load(), s.meta.conversation(s.id), s.meta.Recalled
	s.mu.Unlock()
	if !idle {
		return nil
	}
	if before.Conversation != conversation {
		before = recalled{Conversation: conversation, Seq: before.Seq}
	}
	ctx, cancel := context.WithTimeout(ctx, recallWithin)
	defer cancel()
	m := merge{session: s, last: last}
	head, err := s.ss.opt.Home.Rows(ctx, conversation, before.Until, func(head protocol.Rows, row []byte) error {
		if m.known == nil {
			since := before.Seq
			if head.From < before.Until {
				since = 0 // it is another file
			}
			if err := m.begin(ctx, since); err != nil {
				return err
			}
		}
		return m.take(head, row)
	})
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.taken > 0 {
		if err := s.journal.Sync(); err != nil {
			return storageFault(err)
		}
		s.durable = s.last.Load()
	}
	if err != nil {
		return fmt.Errorf("take in transcript: %w", err)
	}
	if head.Until == before.Until && s.meta.Recalled == before && m.taken == 0 {
		return nil
	}
	s.meta.Recalled = recalled{Conversation: conversation, Until: head.Until, Seq: s.last.Load()}
	if m.taken == 0 && s.last.Load() == 0 {
		return nil // nothing to be shown came of it
	}
	s.meta.Ran = true // it is to be resumed
	if m.at.After(s.meta.LastActivityAt) {
		s.meta.LastActivityAt = m.at
	}
	s.saveLocked()
	s.publishLocked()
	return nil
}

// errBegun ends a merge when something else goes on in the session: what the transcript gets from then on is ours.
var errBegun = errors.New("the session has begun to work")

// merge takes rows of a transcript over into the journal, but for those that are there.
//
// What Claude said to us lies in the journal with the uuids of its rows. A turn is another's if its prompt is not in
// the journal; of a turn of ours only the answers and results are missed, as after a crash that kept us from writing
// them down. What the CLI adds to a turn for itself, under uuids that it tells nobody, is taken over with another's
// turn alone.
type merge struct {
	session *session
	known   map[string]bool // what the journal has: true for what came from a transcript
	others  bool            // the turn is one that was not ours
	last    int64           // event when it began, and then the last of its own
	taken   int
	at      time.Time // of the last that was taken
}

// begin reads what the journal has after an event.
func (m *merge) begin(ctx context.Context, since int64) error {
	m.known = map[string]bool{}
	s := m.session
	m.others = m.last == 0
	if since >= m.last {
		return nil
	}
	reader, err := s.journal.Read(since)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	return eachLine(ctx, reader, since, m.last, func(_ journal.Event, l claude.Line, history bool) {
		if l.UUID != "" {
			m.known[l.UUID] = history
		}
	})
}

// take takes one row.
func (m *merge) take(head protocol.Rows, raw []byte) error {
	row, err := claude.ParseRow(raw)
	if err != nil {
		return nil // the person's file
	}
	kind := row.Kind()
	history, known := m.known[row.UUID]
	switch {
	case known && history:
		m.others = m.others || kind == claude.RowPrompt // it was cut short
		return nil
	case known:
		m.others = false
		return nil
	case kind == claude.RowPrompt:
		m.others = true
	case !m.others && kind != claude.RowAnswer && kind != claude.RowResults:
		return nil
	case !m.others && row.Synthetic():
		return nil
	}
	line := row.Line(m.session.id)
	if line == nil {
		return nil
	}
	at, ok := row.At()
	if now := time.Now().UTC(); !ok || at.After(now) || at.Year() < 2000 {
		at = now // it is what the file's owner writes into it
	}
	m.known[row.UUID] = true
	return m.append(head, at, line)
}

func (m *merge) append(head protocol.Rows, at time.Time, raw []byte) error {
	s := m.session
	line, err := claude.Parse(raw)
	if err != nil {
		return nil // it was made of a row, and is none
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.Load() != m.last {
		return errBegun
	}
	if m.taken == 0 {
		if _, err := s.recordLocked(historyEvent{Type: protocol.EventHistory, LeftOut: head.LeftOut}); err != nil {
			return err
		}
	}
	m.last = s.last.Load()
	seq, err := s.journal.AppendAt(at, raw)
	if errors.Is(err, journal.ErrNotEvent) {
		return nil
	}
	if err != nil {
		return storageFault(err)
	}
	s.last.Store(seq)
	m.last = seq
	s.ledger.apply(seq, line)
	m.taken++
	m.at = at
	return nil
}

// eachLine gives the lines of a journal after an event, up to another; history says of one that it came from a
// transcript. The pieces of messages are left out.
func eachLine(ctx context.Context, r *journal.Reader, after, until int64, f func(e journal.Event, l claude.Line, history bool)) error {
	history := false
	for seq := after; seq < until; {
		e, err := r.Next(ctx)
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		seq = e.Seq
		if bytes.HasPrefix(e.Data, tokens) {
			continue
		}
		l, err := claude.Parse(e.Data)
		if err != nil {
			continue
		}
		if strings.HasPrefix(l.Type, "carrel.") {
			history = l.Type == protocol.EventHistory
		}
		f(e, l, history)
	}
	return nil
}
