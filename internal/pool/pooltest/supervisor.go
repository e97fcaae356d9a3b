package pooltest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Supervisor is a fake one. It runs no process: a prompt is answered by three
// events at once, unless Hold is set.
type Supervisor struct {
	Spec    runtime.Spec
	version string
	started time.Time
	volume  *Volume
	srv     *http.Server
	served  chan struct{}
	killed  chan struct{}
	once    sync.Once

	mu        sync.Mutex
	hung      chan struct{} // not nil: every call waits for its close
	hold      bool
	keeps     error           // what deletions fail with
	limits    protocol.Limits // as last configured
	processes []protocol.Process
	sessions  map[string]*protocol.Session
	nextPID   int
	watchers  map[chan struct{}]bool
	calls     []string
	commands  func(*protocol.CommandRequest) (*protocol.CommandResponse, error)
	places    *places // nil: it is of a version that asks nobody for places
}

func startSupervisor(path string, spec runtime.Spec, v *Volume, granted bool, version string) (*Supervisor, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // a process that dies leaves its socket's name
	s := &Supervisor{Spec: spec, version: version, started: time.Now().UTC(), volume: v, served: make(chan struct{}), killed: make(chan struct{}),
		sessions: map[string]*protocol.Session{}, nextPID: 100, watchers: map[chan struct{}]bool{}}
	if granted {
		s.places = &places{rev: 1, held: map[string]bool{}, told: map[string]int{}, moved: make(chan struct{})}
	}
	mux := http.NewServeMux()
	unary(mux, s, protocol.Ping, func(context.Context, *protocol.PingRequest) (*protocol.PingResponse, error) {
		return &protocol.PingResponse{InstanceID: s.Spec.ID, Version: s.version, PID: 1, StartedAt: s.started}, nil
	})
	unary(mux, s, protocol.Open, s.open)
	unary(mux, s, protocol.Prompt, s.prompt)
	unary(mux, s, protocol.Answer, s.answer)
	unary(mux, s, protocol.Interrupt, s.interrupt)
	unary(mux, s, protocol.Set, s.set)
	unary(mux, s, protocol.Close, s.closeSession)
	unary(mux, s, protocol.Delete, s.remove)
	unary(mux, s, protocol.Transcripts, func(context.Context, *protocol.Empty) (*protocol.TranscriptsResponse, error) {
		return &protocol.TranscriptsResponse{Transcripts: v.transcripts()}, nil
	})
	unary(mux, s, protocol.Place, s.place)
	unary(mux, s, protocol.Command, s.command)
	unary(mux, s, protocol.Configure, func(_ context.Context, l *protocol.Limits) (*protocol.Empty, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.limits = *l
		return &protocol.Empty{}, nil
	})
	unary(mux, s, protocol.Shutdown, func(context.Context, *protocol.Empty) (*protocol.Empty, error) {
		go s.Kill()
		return &protocol.Empty{}, nil
	})
	rpc.Stream(mux, protocol.Watch, s.watch)
	rpc.Stream(mux, protocol.Events, s.events)
	mux.Handle(protocol.FilesPrefix+"/", v.files)
	s.srv = rpc.NewServer(mux)
	go func() { defer close(s.served); _ = s.srv.Serve(l) }()
	return s, nil
}

func unary[Req, Res any](mux *http.ServeMux, s *Supervisor, procedure string, f func(context.Context, *Req) (*Res, error)) {
	rpc.Unary(mux, procedure, false, func(ctx context.Context, r *Req) (*Res, error) {
		s.mu.Lock()
		s.calls = append(s.calls, procedure)
		s.mu.Unlock()
		if err := s.gate(ctx); err != nil {
			return nil, err
		}
		return f(ctx, r)
	})
}

// Kill ends it as kill -9 does: connections break, the socket refuses.
func (s *Supervisor) Kill() {
	s.once.Do(func() { close(s.killed); _ = s.srv.Close() })
	<-s.served
}

// Limits are those that were last configured.
func (s *Supervisor) Limits() protocol.Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits
}

// Hang makes every call wait, until the returned function is called.
func (s *Supervisor) Hang() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.hung = c
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.hung == c {
			s.hung = nil
		}
		close(c)
	}
}

