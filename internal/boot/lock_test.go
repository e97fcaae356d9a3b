package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
)

func TestNoServer(t *testing.T) {
	h := house(t)
	if pid, err := h.ServerPID(); err != nil || pid != 0 {
		t.Errorf("where there is no folder: pid %d, %v; want 0", pid, err)
	}
	if was, err := h.StopServer(t.Context()); err != nil || was {
		t.Errorf("stop: %v, %v; want that there was none", was, err)
	}
	if was, err := h.StopKeeper(t.Context(), "bare"); err != nil || was {
		t.Errorf("stop the keeper: %v, %v; want that there was none", was, err)
	}
	fd, err := h.Lock() // makes the folder
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
	if pid, err := h.ServerPID(); err != nil || pid != 0 {
		t.Errorf("after the lock was let go: pid %d, %v; want 0", pid, err)
	}
}

func TestOneServerOfAFolder(t *testing.T) {
	t.Parallel() // it waits 5 s for the first to end
	h := house(t)
	first := holding(t, h, "hold")
	if pid, err := h.ServerPID(); err != nil || pid != first.Process.Pid {
		t.Errorf("pid %d, %v; want %d", pid, err, first.Process.Pid)
	}
	start := time.Now()
	_, err := h.Lock()
	if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", first.Process.Pid)) || !strings.Contains(err.Error(), "carrel stop") {
		t.Errorf("a second server: %v; want a conflict that names the first and the way out", err)
	}
	if took := time.Since(start); took < 4*time.Second || took > 8*time.Second {
		t.Errorf("one that is ending would have been waited for %s; want about 5 s", took)
	}
	if running, err := h.ServerPID(); err != nil || running != first.Process.Pid {
		t.Errorf("the first lost its lock to the try: %d, %v", running, err)
	}
	// Of two tries, one gets it when the first has ended.
	got := make(chan error, 1)
	go func() {
		fd, err := h.Lock()
		if err == nil {
			err = unix.Close(fd)
		}
		got <- err
	}()
	if was, err := h.StopServer(t.Context()); err != nil || !was {
		t.Errorf("stop: %v, %v; want that there was one", was, err)
	}
	if err := <-got; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
}

func TestStopServerWaitsForTheEnd(t *testing.T) {
	h := house(t)
	first := holding(t, h, "hold")
	if was, err := h.StopServer(t.Context()); err != nil || !was {
		t.Fatalf("stop: %v, %v", was, err)
	}
	if err := first.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("it ended by %v; want SIGTERM", err)
	}
	if was, err := h.StopServer(t.Context()); err != nil || was {
		t.Errorf("stop again: %v, %v; want that there was none", was, err)
	}
}

func TestStopServerUsesForce(t *testing.T) {
	t.Parallel() // it waits 10 s before the force
	h := house(t)
	first := holding(t, h, "clutch")
	if was, err := h.StopServer(t.Context()); err != nil || !was {
		t.Fatalf("stop: %v, %v", was, err)
	}
	if err := first.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended by %v; want SIGKILL", err)
	}
}

func TestStopServerHasADeadline(t *testing.T) {
	h := house(t)
	first := holding(t, h, "clutch")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := h.StopServer(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v; want that the time is over", err)
	}
	if pid, err := h.ServerPID(); err != nil || pid != first.Process.Pid {
		t.Errorf("pid %d, %v; want the server, which nobody had the time to force", pid, err)
	}
}

func TestLockIsNoLink(t *testing.T) {
	h := house(t)
	victim := filepath.Join(filepath.Dir(h.DataDir), "victim")
	if err := os.MkdirAll(h.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(h.DataDir, "server.lock")); err != nil {
		t.Fatal(err)
	}
	if fd, err := h.Lock(); err == nil {
		_ = unix.Close(fd)
		t.Error("a link was followed")
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("a file was made where the link leads to")
	}
	if _, err := h.StopServer(t.Context()); err == nil {
		t.Error("stop followed the link")
	}
}

// A server that was broken into has the lock's descriptor. Whatever it does
// with it, no process of another's is ended for it.
func TestLockOfAnotherKindNamesNobody(t *testing.T) {
	h := house(t)
	fd, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	unlock := unix.Flock_t{Type: unix.F_UNLCK}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &unlock); err != nil {
		t.Fatal(err)
	}
	// The lock of an open file has no process: the kernel says pid -1.
	l := wholeFile
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l); err != nil {
		t.Fatal(err)
	}
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGTERM)
	defer signal.Stop(heard)
	if _, err := h.StopServer(t.Context()); err == nil {
		t.Error("stop says that it ended a server that it could not find")
	}
	select {
	case sig := <-heard:
		t.Errorf("this process got %s", sig)
	default:
	}
}
