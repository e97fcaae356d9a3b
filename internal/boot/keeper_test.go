package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/keeper"
)

// status waits until a keeper of this pid answers.
func status(t *testing.T, h House, pid int) keeper.Status {
	t.Helper()
	c := keeper.NewClient(h.StateDir, "bare")
	defer c.Close()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		st, err := c.Status(ctx)
		cancel()
		if err == nil && st.PID == pid {
			return *st
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(h.StateDir, "keeper.log"))
			t.Fatalf("no keeper %d within %s: %+v, %v\n%s", pid, patience, st, err, log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The keeper is the real one; with the runtime bare it needs nothing.
func TestEnsureKeeper(t *testing.T) {
	t.Parallel() // beside those that wait
	needRoot(t)
	h := prepared(t)
	config := keeper.Config{Version: "1", DataDir: h.DataDir, StateDir: h.StateDir, Runtime: "bare", ServerUID: serverUID, GatewayUID: gatewayUID, Gateway: []byte("{}")}
	first, err := h.EnsureKeeper(t.Context(), config)
	if err != nil || first == 0 {
		t.Fatalf("the first: pid %d, %v", first, err)
	}
	reaped := make(chan struct{})
	go func() { defer close(reaped); reap(first) }()
	t.Cleanup(func() { // whatever happened
		c := keeper.NewClient(h.StateDir, "bare")
		defer c.Close()
		_ = c.Stop(context.Background(), keeper.StopRequest{Instances: true, Gateway: true})
		<-reaped
	})
	st := status(t, h, first)
	if st.Version != "1" || st.Runtime != "bare" || st.Fingerprint == "" {
		t.Errorf("status %+v", st)
	}
	if again, err := h.EnsureKeeper(t.Context(), config); err != nil || again != 0 {
		t.Errorf("the same settings: pid %d, %v; want that one is there", again, err)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", first))
	if err != nil {
		t.Fatal(err)
	}
	for v := range strings.SplitSeq(strings.TrimSuffix(string(environ), "\x00"), "\x00") {
		if name, _, _ := strings.Cut(v, "="); name != "PATH" && name != KeeperEnv {
			t.Errorf("the keeper has %q in its environment", v)
		}
	}

	config.Version = "2"
	second, err := h.EnsureKeeper(t.Context(), config)
	if err != nil || second == 0 {
		t.Fatalf("other settings: pid %d, %v; want another keeper", second, err)
	}
	<-reaped
	reaped = make(chan struct{})
	go func() { defer close(reaped); reap(second) }()
	if other := status(t, h, second); other.Version != "2" || other.Fingerprint == st.Fingerprint {
		t.Errorf("status %+v; want another version and fingerprint", other)
	}

	if was, err := h.StopKeeper(t.Context(), "bare"); err != nil || !was {
		t.Errorf("stop: %v, %v; want that there was one", was, err)
	}
	<-reaped
	if was, err := h.StopKeeper(t.Context(), "bare"); err != nil || was {
		t.Errorf("stop again: %v, %v; want that there was none", was, err)
	}
	// A keeper that was killed leaves its socket; it is nobody's.
	third, err := h.EnsureKeeper(t.Context(), config)
	if err != nil || third == 0 {
		t.Fatalf("after a stop: pid %d, %v", third, err)
	}
	status(t, h, third)
	if err := syscall.Kill(third, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	reap(third)
	fourth, err := h.EnsureKeeper(t.Context(), config)
	if err != nil || fourth == 0 {
		t.Fatalf("after a kill: pid %d, %v", fourth, err)
	}
	reaped = make(chan struct{})
	go func() { defer close(reaped); reap(fourth) }()
	status(t, h, fourth)
}

// From the moment that one is started there is one: who comes then finds it,
// though it does not answer yet, and who ends it ends it.
func TestKeeperThatIsJustStarting(t *testing.T) {
	t.Parallel() // beside those that wait
	needRoot(t)
	h := prepared(t)
	config := keeper.Config{Version: "1", DataDir: h.DataDir, StateDir: h.StateDir, Runtime: "bare", ServerUID: serverUID, GatewayUID: gatewayUID, Gateway: []byte("{}")}
	for range 3 {
		first, err := h.EnsureKeeper(t.Context(), config)
		if err != nil || first == 0 {
			t.Fatalf("the first: pid %d, %v", first, err)
		}
		reaped := make(chan struct{})
		go func() { defer close(reaped); reap(first) }()
		if second, err := h.EnsureKeeper(t.Context(), config); err != nil || second != 0 {
			t.Errorf("the second: pid %d, %v; want the first to be found", second, err)
		}
		if was, err := h.StopKeeper(t.Context(), "bare"); err != nil || !was {
			t.Errorf("stop: %v, %v", was, err)
		}
		<-reaped
		first, err = h.EnsureKeeper(t.Context(), config)
		if err != nil || first == 0 {
			t.Fatalf("after the end: pid %d, %v", first, err)
		}
		reaped = make(chan struct{})
		go func() { defer close(reaped); reap(first) }()
		if was, err := h.StopKeeper(t.Context(), "bare"); err != nil || !was {
			t.Errorf("stop at once: %v, %v", was, err)
		}
		<-reaped
	}
	// One that hangs is not doubled.
	lock, err := keeper.TryLock(h.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	tired, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if pid, err := h.EnsureKeeper(tired, config); err == nil || pid != 0 || !strings.Contains(err.Error(), "keeper.log") {
		t.Errorf("beside one that hangs: pid %d, %v; want an error that says where to look", pid, err)
	}
	if _, err := h.StopKeeper(tired, "bare"); err == nil {
		t.Error("one that hangs was ended, it is said")
	}
}

// A server that lost its keeper gets another, which it has not to be started again for.
func TestReviveKeeper(t *testing.T) {
	needRoot(t)
	h := prepared(t)
	config := keeper.Config{Version: "1", DataDir: h.DataDir, StateDir: h.StateDir, Runtime: "bare", ServerUID: serverUID, GatewayUID: gatewayUID, Gateway: []byte("{}")}
	if server, err := h.ReviveKeeper(t.Context(), config); err != nil || server != 0 {
		t.Fatalf("without a server: %d, %v; want nothing", server, err)
	}
	running := holding(t, h, "hold")
	server, err := h.ReviveKeeper(t.Context(), config)
	if err != nil || server != running.Process.Pid {
		t.Fatalf("got %d, %v; want the server %d", server, err, running.Process.Pid)
	}
	c := keeper.NewClient(h.StateDir, "bare")
	defer c.Close()
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.ReviveKeeper(t.Context(), config); err != nil || again != 0 {
		t.Errorf("where one is: %d, %v; want nothing", again, err)
	}
	// With the same settings it is the one that the next start wants.
	if pid, err := h.EnsureKeeper(t.Context(), config); err != nil || pid != 0 {
		t.Errorf("the next start: another keeper, %d, %v", pid, err)
	}
	if was, err := h.StopKeeper(t.Context(), "bare"); err != nil || !was {
		t.Errorf("stop: %v, %v", was, err)
	}
	reap(st.PID)
}

func reap(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

func TestFindClaude(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "bin", "carrel")
	t.Setenv("PATH", filepath.Join(dir, "path"))
	for _, d := range []string{"bin", "path"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(path, content string) string {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := func(what, configured, want string) {
		t.Helper()
		if got := FindClaude(configured, program); got != want {
			t.Errorf("%s: found %q; want %q", what, got, want)
		}
	}
	if _, err := os.Stat("/opt/carrel/claude"); err != nil {
		want("nothing there", "", "")
	}
	want("what is configured is taken as it is", "/not/there", "/not/there")
	inPath := put(filepath.Join(dir, "path", "claude"), "#!/bin/sh\n")
	want("a script in PATH would not run inside", "", "")
	put(inPath, "\x7fELF and more")
	want("a native one in PATH", "", inPath)
	beside := filepath.Join(dir, "bin", "claude")
	if err := os.Symlink(inPath+"-1.2.3", beside); err != nil {
		t.Fatal(err)
	}
	want("a link to nothing beside the program", "", inPath)
	put(inPath+"-1.2.3", "\x7fELF")
	want("a link beside the program is followed, for what is shown inside", "", inPath+"-1.2.3")
	for what, path := range map[string]string{"": "", "a native one": inPath, "a link to one": beside} {
		if err := CheckClaude(path); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	closed := put(filepath.Join(dir, "closed"), "\x7fELF")
	if err := os.Chmod(closed, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, said := range map[string]string{"/not/there": "no such file", dir: "not a file", closed: "not executable", put(filepath.Join(dir, "script"), "#!/bin/sh\n"): "not a native program"} {
		if err := CheckClaude(path); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v; want %q", path, err, said)
		}
	}
	put(inPath+"-1.2.3", "\x7fE")
	want("a file too short", "", inPath)
}