// Hold makes prompts run until Finish.
func (s *Supervisor) Hold(hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = hold
}

// OnCommand answers commands.
func (s *Supervisor) OnCommand(f func(*protocol.CommandRequest) (*protocol.CommandResponse, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = f
}

// Keep makes deletions fail with an error, until it is given nil.
func (s *Supervisor) Keep(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeps = err
}

// Calls lists the procedures that were called.
func (s *Supervisor) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// gate holds a call while the supervisor hangs.
func (s *Supervisor) gate(ctx context.Context) error {
	s.mu.Lock()
	hung := s.hung
	s.mu.Unlock()
	if hung == nil {
		return nil
	}
	select {
	case <-hung:
		return nil
	case <-s.killed:
		return fmt.Errorf("killed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// StartProcess adds a process and gives its pid.
func (s *Supervisor) StartProcess(kind, session string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startLocked(kind, session)
}

func (s *Supervisor) startLocked(kind, session string) int {
	s.nextPID++
	s.processes = append(s.processes, protocol.Process{PID: s.nextPID, Kind: kind, SessionID: session, Command: kind,
		StartedAt: time.Now().UTC(), CPUSeconds: 0.1, MemoryBytes: 1 << 20})
	s.changedLocked()
	return s.nextPID
}

// EndProcess removes it.
func (s *Supervisor) EndProcess(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processes = slices.DeleteFunc(s.processes, func(p protocol.Process) bool { return p.PID == pid })
	s.changedLocked()
}

// SetState changes a session and tells the watchers.
func (s *Supervisor) SetState(id string, change func(*protocol.Session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.sessionLocked(id))
	s.changedLocked()
}

// Emit writes an event to a session's journal.
func (s *Supervisor) Emit(id string, event any) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.emitLocked(id, event)
}

func (s *Supervisor) emitLocked(id string, event any) int64 {
	seq := s.volume.append(id, event)
	ss := s.sessionLocked(id)
	ss.LastSeq, ss.LastActivityAt = seq, time.Now().UTC()
	s.changedLocked()
	return seq
}

func (s *Supervisor) sessionLocked(id string) *protocol.Session {
	ss := s.sessions[id]
	if ss == nil {
		ss = &protocol.Session{ID: id, State: protocol.StateDormant, LastSeq: s.volume.last(id), LastActivityAt: time.Now().UTC()}
		s.sessions[id] = ss
	}
	return ss
}

func (s *Supervisor) changedLocked() {
	for c := range s.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// watch sends whatever differs from what it sent before.
func (s *Supervisor) watch(ctx context.Context, _ *protocol.WatchRequest, send func(*protocol.Notice) error) error {
	wake := make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers[wake] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watchers, wake)
		s.mu.Unlock()
	}()
	sent := map[string]string{}
	for first := true; ; first = false {
		if err := s.gate(ctx); err != nil {
			return err
		}
		var out []*protocol.Notice
		s.mu.Lock()
		note := func(key string, n *protocol.Notice) {
			b, _ := json.Marshal(n)
			if sent[key] != string(b) {
				sent[key] = string(b)
				out = append(out, n)
			}
		}
		note("", &protocol.Notice{Changed: "processes", Processes: slices.Clone(s.processes)})
		for id, ss := range s.sessions {
			c := *ss
			note(id, &protocol.Notice{Changed: "session", Session: &c})
		}
		if p := s.statement(); p != nil {
			note("places", &protocol.Notice{Changed: "places", Places: p})
		}
		s.mu.Unlock()
		if first {
			out = append(out, &protocol.Notice{Changed: "ready"})
		}
		for _, n := range out {
			if err := send(n); err != nil {
				return err
			}
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.killed:
			return fmt.Errorf("killed")
		}
	}
}

func (s *Supervisor) command(_ context.Context, r *protocol.CommandRequest) (*protocol.CommandResponse, error) {
	s.mu.Lock()
	f := s.commands
	s.mu.Unlock()
	if f == nil {
		return nil, fault.New(fault.Invalid, "no command")
	}
	return f(r)
}
