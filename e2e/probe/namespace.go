package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	ops["unshare"] = func(args []string) (string, error) {
		n, err := flags(args[0])
		if err != nil {
			return "", err
		}
		_, _, errno := syscall.RawSyscall(syscall.SYS_UNSHARE, n, 0, 0)
		return gate("unshare", errno)
	}
	ops["clone"] = clone
	ops["clone3"] = clone3
	ops["setns"] = setns
	ops["mount"] = mount
}

var namespaceFlags = map[string]uintptr{
	"user": unix.CLONE_NEWUSER, "mnt": unix.CLONE_NEWNS, "pid": unix.CLONE_NEWPID, "net": unix.CLONE_NEWNET,
	"ipc": unix.CLONE_NEWIPC, "uts": unix.CLONE_NEWUTS, "cgroup": unix.CLONE_NEWCGROUP, "time": unix.CLONE_NEWTIME,
}

func flags(names string) (uintptr, error) {
	var n uintptr
	for name := range strings.SplitSeq(names, "+") {
		f, ok := namespaceFlags[name]
		if !ok {
			return 0, fmt.Errorf("no namespace %q", name)
		}
		n |= f
	}
	return n, nil
}

// clone starts a child in new namespaces.
func clone(args []string) (string, error) {
	n, err := flags(args[0])
	if err != nil {
		return "", err
	}
	cmd := exec.Command("/proc/self/exe", "effective-uid")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: n}
	if err := cmd.Run(); err != nil {
		return "", refusedBy(err)
	}
	return "a child in a new " + args[0], nil
}

// clone3 asks by the newer call, whose flags no filter can see.
func clone3(args []string) (string, error) {
	n, err := flags(args[0])
	if err != nil {
		return "", err
	}
	a := [11]uint64{0: uint64(n), 4: uint64(syscall.SIGCHLD)}
	pid, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&a[0])), unsafe.Sizeof(a), 0)
	if errno == 0 && pid == 0 {
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return gate("clone3", errno)
}

// setns enters a namespace by its file.
func setns(args []string) (string, error) {
	fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", refusedBy(err)
	}
	_ = unix.Unshare(unix.CLONE_FS) // a mount namespace wants it; no namespace
	_, _, errno := syscall.RawSyscall(unix.SYS_SETNS, uintptr(fd), 0, 0)
	return gate("setns", errno)
}

// apart leaves the host's mounts alone: what follows is in a namespace of its
// own wherever one can be had.
func apart() error {
	if unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS) != nil {
		return nil
	}
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}

// mount tries one way of changing what is mounted: its name, and a folder of the person's.
func mount(args []string) (string, error) {
	if err := apart(); err != nil {
		return "", err
	}
	how, dir := args[0], args[1]
	path, err := unix.BytePtrFromString(dir)
	if err != nil {
		return "", err
	}
	call := func(nr uintptr, a ...uintptr) (string, error) {
		for len(a) < 6 {
			a = append(a, 0)
		}
		fd, _, errno := syscall.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		_ = fd
		return gate(how, errno)
	}
	none := ^uintptr(0)
	switch how {
	case "tmpfs":
		return done(how, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	case "proc":
		return done(how, unix.Mount("proc", dir, "proc", 0, ""))
	case "bind":
		return done(how, unix.Mount("/usr", dir, "", unix.MS_BIND, ""))
	case "remount":
		if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, ""); err != nil {
			return "", refusedBy(err)
		}
		return create([]string{"/"})
	case "overlay":
		return done(how, unix.Mount("overlay", dir, "overlay", 0, "lowerdir=/usr,upperdir="+dir+",workdir="+dir))
	case "umount":
		return done(how, unix.Unmount("/proc", unix.MNT_DETACH))
	case "pivot":
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			dir = "/" // it is tried all the same
		}
		return done(how, unix.PivotRoot(dir, dir))
	case "chroot":
		return done(how, unix.Chroot(dir))
	case "fsopen":
		name := []byte("tmpfs\x00")
		return call(unix.SYS_FSOPEN, uintptr(unsafe.Pointer(&name[0])))
	case "fsconfig":
		return call(unix.SYS_FSCONFIG, none)
	case "fsmount":
		return call(unix.SYS_FSMOUNT, none)
	case "fspick":
		return call(unix.SYS_FSPICK, none)
	case "open_tree":
		const openTreeClone = 1
		return call(unix.SYS_OPEN_TREE, none, uintptr(unsafe.Pointer(path)), openTreeClone)
	case "move_mount":
		return call(unix.SYS_MOVE_MOUNT, none, uintptr(unsafe.Pointer(path)), none, uintptr(unsafe.Pointer(path)))
	case "mount_setattr":
		return call(unix.SYS_MOUNT_SETATTR, none, uintptr(unsafe.Pointer(path)))
	}
	return "", fmt.Errorf("no way %q to mount", how)
}

func done(how string, err error) (string, error) {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		return "", err
	}
	return gate(how, errno)
}

// output runs a program and gives what it says.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	return strings.TrimSpace(string(out)), err
}

// effectiveUID is what the program effective-uid prints.
func effectiveUID() string { return strconv.Itoa(os.Geteuid()) }
