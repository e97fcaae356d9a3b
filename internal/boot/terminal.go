package boot

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// denyTyping takes from this thread, and from what it becomes, the two calls that
// put letters into a terminal as if they had been typed. The server keeps the
// terminal that root started it from, for Ctrl-C; without this, one that was
// broken into could type a command for root's shell to read once it has ended.
// New kernels refuse it themselves, where dev.tty.legacy_tiocsti is 0.
func denyTyping() error {
	arch, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("no rule about terminals for %s", runtime.GOARCH)
	}
	// Offsets in struct seccomp_data. Of the second argument the low half counts, as ioctl sees it; both machines are little-endian.
	const number, machine, request = 0, 4, 16 + 8
	const x32 = 0x40000000 // amd64's second set of numbers, in which ioctl has another
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	jump := func(test uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | test, K: k, Jt: yes, Jf: no}
	}
	answer := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	filter := []unix.SockFilter{
		load(machine),
		jump(unix.BPF_JEQ, arch, 0, 7),
		load(number),
		jump(unix.BPF_JGE, x32, 5, 0),
		jump(unix.BPF_JEQ, unix.SYS_IOCTL, 0, 3),
		load(request),
		jump(unix.BPF_JEQ, unix.TIOCSTI, 2, 0),
		jump(unix.BPF_JEQ, tioclinux, 1, 0),
		answer(unix.SECCOMP_RET_ALLOW),
		answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("give up typing into terminals: %w", err)
	}
	runtime.KeepAlive(filter)
	return nil
}

// tioclinux is the console's own way; x/sys has no name for it.
const tioclinux = 0x541c
