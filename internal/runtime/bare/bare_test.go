package bare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/runtimetest"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

const patience = 10 * time.Second

// The test binary is its own supervisor: it answers pings, and has children
// when it is called so.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervisor" {
		if err := stubSupervisor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// brood is the name of a person whose supervisor has children: one deaf to
// SIGTERM, one in a session of its own, one whose parent has gone.
const brood = "brood"

func stubSupervisor() error {
	var c protocol.Config
	if err := json.Unmarshal([]byte(os.Getenv("CARREL_SUPERVISOR")), &c); err != nil {
		return err
	}
	if c.Name == brood {
		if err := exec.Command("sh", "-c", "(trap '' TERM; sleep 600 & wait; wait) & setsid sleep 600 & (sleep 600 &) ; true").Run(); err != nil {
			return err
		}
	}
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	rpc.Unary(mux, protocol.Ping, false, func(context.Context, *protocol.PingRequest) (*protocol.PingResponse, error) {
		return &protocol.PingResponse{InstanceID: c.InstanceID, PID: os.Getpid()}, nil
	})
	return rpc.NewServer(mux).Serve(l)
}

// record is what Attach and Detach were told.
type record struct {
	mu       sync.Mutex
	attached map[string]bool
}

func (r *record) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attached[id]
}

func openAt(t testing.TB, data, state, carrel string) (*Runtime, *record) {
	t.Helper()
	rec := &record{attached: map[string]bool{}}
	r, err := Open(Options{DataDir: data, StateDir: state, Carrel: carrel, Log: slog.New(slog.DiscardHandler),
		Attach: func(spec runtime.Spec, gateway, egress *os.File) {
			gateway.Close()
			egress.Close()
			rec.mu.Lock()
			defer rec.mu.Unlock()
			rec.attached[spec.ID] = true
		},
		Detach: func(id string) {
			rec.mu.Lock()
			defer rec.mu.Unlock()
			delete(rec.attached, id)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Wait)
	return r, rec
}

func open(t testing.TB) (*Runtime, *record) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A socket's path has room for 107 bytes only, which a test's own folder may take alone.
	state, err := os.MkdirTemp("/tmp", "bare-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	return openAt(t, t.TempDir(), state, self)
}

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(t testing.TB) (runtime.Runtime, runtime.Runtime) {
		first, _ := open(t)
		second, _ := openAt(t, first.opt.DataDir, first.opt.StateDir, first.opt.Carrel)
		return first, second
	})
}

