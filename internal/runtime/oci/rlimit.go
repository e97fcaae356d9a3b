package oci

import (
	"errors"
	"fmt"
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

// rlimits are those of a new instance's first process, which all others inherit.
func rlimits(l runtime.Limits) ([]specs.POSIXRlimit, error) {
	out := []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}}
	add := func(name string, resource int, want uint64) error {
		var have unix.Rlimit
		if err := unix.Getrlimit(resource, &have); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		want = min(want, have.Max) // runc 1.1.5 cannot raise it in a user namespace
		out = append(out, specs.POSIXRlimit{Type: name, Soft: want, Hard: want})
		return nil
	}
	errs := []error{add("RLIMIT_NOFILE", unix.RLIMIT_NOFILE, 65536)}
	for _, e := range ofEachProcess {
		errs = append(errs, add(e.name, e.resource, e.value(l)))
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
