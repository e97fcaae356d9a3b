package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/instancedir"
	"github.com/carrel-dev/carrel/internal/runtime/runtimetest"
)

// fakeRuntime makes nothing; it records, and fails where it is told to.
type fakeRuntime struct {
	mu       sync.Mutex
	handles  map[string]runtime.Handle
	asked    []string
	fail     map[string]error // Destroy, by id
	creating chan struct{}    // Create waits for it when it is not nil
	began    chan struct{}
}

func (r *fakeRuntime) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, fmt.Sprintf(format, args...))
}

func (r *fakeRuntime) Name() string { return "fake" }

func (r *fakeRuntime) Create(_ context.Context, spec runtime.Spec) (runtime.Handle, error) {
	r.note("create %s", spec.ID)
	if r.creating != nil {
		close(r.began)
		<-r.creating
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.handles[spec.ID]; ok {
		return runtime.Handle{}, fault.New(fault.Conflict, "The user has an instance already.")
	}
	h := runtime.Handle{Spec: spec}
	r.handles[spec.ID] = h
	return h, nil
}

func (r *fakeRuntime) List(context.Context) ([]runtime.Handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []runtime.Handle
	for _, h := range r.handles {
		out = append(out, h)
	}
	return out, nil
}

func (r *fakeRuntime) Destroy(_ context.Context, id string) error {
	r.note("destroy %s", id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fail[id]; err != nil {
		return err
	}
	if _, ok := r.handles[id]; !ok {
		return fault.New(fault.NotFound, "There is no such instance.")
	}
	delete(r.handles, id)
	return nil
}

func (r *fakeRuntime) Usage(_ context.Context, id string) (runtime.Usage, error) {
	r.note("usage %s", id)
	return runtime.Usage{PIDs: 7, StorageBytes: 1 << 40}, nil
}

func (r *fakeRuntime) Resize(_ context.Context, id string, l runtime.Limits) error {
	r.note("resize %s to %d", id, l.PIDs)
	return nil
}

func (r *fakeRuntime) DeleteVolume(_ context.Context, userID int64) error {
	r.note("delete volume of %d", userID)
	return nil
}

func (r *fakeRuntime) Check(context.Context) []runtime.Finding {
	return []runtime.Finding{{Name: "sandbox", State: "ok", Detail: "fake"}}
}

func (r *fakeRuntime) Dial(context.Context, string) (net.Conn, error) { return nil, errors.New("fake") }

// running is a keeper's server on a socket that every uid can walk to.
type keeperServer struct {
	runtime *fakeRuntime
	dir     string
	client  *Client
	end     context.CancelFunc
	done    chan error

	mu      sync.Mutex
	stopped []StopRequest
}

func start(t *testing.T, serverUID int) *keeperServer {
	t.Helper()
	k := &keeperServer{runtime: &fakeRuntime{handles: map[string]runtime.Handle{}, fail: map[string]error{}}, dir: openDir(t), done: make(chan error, 1)}
	// The mode lets everybody in, so that what refuses is the look at who calls.
	f, err := instancedir.Listen(SocketPath(k.dir), os.Getuid(), os.Getgid(), 0o666)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.end = cancel
	s := &server{runtime: k.runtime, log: quiet, status: func() Status { return Status{Version: "tried"} }, stop: func(r StopRequest) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.stopped = append(k.stopped, r)
		cancel()
		return nil
	}}
	go func() { k.done <- s.serve(ctx, peers{Listener: l, uid: serverUID, log: quiet}); close(k.done) }()
	k.client = NewClient(k.dir, "oci")
	t.Cleanup(func() {
		cancel()
		k.client.Close()
		<-k.done
	})
	return k
}

func (k *keeperServer) add(ids ...string) {
	for _, id := range ids {
		k.runtime.handles[id] = runtime.Handle{Spec: runtime.Spec{ID: id}}
	}
}

func TestEveryProcedure(t *testing.T) {
	k := start(t, os.Getuid())
	ctx := t.Context()
	spec := runtimetest.Spec(3)
	h, err := k.client.Create(ctx, spec)
	if err != nil || h.Spec != spec {
		t.Fatalf("create: %+v, %v; want %+v", h, err, spec)
	}
	if _, err := k.client.Create(ctx, spec); !errors.Is(err, fault.ConflictError) {
		t.Errorf("create twice: %v; want the runtime's conflict", err)
	}
	if list, err := k.client.List(ctx); err != nil || len(list) != 1 || list[0].Spec != spec {
		t.Errorf("list: %+v, %v", list, err)
	}
	if u, err := k.client.Usage(ctx, spec.ID); err != nil || u.PIDs != 7 || u.StorageBytes != 1<<40 {
		t.Errorf("usage: %+v, %v", u, err)
	}
	if err := k.client.Resize(ctx, spec.ID, runtime.Limits{PIDs: 99}); err != nil {
		t.Error(err)
	}
	if err := k.client.Destroy(ctx, spec.ID); err != nil {
		t.Error(err)
	}
	if err := k.client.Destroy(ctx, spec.ID); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("destroy twice: %v; want not_found", err)
	}
	if err := k.client.DeleteVolume(ctx, 3); err != nil {
		t.Error(err)
	}
	if f := k.client.Check(ctx); len(f) != 1 || f[0].State != "ok" {
		t.Errorf("check: %+v", f)
	}
	if st, err := k.client.Status(ctx); err != nil || st.Version != "tried" {
		t.Errorf("status: %+v, %v", st, err)
	}
	want := []string{"create " + spec.ID, "create " + spec.ID, "usage " + spec.ID, "resize " + spec.ID + " to 99", "destroy " + spec.ID, "destroy " + spec.ID, "delete volume of 3"}
	if !slices.Equal(k.runtime.asked, want) {
		t.Errorf("the runtime was asked %q; want %q", k.runtime.asked, want)
	}
}

