package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Sessions is what the server calls of the conversations; package sessions is it.
type Sessions interface {
	Open(context.Context, *protocol.OpenRequest) (*protocol.Session, error)
	Prompt(context.Context, *protocol.PromptRequest) (*protocol.PromptResponse, error)
	Withdraw(context.Context, *protocol.WithdrawRequest) (*protocol.Empty, error)
	Answer(context.Context, *protocol.AnswerRequest) (*protocol.Empty, error)
	Interrupt(context.Context, *protocol.SessionRequest) (*protocol.Empty, error)
	StopTask(context.Context, *protocol.TaskRequest) (*protocol.Empty, error)
	TaskOutput(context.Context, *protocol.TaskRequest) (*protocol.TaskOutputResponse, error)
	Rewind(context.Context, *protocol.RewindRequest) (*protocol.RewindResponse, error)
	Set(context.Context, *protocol.SetRequest) (*protocol.Session, error)
	Configure(context.Context, *protocol.Limits) (*protocol.Empty, error)
	Close(context.Context, *protocol.SessionRequest) (*protocol.Empty, error)
	Delete(context.Context, *protocol.SessionRequest) (*protocol.Empty, error)
	Events(context.Context, *protocol.EventsRequest, func(*protocol.Event) error) error
	Transcripts(context.Context) ([]protocol.Transcript, error)
	Place(context.Context, *protocol.PlaceRequest) (*protocol.PlaceResponse, error)
	// WatchPlaces gives the places that are held and wanted, then each change, until ctx ends or f fails. Where nobody
	// gives places, it gives a statement with Rev 0, and no more.
	WatchPlaces(ctx context.Context, f func(protocol.Places) error) error
	Recall(context.Context, *protocol.SessionRequest) (*protocol.Session, error)
	Search(context.Context, *protocol.SearchRequest) (*protocol.SearchResponse, error)
	// Watch gives all there is to first, then each that changed to changed, until ctx ends or one of them fails.
	Watch(ctx context.Context, first func([]protocol.Session) error, changed func(protocol.Session) error) error
	Stop(context.Context) error
}

// ErrStopping ends the calls that run when the supervisor shuts down.
var ErrStopping = errors.New("the supervisor is shutting down")

// routes puts every procedure on a mux.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	rpc.Unary(mux, protocol.Ping, false, s.ping)
	rpc.Stream(mux, protocol.Watch, streaming(s, s.watch))

	rpc.Unary(mux, protocol.Open, false, s.sessions.Open)
	rpc.Unary(mux, protocol.Prompt, false, s.sessions.Prompt)
	rpc.Unary(mux, protocol.Answer, false, s.sessions.Answer)
	rpc.Unary(mux, protocol.Withdraw, false, s.sessions.Withdraw)
	rpc.Unary(mux, protocol.Interrupt, false, s.sessions.Interrupt)
	rpc.Unary(mux, protocol.StopTask, false, s.sessions.StopTask)
	rpc.Unary(mux, protocol.TaskOutput, false, s.sessions.TaskOutput)
	rpc.Unary(mux, protocol.Rewind, false, s.sessions.Rewind)
	rpc.Unary(mux, protocol.Set, false, s.sessions.Set)
	rpc.Unary(mux, protocol.Close, false, s.sessions.Close)
	rpc.Unary(mux, protocol.Delete, false, s.sessions.Delete)
	rpc.Unary(mux, protocol.Configure, false, s.sessions.Configure)
	rpc.Stream(mux, protocol.Events, streaming(s, s.sessions.Events))
	rpc.Unary(mux, protocol.Place, false, s.sessions.Place)
	rpc.Unary(mux, protocol.Transcripts, false, s.transcripts)
	rpc.Unary(mux, protocol.Recall, false, s.sessions.Recall)
	rpc.Unary(mux, protocol.Search, false, s.sessions.Search)

	rpc.Unary(mux, protocol.Command, false, s.command)
	rpc.Unary(mux, protocol.OpenTerminal, false, s.openTerminal)
	rpc.Unary(mux, protocol.Terminals, false, func(context.Context, *protocol.Empty) (*protocol.TerminalsResponse, error) {
		return &protocol.TerminalsResponse{Terminals: s.terminals.list()}, nil
	})
	rpc.Duplex(mux, protocol.Attach, func(ctx context.Context, receive func() (*protocol.TerminalInput, error), send func(*protocol.TerminalOutput) error) error {
		ctx, cancel := s.untilStop(ctx)
		defer cancel()
		return s.terminals.attach(ctx, receive, send)
	})
	rpc.Unary(mux, protocol.RenameTerminal, false, func(_ context.Context, r *protocol.RenameTerminalRequest) (*protocol.Terminal, error) {
		return s.terminals.rename(r.ID, r.Title)
	})
	rpc.Unary(mux, protocol.CloseTerminal, false, func(_ context.Context, r *protocol.TerminalRequest) (*protocol.Empty, error) {
		return &protocol.Empty{}, s.terminals.close(r.ID)
	})

	rpc.Unary(mux, protocol.Shutdown, false, s.shutdown)
	mux.Handle(protocol.FilesPrefix, s.files)
	mux.Handle(protocol.FilesPrefix+"/", s.files)
	return mux
}

