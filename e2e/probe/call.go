package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	ops["call"] = call
	ops["handle"] = openByHandle
	ops["terminal"] = terminalRequest
	ops["int80"] = func([]string) (string, error) { return onThread(throughInt80) }
	ops["x32"] = func([]string) (string, error) { return onThread(throughX32) }
}

// call makes one system call with arguments that do no harm where it is
// allowed: mostly ones that the kernel finds wrong after it has looked at them.
var kept [][]byte // what the kernel is given the address of

func call(args []string) (string, error) {
	zeros := make([]byte, 256)
	kept = append(kept, zeros)
	nothing := uintptr(unsafe.Pointer(&zeros[0]))
	text := func(s string) uintptr {
		b := append([]byte(s), 0)
		kept = append(kept, b)
		return uintptr(unsafe.Pointer(&b[0]))
	}
	none := ^uintptr(0)
	calls := map[string][]uintptr{
		"bpf":               {unix.SYS_BPF, 0, nothing, 72},
		"perf_event_open":   {unix.SYS_PERF_EVENT_OPEN, nothing, 0, none, none, 0},
		"userfaultfd":       {unix.SYS_USERFAULTFD, 0},
		"io_uring_setup":    {unix.SYS_IO_URING_SETUP, 1, nothing},
		"io_uring_enter":    {unix.SYS_IO_URING_ENTER, none},
		"io_uring_register": {unix.SYS_IO_URING_REGISTER, none},
		"keyctl":            {unix.SYS_KEYCTL, 0, ^uintptr(2), 0},
		"add_key":           {unix.SYS_ADD_KEY, text("user"), text("probe"), nothing, 1, ^uintptr(1)},
		"request_key":       {unix.SYS_REQUEST_KEY, text("user"), text("no such key"), 0, 0},
		"kexec_load":        {unix.SYS_KEXEC_LOAD, 0, 0, 0, 0xffff},
		"kexec_file_load":   {unix.SYS_KEXEC_FILE_LOAD, none, none, 0, 0, 0xffff},
		"init_module":       {unix.SYS_INIT_MODULE, nothing, 0, nothing},
		"finit_module":      {unix.SYS_FINIT_MODULE, none, nothing, 0},
		"delete_module":     {unix.SYS_DELETE_MODULE, text("no_such_module"), unix.O_NONBLOCK},
		"vmsplice":          {unix.SYS_VMSPLICE, none},
		"swapon":            {unix.SYS_SWAPON, text("/no/such/file"), 0},
		"swapoff":           {unix.SYS_SWAPOFF, text("/no/such/file")},
		"reboot":            {unix.SYS_REBOOT, 0, 0, 0, 0}, // without its magic numbers
		"acct":              {unix.SYS_ACCT, text("/no/such/file")},
		"quotactl":          {unix.SYS_QUOTACTL, 0x80000100, text("/no/such/device"), 0, nothing}, // Q_SYNC
		"syslog":            {unix.SYS_SYSLOG, 3, nothing, 64},
		"fanotify_init":     {unix.SYS_FANOTIFY_INIT, 0, 0},
		"settimeofday":      {unix.SYS_SETTIMEOFDAY, 1, 0}, // an address that is not there
		"sethostname":       {unix.SYS_SETHOSTNAME, nothing, none},
		"personality":       {unix.SYS_PERSONALITY, 0x0400000},           // READ_IMPLIES_EXEC
		"landlock":          {unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1}, // which is allowed
	}
	for name, a := range archCalls(nothing) {
		calls[name] = a
	}
	a, ok := calls[args[0]]
	if !ok {
		return "", fmt.Errorf("no call %q", args[0])
	}
	for len(a) < 7 {
		a = append(a, 0)
	}
	_, _, errno := syscall.RawSyscall6(a[0], a[1], a[2], a[3], a[4], a[5], a[6])
	return gate(args[0], errno)
}

// openByHandle opens a file by its number, past every folder's mode: the way
// out of a container that the right to read everything once was.
func openByHandle(args []string) (string, error) {
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, args[0], 0)
	if err != nil {
		// It is asked for all the same, with a handle of nothing.
		h = unix.NewFileHandle(1, make([]byte, 8))
	}
	dir, err := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	fd, err := unix.OpenByHandleAt(dir, h, unix.O_RDONLY)
	if err == nil {
		return "opened by its handle", unix.Close(fd)
	}
	return done("open_by_handle_at", err)
}

// terminalRequest opens a terminal of its own, makes it the controlling one,
// and asks it for something: the number goes to the kernel as it is.
func terminalRequest(args []string) (string, error) {
	var request uint64
	if _, err := fmt.Sscanf(args[0], "0x%x", &request); err != nil {
		return "", err
	}
	signal.Ignore(syscall.SIGHUP) // which comes with the terminal's end
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return "", err
	}
	tty, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if errno != 0 {
		return "", errno
	}
	if _, err := unix.Setsid(); err != nil && !errors.Is(err, unix.EPERM) {
		return "", err
	}
	if err := unix.IoctlSetInt(int(tty), unix.TIOCSCTTY, 0); err != nil {
		return "", err
	}
	letter := [1]byte{'x'}
	_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, tty, uintptr(request), uintptr(unsafe.Pointer(&letter[0])))
	return gate(args[0], errno)
}

// onThread tries on a thread that may be killed alone, which leaves the process
// as it is: a filter of system calls may do so.
func onThread(f func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	tid, answered := make(chan int, 1), make(chan answer, 1)
	go func() {
		runtime.LockOSThread()
		tid <- syscall.Gettid()
		text, err := f()
		answered <- answer{text, err}
	}()
	status := fmt.Sprintf("/proc/self/task/%d/status", <-tid)
	for {
		select {
		case a := <-answered:
			return a.text, a.err
		case <-time.After(10 * time.Millisecond):
		}
		if b, err := os.ReadFile(status); err != nil || bytes.Contains(b, []byte("State:\tZ")) {
			return "", refused{"the thread was killed"}
		}
	}
}
