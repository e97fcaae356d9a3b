package pooltest

import (
	"context"
	"slices"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// places is what a fake supervisor holds and wants; guarded by Supervisor.mu.
type places struct {
	rev     int64
	held    map[string]bool
	wants   []protocol.Want
	told    map[string]int // the last place in line, by session
	given   time.Time
	crowded bool
	refused []string
	moved   chan struct{}
}

func (s *Supervisor) movedLocked() {
	s.places.rev++
	close(s.places.moved)
	s.places.moved = make(chan struct{})
	s.changedLocked()
}

// statement needs mu. It is nil where nobody gives places.
func (s *Supervisor) statement() *protocol.Places {
	if s.places == nil {
		return nil
	}
	p := &protocol.Places{Rev: s.places.rev, Given: s.places.given, Held: []string{}, Wants: slices.Clone(s.places.wants)}
	for id := range s.places.held {
		p.Held = append(p.Held, id)
	}
	slices.Sort(p.Held)
	return p
}

// standLocked journals a prompt of a session that has no process, and has it wait.
func (s *Supervisor) standLocked(r *protocol.PromptRequest) *protocol.PromptResponse {
	if seq, again := s.volume.prompted(r.SessionID, r.ID); again {
		return &protocol.PromptResponse{Seq: seq, Duplicate: true}
	}
	seq := s.emitLocked(r.SessionID, map[string]any{"type": protocol.EventPrompt, "id": r.ID, "author": r.Author, "content": r.Content})
	s.volume.remember(r.SessionID, r.ID, seq)
	ss := s.sessionLocked(r.SessionID)
	ss.Project = r.Project
	if ss.State == protocol.StateDormant {
		ss.State = protocol.StateQueued
		s.places.wants = append(s.places.wants, protocol.Want{SessionID: r.SessionID, Since: time.Now().UTC()})
	}
	s.movedLocked()
	return &protocol.PromptResponse{Seq: seq}
}

// wantAhead waits for the server's word on a process that is only to be ready.
func (s *Supervisor) wantAhead(ctx context.Context, r *protocol.OpenRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places == nil || s.sessionLocked(r.SessionID).State != protocol.StateDormant {
		return nil
	}
	s.places.wants = append(s.places.wants, protocol.Want{SessionID: r.SessionID, Since: time.Now().UTC(), Ahead: true})
	s.movedLocked()
	for {
		switch {
		case s.places.held[r.SessionID]:
			return nil
		case slices.Contains(s.places.refused, r.SessionID):
			s.unwantLocked(r.SessionID)
			return fault.New(fault.QuotaExceeded, "All are at work.")
		}
		moved := s.places.moved
		s.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
		case <-s.killed:
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			s.unwantLocked(r.SessionID)
			return ctx.Err()
		}
	}
}

func (s *Supervisor) unwantLocked(id string) {
	s.places.wants = slices.DeleteFunc(s.places.wants, func(w protocol.Want) bool { return w.SessionID == id })
	s.movedLocked()
}

func (s *Supervisor) releaseLocked(id string) {
	if s.places != nil && s.places.held[id] {
		delete(s.places.held, id)
		s.movedLocked()
	}
}

// Withdraw takes a session out of the line, as an interrupt does.
func (s *Supervisor) Withdraw(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessionLocked(id).State = protocol.StateDormant
	s.unwantLocked(id)
}

// Told is the last place in line that a session was told; 0 for none.
func (s *Supervisor) Told(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places.told[id]
}

func (s *Supervisor) place(_ context.Context, r *protocol.PlaceRequest) (*protocol.PlaceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places == nil {
		return nil, fault.New(fault.NotFound, "no such procedure")
	}
	p := s.places
	p.crowded, p.refused = r.Crowded, r.Refuse
	for id, place := range r.Line {
		if place > 0 && p.told[id] != place {
			p.told[id] = place
			s.emitLocked(id, map[string]any{"type": protocol.EventQueue, "place": place})
		}
	}
	for _, w := range slices.Clone(p.wants) {
		if !slices.Contains(r.Give, w.SessionID) {
			continue
		}
		p.held[w.SessionID] = true
		p.wants = slices.DeleteFunc(p.wants, func(o protocol.Want) bool { return o.SessionID == w.SessionID })
		if !w.Ahead {
			p.given = time.Now().UTC()
			s.sessionLocked(w.SessionID).State = protocol.StateRunning
			s.startLocked(protocol.KindClaude, w.SessionID)
			if !s.hold {
				s.finishLocked(w.SessionID)
			}
		}
	}
	busy := []string{}
	for _, id := range r.Take {
		if ss := s.sessions[id]; ss != nil && (ss.State == protocol.StateReady && ss.Tasks == 0 || ss.State != protocol.StateRunning && slices.Contains(r.Suspend, id)) {
			s.endLocked(id)
		} else if ss != nil && p.held[id] {
			busy = append(busy, id)
		}
	}
	s.movedLocked()
	return &protocol.PlaceResponse{Places: *s.statement(), Busy: busy}, nil
}

// Processes is what runs.
func (s *Supervisor) Processes() []protocol.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.processes)
}
