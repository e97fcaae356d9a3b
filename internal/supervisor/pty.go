package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/supervisor/process"
)

// openPTY makes a pseudo-terminal. It is opened as the person, so that its device is theirs: a program inside that
// opens its terminal by name (tmux, ssh) would else be refused. (creack/pty makes the master blocking, and then
// closing it wakes no reader; it also needs the path of the device.)
func openPTY(uid int, cols, rows uint16) (master, tty *os.File, err error) {
	err = process.AsPerson(uid, func() error {
		// Non-blocking from the start, so that the runtime's poller takes it and Close ends a Read.
		fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open /dev/ptmx: %w", err)
		}
		master = os.NewFile(uintptr(fd), "ptmx")
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return fmt.Errorf("unlock terminal: %w", err)
		}
		peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno != 0 {
			return fmt.Errorf("open the terminal's device: %w", errno)
		}
		tty = os.NewFile(peer, "tty")
		return nil
	})
	if err == nil {
		err = resizePTY(master, cols, rows)
	}
	if err != nil {
		if master != nil {
			master.Close()
		}
		if tty != nil {
			tty.Close()
		}
		return nil, nil, fmt.Errorf("open terminal: %w", err)
	}
	return master, tty, nil
}

// resizePTY tells the terminal its size, and its programs by SIGWINCH.
func resizePTY(master *os.File, cols, rows uint16) error {
	raw, err := master.SyscallConn()
	if err != nil {
		return err
	}
	var ioctlErr error
	err = raw.Control(func(fd uintptr) {
		ioctlErr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: cols, Row: rows})
	})
	if err == nil {
		err = ioctlErr
	}
	return err
}

// foreground is the name of the program that has a terminal, or "" when that is the one it was opened with. The name is
// the program's own word.
func foreground(master *os.File, opened int) string {
	raw, err := master.SyscallConn()
	if err != nil {
		return ""
	}
	group := 0
	if err := raw.Control(func(fd uintptr) { group, _ = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) }); err != nil || group <= 0 || group == opened {
		return ""
	}
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(group) + "/comm")
	if err != nil {
		return "?" // the first of a pipeline may be gone before the others
	}
	return string(bytes.ToValidUTF8(bytes.TrimSpace(comm), []byte("?")))
}
