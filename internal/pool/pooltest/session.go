package pooltest

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func (s *Supervisor) open(ctx context.Context, r *protocol.OpenRequest) (*protocol.Session, error) {
	if err := s.wantAhead(ctx, r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := *s.openLocked(r)
	return &c, nil
}

func (s *Supervisor) openLocked(r *protocol.OpenRequest) *protocol.Session {
	ss := s.sessionLocked(r.SessionID)
	if r.ForkOf != "" && ss.LastSeq == 0 {
		s.volume.copy(r.ForkOf, r.SessionID)
		ss.LastSeq = s.volume.last(r.SessionID)
	}
	ss.Project = r.Project
	if r.Model != "" {
		ss.Model = r.Model
	}
	if r.PermissionMode != "" {
		ss.PermissionMode = r.PermissionMode
	}
	if r.Effort != "" {
		ss.Effort = r.Effort
	}
	if ss.State == protocol.StateDormant {
		ss.State = protocol.StateReady
		s.startLocked(protocol.KindClaude, r.SessionID)
	}
	s.changedLocked()
	return ss
}

func (s *Supervisor) prompt(_ context.Context, r *protocol.PromptRequest) (*protocol.PromptResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places != nil && !s.places.held[r.SessionID] {
		return s.standLocked(r), nil
	}
	ss := s.openLocked(&r.OpenRequest)
	if seq, again := s.volume.prompted(r.SessionID, r.ID); again {
		return &protocol.PromptResponse{Seq: seq, Duplicate: true}, nil
	}
	seq := s.emitLocked(r.SessionID, map[string]any{"type": protocol.EventPrompt, "id": r.ID, "author": r.Author, "content": r.Content})
	s.volume.remember(r.SessionID, r.ID, seq)
	ss.State = protocol.StateRunning
	if !s.hold {
		s.finishLocked(r.SessionID)
	}
	s.changedLocked()
	return &protocol.PromptResponse{Seq: seq}, nil
}

// Finish ends the turn of a session.
func (s *Supervisor) Finish(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finishLocked(id)
	if s.places != nil && s.places.crowded {
		s.endLocked(id)
	}
}

func (s *Supervisor) finishLocked(id string) {
	s.emitLocked(id, map[string]any{"type": "assistant"})
	s.emitLocked(id, map[string]any{"type": "result"})
	ss := s.sessionLocked(id)
	ss.State = protocol.StateReady
	ss.CostUSD += 0.25
	ss.Usage = json.RawMessage(`{"fake-model":{"inputTokens":3}}`)
	s.changedLocked()
}

func (s *Supervisor) answer(_ context.Context, r *protocol.AnswerRequest) (*protocol.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ss := s.sessions[r.SessionID]
	if ss == nil || ss.State != protocol.StateWaiting {
		return nil, fault.New(fault.NotFound, "There is no open request %s.", r.RequestID)
	}
	ss.State = protocol.StateRunning
	s.emitLocked(r.SessionID, map[string]any{"type": protocol.EventAnswer, "request_id": r.RequestID, "behavior": r.Behavior, "author": r.Author})
	return &protocol.Empty{}, nil
}

func (s *Supervisor) interrupt(_ context.Context, r *protocol.SessionRequest) (*protocol.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss := s.sessions[r.SessionID]; ss != nil && ss.State == protocol.StateRunning {
		s.finishLocked(r.SessionID)
	}
	return &protocol.Empty{}, nil
}

func (s *Supervisor) set(_ context.Context, r *protocol.SetRequest) (*protocol.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ss := s.sessions[r.SessionID]
	if ss == nil {
		return nil, fault.New(fault.NotFound, "There is no such session.")
	}
	if r.Model != nil {
		if *r.Model == "refused" {
			return nil, fault.New(fault.Invalid, "There is no such model.")
		}
		ss.Model = *r.Model
	}
	if r.PermissionMode != nil {
		ss.PermissionMode = *r.PermissionMode
	}
	if r.Effort != nil {
		ss.Effort = *r.Effort
	}
	s.changedLocked()
	c := *ss
	return &c, nil
}

func (s *Supervisor) closeSession(_ context.Context, r *protocol.SessionRequest) (*protocol.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(r.SessionID)
	return &protocol.Empty{}, nil
}

func (s *Supervisor) endLocked(id string) {
	if ss := s.sessions[id]; ss != nil {
		ss.State, ss.Tasks = protocol.StateDormant, 0
	}
	s.processes = slices.DeleteFunc(s.processes, func(p protocol.Process) bool { return p.SessionID == id })
	s.releaseLocked(id)
	s.changedLocked()
}

func (s *Supervisor) remove(_ context.Context, r *protocol.SessionRequest) (*protocol.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keeps != nil {
		return nil, s.keeps
	}
	s.endLocked(r.SessionID)
	delete(s.sessions, r.SessionID)
	s.volume.remove(r.SessionID)
	return &protocol.Empty{}, nil
}

// events replays and then follows. It breaks with the supervisor.
func (s *Supervisor) events(ctx context.Context, r *protocol.EventsRequest, send func(*protocol.Event) error) error {
	after := r.After
	if r.Last > 0 {
		evs, _ := s.volume.after(r.SessionID, 0)
		if r.Before > 0 {
			evs = evs[:min(max(r.Before-1, 0), int64(len(evs)))]
		}
		for _, ev := range evs[max(0, len(evs)-r.Last):] {
			if err := send(&ev); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		if err := s.gate(ctx); err != nil {
			return err
		}
		evs, changed := s.volume.after(r.SessionID, after)
		for _, ev := range evs {
			if err := send(&ev); err != nil {
				return err
			}
			after = ev.Seq
		}
		if r.Until {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.killed:
			return context.Canceled
		}
	}
}

// Volume is what of a user outlives an instance: the journals, and the projects.
type Volume struct {
	mu       sync.Mutex
	changed  chan struct{}
	journals map[string][]protocol.Event
	prompts  map[string]int64
	left     []protocol.Transcript
	home     string
	files    http.Handler
	root     *os.Root
}

func newVolume(home string) (*Volume, error) {
	v := &Volume{changed: make(chan struct{}), journals: map[string][]protocol.Event{}, prompts: map[string]int64{}, home: home}
	var err error
	v.files, v.root, err = openHome(home)
	return v, err
}

// Leave puts a conversation of the CLI's own into the workspace.
func (v *Volume) Leave(t ...protocol.Transcript) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.left = append(v.left, t...)
}

// Journal is all events of a session.
func (v *Volume) Journal(id string) []protocol.Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.journals[id])
}

func (v *Volume) append(id string, event any) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	b, err := json.Marshal(event)
	if err != nil {
		panic(err) // a test's own mistake
	}
	seq := int64(len(v.journals[id])) + 1
	v.journals[id] = append(v.journals[id], protocol.Event{Seq: seq, At: time.Now().UTC(), Event: b})
	close(v.changed)
	v.changed = make(chan struct{})
	return seq
}

func (v *Volume) after(id string, n int64) ([]protocol.Event, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	evs := v.journals[id]
	return slices.Clone(evs[min(n, int64(len(evs))):]), v.changed
}

func (v *Volume) last(id string) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return int64(len(v.journals[id]))
}

func (v *Volume) copy(from, to string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.journals[to] = slices.Clone(v.journals[from])
}

func (v *Volume) remove(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.journals, id)
	v.left = slices.DeleteFunc(v.left, func(t protocol.Transcript) bool { return t.SessionID == id })
}

func (v *Volume) prompted(session, id string) (int64, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	seq, ok := v.prompts[session+"/"+id]
	return seq, ok
}

func (v *Volume) remember(session, id string, seq int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.prompts[session+"/"+id] = seq
}

func (v *Volume) transcripts() []protocol.Transcript {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.left)
}
