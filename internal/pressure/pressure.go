// Package pressure measures the memory that there is for more: of the machine, or of the control group that holds
// this process where that is less, and how long tasks had to wait for memory. It decides nothing.
package pressure

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Reading is one measurement.
type Reading struct {
	Total     int64 // bytes of the machine, or the limit of the tightest group around this process
	Available int64 // bytes of it that can be had without swapping
	// PSI says whether the kernel tells how long tasks waited for memory (pressure stall information). Without it Some
	// and Full are 0.
	PSI  bool
	Some float64 // percent of the last 10 s in which some task waited
	Full float64 // percent in which all did
}

// Gauge reads a kernel's files. The zero value reads those of this machine.
type Gauge struct {
	Root string // in front of /proc and /sys; "" but in tests
}

// Read measures now.
func (g Gauge) Read() (Reading, error) {
	var r Reading
	info, err := g.file("/proc/meminfo")
	if err != nil {
		return r, fmt.Errorf("measure memory: %w", err)
	}
	r.Total, r.Available = kib(info, "MemTotal:"), kib(info, "MemAvailable:")
	if r.Total <= 0 || r.Available < 0 {
		return r, errors.New("measure memory: /proc/meminfo does not tell MemTotal and MemAvailable")
	}
	stalls := "/proc/pressure/memory"
	if group, err := g.file("/proc/self/cgroup"); err == nil {
		if tight := g.groups(string(group), &r); tight != "" {
			stalls = tight
		}
	}
	if b, err := g.file(stalls); err == nil {
		r.Some, r.Full, r.PSI = stall(b, "some"), stall(b, "full"), true
	}
	return r, nil
}

// groups takes the tightest limit of the groups that hold this process into account. It gives the file that tells of
// the stalls in that group, or "".
func (g Gauge) groups(of string, r *Reading) (stalls string) {
	for l := range strings.Lines(of) {
		// hierarchy-ID:controllers:path
		parts := strings.SplitN(strings.TrimSpace(l), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, limit, used, cache := "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
		switch {
		case parts[0] == "0" && parts[1] == "":
		case strings.Contains(","+parts[1]+",", ",memory,"):
			root, limit, used, cache = "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		default:
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			if total, left, ok := g.group(root+dir, limit, used, cache); ok && left < r.Available {
				r.Total, r.Available = min(total, r.Total), left
				if _, err := os.Stat(g.path(root + dir + "/memory.pressure")); err == nil {
					stalls = root + dir + "/memory.pressure"
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return stalls
}

// group reads one group's limit; not ok when it has none.
func (g Gauge) group(dir, limit, used, cache string) (total, left int64, ok bool) {
	read := func(name string) (int64, error) {
		b, err := g.file(dir + "/" + name)
		if err != nil {
			return 0, err
		}
		return strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	}
	total, err := read(limit)
	if err != nil { // there is no such group, or its limit is "max"
		return 0, 0, false
	}
	now, err := read(used)
	if err != nil {
		return 0, 0, false
	}
	var reclaimable int64
	if stat, err := g.file(dir + "/memory.stat"); err == nil {
		reclaimable = field(stat, cache)
	}
	return total, max(0, total-max(0, now-max(0, reclaimable))), true
}

func (g Gauge) path(p string) string { return filepath.Join("/", g.Root, p) }

func (g Gauge) file(p string) ([]byte, error) {
	b, err := os.ReadFile(g.path(p))
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return nil, pe.Err
	}
	return b, err
}

// kib reads a line of /proc/meminfo: "MemTotal:  24683656 kB".
func kib(b []byte, name string) int64 {
	n := field(b, name)
	if n < 0 {
		return -1
	}
	return n << 10
}

// field is the first number after a name at the start of a line; -1 when there is none.
func field(b []byte, name string) int64 {
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 2 && f[0] == name {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return n
			}
		}
	}
	return -1
}

// stall reads avg10 of a line like "some avg10=0.12 avg60=0.00 avg300=0.00 total=18736906".
func stall(b []byte, kind string) float64 {
	for l := range strings.Lines(string(b)) {
		f := strings.Fields(l)
		if len(f) < 2 || f[0] != kind {
			continue
		}
		if text, ok := strings.CutPrefix(f[1], "avg10="); ok {
			if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n <= 100 {
				return n
			}
		}
	}
	return 0
}
