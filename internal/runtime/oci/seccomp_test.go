package oci

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// permits evaluates the profile as the kernel would for one call whose first
// two arguments are given.
func permits(p *specs.LinuxSeccomp, name string, args ...uint64) bool {
	for _, c := range p.Syscalls {
		if c.Action != specs.ActAllow || !slices.Contains(c.Names, name) {
			continue
		}
		if len(c.Args) == 0 {
			return true
		}
		for _, a := range c.Args { // runc: each comparison of one argument is a rule of its own
			v := args[a.Index]
			switch a.Op {
			case specs.OpMaskedEqual:
				if v&a.Value == a.ValueTwo {
					return true
				}
			case specs.OpEqualTo:
				if v == a.Value {
					return true
				}
			}
		}
	}
	return false
}

func profile(t interface{ Fatal(...any) }) *specs.LinuxSeccomp {
	p, err := seccompProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSeccompRefuses(t *testing.T) {
	p := profile(t)
	if len(p.Architectures) != 1 {
		t.Errorf("architectures %v; want the native one alone", p.Architectures)
	}
	for _, name := range []string{"io_uring_setup", "userfaultfd", "modify_ldt", "vmsplice", "bpf", "mount", "unshare", "setns", "keyctl", "add_key", "kexec_load", "init_module", "perf_event_open", "open_by_handle_at", "socketcall"} {
		if permits(p, name, 0, 0) {
			t.Errorf("%s is allowed", name)
		}
	}
	for _, name := range []string{"read", "write", "execve", "futex", "landlock_create_ruleset"} {
		if !permits(p, name, 0, 0) {
			t.Errorf("%s is refused", name)
		}
	}
	for _, high := range []uint64{0, 1 << 32, 0xffffffff << 32} {
		for _, family := range []uint64{unix.AF_VSOCK, unix.AF_ALG, unix.AF_PACKET, unix.AF_TIPC, unix.AF_BLUETOOTH, unix.AF_CAN} {
			if permits(p, "socket", family|high, 0) {
				t.Errorf("socket(%#x) is allowed", family|high)
			}
		}
		for _, request := range []uint64{unix.TIOCSTI, unix.TIOCLINUX} {
			if permits(p, "ioctl", 0, request|high) {
				t.Errorf("ioctl(%#x) is allowed", request|high)
			}
		}
		if !permits(p, "ioctl", 0, unix.TIOCGWINSZ|high) {
			t.Errorf("ioctl(TIOCGWINSZ|%#x) is refused", high)
		}
	}
}

func TestEveryOtherIoctlIsAllowed(t *testing.T) {
	p := profile(t)
	rapid.Check(t, func(t *rapid.T) {
		request := rapid.Uint32().Draw(t, "request")
		if rapid.Bool().Draw(t, "near") {
			request = 0x5400 | request&0xff
		}
		want := request != unix.TIOCSTI && request != unix.TIOCLINUX
		if got := permits(p, "ioctl", 0, uint64(request)); got != want {
			t.Fatalf("ioctl(%#x) allowed: %v; want %v", request, got, want)
		}
	})
}
