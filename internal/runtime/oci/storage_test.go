package oci

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/runtime/runtimetest"
)

// TestJournalCountsToTheQuota: what the supervisor keeps of conversations is in the person's storage_bytes, shown and
// limited together with their files.
func TestJournalCountsToTheQuota(t *testing.T) {
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
	used := func() int64 {
		t.Helper()
		unix.Sync() // what is not on disk yet is not counted
		u, err := r.Usage(t.Context(), h.Spec.ID)
		if err != nil {
			t.Fatal(err)
		}
		return u.StorageBytes
	}
	p := r.paths(h.Spec.ID, spec.UserID)
	const size = 40 << 20
	before := used()
	f, err := os.Create(filepath.Join(p.journal, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	piece := make([]byte, 1<<20)
	for i := range piece {
		piece[i] = 'x'
	}
	for range size / len(piece) {
		if _, err := f.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if got := used() - before; got < size || got > size+size/10 {
		t.Errorf("a journal of %d bytes counts as %d", size, got)
	}
	// Journals alone fill the volume, and then there is no room for files either.
	written := int64(size)
	for err == nil && written <= spec.Limits.StorageBytes {
		var n int
		n, err = f.Write(piece)
		written += int64(n)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("after %d bytes of a limit of %d: got %v, want ENOSPC", written, spec.Limits.StorageBytes, err)
	}
	if err := os.WriteFile(filepath.Join(p.home, "file"), piece, 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a file beside it: got %v, want ENOSPC", err)
	}
}
