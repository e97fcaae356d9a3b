package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenFor makes a unix socket that serves only the given users. The kernel
// says who is calling (SO_PEERCRED), so the socket's mode may be wide.
func listenFor(path string, uids []int, log *slog.Logger) (*peerListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the socket of an earlier gateway: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(fmt.Errorf("open socket to its callers: %w", err), l.Close())
	}
	return &peerListener{UnixListener: l, uids: uids, log: log}, nil
}

type peerListener struct {
	*net.UnixListener
	uids []int
	log  *slog.Logger
}

func (l *peerListener) AcceptUnix() (*net.UnixConn, error) {
	for {
		c, err := l.UnixListener.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && slices.Contains(l.uids, uid) {
			return c, nil
		}
		l.log.Warn("refused a caller", "uid", uid, "error", err)
		_ = c.Close()
	}
}

// Accept is AcceptUnix for net/http.
func (l *peerListener) Accept() (net.Conn, error) { return l.AcceptUnix() }

func peerUID(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	uid := -1
	var inner error
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); inner == nil {
			uid = int(cred.Uid)
		}
	})
	return uid, errors.Join(err, inner)
}
