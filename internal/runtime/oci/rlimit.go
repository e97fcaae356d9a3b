package oci

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/runtime"
)

// supervisorTasks are threads that the supervisor has beside the person's
// limit. A Go program that is refused a thread dies, and with the first process
// of an instance all of it: so the person's limit is on their own uid
// (RLIMIT_NPROC), and the group's, which holds both, is above it.
const supervisorTasks = 64

func pidsLimit(l runtime.Limits) *specs.LinuxPids {
	both := l.PIDs + supervisorTasks
	return &specs.LinuxPids{Limit: &both}
}

// ofEachProcess are the limits that each process has from its start.
var ofEachProcess = []struct {
	name     string
	resource int
	value    func(runtime.Limits) uint64
}{
	{"RLIMIT_NPROC", unix.RLIMIT_NPROC, func(l runtime.Limits) uint64 { return uint64(l.PIDs) }},
	{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, func(l runtime.Limits) uint64 { return uint64(l.StorageBytes) }},
}

// What one process may have open: from the start, and at most when it asks for more.
const (
	minFiles = 4096 // node, git and those who watch folders need some thousands
	maxFiles = 65536
)

// filesOfEach is how many files a process may have open at most, so that all of
// everybody's together leave the host half of what its kernel opens at all.
func filesOfEach(fileMax uint64, pids int64, users int) uint64 {
	return min(max(fileMax/2/(uint64(max(pids, 1))*uint64(max(users, 1))), minFiles), maxFiles)
}

// fileMax is how many files may be open on this host; no bound when nobody says.
func fileMax() uint64 {
	b, err := os.ReadFile("/proc/sys/fs/file-max")
	if n, e := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && e == nil {
		return n
	}
	return math.MaxUint64
}

// usersOf counts who has files in a data folder.
func usersOf(dataDir string) int {
	entries, _ := os.ReadDir(filepath.Join(dataDir, "volumes")) // not there yet: nobody has
	n := 0
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".img" {
			n++
		}
	}
	return n
}

// rlimits are those of a new instance's first process, which all others inherit.
func rlimits(l runtime.Limits, files uint64) ([]specs.POSIXRlimit, error) {
	out := []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}}
	add := func(name string, resource int, soft, want uint64) error {
		var have unix.Rlimit
		if err := unix.Getrlimit(resource, &have); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		want = min(want, have.Max) // runc 1.1.5 cannot raise it in a user namespace
		out = append(out, specs.POSIXRlimit{Type: name, Soft: min(soft, want), Hard: want})
		return nil
	}
	errs := []error{add("RLIMIT_NOFILE", unix.RLIMIT_NOFILE, minFiles, files)}
	for _, e := range ofEachProcess {
		errs = append(errs, add(e.name, e.resource, e.value(l), e.value(l)))
	}
	return out, errors.Join(errs...)
}

// changeRlimits gives an instance's processes other limits. To raise them takes
// CAP_SYS_RESOURCE, which root in a container may lack.
func (r *Runtime) changeRlimits(id string, l runtime.Limits) error {
	b, err := os.ReadFile(filepath.Join(r.cgroupDir("pids", id), "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, f := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(f)
		if err != nil || pid <= 1 {
			continue
		}
		for _, e := range ofEachProcess {
			v := e.value(l)
			if err := unix.Prlimit(pid, e.resource, &unix.Rlimit{Cur: v, Max: v}, nil); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("change %s: %w", e.name, err)
			}
		}
	}
	return nil
}
