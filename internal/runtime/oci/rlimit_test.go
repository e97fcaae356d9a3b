package oci

import (
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
