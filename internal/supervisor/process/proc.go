package process

import (
	"bytes"
	"io"
	"os"
	"strconv"
)

// ticksPerSecond is the unit of times in /proc, the same on every Linux.
const ticksPerSecond = 100

// readProc reads a small file of /proc into buf; what does not exist any more is empty.
func readProc(path string, buf []byte) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	n, err := io.ReadFull(f, buf)
	if err != nil && n == 0 {
		return nil
	}
	return buf[:n]
}

// parseStatus finds the state and the supplementary groups in /proc/<pid>/status. The kernel escapes line breaks in
// the name, so a line's beginning can be trusted.
func parseStatus(b []byte) (state byte, groups []int) {
	for line := range bytes.SplitSeq(b, []byte{'\n'}) {
		if v, ok := bytes.CutPrefix(line, []byte("State:\t")); ok && len(v) > 0 {
			state = v[0]
		} else if v, ok := bytes.CutPrefix(line, []byte("Groups:\t")); ok {
			for g := range bytes.FieldsSeq(v) {
				if n, err := strconv.Atoi(string(g)); err == nil {
					groups = append(groups, n)
				}
			}
		}
	}
	return state, groups
}

// usage is the processor time and the resident memory of a process now; zero when it is gone.
func usage(pid int) (cpuSeconds float64, memoryBytes int64) {
	return parseStat(readProc("/proc/"+strconv.Itoa(pid)+"/stat", make([]byte, 4<<10)))
}

// parseStat reads /proc/<pid>/stat, see proc(5). The name stands in parentheses and may hold any, so what counts
// begins after the last one.
func parseStat(b []byte) (cpuSeconds float64, memoryBytes int64) {
	_, rest, ok := cutLast(b, []byte(") "))
	if !ok {
		return 0, 0
	}
	f := bytes.Fields(rest)
	if len(f) < 22 {
		return 0, 0
	}
	number := func(n int) int64 { // n as in proc(5); field 3, the state, is the first here
		v, err := strconv.ParseInt(string(f[n-3]), 10, 64)
		if err != nil || v < 0 {
			return 0
		}
		return v
	}
	return float64(number(14)+number(15)) / ticksPerSecond, number(24) * int64(os.Getpagesize())
}

// Tasks counts the processes and threads that /proc shows: within an instance, all that its limit counts.
func Tasks() (n int) {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	buf := make([]byte, 4<<10)
	for _, e := range dir {
		if name := e.Name(); name[0] >= '1' && name[0] <= '9' {
			n += parseThreads(readProc("/proc/"+name+"/stat", buf))
		}
	}
	return n
}

// parseThreads reads the number of threads in /proc/<pid>/stat; 0 of a process that is gone.
func parseThreads(b []byte) int {
	_, rest, _ := cutLast(b, []byte(") "))
	f := bytes.Fields(rest)
	if len(f) < 18 {
		return 0
	}
	n, _ := strconv.Atoi(string(f[17])) // field 20 of proc(5)
	return n
}

func cutLast(b, sep []byte) (before, after []byte, found bool) {
	if i := bytes.LastIndex(b, sep); i >= 0 {
		return b[:i], b[i+len(sep):], true
	}
	return b, nil, false
}
