package demo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// processes finds processes of this machine whose environment or command line
// has the text.
func processes(text string) (map[int]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	found := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ")) // gone, or another's
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if bytes.Contains(env, []byte(text)) || bytes.Contains(cmdline, []byte(text)) {
			found[pid] = string(bytes.ReplaceAll(bytes.TrimRight(cmdline, "\x00"), []byte{0}, []byte{' '}))
		}
	}
	return found, nil
}

// supervisor is the pid, on the host, of an instance's first process.
func (s *server) supervisor(instanceID string) (int, error) {
	found, err := processes(instanceID)
	if err != nil {
		return 0, err
	}
	for pid, command := range found {
		if strings.HasSuffix(command, " supervisor") {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no supervisor of %s among %d processes", instanceID, len(found))
}

// left names what is still there of the server and its instances.
func (s *server) left() ([]string, error) {
	found, err := processes(s.dataDir)
	if err != nil {
		return nil, err
	}
	var left []string
	for pid, command := range found {
		left = append(left, fmt.Sprintf("process %d (%s)", pid, command))
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], s.dataDir+"/") {
			left = append(left, "mount "+f[4])
		}
	}
	return left, nil
}
