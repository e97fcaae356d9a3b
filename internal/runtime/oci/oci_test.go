package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/runtime/runtimetest"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// The test binary is its own supervisor: it answers pings and nothing else.
// The real one is tried in e2e.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervisor" {
		if err := stubSupervisor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func stubSupervisor() error {
	var c protocol.Config
	if err := json.Unmarshal([]byte(os.Getenv("CARREL_SUPERVISOR")), &c); err != nil {
		return err
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

// open gives a Runtime with folders of its own. The state folder must be where
// every uid can walk to it, which a test's temporary folder is not always.
func open(t testing.TB) *Runtime {
	t.Helper()
	state, err := os.MkdirTemp("/run", "carrel-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(state, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	return openAt(t, t.TempDir(), state)
}

func openAt(t testing.TB, data, state string) *Runtime {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(Options{DataDir: data, StateDir: state, Command: "runc", UIDBase: 1 << 30, Carrel: self, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConformance(t *testing.T) {
	runtimetest.Run(t, func(t testing.TB) (runtime.Runtime, runtime.Runtime) {
		first := open(t)
		return first, openAt(t, first.opt.DataDir, first.opt.StateDir)
	})
}

func TestDestroyLeavesNothing(t *testing.T) {
	r := open(t)
	h, err := r.Create(t.Context(), runtimetest.Spec(1))
	if err != nil {
		t.Fatal(err)
	}
	p := r.paths(h.Spec.ID, 1)
	if _, err := mountSource(p.volume); err != nil {
		t.Fatalf("the volume of a living instance: %v", err)
	}
	if err := r.Destroy(t.Context(), h.Spec.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := mountSource(p.volume); err == nil {
		t.Error("the volume is still mounted")
	}
	wantNothing(t, r, h.Spec.ID)
}

// TestCutShortLeavesNothing: who gives up while the OCI runtime is at work has it ended at any moment of that.
func TestCutShortLeavesNothing(t *testing.T) {
	r := open(t)
	cut := 0
	for wait := 10 * time.Millisecond; wait < 150*time.Millisecond; wait += 10 * time.Millisecond {
		spec := runtimetest.Spec(1)
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := r.Create(ctx, spec)
		cancel()
		if err != nil {
			cut++
		} else if err := r.Destroy(t.Context(), spec.ID); err != nil {
			t.Fatal(err)
		}
		wantNothing(t, r, spec.ID)
	}
	if cut == 0 {
		t.Error("none was cut short")
	}
}

func wantNothing(t *testing.T, r *Runtime, id string) {
	t.Helper()
	for _, pattern := range []string{filepath.Join(cgroupRoot, "*", r.cgroupPath(id)), filepath.Join(cgroupRoot, r.cgroupPath(id)), r.dir.Dir(id)} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
