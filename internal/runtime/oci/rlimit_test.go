package oci

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/runtime/runtimetest"
)

func TestSupervisorHasThreadsBesideTheLimit(t *testing.T) {
	r := open(t)
	spec := runtimetest.Spec(1)
	h, err := r.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Destroy(t.Context(), h.Spec.ID); err != nil {
			t.Error(err)
		}
	}()
	b, err := os.ReadFile(filepath.Join(r.dir.Dir(h.Spec.ID), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, pids int64) {
		t.Helper()
		var own unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_NPROC, nil, &own); err != nil || own.Max != uint64(pids) || own.Cur != uint64(pids) {
			t.Errorf("%s: each uid may have %+v processes, %v; want %d", when, own, err, pids)
		}
		if both, err := number(filepath.Join(r.cgroupDir("pids", h.Spec.ID), "pids.max")); err != nil || both != pids+supervisorTasks {
			t.Errorf("%s: the group may have %d, %v; want %d", when, both, err, pids+supervisorTasks)
		}
	}
	check("made", spec.Limits.PIDs)
	less := spec.Limits
	less.PIDs /= 2 // lowering takes no privilege; raising does, which a test may lack
	if err := r.Resize(t.Context(), h.Spec.ID, less); err != nil {
		t.Fatal(err)
	}
	check("resized", less.PIDs)
}

func TestInodesFitTheImage(t *testing.T) {
	l := runtimetest.Spec(1).Limits
	l.StorageBytes, l.Inodes = 32<<20, 500_000
	image := filepath.Join(t.TempDir(), "image")
	if err := makeImage(t.Context(), l, image); err != nil {
		t.Fatalf("a small volume with the default number of inodes: %v", err)
	}
	if fi, err := os.Stat(image); err != nil || fi.Size() != l.StorageBytes {
		t.Errorf("image: %v, %v", fi, err)
	}
}

func TestFilesOfEach(t *testing.T) {
	for _, c := range []struct {
		fileMax uint64
		pids    int64
		users   int
		want    uint64
		state   string
	}{
		{math.MaxInt64, 512, 1000, 65536, "ok"},
		{20_000_000, 512, 2, 9765, "ok"},
		{2_000_000, 512, 1, 4096, "warn"},
		{100_000, 512, 1, 4096, "warn"},
		{1 << 40, 0, 0, 65536, "ok"},
	} {
		if got := filesOfEach(c.fileMax, c.pids, c.users); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
		if f := checkFiles(c.fileMax, c.pids, c.users); f.State != c.state || (f.Remedy != "") != (c.state == "warn") {
			t.Errorf("%+v: %+v", c, f)
		}
	}
	all, err := rlimits(runtimetest.Spec(1).Limits, 5000)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if l.Type == "RLIMIT_NOFILE" && (l.Soft != 4096 || l.Hard != 5000) {
			t.Errorf("%+v", l)
		}
	}
	dir := t.TempDir()
	if usersOf(dir) != 0 {
		t.Error("there are users where nobody is")
	}
	for _, path := range []string{"volumes/user-1.img", "volumes/user-2.img", "volumes/user-2/x.img"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700), os.WriteFile(filepath.Join(dir, path), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if n := usersOf(dir); n != 2 {
		t.Errorf("%d users", n)
	}
}

// TestPlainScore: what has less than others when memory is short could give it
// to every process inside.
func TestPlainScore(t *testing.T) {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("200"), 0); err != nil { // which is inherited
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0) }()
	r := open(t)
	h, err := r.Create(t.Context(), runtimetest.Spec(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Destroy(t.Context(), h.Spec.ID); err != nil {
			t.Error(err)
		}
	}()
	pid, err := os.ReadFile(filepath.Join(r.dir.Dir(h.Spec.ID), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "oom_score_adj"))
	if err != nil || strings.TrimSpace(string(b)) != "0" {
		t.Errorf("the supervisor's is %q, %v", b, err)
	}
}

// TestHomeThatItsPersonClosed: it is open again with the next instance.
func TestHomeThatItsPersonClosed(t *testing.T) {
	r := open(t)
	spec := runtimetest.Spec(1)
	home := filepath.Join(r.paths("", spec.UserID).home)
	for range 2 {
		h, err := r.Create(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(home); err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("the home is %v, %v", fi, err)
		}
		if err := errors.Join(os.Chmod(home, 0), r.Destroy(t.Context(), h.Spec.ID)); err != nil {
			t.Fatal(err)
		}
	}
}
