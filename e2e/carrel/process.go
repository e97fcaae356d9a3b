package carrel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Role finds the pid of this Carrel's keeper or gateway.
func (s *Server) Role(name string) (int, error) {
	pids := hostProcesses(func(args [][]byte, environ func() []byte) bool {
		return len(args) > 1 && string(args[1]) == name && filepath.Base(string(args[0])) == "carrel" && bytes.Contains(environ(), []byte(StateDir(s.DataDir)))
	})
	if len(pids) != 1 {
		return 0, fmt.Errorf("processes that are the %s: %v; want one", name, pids)
	}
	return pids[0], nil
}

// Supervisors finds the pids, on the host, of the supervisors of an instance.
func Supervisors(instanceID string) []int {
	return hostProcesses(func(args [][]byte, environ func() []byte) bool {
		return len(args) > 1 && string(args[1]) == "supervisor" && bytes.Contains(environ(), []byte(instanceID))
	})
}

// Claudes finds the pids, on the host, of the CLI's processes that hold one of the sessions.
func Claudes(sessionIDs ...string) []int {
	return hostProcesses(func(args [][]byte, _ func() []byte) bool {
		if filepath.Base(string(args[0])) != "claude" {
			return false
		}
		for _, a := range args {
			if slices.Contains(sessionIDs, string(a)) {
				return true
			}
		}
		return false
	})
}

func hostProcesses(match func(args [][]byte, environ func() []byte) bool) (pids []int) {
	entries, _ := os.ReadDir("/proc") // it is there; the tests could not run without it
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || len(cmdline) == 0 {
			continue // it has just ended, or is the kernel's
		}
		args := bytes.Split(bytes.TrimRight(cmdline, "\x00"), []byte{0})
		if match(args, func() []byte { b, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ")); return b }) {
			pids = append(pids, pid)
		}
	}
	return pids
}
