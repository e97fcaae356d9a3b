package snapshotdir

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// The test binary is the process that reads and makes homes, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && strings.HasPrefix(os.Args[1], "snapshot-") {
		var err error
		if os.Args[1] == "snapshot-pack" {
			err = Pack(context.Background(), os.Stdout, os.Stderr)
		} else {
			err = Unpack(context.Background(), os.Stdin)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const personUID = 40_001

type volume struct {
	t      *testing.T
	dir    *Dir
	path   string
	person *syscall.Credential
}

func newVolume(t *testing.T) *volume {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("a process of another's can be started by root alone")
	}
	data := t.TempDir()
	v := &volume{t: t, dir: At(data), path: filepath.Join(data, "volume"), person: &syscall.Credential{Uid: personUID, Gid: personUID, Groups: []uint32{}}}
	for _, d := range []string{filepath.Join(data, "snapshots"), v.path, v.home("")} {
		v.must(os.Mkdir(d, 0o700))
	}
	v.must(os.Chown(v.home(""), personUID, personUID))
	return v
}

func (v *volume) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

func (v *volume) home(name string) string { return filepath.Join(v.path, "home", name) }

func (v *volume) write(name, text string) {
	v.t.Helper()
	v.must(os.WriteFile(v.home(name), []byte(text), 0o600))
	v.must(os.Chown(v.home(name), personUID, personUID))
}

func (v *volume) take(keep runtime.Keep) (runtime.Snapshot, error) {
	v.t.Helper()
	home, err := os.Open(v.home(""))
	v.must(err)
	defer home.Close()
	return v.dir.Take(v.t.Context(), 7, home, v.person, runtime.SnapshotAsked, keep)
}

var discard = slog.New(slog.DiscardHandler)

var roomy = runtime.Keep{Count: 24, Bytes: 1 << 20}

func TestComesBack(t *testing.T) {
	v := newVolume(t)
	v.write("a", "as it was")
	v.must(os.Symlink("/etc/shadow", v.home("link")))
	s, err := v.take(roomy)
	v.must(err)
	v.write("a", "as it is")
	v.write("b", "new")
	v.must(v.dir.Restore(t.Context(), 7, s.ID, v.path, v.person, discard))
	if b, err := os.ReadFile(v.home("a")); string(b) != "as it was" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	fi, err := os.Lstat(v.home("a"))
	v.must(err)
	if st := fi.Sys().(*syscall.Stat_t); st.Uid != personUID || st.Gid != personUID {
		t.Errorf("it belongs to %d:%d", st.Uid, st.Gid)
	}
	if to, err := os.Readlink(v.home("link")); to != "/etc/shadow" || err != nil {
		t.Errorf("%q %v", to, err)
	}
	entries, err := os.ReadDir(v.path)
	v.must(err)
	if _, err := os.Lstat(v.home("b")); err == nil || len(entries) != 1 {
		t.Errorf("left in the volume: %v", entries)
	}
	all, err := v.dir.List(7)
	if err != nil || len(all) != 1 || all[0] != s {
		t.Errorf("%+v %v; want %+v", all, err, s)
	}
	v.must(v.dir.Delete(7, s.ID))
	if err := v.dir.Delete(7, s.ID); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("deleted twice: %v", err)
	}
}

// TestReadsAsThePerson: what root alone can read is in no snapshot.
func TestReadsAsThePerson(t *testing.T) {
	v := newVolume(t)
	v.must(os.WriteFile(v.home("roots"), []byte("secret"), 0o600))
	v.write("own", "x")
	s, err := v.take(roomy)
	v.must(err)
	if s.Skipped != 1 || !strings.Contains(s.SkippedFirst, "home/roots") {
		t.Errorf("what is not in it is told as %d, %q", s.Skipped, s.SkippedFirst)
	}
	v.must(os.Remove(v.home("roots")))
	v.must(v.dir.Restore(t.Context(), 7, s.ID, v.path, v.person, discard))
	if _, err := os.Lstat(v.home("roots")); err == nil {
		t.Error("a file of root's was taken")
	}
}

func TestOldestGo(t *testing.T) {
	v := newVolume(t)
	v.write("a", "text")
	first, err := v.take(roomy)
	v.must(err)
	for range 4 {
		if _, err := v.take(runtime.Keep{Count: 3, Bytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := v.dir.List(7)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d are kept: %v", len(all), err)
	}
	oldest := all[2].ID
	if _, err := v.take(runtime.Keep{Count: 2, Bytes: 1 << 20, Spare: oldest}); err != nil {
		t.Fatal(err)
	}
	if all, err = v.dir.List(7); err != nil || len(all) != 2 || all[1].ID != oldest {
		t.Errorf("the one to be spared is not among %+v, %v", all, err)
	}
	last, err := v.take(runtime.Keep{Count: 24, Bytes: first.Bytes + first.Bytes/2})
	v.must(err)
	if all, err = v.dir.List(7); err != nil || len(all) != 1 || all[0].ID != last.ID {
		t.Errorf("of twice too many bytes there are %+v, %v", all, err)
	}
	_, err = v.take(runtime.Keep{Count: 24, Bytes: 10})
	if fault.CodeOf(err) != fault.QuotaExceeded {
		t.Errorf("one that is too large: %v", err)
	}
	if again, _ := v.dir.List(7); len(again) != 1 || again[0].ID != last.ID {
		t.Errorf("after that: %+v", again)
	}
	if files, _ := os.ReadDir(v.dir.user(7)); len(files) != 1 {
		t.Errorf("files: %v", files)
	}
}

func TestRefused(t *testing.T) {
	v := newVolume(t)
	v.write("a", "text")
	s, err := v.take(roomy)
	v.must(err)
	for _, id := range []string{"", "../../secrets", s.ID + "/..", "s-20261124T000000Z-00000000", strings.ToUpper(s.ID), s.ID + ".asked"} {
		if err := v.dir.Restore(t.Context(), 7, id, v.path, v.person, discard); !errors.Is(err, fault.NotFoundError) {
			t.Errorf("restore %q: %v", id, err)
		}
		if err := v.dir.Delete(7, id); !errors.Is(err, fault.NotFoundError) {
			t.Errorf("delete %q: %v", id, err)
		}
	}
	if err := v.dir.Restore(t.Context(), 8, s.ID, v.path, v.person, discard); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("another's: %v", err)
	}
	if _, err := v.take(runtime.Keep{}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("without a bound: %v", err)
	}
	// One that is damaged changes nothing.
	path := v.dir.file(7, s)
	b, err := os.ReadFile(path)
	v.must(err)
	v.must(os.WriteFile(path, b[:len(b)-5], 0o600))
	v.write("a", "newer")
	if err := v.dir.Restore(t.Context(), 7, s.ID, v.path, v.person, discard); err == nil {
		t.Error("half a snapshot passes")
	}
	if b, _ := os.ReadFile(v.home("a")); string(b) != "newer" {
		t.Errorf("it changed %q", b)
	}
	if entries, _ := os.ReadDir(v.path); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}

func TestOneAtATime(t *testing.T) {
	v := newVolume(t)
	release, err := v.dir.claim(7)
	v.must(err)
	if _, err := v.take(roomy); !errors.Is(err, fault.ConflictError) {
		t.Errorf("a second: %v", err)
	}
	release()
	if _, err := v.take(roomy); err != nil {
		t.Error(err)
	}
}
