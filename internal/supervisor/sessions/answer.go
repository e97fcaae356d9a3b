package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

const (
	maxMessageBytes  = 64 << 10
	maxAnsweredBytes = 64 << 10 // of what is kept of an answer beside its message
)

// Answer answers an open permission request, a question of Claude's or a plan. The first answer counts.
func (ss *Sessions) Answer(ctx context.Context, req *protocol.AnswerRequest) (*protocol.Empty, error) {
	_, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	switch {
	case req.Behavior != "allow" && req.Behavior != "deny":
		return nil, fault.InvalidField("behavior", "The behavior must be allow or deny.")
	case len(req.Message) > maxMessageBytes:
		return nil, fault.New(fault.TooLarge, "The message is larger than %d KiB.", maxMessageBytes>>10)
	}
	s, release, err := ss.use(req.SessionID, false)
	if err != nil {
		return nil, err
	}
	defer release()
	r, line, err := s.answer(req)
	if err != nil {
		return nil, err
	}
	if err := s.journal.Sync(); err != nil {
		// It counts all the same, and Claude waits for it.
		ss.opt.Log.Error("sync an answer", "session", s.id, "error", err)
	}
	// A process that ended meanwhile takes nothing any more, and asks anew when it is started again.
	r.stdin.put(line)
	return &protocol.Empty{}, nil
}

// answer journals an answer and returns it as Claude wants it.
func (s *session) answer(req *protocol.AnswerRequest) (*run, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, open := s.ledger.asks[req.RequestID]
	switch {
	case s.ledger.answered[req.RequestID]:
		return nil, nil, fault.New(fault.Conflict, "This request was answered already.")
	case !open || s.run == nil:
		return nil, nil, fault.New(fault.NotFound, "There is no such open request. Claude may have withdrawn it.")
	case s.run.ending != "":
		return nil, nil, fault.New(fault.Conflict, "This session is being closed.")
	}
	event := answerEvent{Type: protocol.EventAnswer, RequestID: req.RequestID, Behavior: req.Behavior, Author: req.Author, Message: req.Message}
	line, err := s.answerLine(req, seq, &event)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.recordLocked(event); err != nil {
		return nil, nil, err
	}
	s.touchLocked()
	s.settleLocked()
	if s.ledger.state == protocol.StateWaiting {
		s.publishLocked() // another request is open: who tells the person of it hears of no other state
	}
	return s.run, line, nil
}

// answerLine makes the line, and puts down in the event what was answered.
func (s *session) answerLine(req *protocol.AnswerRequest, seq int64, event *answerEvent) ([]byte, error) {
	if req.Behavior == "deny" {
		event.Interrupt = req.Interrupt
		message := req.Message
		if message == "" {
			message = "The user does not want this."
		}
		return claude.Deny(req.RequestID, message, req.Interrupt), nil
	}
	input, permissions := req.UpdatedInput, req.UpdatedPermissions
	if isNull(permissions) {
		permissions = nil
	}
	asked, err := s.askedInput(seq)
	if isNull(input) {
		if err != nil {
			return nil, err
		}
		input = asked
	}
	event.keep(changed(asked, input), permissions)
	line, err := claude.Allow(req.RequestID, input, permissions)
	var in *claude.InputError
	if errors.As(err, &in) {
		return nil, fault.InvalidField(in.Location, "The answer's %s %s.", in.Location, fault.Quote(in.Message))
	}
	return line, err
}

// keep puts down what is not too large: what Claude makes of it says the rest.
func (e *answerEvent) keep(input map[string]json.RawMessage, permissions json.RawMessage) {
	room := maxAnsweredBytes
	fits := func(n int) bool {
		if n > room {
			e.Truncated = true
			return false
		}
		room -= n
		return true
	}
	if fits(len(permissions)) {
		e.UpdatedPermissions = permissions
	}
	for _, field := range slices.Sorted(maps.Keys(input)) {
		if !fits(len(field) + len(input[field])) {
			delete(input, field)
		}
	}
	e.UpdatedInput = input
}

// changed gives the fields of an input that are not as Claude asked; null are those that were taken out. What is no
// object is refused elsewhere.
func changed(asked, answered json.RawMessage) map[string]json.RawMessage {
	var before, now map[string]json.RawMessage
	if json.Unmarshal(asked, &before) != nil || json.Unmarshal(answered, &now) != nil || now == nil {
		return nil
	}
	maps.DeleteFunc(now, func(field string, v json.RawMessage) bool {
		old, there := before[field]
		delete(before, field)
		return there && sameJSON(old, v)
	})
	for field := range before {
		now[field] = json.RawMessage("null")
	}
	return now
}

func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := decode(a)
	y, errY := decode(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func decode(raw json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func isNull(raw json.RawMessage) bool {
	t := bytes.TrimSpace(raw)
	return len(t) == 0 || string(t) == "null"
}

// askedInput reads again what Claude wants to do. It is not kept in memory: it may be a large file, and many may be
// asked for.
func (s *session) askedInput(seq int64) (json.RawMessage, error) {
	reader, err := s.journal.Read(seq - 1)
	if err != nil {
		return nil, fmt.Errorf("read request %d: %w", seq, err)
	}
	e, err := reader.Next(s.ss.life) // it is there; this does not wait
	if err != nil {
		return nil, fmt.Errorf("read request %d: %w", seq, err)
	}
	line, err := claude.Parse(e.Data)
	if err != nil {
		return nil, fmt.Errorf("read request %d: %w", seq, err)
	}
	request, _ := line.Request()
	if isNull(request.Input) {
		return json.RawMessage("{}"), nil
	}
	return slices.Clone(request.Input), nil
}
