package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
)

func (h House) lockPath() string { return filepath.Join(h.DataDir, "server.lock") }

var wholeFile = unix.Flock_t{Type: unix.F_WRLCK}

// Lock makes this process the only server of the data folder, which is made when
// it is missing. It comes before Prepare, which would change the folders under a
// server that runs. One that is just ending is waited for. The descriptor is
// meant to stay open, across an exec too: the lock is the process's, and `carrel
// stop` learns the pid from it.
func (h House) Lock() (fd int, err error) {
	if err := os.MkdirAll(h.DataDir, 0o755); err != nil {
		return 0, fmt.Errorf("make data folder: %w", err)
	}
	// Not an os.File: its finaliser would close the descriptor, and the lock with it.
	fd, err = unix.Open(h.lockPath(), unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open server's lock: %w", err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		l := wholeFile
		err := unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &l)
		if err == nil {
			return fd, nil
		}
		if time.Now().After(deadline) {
			pid, _ := h.ServerPID() // 0 when it went in between
			_ = unix.Close(fd)
			return 0, fault.New(fault.Conflict, "Carrel runs on %s already (pid %d). `carrel stop` ends it.", h.DataDir, pid)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ServerPID is the pid of the server of the data folder, 0 when there is none.
// Closing the file would give up a lock of this process's own: it must not be
// called by the server.
func (h House) ServerPID() (int, error) {
	fd, err := unix.Open(h.lockPath(), unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("open server's lock: %w", err)
	}
	defer unix.Close(fd)
	l := wholeFile
	if err := unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &l); err != nil {
		return 0, fmt.Errorf("look at server's lock: %w", err)
	}
	if l.Type == unix.F_UNLCK {
		return 0, nil
	}
	if l.Pid <= 0 {
		return 0, errors.New("the server's lock is held by a process that the kernel does not name, as one of another container")
	}
	return int(l.Pid), nil
}

// StopServer ends the server of the data folder, with force when it does not
// end by itself. It tells whether there was one.
func (h House) StopServer(ctx context.Context) (bool, error) {
	pid, err := h.ServerPID()
	if err != nil || pid == 0 {
		return false, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return true, nil //nolint:nilerr // it has gone
	}
	defer unix.Close(fd)
	// The pid may have become another's before it was opened; from here on it is this one.
	if again, err := h.ServerPID(); err != nil || again != pid {
		return true, err
	}
	for _, attempt := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, 10 * time.Second}, {unix.SIGKILL, 5 * time.Second}} {
		if err := unix.PidfdSendSignal(fd, attempt.signal, nil, 0); err != nil {
			if errors.Is(err, unix.ESRCH) {
				return true, nil
			}
			return true, fmt.Errorf("end server (pid %d): %w", pid, err)
		}
		deadline := time.Now().Add(attempt.wait)
		for time.Now().Before(deadline) && ctx.Err() == nil {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
			if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
				return true, nil
			}
		}
		if ctx.Err() != nil {
			return true, fmt.Errorf("wait for the server's end (pid %d): %w", pid, ctx.Err())
		}
	}
	return true, fmt.Errorf("the server (pid %d) does not end", pid)
}
