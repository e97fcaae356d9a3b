package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

type lockedWriter struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// fakeInstances keeps one instance a user in memory.
type fakeInstances struct {
	mu    sync.Mutex
	stats map[int64]pool.Stats
	did   []string
	fail  error // what the next Get answers
}

func newFakeInstances() *fakeInstances { return &fakeInstances{stats: map[int64]pool.Stats{}} }

func (f *fakeInstances) Get(_ context.Context, id int64) (pool.Stats, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return pool.Stats{}, false, f.fail
	}
	if s, ok := f.stats[id]; ok {
		return s, false, nil
	}
	s := pool.Stats{ID: fmt.Sprintf("i-%012d", id), UserID: id, Status: pool.StatusActive, Runtime: "fake", CreatedAt: time.Now().UTC()}
	f.stats[id] = s
	return s, true, nil
}

func (f *fakeInstances) Look(_ context.Context, id int64) (pool.Stats, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.stats[id]
	if !ok {
		return s, fault.New(fault.NotFound, "There is no instance.")
	}
	return s, nil
}

func (f *fakeInstances) All(context.Context) []pool.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []pool.Stats
	for _, s := range f.stats {
		all = append(all, s)
	}
	return all
}

func (f *fakeInstances) Destroy(ctx context.Context, id int64) error {
	if _, err := f.Look(ctx, id); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.stats, id)
	return nil
}

func (f *fakeInstances) Restart(ctx context.Context, id int64) (pool.Stats, error) {
	return f.Look(ctx, id)
}

func (f *fakeInstances) SetQuota(_ context.Context, id int64, q quota.Quota) error {
	f.note("quota %d %d", id, q.LiveSessions)
	return nil
}

func (f *fakeInstances) Erase(_ context.Context, id int64) error {
	f.note("erase %d", id)
	return nil
}

func (f *fakeInstances) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf(format, args...))
}

func (f *fakeInstances) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.did)
}

// fakeSessions keeps journals in memory and streams them as the real one does:
// every subscriber at its own pace.
type fakeSessions struct {
	mu       sync.Mutex
	sessions map[string]*fakeSession
	watchers map[int64][]chan session.Notice
	gates    map[string]chan struct{} // a session whose prompts wait
	calls    []string
	panics   bool
	polls    int // how often a long poll began to wait
}

type fakeSession struct {
	session.Session
	events  []protocol.Event
	prompts map[string]int64
	grown   chan struct{} // closed and replaced with every event
	gone    chan struct{}
}

func newFakeSessions() *fakeSessions {
	return &fakeSessions{sessions: map[string]*fakeSession{}, watchers: map[int64][]chan session.Notice{}, gates: map[string]chan struct{}{}}
}

func errNoSession() error { return fault.New(fault.NotFound, "There is no such session.") }

func (f *fakeSessions) make(userID int64, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions[id] = &fakeSession{
		Session: session.Session{ID: id, UserID: userID, Project: "thesis", State: protocol.StateDormant, CreatedAt: time.Now().UTC()},
		prompts: map[string]int64{}, grown: make(chan struct{}), gone: make(chan struct{}),
	}
}

func (f *fakeSessions) findLocked(userID int64, id string) (*fakeSession, error) {
	s, ok := f.sessions[id]
	if !ok || s.UserID != userID {
		return nil, errNoSession()
	}
	return s, nil
}

func (f *fakeSessions) find(userID int64, id string) (*fakeSession, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.findLocked(userID, id)
}

// emit appends n events to a session.
func (f *fakeSessions) emit(id string, n, size int) {
	event := `{"type":"assistant","text":"` + strings.Repeat("x", size) + `"}`
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.appendLocked(f.sessions[id], event)
	}
}

func (f *fakeSessions) appendLocked(s *fakeSession, event string) int64 {
	s.LastSeq++
	s.events = append(s.events, protocol.Event{Seq: s.LastSeq, At: time.Now(), Event: json.RawMessage(event)})
	close(s.grown)
	s.grown = make(chan struct{})
	return s.LastSeq
}

func (f *fakeSessions) Create(_ context.Context, userID int64, n session.NewSession) (session.Session, error) {
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", time.Now().UnixNano()%1e12)
	f.make(userID, id)
	return f.Get(context.Background(), userID, id)
}

func (f *fakeSessions) List(_ context.Context, userID int64, projectName string, limit int, cursor string) ([]session.Session, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []session.Session
	for _, s := range f.sessions {
		if s.UserID == userID && (projectName == "" || s.Project == projectName) {
			out = append(out, s.Session)
		}
	}
	return out, "", nil
}

func (f *fakeSessions) Get(_ context.Context, userID int64, id string) (session.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("a bug")
	}
	s, err := f.findLocked(userID, id)
	if err != nil {
		return session.Session{}, err
	}
	return s.Session, nil
}

func (f *fakeSessions) Change(ctx context.Context, userID int64, id string, c session.Change) (session.Session, error) {
	f.mu.Lock()
	s, err := f.findLocked(userID, id)
	if err == nil && c.Model != nil {
		s.Model = *c.Model
	}
	f.mu.Unlock()
	if err != nil {
		return session.Session{}, err
	}
	return f.Get(ctx, userID, id)
}

