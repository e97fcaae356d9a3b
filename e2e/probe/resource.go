package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Programs that take all they can of one thing, up to a bound that is beyond
// the limit, print how much that was, and give it back.
func init() {
	for name, f := range map[string]func(args []string) (int, error){
		"take-bytes": takeBytes, "take-inodes": takeInodes, "take-processes": takeProcesses, "take-memory": takeMemory,
		"take-descriptors": takeDescriptors, "take-connections": takeConnections,
	} {
		programs[name] = func(args []string) error {
			n, err := f(args)
			took := map[string]any{"took": n, "end": "the bound"}
			if err != nil {
				took["end"] = err.Error()
			}
			return json.NewEncoder(os.Stdout).Encode(took)
		}
	}
	programs["fork-bomb"] = forkBomb
	programs["orphans"] = orphans
	programs["flood"] = flood
}

func bound(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return n
}

// takeBytes fills a folder's disk: folder, bound, and how.
func takeBytes(args []string) (took int, err error) {
	most := bound(args[1])
	path := filepath.Join(args[0], ".fill")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	// The file goes in the end, and its descriptor with this process.
	defer func() { err = errors.Join(err, ignoreNotThere(os.Remove(path))) }()
	const step = 1 << 20
	switch args[2] {
	case "write":
	case "unlinked": // no name, so that nothing that looks at names can count it
		if err := os.Remove(path); err != nil {
			return 0, err
		}
	case "allocate":
		for took < most {
			if err := unix.Fallocate(int(f.Fd()), 0, int64(took), step); err != nil {
				return took, err
			}
			took += step
		}
		return took, nil
	case "sparse": // far beyond the limit first, then filled
		if err := f.Truncate(1 << 40); err != nil {
			return 0, err
		}
		return 1 << 40, nil
	case "map": // by writing to memory
		return takeMapped(f, most)
	default:
		return 0, fmt.Errorf("no way %q to fill a disk", args[2])
	}
	b := make([]byte, step)
	for i := range b {
		b[i] = byte(i * 7)
	}
	for took < most {
		n, err := f.Write(b)
		took += n
		if err != nil {
			return took, err
		}
	}
	return took, f.Sync()
}

// takeMapped fills files of 4 MiB by mapping them: a full disk is a SIGBUS
// then, which ends the child that writes.
func takeMapped(f *os.File, most int) (int, error) {
	const size = 4 << 20
	dir, took := filepath.Dir(f.Name()), 0
	defer func() {
		for i := 0; i <= took/size; i++ {
			_ = os.Remove(filepath.Join(dir, ".fill-"+strconv.Itoa(i))) // the last may not be there
		}
	}()
	for took < most {
		path := filepath.Join(dir, ".fill-"+strconv.Itoa(took/size))
		if out, err := exec.Command("/proc/self/exe", "write-map", path, strconv.Itoa(size)).CombinedOutput(); err != nil {
			return took, fmt.Errorf("%w %.100s", err, out)
		}
		took += size
	}
	return took, nil
}