// Root takes nothing that it does not know, whole or not at all.
func TestStrictDecoding(t *testing.T) {
	k := start(t, os.Getuid())
	post := func(procedure, kind, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://keeper"+procedure, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", SocketPath(k.dir))
		}}}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	const json = "application/json"
	for _, c := range []struct{ what, procedure, kind, body string }{
		{"an unknown field", procCreate, json, `{"id":"i-0123456789ab","user_id":1,"command":["sh"]}`},
		{"an unknown field within", procCreate, json, `{"id":"i-0123456789ab","limits":{"cpu":1,"devices":"all"}}`},
		{"a path", procDestroy, json, `{"id":"i-0123456789ab","path":"/etc"}`},
		{"two values", procDestroy, json, `{"id":"i-0123456789ab"}{"id":"i-0123456789ac"}`},
		{"a list", procDestroy, json, `["i-0123456789ab"]`},
		{"half a value", procDestroy, json, `{"id":"i-01234567`},
		{"a fraction for a user", procDeleteVolume, json, `{"user_id":1.5}`},
		{"a user beyond 64 bits", procDeleteVolume, json, `{"user_id":9223372036854775808}`},
		{"a number for an id", procUsage, json, `{"id":7}`},
		{"stop what is not known", procStop, json, `{"instances":true,"machine":true}`},
		{"binary", procDestroy, "application/proto", "\x0a\x0ei-0123456789ab"},
		{"a form", procDestroy, "application/x-www-form-urlencoded", "id=i-0123456789ab"},
		{"no such procedure", "/carrel.keeper/Exec", json, `{}`},
		{"a detour", "/carrel.keeper/../carrel.keeper/Exec", json, `{}`},
	} {
		if status, body := post(c.procedure, c.kind, c.body); status/100 == 2 {
			t.Errorf("%s was taken: %d %s", c.what, status, body)
		}
	}
	if len(k.runtime.asked) > 0 || len(k.stopped) > 0 {
		t.Errorf("something was done: %q, %v", k.runtime.asked, k.stopped)
	}
	if status, body := post(procDestroy, json, `{"id":"`+strings.Repeat("a", rpc.MaxMessageBytes)+`"}`); status/100 == 2 || len(k.runtime.asked) > 0 {
		t.Errorf("32 MiB of an id were taken: %d %s, %.60q", status, body, k.runtime.asked)
	}
	if status, body := post(procStatus, json, `{}`); status != 200 || !strings.Contains(body, "tried") {
		t.Errorf("after all of it: %d %s", status, body)
	}
}

func TestCallersAreKnownByTheirUID(t *testing.T) {
	needRoot(t)
	const serverUID = 1073741822
	k := start(t, serverUID)
	for _, c := range []struct {
		who  string
		uid  int
		want string
	}{
		{"the server", serverUID, "tried"},
		{"root", 0, "tried"},
		{"the gateway", 1073741823, string(fault.RuntimeUnavailable)},
		{"nobody", 65534, string(fault.RuntimeUnavailable)},
		{"a person of an instance", 1<<30 + 65536 + 1000, string(fault.RuntimeUnavailable)},
	} {
		out, err := child(t, c.uid, "KEEPER_TEST_CALL="+SocketPath(k.dir)).CombinedOutput()
		if err != nil || string(out) != c.want {
			t.Errorf("%s (uid %d) got %q, %v; want %q", c.who, c.uid, out, err, c.want)
		}
	}
}

