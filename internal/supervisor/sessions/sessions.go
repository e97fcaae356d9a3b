// Package sessions owns the conversations of one supervisor: their journals,
// and the one Claude process that a live session has. It journals what Claude
// says before anyone is sent it, brings each prompt to Claude once whatever
// dies in between, and keeps what Claude asks until somebody answers. It
// starts processes through a Processes and looks into the person's files
// through a Home, never itself.
package sessions

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Processes starts processes as the person. It always closes the child's ends of the files in a Spec.
type Processes interface {
	Start(process.Spec) (*process.Process, error)
}

// Home is the part of the person's home that the CLI keeps its transcripts in, reached as the person.
type Home interface {
	// Transcripts lists the conversations that are there.
	Transcripts(context.Context) ([]protocol.Transcript, error)
	// Held says which prompts, by uuid, a conversation on disk holds, whether its last turn came to an end, and what was
	// said after the row with a uuid; one that is not there holds nothing.
	Held(ctx context.Context, sessionID string, uuids []string) (protocol.HeldResponse, error)
	// RemoveTranscript removes one; one that is not there is a fault.NotFound.
	RemoveTranscript(ctx context.Context, sessionID string) error
	// Rows gives each the rows of a transcript behind an offset that make up its conversation, valid until each
	// returns, and says at the end what it was; no transcript is a fault.NotFound.
	Rows(ctx context.Context, sessionID string, from int64, each func(head protocol.Rows, row []byte) error) (protocol.Rows, error)
}

// Options of Sessions.
type Options struct {
	Config    protocol.Config
	Processes Processes
	Home      Home
	// Granted says that the server gives the places for Claude processes (Place); else each session just takes one.
	Granted bool
	// Boot tells this run of the machine from others; empty where that cannot be known.
	Boot string
	// KeepPieces is how long the pieces of a session's last turn stay in its journal; 0: a minute.
	KeepPieces time.Duration
	Log        *slog.Logger
}

// Sessions are all sessions of one supervisor. End it with Stop.
//
// Locks are taken in this order: a session's mu, then mu, then watching.
type Sessions struct {
	opt Options

	// A goroutine of ours, and a call that somebody makes, is counted in running.
	running  sync.WaitGroup
	stopping atomic.Bool
	stopped  context.CancelCauseFunc
	life     context.Context // ends when Stop begins; calls are bound to it

	language atomic.Pointer[words.Language] // of what is journaled for people

	mu     sync.Mutex
	all    map[string]*session
	buried map[string]time.Time // conversations that were deleted, and when
	limit  int                  // of live sessions
	live   int                  // sessions that have a process or are about to
	line   line

	places places

	takeUpWithin time.Duration // shorter in a test
	starvePauses []time.Duration
	pids         atomic.Int64 // how many processes and threads the person may have; 0: nobody counts them

	compacts chan struct{} // holds the one that compacts a journal

	searching chan struct{} // held by the one search that runs
	patience  time.Duration // with one page of a search

	watching sync.Mutex
	watchers map[*watcher]struct{}
}

var errStopping = fault.New(fault.InstanceUnavailable, "Your instance is shutting down. Try again in a moment.")

// New takes up the sessions that are in the journal folder. All are dormant; those that were at work when the last
// supervisor was killed go on by themselves.
func New(opt Options) *Sessions {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	opt.KeepPieces = cmp.Or(opt.KeepPieces, keepPieces)
	ss := &Sessions{
		opt: opt, limit: opt.Config.LiveSessions, all: map[string]*session{}, buried: map[string]time.Time{}, watchers: map[*watcher]struct{}{},
		places: newPlaces(opt.Granted), takeUpWithin: takeUpWithin, starvePauses: starvePauses, compacts: make(chan struct{}, 1),
		searching: make(chan struct{}, 1), patience: searchBudget,
	}
	language := words.Language(opt.Config.Language)
	ss.language.Store(&language)
	ss.pids.Store(opt.Config.PIDs)
	ss.life, ss.stopped = context.WithCancelCause(context.Background())
	entries, err := os.ReadDir(opt.Config.JournalDir)
	if err != nil && !os.IsNotExist(err) {
		opt.Log.Error("list journals", "error", err)
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasPrefix(name, deletedPrefix):
			if err := os.RemoveAll(filepath.Join(opt.Config.JournalDir, name)); err != nil {
				opt.Log.Warn("remove a deleted session", "error", err)
			}
		case e.IsDir() && validID(name):
			s := ss.newSession(name)
			ss.all[name] = s
			if err := s.takeUp(); err != nil {
				opt.Log.Error("take up session", "session", name, "error", err)
			} else if s.last.Load() == 0 {
				s.dropLocked() // it never came to be; nobody else knows of it yet
			}
		}
	}
	for _, s := range ss.all {
		if s.interrupted {
			s.goOn()
		}
	}
	return ss
}

