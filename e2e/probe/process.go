package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	ops["see"] = see
	ops["enter"] = enter
	ops["signals"] = signals
	ops["capabilities"] = capabilities
	ops["set-uid"] = setUID
	ops["become"] = become
}

// see looks for a process whose command line or environment has a text.
func see(args []string) (string, error) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		for _, name := range []string{"cmdline", "environ"} {
			if b, err := os.ReadFile(filepath.Join(d, name)); err == nil && bytes.Contains(b, []byte(args[0])) {
				return d + "/" + name, nil
			}
		}
	}
	return "", refused{fmt.Sprintf("none of %d processes", len(dirs))}
}

// target is a process by its number, which must have a text in its command
// line: the number may be another's inside.
func target(args []string) (int, error) {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return 0, err
	}
	b, err := os.ReadFile("/proc/" + args[0] + "/cmdline")
	if err != nil {
		return pid, refusedBy(err)
	}
	if !bytes.Contains(b, []byte(args[1])) {
		return pid, refused{args[0] + " is another process here"}
	}
	return pid, nil
}

// enter wants something of another process: its number, a text of its command
// line, and what.
func enter(args []string) (string, error) {
	pid, err := target(args)
	if err != nil {
		return "", err
	}
	dir := "/proc/" + args[0] + "/"
	switch args[2] {
	case "environ", "maps", "auxv", "fd", "map_files", "root", "cwd", "io", "syscall", "stack":
		path := dir + args[2]
		if args[2] == "root" || args[2] == "cwd" {
			path += "/" // through the link
		}
		return read(path)
	case "mem":
		return readMemory(dir)
	case "write-mem":
		return openForWriting(dir + "mem")
	case "exe":
		if _, err := os.Readlink(dir + "exe"); err != nil {
			return "", refusedBy(err)
		}
		return "exe", nil
	case "ptrace":
		if _, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0); errno != 0 {
			return "", refusedBy(errno)
		}
		return "attached", nil // and let go at the end of this process
	case "attach":
		if err := syscall.PtraceAttach(pid); err != nil {
			return "", refusedBy(err)
		}
		var s syscall.WaitStatus
		_, err := syscall.Wait4(pid, &s, syscall.WALL, nil)
		return "attached", errors.Join(err, syscall.PtraceDetach(pid))
	case "vm":
		return readByCall(pid, dir)
	case "steal":
		return stealDescriptor(pid)
	case "oom":
		return openForWriting(dir + "oom_score_adj")
	case "limit":
		var old unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
			return "", refusedBy(err)
		}
		return fmt.Sprint(old), nil
	}
	return "", fmt.Errorf("no %q of a process", args[2])
}

// firstMapping is the first address that a process has memory at.
func firstMapping(dir string) (uintptr, error) {
	b, err := os.ReadFile(dir + "maps")
	if err != nil {
		return 0, refusedBy(err)
	}
	from, _, _ := strings.Cut(string(b), "-")
	address, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return 0, refused{"no maps"}
	}
	return uintptr(address), nil
}

func readMemory(dir string) (string, error) {
	f, err := os.Open(dir + "mem")
	if err != nil {
		return "", refusedBy(err)
	}
	defer f.Close()
	address, err := firstMapping(dir)
	if err != nil {
		return "", err
	}
	b := make([]byte, 16)
	if _, err := f.ReadAt(b, int64(address)); err != nil {
		return "", refusedBy(err)
	}
	return fmt.Sprintf("memory %x", b), nil
}

func readByCall(pid int, dir string) (string, error) {
	address, err := firstMapping(dir)
	if err != nil {
		address = 0x400000 // where programs of a fixed address begin
	}
	b := make([]byte, 16)
	local := []unix.Iovec{{Base: &b[0], Len: 16}}
	_, err = unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: address, Len: 16}}, 0)
	if err != nil {
		return "", refusedBy(err)
	}
	return fmt.Sprintf("memory %x", b), nil
}

