package carrel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// StateDir is where `carrel serve` keeps sockets, as documented: /run/carrel-
// and the first ten hexadecimal digits of the data folder's SHA-256.
func StateDir(dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	return "/run/carrel-" + hex.EncodeToString(sum[:5])
}

// Leftovers names what a Carrel that has ended should not have left:
// processes, mounts, cgroups, sockets, loop devices.
func Leftovers(dataDir string) []string {
	var left []string
	state := StateDir(dataDir)
	if b, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 4 && (strings.HasPrefix(f[4], dataDir+"/") || strings.HasPrefix(f[4], state+"/")) {
				left = append(left, "mount "+f[4])
			}
		}
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + filepath.Base(state))
	more, _ := filepath.Glob("/sys/fs/cgroup/" + filepath.Base(state))
	for _, g := range append(groups, more...) {
		left = append(left, "cgroup "+g)
	}
	for _, pattern := range []string{state + "/instances/*", state + "/*.sock", state + "/gateway/*.sock"} {
		found, _ := filepath.Glob(pattern)
		for _, f := range found {
			left = append(left, "file "+f)
		}
	}
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, b := range backing {
		if text, err := os.ReadFile(b); err == nil && strings.HasPrefix(string(text), dataDir) {
			left = append(left, "loop device of "+strings.TrimSpace(string(text)))
		}
	}
	return append(left, processesOf(dataDir)...)
}

// processesOf finds processes that name the data folder or its state folder in
// their environment or command line.
func processesOf(dataDir string) []string {
	var found []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		all := append(env, cmdline...)
		if bytes.Contains(all, []byte(dataDir)) || bytes.Contains(all, []byte(StateDir(dataDir))) {
			found = append(found, fmt.Sprintf("process %d %s", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
		}
	}
	return found
}
