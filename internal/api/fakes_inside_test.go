package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/project"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

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
	fail   error            // what commands and new terminals answer, when set
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
	if d.fail != nil {
		return nil, d.fail
	}
	return &protocol.CommandResponse{Stdout: fmt.Sprint(r.Argv, r.TimeoutS, r.Stdin)}, nil
}

func (d *fakeDesk) OpenTerminal(_ context.Context, userID int64, r *protocol.OpenTerminalRequest) (*protocol.Terminal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return nil, d.fail
	}
	t := protocol.Terminal{ID: "t-" + strconv.Itoa(len(d.terms[userID])+1), Command: fmt.Sprint(r.Cols, "x", r.Rows)}
	d.terms[userID] = append(d.terms[userID], t)
	return &t, nil
}

func (d *fakeDesk) Terminals(_ context.Context, userID int64) ([]protocol.Terminal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.terms[userID]), nil
}

func (d *fakeDesk) RenameTerminal(_ context.Context, userID int64, id, title string) (*protocol.Terminal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.terms[userID], func(t protocol.Terminal) bool { return t.ID == id })
	if i < 0 {
		return nil, fault.New(fault.NotFound, "There is no such terminal.")
	}
	d.terms[userID][i].Title = title
	t := d.terms[userID][i]
	return &t, nil
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

func (d *fakeDesk) Attach(_ context.Context, _ int64, _ string, after int64) (socket.Attachment, error) {
	a := &fakeAttachment{desk: d, out: make(chan *protocol.TerminalOutput, 64), closed: make(chan struct{})}
	a.out <- &protocol.TerminalOutput{Attached: &protocol.TerminalAttached{From: after, To: 11, Cols: 80, Rows: 24, Modes: "\x1b[?25l"}}
	a.out <- &protocol.TerminalOutput{Data: []byte("scrollback\n")[after:]}
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
		a.out <- &protocol.TerminalOutput{Cols: in.Cols, Rows: in.Rows}
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