func (f *fakeSessions) Delete(_ context.Context, userID int64, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.findLocked(userID, id)
	if err == nil {
		close(s.gone)
		delete(f.sessions, id)
	}
	return err
}

func (f *fakeSessions) Fork(ctx context.Context, userID int64, id, before string) (session.Session, error) {
	if _, err := f.find(userID, id); err != nil {
		return session.Session{}, err
	}
	return f.Create(ctx, userID, session.NewSession{})
}

func (f *fakeSessions) Events(ctx context.Context, userID int64, id string, after int64, limit int, wait time.Duration, room session.Room) (out []protocol.Event, more bool, err error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		f.mu.Lock()
		s, err := f.findLocked(userID, id)
		if err != nil {
			f.mu.Unlock()
			return nil, false, err
		}
		for _, e := range s.events {
			if e.Seq <= after {
				continue
			}
			if err = room(len(e.Event)); err != nil || len(out) == limit {
				more = true
				break
			}
			out = append(out, e)
		}
		grown := s.grown
		if len(out) == 0 && wait > 0 {
			f.polls++
		}
		f.mu.Unlock()
		if len(out) > 0 {
			return out, more || len(out) == limit, nil
		}
		if err != nil {
			return nil, false, err
		}
		select {
		case <-grown:
		case <-deadline.C:
			return nil, false, nil
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

func (f *fakeSessions) EventsBefore(_ context.Context, userID int64, id string, before int64, limit int, room session.Room) ([]protocol.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.findLocked(userID, id)
	if err != nil {
		return nil, err
	}
	var out []protocol.Event
	for _, e := range s.events {
		if before == 0 || e.Seq < before {
			out = append(out, e)
			if err := room(len(e.Event)); err != nil {
				return nil, err
			}
		}
	}
	return out[max(0, len(out)-limit):], nil
}

func (f *fakeSessions) Subscribe(ctx context.Context, userID int64, id string, after int64, send func(*protocol.Event) error) error {
	for {
		f.mu.Lock()
		s, err := f.findLocked(userID, id)
		if err != nil {
			f.mu.Unlock()
			return err
		}
		var next []protocol.Event
		if i := int(min(after, int64(len(s.events)))); i < len(s.events) {
			next = s.events[i:min(i+100, len(s.events))]
		}
		grown, gone := s.grown, s.gone
		f.mu.Unlock()
		for i := range next {
			if err := send(&next[i]); err != nil {
				return err
			}
			after = next[i].Seq
		}
		if len(next) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fakeSessions) Prompt(ctx context.Context, u account.User, id string, p session.Prompt) (int64, bool, error) {
	if string(p.Content) == `"panic"` {
		panic("a bug in a prompt")
	}
	f.mu.Lock()
	gate := f.gates[id]
	f.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.findLocked(u.ID, id)
	if err != nil {
		return 0, false, err
	}
	if seq, ok := s.prompts[p.ID]; ok {
		return seq, true, nil
	}
	seq := f.appendLocked(s, fmt.Sprintf(`{"type":"carrel.prompt","id":%q}`, p.ID))
	s.prompts[p.ID] = seq
	return seq, false, nil
}

func (f *fakeSessions) Withdraw(_ context.Context, u account.User, id, promptID string) error {
	if promptID == "begun" {
		return fault.New(fault.Conflict, "Claude has begun with it.")
	}
	return f.noteCall(u, id, "withdraw "+promptID)
}

func (f *fakeSessions) Answer(_ context.Context, u account.User, id string, a session.Answer) error {
	return f.noteCall(u, id, "answer "+a.RequestID+" "+a.Behavior)
}

func (f *fakeSessions) Interrupt(_ context.Context, u account.User, id string) error {
	return f.noteCall(u, id, "interrupt")
}

func (f *fakeSessions) StopTask(_ context.Context, u account.User, id, task string) error {
	return f.noteCall(u, id, "stop "+task)
}

func (f *fakeSessions) TaskOutput(_ context.Context, userID int64, id, task string) (session.TaskOutput, error) {
	return session.TaskOutput{Output: "of " + task, TotalBytes: 9}, f.noteCall(account.User{ID: userID}, id, "output "+task)
}

func (f *fakeSessions) Rewind(_ context.Context, userID int64, id, prompt string, dryRun bool) (session.Rewound, error) {
	return session.Rewound{Files: []string{prompt}}, f.noteCall(account.User{ID: userID}, id, fmt.Sprint("rewind ", prompt, " ", dryRun))
}

func (f *fakeSessions) noteCall(u account.User, id, what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.findLocked(u.ID, id); err != nil {
		return err
	}
	f.calls = append(f.calls, what)
	return nil
}

func (f *fakeSessions) Watch(ctx context.Context, userID int64, send func(session.Notice) error) error {
	ch := make(chan session.Notice, 16)
	f.mu.Lock()
	f.watchers[userID] = append(f.watchers[userID], ch)
	f.mu.Unlock()
	for {
		select {
		case n := <-ch:
			if err := send(n); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fakeSessions) TellQuota(userID int64) { f.tell(userID, session.Notice{Kind: "quota"}) }

func (f *fakeSessions) tell(userID int64, n session.Notice) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ch := range f.watchers[userID] {
		select {
		case ch <- n:
		default:
		}
	}
	return len(f.watchers[userID])
}