// alive waits until an instance has that many processes.
func alive(t *testing.T, id string, n int) []int {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		pids, err := marked(id)
		if err != nil {
			t.Fatal(err)
		}
		if len(pids) == n {
			return pids
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has %d processes after %s; want %d", id, len(pids), patience, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func supervisorOf(t *testing.T, id string) int {
	t.Helper()
	for _, pid := range alive(t, id, 5) { // the supervisor, a deaf shell and its child, two others
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if err == nil && strings.HasSuffix(string(b), "\x00supervisor\x00") {
			return pid
		}
	}
	t.Fatal("no supervisor among the processes")
	return 0
}

func TestDestroyAfterTheSupervisorWasKilled(t *testing.T) {
	r, rec := open(t)
	spec, other := runtimetest.Spec(1), runtimetest.Spec(2)
	spec.Name, other.Name = brood, brood
	for _, s := range []runtime.Spec{spec, other} {
		if _, err := r.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	alive(t, other.ID, 5)
	if err := syscall.Kill(supervisorOf(t, spec.ID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	alive(t, spec.ID, 4)
	if u, err := r.Usage(t.Context(), spec.ID); err != nil || u.PIDs != 4 {
		t.Errorf("usage %+v, %v; want the 4 that are left", u, err)
	}
	if list, err := r.List(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("list %+v, %v; want both, what is left must be found", list, err)
	}
	if err := r.Destroy(t.Context(), spec.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := marked(spec.ID); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := os.Lstat(r.dir.Dir(spec.ID)); !errors.Is(err, os.ErrNotExist) || rec.has(spec.ID) {
		t.Errorf("its folder: %v, attached: %v; want neither", err, rec.has(spec.ID))
	}
	if n := len(alive(t, other.ID, 5)); n != 5 || !rec.has(other.ID) {
		t.Errorf("the other instance has %d processes, attached %v; want it untouched", n, rec.has(other.ID))
	}
	if err := r.Destroy(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	alive(t, other.ID, 0)
}

// A Destroy whose time is over leaves an instance that can be found, and
// destroyed again.
func TestDestroyCutShort(t *testing.T) {
	r, rec := open(t)
	spec := runtimetest.Spec(1)
	spec.Name = brood
	if _, err := r.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	alive(t, spec.ID, 5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Destroy(ctx, spec.ID); !errors.Is(err, context.Canceled) {
		t.Fatalf("destroy: %v; want context.Canceled", err)
	}
	list, err := r.List(t.Context())
	if err != nil || len(list) != 1 || !rec.has(spec.ID) {
		t.Errorf("list %+v, %v, attached %v; want the instance", list, err, rec.has(spec.ID))
	}
	if err := r.Destroy(t.Context(), spec.ID); err != nil {
		t.Fatal(err)
	}
	alive(t, spec.ID, 0)
}

func TestCreateThatFailsLeavesNothing(t *testing.T) {
	r, rec := open(t)
	self := r.opt.Carrel
	r.opt.Carrel = "/not/there"
	spec := runtimetest.Spec(1)
	if _, err := r.Create(t.Context(), spec); err == nil {
		t.Fatal("an instance without a program was made")
	}
	entries, err := os.ReadDir(string(r.dir))
	if err != nil || len(entries) > 0 || rec.has(spec.ID) {
		t.Errorf("left: %v, %v, attached %v", entries, err, rec.has(spec.ID))
	}
	r.opt.Carrel = self
	if _, err := r.Create(t.Context(), spec); err != nil {
		t.Errorf("the same once it can be: %v", err)
	}
	if err := r.Destroy(t.Context(), spec.ID); err != nil {
		t.Error(err)
	}
}

func TestUsageOfADeadInstance(t *testing.T) {
	r, _ := open(t)
	spec := runtimetest.Spec(1)
	if _, err := r.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(alive(t, spec.ID, 1)[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	alive(t, spec.ID, 0)
	if _, err := r.Usage(t.Context(), spec.ID); fault.CodeOf(err) != fault.InstanceUnavailable {
		t.Errorf("usage: %v; want instance_unavailable, which tells from not_found", err)
	}
	if c, err := r.Dial(t.Context(), spec.ID); err == nil {
		c.Close()
		t.Error("a dead supervisor can be dialled")
	}
	if err := r.Destroy(t.Context(), spec.ID); err != nil {
		t.Error(err)
	}
}

func TestSupervisorGetsNothingOfTheKeepers(t *testing.T) {
	t.Setenv("SECRET_OF_THE_KEEPER", "sk")
	r, _ := open(t)
	r.opt.ToolEnv = func() []string { return []string{"npm_config_registry=https://registry.example.org"} }
	spec := runtimetest.Spec(1)
	h, err := r.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Destroy(context.WithoutCancel(t.Context()), spec.ID); err != nil {
			t.Error(err)
		}
	}()
	pid := alive(t, spec.ID, 1)[0]
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var c protocol.Config
	for v := range strings.SplitSeq(strings.TrimSuffix(string(b), "\x00"), "\x00") {
		name, value, _ := strings.Cut(v, "=")
		names = append(names, name)
		if name == "CARREL_SUPERVISOR" {
			if err := json.Unmarshal([]byte(value), &c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"CARREL_INSTANCE", "CARREL_SUPERVISOR", "PATH"}) {
		t.Errorf("its environment has %v", names)
	}
	if !slices.Contains(c.Env, mark(spec.ID)) || !slices.Contains(c.Env, "npm_config_registry=https://registry.example.org") {
		t.Errorf("its people's environment is %v; want the mark, and the tools' settings", c.Env)
	}
	if home, err := filepath.EvalSymlinks(h.Workspace); err != nil || home != c.Home {
		t.Errorf("the workspace leads to %s, %v; want %s", home, err, c.Home)
	}
	for _, d := range []string{c.Home, c.JournalDir, c.RunDir} {
		if fi, err := os.Stat(d); err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v; want a folder of mode 0700", d, fi, err)
		}
	}
}
