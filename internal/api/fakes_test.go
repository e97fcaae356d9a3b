package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/project"
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

func (f *fakeSessions) Fork(ctx context.Context, userID int64, id string) (session.Session, error) {
	if _, err := f.find(userID, id); err != nil {
		return session.Session{}, err
	}
	return f.Create(ctx, userID, session.NewSession{})
}

func (f *fakeSessions) Events(ctx context.Context, userID int64, id string, after int64, limit int, wait time.Duration) ([]protocol.Event, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		f.mu.Lock()
		s, err := f.findLocked(userID, id)
		if err != nil {
			f.mu.Unlock()
			return nil, err
		}
		var out []protocol.Event
		for _, e := range s.events {
			if e.Seq > after && len(out) < limit {
				out = append(out, e)
			}
		}
		grown := s.grown
		f.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-grown:
		case <-deadline.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
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

func (f *fakeSessions) Answer(_ context.Context, u account.User, id string, a session.Answer) error {
	return f.noteCall(u, id, "answer "+a.RequestID+" "+a.Behavior)
}

func (f *fakeSessions) Interrupt(_ context.Context, u account.User, id string) error {
	return f.noteCall(u, id, "interrupt")
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

type fakeProjects struct{ made []project.New }

func (f *fakeProjects) List(context.Context, int64, int, string) ([]project.Project, string, error) {
	return []project.Project{{Name: "thesis", Path: "projects/thesis"}}, "more", nil
}

func (f *fakeProjects) Get(_ context.Context, _ int64, name string) (project.Project, error) {
	if name != "thesis" {
		return project.Project{}, fault.New(fault.NotFound, "There is no project of that name.")
	}
	return project.Project{Name: name, Path: "projects/" + name}, nil
}

func (f *fakeProjects) Create(_ context.Context, _ int64, n project.New) (project.Project, error) {
	f.made = append(f.made, n)
	return project.Project{Name: n.Name, Path: "projects/" + n.Name}, nil
}

func (f *fakeProjects) Rename(ctx context.Context, userID int64, from, to string) (project.Project, error) {
	if _, err := f.Get(ctx, userID, from); err != nil {
		return project.Project{}, err
	}
	return project.Project{Name: to, Path: "projects/" + to}, nil
}

func (f *fakeProjects) Delete(ctx context.Context, userID int64, name string) error {
	_, err := f.Get(ctx, userID, name)
	return err
}

// fakeDesk has the real file part, and an echo for a terminal.
type fakeDesk struct {
	dir    string
	files  *httptest.Server
	mu     sync.Mutex
	terms  map[int64][]protocol.Terminal
	resize []string
	answer http.HandlerFunc // in place of the file part, when set
}

func newFakeDesk(t *testing.T) *fakeDesk {
	d := &fakeDesk{terms: map[int64][]protocol.Terminal{}}
	var h http.Handler
	d.dir, h = newFiles(t)
	d.files = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.answer != nil {
			d.answer(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(d.files.Close)
	return d
}

func (d *fakeDesk) HTTP(ctx context.Context, _ int64, method, path string, q url.Values, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.files.URL+protocol.FilesPrefix+path+"?"+q.Encode(), body)
	if err != nil {
		return nil, err
	}
	req.Header = header
	return http.DefaultTransport.RoundTrip(req)
}

func (d *fakeDesk) Command(_ context.Context, _ int64, r *protocol.CommandRequest) (*protocol.CommandResponse, error) {
	return &protocol.CommandResponse{Stdout: fmt.Sprint(r.Argv, r.TimeoutS, r.Stdin)}, nil
}

func (d *fakeDesk) OpenTerminal(_ context.Context, userID int64, r *protocol.OpenTerminalRequest) (*protocol.Terminal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := protocol.Terminal{ID: "t-" + strconv.Itoa(len(d.terms[userID])+1), Command: fmt.Sprint(r.Cols, "x", r.Rows)}
	d.terms[userID] = append(d.terms[userID], t)
	return &t, nil
}

func (d *fakeDesk) Terminals(_ context.Context, userID int64) ([]protocol.Terminal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.terms[userID]), nil
}

func (d *fakeDesk) CloseTerminal(_ context.Context, userID int64, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.terms[userID])
	d.terms[userID] = slices.DeleteFunc(d.terms[userID], func(t protocol.Terminal) bool { return t.ID == id })
	if len(d.terms[userID]) == n {
		return fault.New(fault.NotFound, "There is no such terminal.")
	}
	return nil
}

func (d *fakeDesk) Attach(context.Context, int64, string) (socket.Attachment, error) {
	a := &fakeAttachment{desk: d, out: make(chan *protocol.TerminalOutput, 64), closed: make(chan struct{})}
	a.out <- &protocol.TerminalOutput{Data: []byte("scrollback\n")}
	return a, nil
}

// fakeAttachment echoes what is typed; "exit" ends it.
type fakeAttachment struct {
	desk   *fakeDesk
	out    chan *protocol.TerminalOutput
	closed chan struct{}
	once   sync.Once
}

func (a *fakeAttachment) Send(in *protocol.TerminalInput) error {
	if in.Cols > 0 {
		a.desk.mu.Lock()
		a.desk.resize = append(a.desk.resize, fmt.Sprint(in.Cols, "x", in.Rows))
		a.desk.mu.Unlock()
		return nil
	}
	out := &protocol.TerminalOutput{Data: in.Data}
	if string(in.Data) == "exit" {
		out = &protocol.TerminalOutput{Exited: true, ExitCode: 3}
	}
	select {
	case a.out <- out:
		return nil
	case <-a.closed:
		return io.EOF
	}
}

func (a *fakeAttachment) Receive() (*protocol.TerminalOutput, error) {
	select {
	case out := <-a.out:
		return out, nil
	case <-a.closed:
		return nil, io.EOF
	}
}

func (a *fakeAttachment) Close() error { a.once.Do(func() { close(a.closed) }); return nil }
