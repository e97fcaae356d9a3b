package bare

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// mark is in the environment of every process of an instance, and is what they
// are found by: parent links and process groups are lost when a tool detaches.
func mark(id string) string { return "CARREL_INSTANCE=" + id }

// marked finds the living processes of an instance.
func marked(id string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	want := []byte(mark(id))
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || len(env) == 0 { // gone, a zombie, or another's
			continue
		}
		for v := range bytes.SplitSeq(env, []byte{0}) {
			if bytes.Equal(v, want) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids, nil
}

// endMarked asks all processes to end, then kills until none is found twice: one
// that is just in an exec shows no environment for a moment.
func endMarked(ctx context.Context, id string) error {
	pids, err := marked(id)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may be gone
	}
	kill := time.Now().Add(2 * time.Second)
	for none := 0; ; {
		pids, err := marked(id)
		if err != nil {
			return err
		}
		if none++; len(pids) > 0 {
			none = 0
		} else if none == 2 {
			return nil
		}
		if time.Now().After(kill) {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("end %d processes of the instance: %w", len(pids), ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Usage sums up what the processes use; files are counted one by one.
func (r *Runtime) Usage(_ context.Context, id string) (runtime.Usage, error) {
	h, err := r.dir.Read(id)
	if err != nil {
		return runtime.Usage{}, err
	}
	pids, err := marked(id)
	if err != nil {
		return runtime.Usage{}, err
	}
	if len(pids) == 0 {
		return runtime.Usage{}, fault.New(fault.InstanceUnavailable, "The instance is not running.")
	}
	u := runtime.Usage{PIDs: int64(len(pids))}
	for _, pid := range pids {
		cpu, rss := processUsage(pid)
		u.CPUSeconds += cpu
		u.MemoryBytes += rss
	}
	err = filepath.WalkDir(r.volume(h.Spec.UserID), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go while they are counted
		}
		u.Inodes++
		if fi, err := d.Info(); err == nil {
			if s, ok := fi.Sys().(*syscall.Stat_t); ok {
				u.StorageBytes += s.Blocks * 512
			}
		}
		return nil
	})
	return u, err
}

// processUsage reads CPU seconds and resident bytes; zeros when the process is gone.
func processUsage(pid int) (cpuSeconds float64, rssBytes int64) {
	// The process's own clock counts nanoseconds, /proc/<pid>/stat hundredths of a second: a supervisor takes less than one.
	const processClock = 2 // of clock_getcpuclockid(3): the time of all threads
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|processClock, &t); err == nil {
		cpuSeconds = time.Duration(t.Nano()).Seconds()
	}
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0, 0
	}
	if f := strings.Fields(string(b)); len(f) > 1 {
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		rssBytes = pages * int64(os.Getpagesize())
	}
	return cpuSeconds, rssBytes
}
