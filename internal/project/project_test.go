package project

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type everybody struct{}

func (everybody) Owner(_ context.Context, id int64) (pool.Owner, error) {
	return pool.Owner{ID: id, Name: fmt.Sprintf("user%d", id), Language: "en", Active: true, Quota: quota.Default()}, nil
}

// catalogue remembers what it was told.
type catalogue struct {
	renamed string
	err     error
}

func (c *catalogue) RenameProject(_ context.Context, userID int64, from, to string) error {
	c.renamed = fmt.Sprint(userID, from, to)
	return c.err
}

// bench has the real file part on a real folder, in a fake supervisor.
type bench struct {
	*Service
	rt        *pooltest.Runtime
	pool      *pool.Pool
	catalogue *catalogue
}

func start(t *testing.T) *bench {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	b := &bench{rt: pooltest.NewRuntime(t), catalogue: &catalogue{}}
	b.pool = pool.New(pool.Options{Runtime: b.rt, Owners: everybody{}, Log: log})
	if err := b.pool.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.pool.Stop)
	b.Service = NewService(b.pool, b.catalogue, log)
	return b
}

func (b *bench) has(path string) bool {
	_, err := os.Stat(filepath.Join(b.rt.Volume(1).Home(), "projects", path))
	return err == nil
}

func (b *bench) make(t *testing.T, n New) Project {
	t.Helper()
	p, err := b.Create(t.Context(), 1, n)
	if err != nil {
		t.Fatalf("create %q: %v", n.Name, err)
	}
	return p
}

