package instancedir

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func handle(n int) runtime.Handle {
	return runtime.Handle{
		Spec: runtime.Spec{ID: fmt.Sprintf("i-%012d", n), UserID: int64(n), Name: "ana", Language: "en", LiveSessions: 3,
			Limits: runtime.Limits{CPU: 2, MemoryBytes: 1 << 30, PIDs: 256, StorageBytes: 256 << 20, Inodes: 20_000}},
		Workspace: "/w", CreatedAt: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
	}
}

func open(t testing.TB) Root {
	t.Helper()
	r := At(t.TempDir())
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	return r
}

// names are what is in the folder, whatever it is.
func names(t testing.TB, r Root) string {
	t.Helper()
	entries, err := os.ReadDir(string(r))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestLifeOfARecord(t *testing.T) {
	r := open(t)
	h := handle(1)
	if err := r.Add(h); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(r.Dir(h.Spec.ID)); err != nil || fi.Mode() != os.ModeDir|0o711 {
		t.Errorf("folder: %v, %v; want one that all may walk through", fi, err)
	}
	if fi, err := os.Stat(filepath.Join(r.Dir(h.Spec.ID), "spec.json")); err != nil || fi.Mode() != 0o600 {
		t.Errorf("record: %v, %v; want mode 0600", fi, err)
	}
	if err := r.Add(h); err == nil {
		t.Error("the same id was added twice")
	}
	if got := names(t, r); got != h.Spec.ID {
		t.Errorf("after an addition that failed there is %q; want the instance alone", got)
	}
	h.Spec.Limits.PIDs = 300
	if err := r.Write(h); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Read(h.Spec.ID); err != nil || got != h {
		t.Errorf("read %+v, %v; want %+v", got, err, h)
	}
	if list, err := r.List(quiet); err != nil || len(list) != 1 || list[0] != h {
		t.Errorf("list %+v, %v", list, err)
	}
	if err := r.Remove(h.Spec.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.Remove(h.Spec.ID); err != nil {
		t.Errorf("remove twice: %v; it can be cut short, and run again", err)
	}
	if _, err := r.Read(h.Spec.ID); !errors.Is(err, fault.NotFoundError) {
		t.Errorf("read what was removed: %v", err)
	}
	if got := names(t, r); got != "" {
		t.Errorf("left: %q", got)
	}
}

// Each is what a keeper leaves that is killed in the middle of something.
func TestAfterACrash(t *testing.T) {
	for _, c := range []struct {
		what  string
		crash func(r Root, dir string) error // dir is of an instance that is there
		lives bool                           // the instance is still one
	}{
		{"in Add, before the record", func(r Root, _ string) error { return os.Mkdir(string(r)+"/.making-i-000000000002", 0o711) }, true},
		{"in Add, in the record", func(r Root, _ string) error {
			return errors.Join(os.Mkdir(string(r)+"/.making-i-000000000002", 0o711), os.WriteFile(string(r)+"/.making-i-000000000002/spec.json.new", []byte(`{"spec":{"id":"i-0`), 0o600))
		}, true},
		{"in Write", func(_ Root, dir string) error { return os.WriteFile(dir+"/spec.json.new", []byte(`{"sp`), 0o600) }, true},
		{"in Remove, after the rename", func(r Root, dir string) error { return os.Rename(dir, string(r)+"/.going-i-000000000001") }, false},
		{"in Remove, half of it deleted", func(r Root, dir string) error {
			return errors.Join(os.Rename(dir, string(r)+"/.going-i-000000000001"), os.Remove(string(r)+"/.going-i-000000000001/spec.json"))
		}, false},
	} {
		r := open(t)
		h := handle(1)
		if err := r.Add(h); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Mkdir(r.Dir(h.Spec.ID)+"/run", 0o700), c.crash(r, r.Dir(h.Spec.ID))); err != nil {
			t.Fatal(err)
		}
		// The same keeper goes on listing, before anybody has tidied up.
		want := 0
		if c.lives {
			want = 1
		}
		if list, err := r.List(quiet); err != nil || len(list) != want {
			t.Errorf("%s: list %+v, %v; want %d", c.what, list, err, want)
		}
		if err := r.Open(); err != nil {
			t.Errorf("%s: the next keeper: %v", c.what, err)
		}
		if got := names(t, r); got != map[bool]string{true: h.Spec.ID, false: ""}[c.lives] {
			t.Errorf("%s: after the next start there is %q", c.what, got)
		}
		if got, err := r.Read(h.Spec.ID); c.lives && (err != nil || got != h) {
			t.Errorf("%s: read %+v, %v; want the record whole", c.what, got, err)
		}
		for _, again := range []runtime.Handle{handle(2), h} {
			if err := r.Add(again); (err != nil) != (c.lives && again == h) {
				t.Errorf("%s: add %s: %v", c.what, again.Spec.ID, err)
			}
		}
	}
}

// A record that cannot be written leaves nothing half-made.
func TestAddThatFails(t *testing.T) {
	r := open(t)
	h := handle(1)
	h.CreatedAt = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC) // no JSON
	if err := r.Add(h); err == nil {
		t.Fatal("it was added")
	}
	if got := names(t, r); got != "" {
		t.Errorf("left: %q", got)
	}
}

