package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// processesOf finds the processes of this host whose environment or command
// line has a text, with their command lines.
func processesOf(text string) map[int]string {
	found := map[int]string{}
	entries, _ := os.ReadDir("/proc") // there is always one
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ")) // gone, or another's
		command, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if bytes.Contains(env, []byte(text)) || bytes.Contains(command, []byte(text)) {
			found[pid] = string(bytes.ReplaceAll(bytes.TrimRight(command, "\x00"), []byte{0}, []byte{' '}))
		}
	}
	return found
}

// role finds the one process of a Carrel that was started with a command.
func role(text, command string) (int, error) {
	found := processesOf(text)
	for pid, line := range found {
		if strings.HasSuffix(line, " "+command) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process `carrel %s` among %v", command, found)
}

// pss is the memory of a process, with its share of what several use.
func pss(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of %d: %w", pid, err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("no Pss in the memory of %d", pid)
}

// treePSS is the memory of a process and all its descendants; one that ends
// meanwhile counts nothing.
func treePSS(root int) (int64, error) {
	total, err := pss(root)
	if err != nil {
		return 0, err
	}
	for _, pid := range descendants(root) {
		if n, err := pss(pid); err == nil {
			total += n
		}
	}
	return total, nil
}

func descendants(root int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		// The name in brackets may hold anything; what follows the last one is state and parent.
		f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(f) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(f[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	all := children[root]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// leftOf waits until nothing is left of a Carrel, and names what still is at
// the deadline.
func leftOf(dir string, deadline time.Time) []string {
	for ; ; time.Sleep(20 * time.Millisecond) {
		var left []string
		for pid, command := range processesOf(dir) {
			left = append(left, fmt.Sprintf("process %d (%s)", pid, command))
		}
		mounts, _ := os.ReadFile("/proc/self/mountinfo") // there is always one
		for line := range strings.Lines(string(mounts)) {
			if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
				left = append(left, "mount "+f[4])
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// activity is what a process has done so far.
type activity struct {
	cpu   time.Duration // of the processor
	wakes int64         // times that one of its threads went to sleep of its own, and so was woken
	at    time.Time     // when that was
}

// activityOf reads what a process has done since its start.
func activityOf(pid int) (activity, error) {
	a := activity{at: time.Now()}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return a, fmt.Errorf("read what %d has done: %w", pid, err)
	}
	if a.cpu, err = cpuOf(string(stat)); err != nil {
		return a, err
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		return a, err
	}
	for _, file := range tasks {
		b, _ := os.ReadFile(file) // a thread that ended counts nothing
		for line := range strings.Lines(string(b)) {
			if n, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				v, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
				if err != nil {
					return a, fmt.Errorf("read what %d has done: %w", pid, err)
				}
				a.wakes += v
			}
		}
	}
	return a, nil
}

// cpuOf reads user and system time in /proc/<pid>/stat, which counts in hundredths of a second on every Linux.
func cpuOf(stat string) (time.Duration, error) {
	// The name in brackets may hold anything.
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return 0, fmt.Errorf("%d fields in a process's stat", len(f))
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("user time of a process: %w", err)
	}
	system, err := strconv.ParseInt(f[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("system time of a process: %w", err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

// since is how many cores were busy, and how many wake-ups there were a second, since an earlier look.
func (a activity) since(before activity) (cores, wakes float64) {
	took := a.at.Sub(before.at).Seconds()
	return (a.cpu - before.cpu).Seconds() / took, float64(a.wakes-before.wakes) / took
}
