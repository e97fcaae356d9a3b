package oci

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroupPath is below one group of this data folder's, so that what is left
// can be seen and removed as a whole.
func (r *Runtime) cgroupPath(id string) string {
	return "/" + filepath.Base(r.opt.StateDir) + "/" + id
}

// cgroupDir is the group's folder in the hierarchy of a controller: one folder
// of all on version 2, one of its own on version 1.
func (r *Runtime) cgroupDir(controller, id string) string {
	if unified() {
		return filepath.Join(cgroupRoot, r.cgroupPath(id))
	}
	return filepath.Join(cgroupRoot, controller, r.cgroupPath(id))
}

func unified() bool {
	var s unix.Statfs_t
	return unix.Statfs(cgroupRoot, &s) == nil && s.Type == unix.CGROUP2_SUPER_MAGIC
}

func (r *Runtime) Usage(_ context.Context, id string) (runtime.Usage, error) {
	h, err := r.dir.Read(id)
	if err != nil {
		return runtime.Usage{}, err
	}
	u, err := r.cgroupUsage(id)
	if err != nil {
		return u, fault.Wrap(err, fault.InstanceUnavailable, "The instance is not running.")
	}
	var s unix.Statfs_t
	if err := unix.Statfs(r.paths(id, h.Spec.UserID).volume, &s); err != nil {
		return u, fmt.Errorf("measure volume: %w", err)
	}
	u.StorageBytes = int64(s.Blocks-s.Bfree) * s.Bsize
	u.Inodes = int64(s.Files - s.Ffree)
	u.StorageMost, u.InodesMost = u.StorageBytes+int64(s.Bavail)*s.Bsize, int64(s.Files)
	return u, nil
}

func (r *Runtime) cgroupUsage(id string) (runtime.Usage, error) {
	var u runtime.Usage
	if unified() {
		dir := r.cgroupDir("", id)
		usec, err := statValue(filepath.Join(dir, "cpu.stat"), "usage_usec")
		if err != nil {
			return u, err
		}
		u.CPUSeconds = float64(usec) / 1e6
		if u.MemoryBytes, err = number(filepath.Join(dir, "memory.current")); err != nil {
			return u, err
		}
		if u.PIDs, err = number(filepath.Join(dir, "pids.current")); err != nil {
			return u, err
		}
		u.OOMKills, err = statValue(filepath.Join(dir, "memory.events"), "oom_kill")
		return u, err
	}
	nsec, err := number(filepath.Join(r.cgroupDir("cpuacct", id), "cpuacct.usage"))
	if err != nil {
		return u, err
	}
	u.CPUSeconds = float64(nsec) / 1e9
	if u.MemoryBytes, err = number(filepath.Join(r.cgroupDir("memory", id), "memory.usage_in_bytes")); err != nil {
		return u, err
	}
	if u.PIDs, err = number(filepath.Join(r.cgroupDir("pids", id), "pids.current")); err != nil {
		return u, err
	}
	u.OOMKills, err = statValue(filepath.Join(r.cgroupDir("memory", id), "memory.oom_control"), "oom_kill")
	return u, err
}

func number(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read usage: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read usage: %s: %w", path, err)
	}
	return n, nil
}

func statValue(path, key string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read usage: %w", err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if k, v, ok := strings.Cut(s.Text(), " "); ok && k == key {
			return strconv.ParseInt(v, 10, 64)
		}
	}
	return 0, errors.Join(fmt.Errorf("read usage: %s has no %s", path, key), s.Err())
}

// removeCgroup removes what the OCI runtime left of the group: processes that
// outlived PID 1 for a moment keep it busy.
func (r *Runtime) removeCgroup(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pattern := filepath.Join(cgroupRoot, r.cgroupPath(id))
	if !unified() {
		pattern = filepath.Join(cgroupRoot, "*", r.cgroupPath(id))
	}
	for {
		left, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("look for cgroups: %w", err)
		}
		var busy error
		for _, dir := range left {
			if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
				busy = err
				killAll(dir)
			}
		}
		if busy == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove cgroup: %w", busy)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// removeParentCgroupLocked removes the group of all instances with the last of
// them. Nobody makes or removes an instance meanwhile.
func (r *Runtime) removeParentCgroupLocked() {
	pattern := filepath.Join(cgroupRoot, filepath.Dir(r.cgroupPath("x")))
	if !unified() {
		pattern = filepath.Join(cgroupRoot, "*", filepath.Dir(r.cgroupPath("x")))
	}
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return
	}
	for _, dir := range dirs {
		_ = unix.Rmdir(dir) // instances are in it
	}
}

// killAll kills what is still in a group.
func killAll(dir string) {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for _, f := range strings.Fields(string(b)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL) // it may be gone
		}
	}
}