func TestOddEntries(t *testing.T) {
	r := open(t)
	if err := r.Add(handle(1)); err != nil {
		t.Fatal(err)
	}
	put := func(name, record string) {
		t.Helper()
		if err := os.Mkdir(r.Dir(name), 0o711); err != nil {
			t.Fatal(err)
		}
		if record != "" {
			if err := os.WriteFile(filepath.Join(r.Dir(name), "spec.json"), []byte(record), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("i-000000000002", "")
	put("i-000000000003", `{"spec":`)
	put("i-000000000004", `{"spec":{"id":"i-000000000001","user_id":1}}`) // another's: its paths would be another's
	put("other", `{"spec":{"id":"other"}}`)
	if err := os.WriteFile(string(r)+"/i-000000000005", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := r.List(quiet); err != nil || len(list) != 1 || list[0].Spec.UserID != 1 {
		t.Errorf("list %+v, %v; want the one that is whole", list, err)
	}
	for _, id := range []string{"", ".", "..", "../instances", "i-000000000001/../i-000000000001", "i-00000000000A", "i-0000000000011", "i-000000000001\n", "other"} {
		if _, err := r.Read(id); !errors.Is(err, fault.NotFoundError) {
			t.Errorf("read %q: %v; want not_found", id, err)
		}
		if c, err := r.Dial(t.Context(), id); !errors.Is(err, fault.NotFoundError) {
			t.Errorf("dial %q: %v, %v; want not_found", id, c, err)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	r := open(t)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 25 {
				h := handle(n)
				if err := errors.Join(r.Add(h), r.Write(h), r.Remove(h.Spec.ID)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			list, err := r.List(quiet)
			if err != nil {
				t.Error(err)
			}
			for _, h := range list {
				if h != handle(int(h.Spec.UserID)) {
					t.Errorf("half a record: %+v", h)
				}
			}
		}
	})
	wg.Wait()
	if got := names(t, r); got != "" {
		t.Errorf("left: %q", got)
	}
}

func TestListen(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "listen-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	victim := filepath.Join(dir, "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("untouched"), 0o600), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // in the place of the link, then in that of an earlier socket
		f, err := Listen(path, os.Getuid(), os.Getgid(), 0o660)
		if err != nil {
			t.Fatal(err)
		}
		fi, err := os.Lstat(path)
		if err != nil || fi.Mode() != os.ModeSocket|0o660 || int(fi.Sys().(*syscall.Stat_t).Uid) != os.Getuid() {
			t.Errorf("socket: %v, %v", fi, err)
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Errorf("nobody listens: %v", err)
		} else {
			c.Close()
		}
		f.Close()
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "untouched" {
		t.Errorf("what the link led to: %q, %v", b, err)
	}
	if _, err := Listen(filepath.Join(dir, "none", "s"), os.Getuid(), os.Getgid(), 0o600); err == nil {
		t.Error("listens in no folder")
	}
	if _, err := Listen(filepath.Join(dir, strings.Repeat("s", 120)), os.Getuid(), os.Getgid(), 0o600); err == nil {
		t.Error("listens at a path that no socket can have")
	}
}

func TestValidate(t *testing.T) {
	if err := Validate(handle(1).Spec, 10); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	for what, change := range map[string]func(*runtime.Spec){
		"id":            func(s *runtime.Spec) { s.ID = "i-0123456789ab\n" },
		"user_id":       func(s *runtime.Spec) { s.UserID = 11 },
		"name":          func(s *runtime.Spec) { s.Name = "nobody" },
		"language":      func(s *runtime.Spec) { s.Language = "de" },
		"live_sessions": func(s *runtime.Spec) { s.LiveSessions = -1 },
		"limits":        func(s *runtime.Spec) { s.Limits.CPU = 0 },
	} {
		s := handle(1).Spec
		change(&s)
		err := Validate(s, 10)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Location != what {
			t.Errorf("a bad %s: %v; want invalid, and the field's name", what, err)
		}
	}
}

// Whatever passes can be a folder's name, a login name and a line of passwd.
func TestValidateProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := handle(1).Spec
		s.ID = rapid.OneOf(rapid.StringMatching(`i-[a-z0-9]{11,13}`), rapid.String()).Draw(t, "id")
		s.Name = rapid.OneOf(rapid.StringMatching(`[a-z][a-z0-9_-]{0,33}`), rapid.String()).Draw(t, "name")
		s.Limits.CPU = rapid.Float64().Draw(t, "cpu")
		if Validate(s, 10) != nil {
			return
		}
		if filepath.Base(s.ID) != s.ID || len(s.ID) != 14 || strings.ContainsAny(s.Name, ":/\n. \x00") || len(s.Name) > 31 || s.Name == "root" || !(s.Limits.CPU > 0) {
			t.Errorf("%q, %q, %v passed", s.ID, s.Name, s.Limits.CPU)
		}
	})
}
