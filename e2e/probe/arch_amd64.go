package main

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// int80 makes a system call by the gate of 32-bit programs.
func int80(number, arg uint32) int32

// throughInt80 asks for socketcall, which a filter for the native calls alone
// does not see.
func throughInt80() (string, error) {
	const getpid, socketcall = 20, 102
	if pid := int80(getpid, 0); pid <= 0 {
		return "", refused{"int 0x80: " + syscall.Errno(-pid).Error()}
	}
	n := int80(socketcall, 0)
	return fmt.Sprintf("int 0x80 works; socketcall gives %d", n), nil
}

// throughX32 asks for a call by the numbers of the x32 kind.
func throughX32() (string, error) {
	const x32 = 0x40000000
	_, _, errno := syscall.RawSyscall(x32|unix.SYS_GETPID, 0, 0, 0)
	return gate("x32", errno)
}

func archCalls(nothing uintptr) map[string][]uintptr {
	return map[string][]uintptr{
		"modify_ldt": {unix.SYS_MODIFY_LDT, 0, nothing, 16},
		"iopl":       {unix.SYS_IOPL, 3},
		"ioperm":     {unix.SYS_IOPERM, 0x80, 1, 1},
	}
}