// streaming ends a stream when the supervisor stops; by itself it would go on as long as its caller likes.
func streaming[Req, Res any](s *Server, f func(context.Context, *Req, func(*Res) error) error) func(context.Context, *Req, func(*Res) error) error {
	return func(ctx context.Context, r *Req, send func(*Res) error) error {
		ctx, cancel := s.untilStop(ctx)
		defer cancel()
		return f(ctx, r, send)
	}
}

func (s *Server) untilStop(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.streams, func() { cancel(ErrStopping) })
	return ctx, func() { stop(); cancel(nil) }
}

func (s *Server) ping(context.Context, *protocol.PingRequest) (*protocol.PingResponse, error) {
	return &protocol.PingResponse{InstanceID: s.config.InstanceID, Version: s.version, PID: os.Getpid(), StartedAt: s.startedAt}, nil
}

// watch merges what sessions, places and the table of processes tell. For a caller that reads slowly, changes of processes
// that follow each other are one notice.
func (s *Server) watch(ctx context.Context, _ *protocol.WatchRequest, send func(*protocol.Notice) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var ends sync.WaitGroup
	defer ends.Wait()
	defer cancel()

	first := make(chan []protocol.Session)
	changes := make(chan protocol.Session)
	places := make(chan protocol.Places)
	failed := make(chan error, 2)
	ends.Go(func() {
		failed <- s.sessions.WatchPlaces(ctx, func(p protocol.Places) error { return hand(ctx, places, p) })
	})
	ends.Go(func() {
		failed <- s.sessions.Watch(ctx,
			func(all []protocol.Session) error { return hand(ctx, first, all) },
			func(session protocol.Session) error { return hand(ctx, changes, session) })
	})
	select {
	case all := <-first:
		for _, session := range all {
			if err := send(&protocol.Notice{Changed: "session", Session: &session}); err != nil {
				return err
			}
		}
	case err := <-failed:
		return fmt.Errorf("watch sessions: %w", err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case p := <-places:
		if p.Rev > 0 {
			if err := send(&protocol.Notice{Changed: "places", Places: &p}); err != nil {
				return err
			}
		}
	case err := <-failed:
		return fmt.Errorf("watch places: %w", err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	processes := s.table.Changed() // before the list, so that no change falls between
	if err := send(&protocol.Notice{Changed: "processes", Processes: s.table.List()}); err != nil {
		return err
	}
	if err := send(&protocol.Notice{Changed: "ready"}); err != nil {
		return err
	}
	for {
		notice := &protocol.Notice{}
		select {
		case session := <-changes:
			notice.Changed, notice.Session = "session", &session
		case p := <-places:
			notice.Changed, notice.Places = "places", &p
		case <-processes:
			processes = s.table.Changed()
			notice.Changed, notice.Processes = "processes", s.table.List()
		case err := <-failed:
			return fmt.Errorf("watch sessions: %w", err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := send(notice); err != nil {
			return err
		}
	}
}

// hand gives a value to who reads the channel, while ctx lasts.
func hand[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) transcripts(ctx context.Context, _ *protocol.Empty) (*protocol.TranscriptsResponse, error) {
	list, err := s.sessions.Transcripts(ctx)
	if err != nil {
		return nil, err
	}
	return &protocol.TranscriptsResponse{Transcripts: list}, nil
}

func (s *Server) openTerminal(ctx context.Context, r *protocol.OpenTerminalRequest) (*protocol.Terminal, error) {
	dir, err := s.projectDir(r.Project)
	if err != nil {
		return nil, err
	}
	argv := r.Argv
	if len(argv) == 0 {
		argv = []string{shell(), "-l"}
	}
	env := withEnv(s.env, map[string]string{"TERM": "xterm-256color", "COLORTERM": "truecolor"})
	t, err := s.terminals.open(process.Spec{Argv: argv, Env: env, Dir: dir}, r.Project, r.Cols, r.Rows)
	if err != nil {
		return nil, s.whyNotStarted(ctx, r.Project, err)
	}
	info := t.info
	return &info, nil
}

// shutdown answers once every process is gone; the supervisor itself ends right after.
func (s *Server) shutdown(ctx context.Context, _ *protocol.Empty) (*protocol.Empty, error) {
	s.stopOnce.Do(func() { close(s.stop) })
	select {
	case <-s.ended:
		return &protocol.Empty{}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("shut down: %w", ctx.Err())
	}
}

// counted lets Run wait for every call, and refuses those that come after.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.calls.Add(1)
		s.mu.Unlock()
		defer s.calls.Done()
		next.ServeHTTP(w, r)
	})
}