func stealDescriptor(pid int) (string, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return "", refusedBy(err)
	}
	for n := range 16 {
		if _, err = unix.PidfdGetfd(fd, n, 0); err == nil {
			return fmt.Sprintf("has its descriptor %d", n), nil
		}
	}
	return "", refusedBy(err)
}

// signals sends each of the signals to a process, in every way there is.
func signals(args []string) (string, error) {
	pid, err := target(args)
	if err != nil {
		return "", err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return "", refusedBy(err)
	}
	var got []string
	var last error
	for _, arg := range args[2:] {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return "", err
		}
		info := make([]byte, 128) // a siginfo of SI_QUEUE
		info[0], info[8] = byte(n), 0xff
		for i := 9; i < 12; i++ {
			info[i] = 0xff
		}
		_, _, queued := syscall.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(n), uintptr(unsafe.Pointer(&info[0])))
		for way, err := range map[string]error{
			"kill": syscall.Kill(pid, syscall.Signal(n)), "tgkill": unix.Tgkill(pid, pid, syscall.Signal(n)),
			"pidfd": unix.PidfdSendSignal(fd, syscall.Signal(n), nil, 0), "queue": orNil(queued),
		} {
			if err == nil {
				got = append(got, way+" "+arg)
			} else {
				last = err
			}
		}
	}
	if len(got) == 0 {
		return "", refusedBy(last)
	}
	return strings.Join(got, ", "), nil
}

func orNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// capabilities wants any, in the sets that count.
func capabilities([]string) (string, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	var have []string
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "CapInh", "CapPrm", "CapEff", "CapAmb":
			if strings.Trim(value, "0") != "" {
				have = append(have, name+" "+value)
			}
		case "NoNewPrivs":
			if value != "1" {
				have = append(have, "new privileges by set-uid programs")
			}
		}
	}
	if have == nil {
		return "", refused{"no capability in any set"}
	}
	return strings.Join(have, ", "), nil
}

// setUID runs a copy of this program that belongs to root and is set-uid.
func setUID(args []string) (string, error) {
	out, err := output(args[0], "effective-uid")
	if err != nil {
		return "", refusedBy(err)
	}
	if out == strconv.Itoa(os.Getuid()) {
		return "", refused{"it runs as " + out}
	}
	return "it runs as " + out, nil
}

// become changes ids of this thread.
func become(args []string) (string, error) {
	var errno syscall.Errno
	zero := [1]uint32{0}
	switch args[0] {
	case "setuid":
		_, _, errno = syscall.RawSyscall(syscall.SYS_SETUID, 0, 0, 0)
	case "setresuid":
		_, _, errno = syscall.RawSyscall(syscall.SYS_SETRESUID, 0, 0, 0)
	case "setgid":
		_, _, errno = syscall.RawSyscall(syscall.SYS_SETGID, 0, 0, 0)
	case "setresgid":
		_, _, errno = syscall.RawSyscall(syscall.SYS_SETRESGID, 0, 0, 0)
	case "no-groups": // leaves the group that marks the process's tree
		_, _, errno = syscall.RawSyscall(syscall.SYS_SETGROUPS, 0, 0, 0)
	case "root-group":
		_, _, errno = syscall.RawSyscall(syscall.SYS_SETGROUPS, 1, uintptr(unsafe.Pointer(&zero[0])), 0)
	case "setfsuid":
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0) // it tells the uid before, not success
		if now, _, _ := syscall.RawSyscall(syscall.SYS_SETFSUID, ^uintptr(0), 0, 0); now != 0 {
			errno = syscall.EPERM
		}
	case "capset":
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		all := [2]unix.CapUserData{{Effective: 1 << unix.CAP_SYS_ADMIN, Permitted: 1 << unix.CAP_SYS_ADMIN}}
		if err := unix.Capset(&header, &all[0]); err != nil {
			return "", refusedBy(err)
		}
	default:
		return "", fmt.Errorf("no way %q to become root", args[0])
	}
	return gate(args[0], errno)
}