func TestProjects(t *testing.T) {
	t.Parallel()
	b := start(t)
	if items, next, err := b.List(t.Context(), 1, 0, ""); err != nil || items == nil || len(items) != 0 || next != "" {
		t.Fatalf("at first: %#v, %q, %v", items, next, err)
	}
	p := b.make(t, New{Name: "毕业 论文"})
	if p.Name != "毕业 论文" || p.Path != "projects/毕业 论文" || p.CreatedAt.IsZero() || !b.has("毕业 论文") {
		t.Fatalf("got %+v", p)
	}
	if _, err := b.Create(t.Context(), 1, New{Name: "毕业 论文"}); !errors.Is(err, fault.ConflictError) || !b.has("毕业 论文") {
		t.Fatalf("again: %v; want conflict, and the first one left alone", err)
	}
	b.make(t, New{Name: "a", Template: "sample"})
	if !b.has("a/README.md") || !b.has("a/hello.py") {
		t.Fatal("the sample is not there")
	}
	b.make(t, New{Name: "b", Template: "empty"})
	var names []string
	for cursor, more := "", true; more; more = cursor != "" {
		items, next, err := b.List(t.Context(), 1, 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range items {
			names = append(names, p.Name)
		}
		cursor = next
	}
	if !slices.Equal(names, []string{"a", "b", "毕业 论文"}) {
		t.Fatalf("got %v", names)
	}
	if items, _, err := b.List(t.Context(), 2, 0, ""); err != nil || len(items) != 0 {
		t.Fatalf("another user's: %v, %v", items, err)
	}
	if _, err := b.Get(t.Context(), 2, "a"); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("another user's: %v", err)
	}
	if p, err := b.Rename(t.Context(), 1, "b", "c"); err != nil || p.Name != "c" || b.catalogue.renamed != "1bc" || !b.has("c") || b.has("b") {
		t.Fatalf("rename: %+v, %v, told %q", p, err, b.catalogue.renamed)
	}
	if _, err := b.Rename(t.Context(), 1, "c", "a"); !errors.Is(err, fault.ConflictError) {
		t.Fatalf("rename onto another: %v", err)
	}
	b.catalogue.err = errors.New("the store is away")
	if _, err := b.Rename(t.Context(), 1, "c", "d"); err == nil || !b.has("c") || b.has("d") {
		t.Fatalf("a rename that the catalogue does not follow: %v; want the folder back", err)
	}
	if err := b.Delete(t.Context(), 1, "a"); err != nil || b.has("a") {
		t.Fatalf("delete: %v", err)
	}
	if err := b.Delete(t.Context(), 1, "a"); !errors.Is(err, fault.NotFoundError) {
		t.Fatalf("delete again: %v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".git", "-x", "a\n", strings.Repeat("x", 100)} {
		if _, err := b.Create(t.Context(), 1, New{Name: name}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("create %q: %v; want invalid", name, err)
		}
		if _, err := b.Get(t.Context(), 1, name); !errors.Is(err, fault.NotFoundError) {
			t.Errorf("get %q: %v; want not_found", name, err)
		}
		if err := b.Delete(t.Context(), 1, name); !errors.Is(err, fault.NotFoundError) {
			t.Errorf("delete %q: %v; want not_found", name, err)
		}
	}
	if _, err := b.Create(t.Context(), 1, New{Name: "x", Template: "odd"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("an odd template: %v", err)
	}
	if _, err := b.Create(t.Context(), 1, New{Name: "x", Template: "sample", GitURL: "https://example.org/x"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("template and git_url: %v", err)
	}
}

func TestClone(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.make(t, New{Name: "other"}) // makes the instance
	var asked *protocol.CommandRequest
	answer := &protocol.CommandResponse{}
	b.rt.Supervisor(1).OnCommand(func(r *protocol.CommandRequest) (*protocol.CommandResponse, error) {
		asked = r
		if !b.has(r.Project) {
			t.Errorf("git runs in %q, which is not there", r.Project)
		}
		return answer, nil
	})
	const address = "https://example.org/a/b.git"
	b.make(t, New{Name: "cloned", GitURL: address})
	i := slices.Index(asked.Argv, "--")
	if asked.Argv[0] != "git" || i < 0 || asked.Argv[i+1] != address || asked.Project != "cloned" || asked.Env["GIT_TERMINAL_PROMPT"] != "0" || asked.TimeoutS == 0 {
		t.Fatalf("asked for %+v", asked)
	}
	for _, c := range []struct {
		answer protocol.CommandResponse
		code   fault.Code
		says   string
	}{
		{protocol.CommandResponse{ExitCode: 128, Stderr: "Cloning…\nfatal: repository 'https://example.org/a/b.git/' not found\n\x1b[31m"}, fault.Invalid, "fatal: repository 'https://example.org/a/b.git/' not found"},
		{protocol.CommandResponse{ExitCode: 128, Stderr: "fatal: write error: Disk quota exceeded"}, fault.QuotaExceeded, "storage"},
		{protocol.CommandResponse{ExitCode: 127}, fault.RuntimeUnavailable, "git"},
		{protocol.CommandResponse{ExitCode: 124, TimedOut: true}, fault.UpstreamUnavailable, "10m"},
		{protocol.CommandResponse{ExitCode: 1}, fault.Invalid, "code 1"},
	} {
		answer = &c.answer
		_, err := b.Create(t.Context(), 1, New{Name: "bad", GitURL: address})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != c.code || !strings.Contains(f.Detail, c.says) || strings.ContainsRune(f.Detail, 0x1b) {
			t.Errorf("%+v: got %v; want %s with %q", c.answer, err, c.code, c.says)
		}
		if b.has("bad") {
			t.Fatal("the folder of a failed clone is left")
		}
	}
}

func TestGitURL(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"https://github.com/a/b.git":               true,
		"https://example.org:8443/a?b=c":           true,
		"https://例子.测试/a":                          true,
		"http://github.com/a/b":                    false,
		"git@github.com:a/b.git":                   false,
		"ssh://git@github.com/a/b":                 false,
		"ext::sh -c id":                            false,
		"file:///etc":                              false,
		"/etc":                                     false,
		"--upload-pack=id":                         false,
		"https://":                                 false,
		"https:///a":                               false,
		"https://-x/a":                             false,
		"https://ana:secret@example.org/a":         false,
		"https://token@example.org/a":              false,
		"https://example.org/a b":                  false,
		"https://example.org/a\nb":                 false,
		"https://x/" + strings.Repeat("a", maxURL): false,
	} {
		err := checkGitURL(address)
		if (err == nil) != ok {
			t.Errorf("%.60q: %v; want ok %v", address, err, ok)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

func TestSessionsOfAProject(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.make(t, New{Name: "a"})
	b.make(t, New{Name: "b"})
	inst, _, err := b.pool.Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	sup := b.rt.Supervisor(1)
	for id, project := range map[string]string{"ready": "a", "running": "a", "elsewhere": "b"} {
		if _, err := inst.Client().Open(t.Context(), &protocol.OpenRequest{SessionID: id, Project: project}); err != nil {
			t.Fatal(err)
		}
	}
	state := func(id string) string { s, _ := inst.Session(id); return s.State }
	become := func(id, want string) {
		t.Helper()
		sup.SetState(id, func(s *protocol.Session) { s.State = want })
		pooltest.Poll(t, id+" to be "+want, func() (bool, any) { return state(id) == want, inst.Sessions() })
	}
	become("ready", protocol.StateReady)
	become("elsewhere", protocol.StateReady)
	become("running", protocol.StateRunning)
	if err := b.Delete(t.Context(), 1, "a"); !errors.Is(err, fault.ConflictError) || !b.has("a") {
		t.Fatalf("while a turn runs: %v; want conflict", err)
	}
	if _, err := b.Rename(t.Context(), 1, "a", "c"); !errors.Is(err, fault.ConflictError) || !b.has("a") {
		t.Fatalf("while a turn runs: %v; want conflict", err)
	}
	become("running", protocol.StateReady)
	if err := b.Delete(t.Context(), 1, "a"); err != nil || b.has("a") {
		t.Fatalf("when none runs: %v", err)
	}
	pooltest.Poll(t, "the end of the waiting processes", func() (bool, any) {
		return state("ready") == protocol.StateDormant && state("running") == protocol.StateDormant, inst.Sessions()
	})
	if state("elsewhere") != protocol.StateReady {
		t.Fatal("another project's process was ended")
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.make(t, New{Name: "a"})
	release := b.rt.Supervisor(1).Hang() // of its procedures; here only Command
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Create(ctx, 1, New{Name: "x", GitURL: "https://example.org/x"}); err == nil || b.has("x") {
		t.Fatalf("a clone that hangs: %v; want an error and no folder", err)
	}
}