func TestStop(t *testing.T) {
	k := start(t, os.Getuid())
	k.add("a", "b", "c", "d", "e", "f")
	k.runtime.fail["c"] = errors.New("its mount is busy")
	k.runtime.fail["e"] = fault.New(fault.NotFound, "removed a moment ago")
	err := k.client.Stop(t.Context(), StopRequest{Instances: true, Gateway: true})
	if err == nil || !strings.Contains(err.Error(), "destroy c: its mount is busy") || strings.Contains(err.Error(), "destroy e") {
		t.Errorf("stop with one that fails: %v; want what failed, and no more", err)
	}
	left, _ := k.runtime.List(t.Context())
	if len(left) != 2 || len(k.stopped) != 0 {
		t.Errorf("%d instances left, stopped %v; want c and e, and a keeper that can be asked again", len(left), k.stopped)
	}
	delete(k.runtime.fail, "c")
	if err := k.client.Stop(t.Context(), StopRequest{Instances: true, Gateway: true}); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if err := <-k.done; err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if !slices.Equal(k.stopped, []StopRequest{{Instances: true, Gateway: true}}) {
		t.Errorf("stopped %v", k.stopped)
	}
}

func TestStopOfTheKeeperAloneKeepsInstances(t *testing.T) {
	k := start(t, os.Getuid())
	k.add("a")
	if err := k.client.Stop(t.Context(), StopRequest{}); err != nil {
		t.Fatal(err)
	}
	<-k.done
	if left, _ := k.runtime.List(t.Context()); len(left) != 1 {
		t.Errorf("%d instances left; want 1", len(left))
	}
}

// What is being made when the keeper is told to end comes to its end first.
func TestEndLetsARequestFinish(t *testing.T) {
	k := start(t, os.Getuid())
	k.runtime.creating, k.runtime.began = make(chan struct{}), make(chan struct{})
	made := make(chan error)
	spec := runtimetest.Spec(1)
	go func() { _, err := k.client.Create(context.WithoutCancel(t.Context()), spec); made <- err }()
	<-k.runtime.began
	k.end()
	await(t, "no new caller", func() (bool, string) {
		c, err := net.Dial("unix", SocketPath(k.dir))
		if err == nil {
			c.Close()
		}
		return err != nil, fmt.Sprint(err)
	})
	close(k.runtime.creating)
	if err := <-made; err != nil {
		t.Errorf("the creation that ran: %v", err)
	}
	if err := <-k.done; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func TestAbsentKeeper(t *testing.T) {
	c := NewClient(openDir(t), "oci")
	defer c.Close()
	ctx := t.Context()
	for what, f := range map[string]func() error{
		"status":        func() error { _, err := c.Status(ctx); return err },
		"create":        func() error { _, err := c.Create(ctx, runtimetest.Spec(1)); return err },
		"list":          func() error { _, err := c.List(ctx); return err },
		"destroy":       func() error { return c.Destroy(ctx, "i-0123456789ab") },
		"usage":         func() error { _, err := c.Usage(ctx, "i-0123456789ab"); return err },
		"resize":        func() error { return c.Resize(ctx, "i-0123456789ab", runtime.Limits{}) },
		"delete volume": func() error { return c.DeleteVolume(ctx, 1) },
		"stop":          func() error { return c.Stop(ctx, StopRequest{}) },
	} {
		var f2 *fault.Error
		if err := f(); !errors.As(err, &f2) || f2.Code != fault.RuntimeUnavailable || !strings.Contains(f2.Detail, "carrel serve") || strings.Contains(f2.Detail, "/") {
			t.Errorf("%s: %v; want runtime_unavailable, with what to do and without a path", what, err)
		}
	}
	if f := c.Check(ctx); len(f) != 1 || f[0].State != "fail" || f[0].Remedy != "carrel serve" {
		t.Errorf("check: %+v", f)
	}
	if _, err := c.Dial(ctx, "../../keeper"); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("dial of a path: %v; want not_found", err)
	}
	// A call that ends by the caller's own will is no fault of the keeper's.
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Status(gone); !errors.Is(err, context.Canceled) || fault.CodeOf(err) == fault.RuntimeUnavailable {
		t.Errorf("a cancelled call: %v; want context.Canceled", err)
	}
}

func TestLock(t *testing.T) {
	dir := openDir(t)
	first, err := Lock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	tired, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err := Lock(tired, dir); err == nil {
		f.Close()
		t.Fatal("two keepers have one folder")
	}
	got := make(chan error)
	go func() {
		f, err := Lock(t.Context(), dir)
		if err == nil {
			err = f.Close()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("the second got it while the first has it: %v", err)
	default:
	}
	first.Close()
	if err := <-got; err != nil {
		t.Errorf("after the first: %v", err)
	}
	if _, err := Lock(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("lock of no folder: %v; want not exist, by which `carrel stop` knows", err)
	}
}

// A keeper that is killed lets go of the lock, whatever it was doing.
func TestLockOfAKilledKeeper(t *testing.T) {
	dir := openDir(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = []string{"KEEPER_TEST_LOCK=" + dir}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 7)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "locked\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := make(chan error, 1)
	go func() {
		f, err := Lock(ctx, dir)
		if err == nil {
			err = f.Close()
		}
		got <- err
	}()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err := <-got; err != nil {
		t.Errorf("after the kill: %v", err)
	}
}