// Stop ends every process and every call. When it returns nil, nothing of it runs any more; else the context ended
// before that. It may be called twice.
func (ss *Sessions) Stop(ctx context.Context) error {
	ss.mu.Lock()
	ss.stopping.Store(true)
	all := ss.sessionsLocked()
	ss.mu.Unlock()
	ss.stopped(errStopping)
	for _, s := range all {
		s.mu.Lock()
		if s.run != nil {
			s.run.endLocked(reasonStopped)
		}
		s.mu.Unlock()
	}
	done := make(chan struct{})
	go func() { ss.running.Wait(); close(done) }() // ends with them; nothing else is left to wait for it
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// enter begins a call; leave ends it. The context ends with the caller's or when Stop begins.
func (ss *Sessions) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.stopping.Load() {
		return nil, nil, errStopping
	}
	ss.running.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(ss.life, func() { cancel(errStopping) })
	return ctx, func() {
		unbind()
		cancel(nil)
		ss.running.Done()
	}, nil
}

// List gives all sessions.
func (ss *Sessions) List() []protocol.Session {
	ss.mu.Lock()
	all := ss.sessionsLocked()
	ss.mu.Unlock()
	list := make([]protocol.Session, 0, len(all))
	for _, s := range all {
		if info, ok := s.snapshot(); ok {
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b protocol.Session) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (ss *Sessions) sessionsLocked() []*session {
	all := make([]*session, 0, len(ss.all))
	for _, s := range ss.all {
		all = append(all, s)
	}
	return all
}

// use finds a session, or makes it, and keeps its journal open until release.
func (ss *Sessions) use(id string, make bool) (_ *session, release func(), err error) {
	return ss.take(id, make, (*session).hold)
}

// read is use for those who read events and nothing else.
func (ss *Sessions) read(id string) (_ *session, release func(), err error) {
	return ss.take(id, false, (*session).holdToRead)
}

func (ss *Sessions) take(id string, make bool, hold func(*session) error) (_ *session, release func(), err error) {
	if !validID(id) {
		return nil, nil, fault.InvalidField("session_id", "A session's id must be a UUID in lower case.")
	}
	for {
		ss.mu.Lock()
		s := ss.all[id]
		if _, buried := ss.buried[id]; s == nil && make && !buried {
			s = ss.newSession(id)
			ss.all[id] = s
		}
		ss.mu.Unlock()
		if s == nil {
			return nil, nil, errNoSession()
		}
		switch err := hold(s); {
		case err == nil:
			return s, s.release, nil
		case !errors.Is(err, errGone):
			return nil, nil, err
		}
		// It was taken off the list between our look and our hold.
	}
}

func (ss *Sessions) forget(s *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.all[s.id] == s {
		delete(ss.all, s.id)
	}
}

// buriedFor is longer than any call is on its way.
const buriedFor = 10 * time.Minute

// bury has nobody begin conversations anew that are deleted: a prompt that was sent before may arrive after that.
func (ss *Sessions) bury(ids ...string) {
	now := time.Now()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	maps.DeleteFunc(ss.buried, func(_ string, at time.Time) bool { return now.Sub(at) > buriedFor })
	for _, id := range ids {
		ss.buried[id] = now
	}
}

func errNoSession() error {
	return fault.New(fault.NotFound, "There is no such session.")
}

// validID says whether an id is a UUID as the CLI writes it: it becomes the name of a folder.
func validID(id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id
}

const maxNameBytes = 255

// validProject says whether a name is that of a plain folder.
func validProject(name string) bool {
	return name != "" && len(name) <= maxNameBytes && name != "." && name != ".." && filepath.IsLocal(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r < ' ' || r == 0x7f || r == '\uFFFD' })
}

// Deadlines of what we wait for. A machine with many builds took 6 s to start a CLI.
const (
	greetWithin  = 2 * time.Minute
	answerWithin = 30 * time.Second // set_model asks the API
	endGrace     = 5 * time.Second  // 1.5 s were seen from TERM right after a result
	drainWithin  = 2 * time.Second  // output of a process that is gone, which somebody else may hold open
)
