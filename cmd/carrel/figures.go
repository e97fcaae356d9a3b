package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/history"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/pressure"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// historyFile is in the data folder, beside the database.
const historyFile = "history.gz"

// What is kept over time, in the order in which measure gives it.
var (
	serverSeries = []history.Series{
		{Name: "cpu", Kind: history.Rate}, {Name: "memory_bytes", Kind: history.Most}, {Name: "pressure", Kind: history.Most},
		{Name: "disk_free_bytes", Kind: history.Mean}, {Name: "claude_processes", Kind: history.Most}, {Name: "running", Kind: history.Most},
		{Name: "waiting", Kind: history.Most}, {Name: "queued", Kind: history.Most}, {Name: "clients", Kind: history.Most},
		{Name: "memory_available_bytes", Kind: history.Mean}, {Name: "requests", Kind: history.Count}, {Name: "tokens", Kind: history.Count},
		{Name: "errors", Kind: history.Count},
	}
	userSeries = []history.Series{
		{Name: "cpu", Kind: history.Rate}, {Name: "memory_bytes", Kind: history.Most}, {Name: "storage_bytes", Kind: history.Most}, {Name: "pids", Kind: history.Most},
	}
)

// measure takes one sample. What cannot be measured is NaN, and a gap.
func (s *server) measure(ctx context.Context) history.Sample {
	nan := math.NaN()
	f := s.pool.Figures()
	available, stalls := nan, nan
	var used = nan
	if r, err := (pressure.Gauge{}).Read(); err == nil {
		available, used = float64(r.Available), float64(r.Total-r.Available)
		if r.PSI {
			stalls = r.Some / 100
		}
	}
	free := nan
	if _, n, err := space("."); err == nil {
		free = float64(n)
	}
	running, waiting := nan, nan
	if n, err := s.sessions.States(ctx); err == nil {
		running, waiting = float64(n[protocol.StateRunning]), float64(n[protocol.StateWaiting])
	}
	requests, tokens, failures := nan, nan, nan
	if p, err := s.meter.Everyone(ctx); err == nil {
		requests, tokens, failures = float64(p.Requests), float64(p.Total), float64(p.Failures)
	}
	users, claude := map[int64][]float64{}, 0
	for _, st := range s.pool.All(ctx) {
		if st.Status == pool.StatusHibernated { // nothing of it runs, and nobody measures its files
			continue
		}
		u := st.Usage
		users[st.UserID] = []float64{u.CPUSeconds, float64(u.MemoryBytes), float64(u.StorageBytes), float64(u.PIDs)}
		for _, p := range st.Processes {
			if p.Kind == protocol.KindClaude {
				claude++
			}
		}
	}
	return history.Sample{Users: users, Server: []float64{
		busy(), used, stalls, free, float64(claude), running, waiting, float64(f.Waiting), float64(s.api.Clients()), available, requests, tokens, failures,
	}}
}

// busy is the processor time that the machine has spent since its start, in seconds; NaN when it does not tell.
func busy() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return math.NaN()
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal, in hundredths
	if len(fields) < 8 || fields[0] != "cpu" {
		return math.NaN()
	}
	sum := 0.0
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return math.NaN()
		}
		sum += n
	}
	return sum / 100
}

// space is how large the file system of a folder is, and what of it this process may still use.
func space(dir string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("measure disk: %w", err)
	}
	return int64(st.Blocks) * st.Bsize, int64(st.Bavail) * st.Bsize, nil
}

// disk is what GET /readyz tells of the data folder's file system. A server that is short of it serves.
func disk(dir string) runtime.Finding {
	f := runtime.Finding{Name: "disk", State: "ok"}
	total, free, err := space(dir)
	if err != nil {
		f.State, f.Detail = "warn", "It cannot be measured."
		return f
	}
	f.Detail = fmt.Sprintf("%.1f GiB of %.1f GiB free.", gib(free), gib(total))
	if free < total/20 {
		f.State, f.Remedy = "warn", "Make room on the disk of the data folder, or lower snapshot.keep."
	}
	return f
}
