package oci

import (
	"fmt"
	"slices"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// refused are calls that the default profile allows and no tool of a person's
// needs: each has been a way into the kernel or round the rules below.
var refused = []string{
	"io_uring_setup", "io_uring_enter", "io_uring_register",
	"modify_ldt", "userfaultfd", "vmsplice", "socketcall",
}

// socketFamilies may be opened; all others are refused, AF_VSOCK and AF_ALG
// among them (a network namespace may not separate the first).
var socketFamilies = []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// seccompProfile is the moby profile for the native architecture only (its
// 32-bit one has socketcall, a way round the families), tightened.
//
// Comparisons are masked to 32 bits: the kernel cuts these arguments to an int,
// so that a plain 64-bit comparison is passed by 0x1_0000_5412.
func seccompProfile(spec *specs.Spec) (*specs.LinuxSeccomp, error) {
	p, err := seccomp.GetDefaultProfile(spec)
	if err != nil {
		return nil, fmt.Errorf("make seccomp profile: %w", err)
	}
	if len(p.Architectures) > 0 {
		p.Architectures = p.Architectures[:1]
	}
	drop := append(slices.Clone(refused), "ioctl", "socket", "socketpair")
	var calls []specs.LinuxSyscall
	for _, c := range p.Syscalls {
		if c.Action == specs.ActAllow {
			c.Names = slices.DeleteFunc(slices.Clone(c.Names), func(n string) bool { return slices.Contains(drop, n) })
			if len(c.Names) == 0 {
				continue
			}
		}
		calls = append(calls, c)
	}
	for _, family := range socketFamilies {
		calls = append(calls, allowIf("socket", 0, 0xffffffff, family))
	}
	calls = append(calls, allowIf("socketpair", 0, 0xffffffff, unix.AF_UNIX))
	for _, m := range allBut32(unix.TIOCSTI, unix.TIOCLINUX) {
		calls = append(calls, allowIf("ioctl", 1, m.mask, m.value))
	}
	p.Syscalls = calls
	return p, nil
}

// allowIf allows a call when its argument, masked, has the value.
func allowIf(name string, arg uint, mask, value uint64) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
		{Index: arg, Value: mask, ValueTwo: value, Op: specs.OpMaskedEqual},
	}}
}

type masked struct{ mask, value uint64 }

// allBut32 covers every 32-bit number but a and b with masked equalities, the
// only masked comparison there is: a number that differs from both in a bit
// they share, and for the bits in which they differ every other pattern.
func allBut32(a, b uint64) []masked {
	var out []masked
	differ := a ^ b
	for bit := uint64(1); bit < 1<<32; bit <<= 1 {
		if differ&bit == 0 {
			out = append(out, masked{mask: bit, value: ^a & bit})
		}
	}
	for pattern := differ; ; pattern = (pattern - 1) & differ {
		if pattern != a&differ && pattern != b&differ {
			out = append(out, masked{mask: 0xffffffff, value: a&^differ | pattern})
		}
		if pattern == 0 {
			return out
		}
	}
}