func init() {
	programs["write-map"] = func(args []string) error {
		f, err := os.OpenFile(args[0], os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		size := bound(args[1])
		if err := f.Truncate(int64(size)); err != nil {
			return err
		}
		b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		for i := 0; i < size; i += 4096 {
			b[i] = 1
		}
		return unix.Msync(b, unix.MS_SYNC)
	}
}

func ignoreNotThere(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// takeInodes makes empty files: folder, bound.
func takeInodes(args []string) (took int, err error) {
	dir := filepath.Join(args[0], ".inodes")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for most := bound(args[1]); took < most; took++ {
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(took)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return took, err
		}
		f.Close()
	}
	return took, nil
}

// takeProcesses forks children that wait: bound, how long to hold them.
func takeProcesses(args []string) (took int, err error) {
	needNoThread()
	var children []int
	defer func() {
		// To the very limit, and again when somebody else has ended meanwhile.
		for end := time.Now().Add(time.Duration(bound(args[1])) * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if pid := forkWaiting(); err != nil && pid > 0 {
				children = append(children, pid)
			}
		}
		for _, pid := range children {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
	}()
	for most := bound(args[0]); took < most; took++ {
		pid := forkWaiting()
		if pid <= 0 {
			return took, syscall.Errno(-pid)
		}
		children = append(children, pid)
	}
	return took, nil
}

// forkWaiting forks a child that does nothing; a negative answer is the error.
func forkWaiting() int {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	if pid == 0 {
		for {
			_, _, _ = syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
	}
	return int(pid)
}

// takeMemory touches pages: bound.
func takeMemory(args []string) (took int, err error) {
	const step = 4 << 20
	for most := bound(args[0]); took < most; took += step {
		b, err := unix.Mmap(-1, 0, step, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return took, err
		}
		for i := 0; i < step; i += 4096 {
			b[i] = 1
		}
	}
	return took, nil
}

// takeDescriptors opens files: bound, how long to hold them.
func takeDescriptors(args []string) (took int, err error) {
	for most := bound(args[0]); took < most; took++ {
		if _, err = unix.Open("/dev/null", unix.O_RDONLY, 0); err != nil {
			break
		}
	}
	time.Sleep(time.Duration(bound(args[1])) * time.Millisecond)
	return took, err
}

// takeConnections connects to a unix socket, or to a port, and sends a request
// that never ends, a byte at a time on each: where, bound, how long. In the end
// it says how many the other side has cut.
func takeConnections(args []string) (took int, err error) {
	signal.Ignore(syscall.SIGPIPE)
	begin := []byte("POST /v1/messages HTTP/1.1\r\nHost: a\r\nX-Slow: ")
	end := time.Now().Add(time.Duration(bound(args[2])) * time.Millisecond)
	var open []int
	for most := bound(args[1]); took < most && time.Now().Before(end); took++ {
		fd, e := connect(args[0])
		if e != nil { // the backlog is full
			err = e
			break
		}
		_, _ = unix.Write(fd, begin) // it may be cut by now
		open = append(open, fd)
	}
	cut := 0
	if err == nil {
		err = errors.New("none")
	}
	for time.Now().Before(end) {
		cut = 0
		for _, fd := range open {
			if _, err := unix.Write(fd, []byte("a")); errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
				cut++
			}
		}
		time.Sleep(time.Second)
	}
	return took, fmt.Errorf("cut %d, last: %w", cut, err)
}

func connect(where string) (int, error) {
	var to unix.Sockaddr = &unix.SockaddrUnix{Name: where}
	family := unix.AF_UNIX
	if _, port, ok := strings.Cut(where, ":"); ok {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: bound(port), Addr: [4]byte{127, 0, 0, 1}}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// needNoThread is for programs that take every process there is: the runtime
// ends whoever needs a thread and gets none. On one processor, and not bound to
// its thread, a program needs no other while it computes.
func needNoThread() {
	runtime.UnlockOSThread()
	runtime.GOMAXPROCS(1)
}

// forkBomb doubles until it is ended, or for as long as it is told to.
func forkBomb(args []string) error {
	needNoThread()
	end := time.Now().Add(time.Duration(bound(args[0])) * time.Millisecond)
	for time.Now().Before(end) {
		// A child goes on as its parent does.
		_, _, _ = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	}
	return nil
}

// orphans forks children that fork a child each and end, which leaves the
// grandchildren to the first process; then children that are never waited for.
func orphans(args []string) error {
	needNoThread()
	n := bound(args[0])
	for done := 0; done < n; {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if errno == syscall.EAGAIN { // the limit: the reaper is behind
			time.Sleep(time.Millisecond)
			continue
		}
		if errno != 0 {
			return errno
		}
		if pid == 0 {
			_, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
			_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, uintptr(errno), 0, 0)
		}
		var s syscall.WaitStatus
		if _, err := syscall.Wait4(int(pid), &s, 0, nil); err != nil {
			return err
		}
		if s.ExitStatus() == 0 {
			done++
		}
	}
	for range n {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			break
		}
		if pid == 0 {
			_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	fmt.Println("left", n)
	return nil
}

// flood writes bytes without a line's end: how many.
func flood(args []string) error {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = 'x'
	}
	for n := bound(args[0]); n > 0; n -= len(b) {
		if _, err := os.Stdout.Write(b); err != nil {
			return err
		}
	}
	return nil
}
