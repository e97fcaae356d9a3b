package snapshotdir

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestClosedToItsOwner: what its own person may not read is kept all the same,
// and stays closed.
func TestClosedToItsOwner(t *testing.T) {
	v := newVolume(t)
	modes := map[string]os.FileMode{"closed": 0o311, "closed/in": 0, "dark": 0, "dark/deeper": 0o111, "file": 0, ".": 0}
	for _, name := range []string{"closed", "dark", "dark/deeper"} {
		v.must(os.Mkdir(v.home(name), 0o700))
		v.must(os.Chown(v.home(name), personUID, personUID))
	}
	v.write("closed/in", "in a closed folder")
	v.write("dark/deeper/f", "in a dark one")
	v.write("file", "closed itself")
	for name, mode := range modes {
		v.must(os.Chmod(v.home(name), mode))
	}
	check := func(when, but string) {
		t.Helper()
		for name, text := range map[string]string{"closed/in": "in a closed folder", "dark/deeper/f": "in a dark one", "file": "closed itself"} {
			if b, err := os.ReadFile(v.home(name)); string(b) != text || err != nil {
				t.Errorf("%s: %s: %q, %v", when, name, b, err)
			}
		}
		for name, mode := range modes {
			if fi, err := os.Stat(v.home(name)); err != nil || name != but && fi.Mode().Perm() != mode {
				t.Errorf("%s: %s is %v, %v; want %v", when, name, fi, err, mode)
			}
		}
	}
	s, err := v.take(roomy)
	v.must(err)
	if s.Skipped != 0 {
		t.Errorf("%d are left out: %s", s.Skipped, s.SkippedFirst)
	}
	check("taken", "")
	v.must(v.dir.Restore(t.Context(), 7, s.ID, v.path, v.person, discard))
	check("restored", ".") // the home itself can be entered
	if fi, err := os.Stat(v.home("")); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the home is %v, %v", fi, err)
	}
}

// deep makes folders deeper than this process may have files open.
func (v *volume) deep(dir string) {
	v.t.Helper()
	var had unix.Rlimit
	v.must(unix.Getrlimit(unix.RLIMIT_NOFILE, &had))
	v.must(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: had.Max}))
	v.t.Cleanup(func() { v.must(unix.Setrlimit(unix.RLIMIT_NOFILE, &had)) })
	fd, err := unix.Open(dir, unix.O_DIRECTORY, 0)
	v.must(err)
	for range 3000 {
		v.must(unix.Mkdirat(fd, "d", 0o700))
		next, err := unix.Openat(fd, "d", unix.O_DIRECTORY, 0)
		v.must(err)
		v.must(unix.Close(fd))
		fd = next
	}
	v.must(unix.Close(fd))
}

func (v *volume) onlyHome(when string) {
	v.t.Helper()
	entries, err := os.ReadDir(v.path)
	v.must(err)
	if len(entries) != 1 || entries[0].Name() != "home" {
		v.t.Errorf("%s: in the volume there is %v", when, entries)
	}
}

// TestDeepHome: an old home of any depth is gone after a restore, and in no
// later one's way.
func TestDeepHome(t *testing.T) {
	v := newVolume(t)
	v.write("a", "as it was")
	s, err := v.take(roomy)
	v.must(err)
	v.deep(v.home(""))
	for range 2 {
		v.must(v.dir.Restore(t.Context(), 7, s.ID, v.path, v.person, discard))
		v.onlyHome("restored")
	}
}

// TestTidy: what a killed keeper left goes, unless one is at work.
func TestTidy(t *testing.T) {
	v := newVolume(t)
	v.write("a", "mine")
	_, err := v.take(roomy)
	v.must(err)
	part := filepath.Join(v.dir.user(7), making)
	for _, name := range []string{besides, besides + "-X"} {
		v.must(os.Mkdir(filepath.Join(v.path, name), 0o700))
	}
	v.must(os.WriteFile(part, []byte("half"), 0o600))
	v.deep(filepath.Join(v.path, besides))
	release, err := v.dir.claim(7)
	v.must(err)
	v.dir.Tidy(t.Context(), 7, v.path, discard)
	if _, err := os.Lstat(part); err != nil {
		t.Errorf("what is at work was removed: %v", err)
	}
	release()
	v.dir.Tidy(t.Context(), 7, v.path, discard)
	v.onlyHome("tidied")
	if _, err := os.Lstat(part); err == nil {
		t.Error("half a snapshot stays")
	}
	if b, err := os.ReadFile(v.home("a")); string(b) != "mine" || err != nil {
		t.Errorf("%q %v", b, err)
	}
}
