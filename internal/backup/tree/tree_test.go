package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// packed is an archive in memory.
type packed struct {
	headers []*tar.Header
	bodies  [][]byte
}

func (p packed) get(name string) (*tar.Header, string) {
	for i, h := range p.headers {
		if h.Name == name {
			return h, string(p.bodies[i])
		}
	}
	return nil, ""
}

func pack(t testing.TB, dir string) (packed, Report) {
	t.Helper()
	var out packed
	p := &Packer{Owner: func(uid uint32) int {
		if uid == 0 {
			return Supervisor
		}
		return Person
	}, Add: func(h *tar.Header, body io.Reader) error {
		b, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if int64(len(b)) != h.Size {
			return fmt.Errorf("%q has a body of %d bytes and says %d", h.Name, len(b), h.Size)
		}
		out.headers, out.bodies = append(out.headers, h), append(out.bodies, b)
		return nil
	}}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Pack(ctx, f, "home"); err != nil {
		t.Fatal(err)
	}
	return out, p.Report()
}

// throughTar gives what a tar file keeps of it.
func throughTar(t testing.TB, p packed) packed {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, h := range p.headers {
		if err := w.WriteHeader(h); err != nil {
			t.Fatalf("%q: %v", h.Name, err)
		}
		if _, err := w.Write(p.bodies[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var out packed
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out.headers, out.bodies = append(out.headers, h), append(out.bodies, body)
	}
}

func unpack(t testing.TB, p packed) (dir string, u *Unpacker) {
	t.Helper()
	dir = t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	u = &Unpacker{Root: root, Owner: func(id int) int { return id }}
	for i, h := range p.headers {
		if err := u.Add(h, bytes.NewReader(p.bodies[i])); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, u
}

// look describes all below a folder, in a form that can be compared.
func look(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	inodes := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		text := fmt.Sprintf("%o %d:%d %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %q", b)
			if st.Nlink > 1 {
				if inodes[st.Ino] == "" {
					inodes[st.Ino] = name
				}
				text += " same as " + inodes[st.Ino]
			}
		case unix.S_IFLNK:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + to
		}
		value := make([]byte, 100)
		if n, err := unix.Lgetxattr(path, "user.note", value); err == nil {
			text += fmt.Sprintf(" note %q", value[:n])
		}
		all[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestKeepsWhatFilesAre(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("owners can be tried by root alone")
	}
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	must(t, os.MkdirAll(at("a/b"), 0o755), os.WriteFile(at("a/b/plain"), []byte("text"), 0o640), os.WriteFile(at("empty"), nil, 0o600))
	must(t, os.Chmod(at("a/b/plain"), 0o6711|os.ModeSetuid), os.Chmod(at("a"), 0o777|os.ModeSticky), os.Chmod(at("a/b"), 0o500))
	must(t, os.Link(at("a/b/plain"), at("zlink")), os.Symlink("/etc/shadow", at("evil")), os.Symlink("no such\nthing", at("broken")))
	odd := at("new\nline \xff\xfe ünï " + strings.Repeat("x", 200))
	must(t, os.WriteFile(odd, []byte("odd"), 0o600), os.WriteFile(at("-rf"), []byte("x"), 0o600), os.WriteFile(at("..."), []byte("x"), 0o600))
	must(t, os.Chown(at("a"), 1000, 1000), os.Chown(at("a/b/plain"), 1000, 1000), os.Lchown(at("evil"), 1000, 1000), os.Chmod(at("a/b/plain"), 0o755|os.ModeSetuid))
	must(t, unix.Setxattr(at("a/b/plain"), "user.note", []byte("a\x00\xffb="), 0), unix.Setxattr(at("a"), "user.note", []byte("of a folder"), 0))
	old := time.Unix(1_000_000_000, 123456789)
	must(t, os.Chtimes(at("a/b/plain"), old, old), os.Chtimes(at("a/b"), old, old), os.Chtimes(at("empty"), time.Unix(-5, 7), time.Unix(-5, 7)))
	p, report := pack(t, dir)
	if report.Skipped.Count != 0 {
		t.Errorf("skipped %v", report.Skipped)
	}
	got, u := unpack(t, throughTar(t, p))
	if u.Report().Skipped.Count != 0 {
		t.Errorf("not made: %v", u.Report().Skipped)
	}
	want, have := look(t, dir), look(t, filepath.Join(got, "home"))
	for name := range maps.Keys(want) {
		if want[name] != have[name] {
			t.Errorf("%q\n was %s\n is  %s", name, want[name], have[name])
		}
	}
	if len(want) != len(have) {
		t.Errorf("%d entries became %d", len(want), len(have))
	}
}

func TestHolesStayHoles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sparse")
	f, err := os.Create(path)
	must(t, err)
	const size = int64(1) << 42
	must(t, f.Truncate(size))
	for _, at := range []int64{0, 1 << 20, 1<<20 + 8192, 1 << 40, size - 3} {
		_, err := f.WriteAt([]byte("abc"), at)
		must(t, err)
	}
	must(t, f.Close())
	p, _ := pack(t, dir)
	if h, _ := p.get("home/sparse"); h.Size > 1<<20 {
		t.Fatalf("a file of %d bytes with 15 of data takes %d", size, h.Size)
	}
	got, _ := unpack(t, throughTar(t, p))
	f, err = os.Open(filepath.Join(got, "home/sparse"))
	must(t, err)
	defer f.Close()
	var st unix.Stat_t
	must(t, unix.Fstat(int(f.Fd()), &st))
	if st.Size != size || st.Blocks*512 > 1<<17 {
		t.Errorf("it became %d bytes, %d on disk", st.Size, st.Blocks*512)
	}
	for _, at := range []int64{0, 1 << 20, 1<<20 + 8192, 1 << 40, size - 3} {
		b := make([]byte, 3)
		if _, err := f.ReadAt(b, at); err != nil || string(b) != "abc" {
			t.Errorf("at %d: %q %v", at, b, err)
		}
	}
}

// TestLeaksNothing packs what a hostile person may have made.
func TestLeaksNothing(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("the host's secret"), 0o600))
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	must(t, os.Symlink(filepath.Join(outside, "secret"), at("to file")), os.Symlink(outside, at("to folder")), os.Symlink("/", at("root")), os.Symlink(".", at("self")))
	must(t, unix.Mkfifo(at("fifo"), 0o666))
	l, err := net.Listen("unix", at("sock"))
	must(t, err)
	defer l.Close()
	if os.Getuid() == 0 {
		must(t, unix.Mknod(at("tty"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5)))) // /dev/zero has no end
	}
	p, report := pack(t, dir)
	for i, h := range p.headers {
		if bytes.Contains(p.bodies[i], []byte("secret")) || strings.Contains(h.Name, "folder/") || strings.Contains(h.Name, "root/") {
			t.Errorf("%q leaks", h.Name)
		}
	}
	if h, _ := p.get("home/to file"); h == nil || h.Typeflag != tar.TypeSymlink {
		t.Errorf("the link became %+v", h)
	}
	if want := int64(2); os.Getuid() == 0 && report.Skipped.Count != want+1 {
		t.Errorf("left out %v", report.Skipped)
	}
}

func TestDeepFolders(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_DIRECTORY, 0)
	must(t, err)
	for range 2100 { // deeper than a path can say
		must(t, unix.Mkdirat(fd, "dd", 0o700))
		next, err := unix.Openat(fd, "dd", unix.O_DIRECTORY, 0)
		must(t, err, unix.Close(fd))
		fd = next
	}
	must(t, unix.Close(fd))
	t.Cleanup(func() { must(t, removeDeep(dir)) })
	must(t, os.WriteFile(filepath.Join(dir, "zz"), []byte("still here"), 0o600))
	p, report := pack(t, dir)
	if _, body := p.get("home/zz"); body != "still here" {
		t.Error("what stands beside deep folders is not there")
	}
	if report.Skipped.Count != 1 || report.Entries < maxDepth {
		t.Errorf("%d entries, left out %v", report.Entries, report.Skipped)
	}
	if len(report.Skipped.First) != 1 || len(report.Skipped.First[0]) > 400 {
		t.Errorf("the note is %d bytes long", len(report.Skipped.First[0]))
	}
	unpack(t, throughTar(t, p))
}

// removeDeep flattens: RemoveAll may not get that far down.
func removeDeep(dir string) error {
	for {
		err := os.Rename(filepath.Join(dir, "dd/dd"), filepath.Join(dir, "up"))
		if errors.Is(err, fs.ErrNotExist) {
			return os.RemoveAll(filepath.Join(dir, "dd"))
		}
		if err := errors.Join(err, os.Remove(filepath.Join(dir, "dd")), os.Rename(filepath.Join(dir, "up"), filepath.Join(dir, "dd"))); err != nil {
			return err
		}
	}
}

// TestSwappedWhileRead has a person change everything all the time.
func TestSwappedWhileRead(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "inner"), []byte("the host's secret"), 0o600))
	dir := t.TempDir()
	write := func(path string, b []byte) { // not into what another has put there
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			_, _ = f.Write(b)
			_ = f.Truncate(10)
			f.Close()
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				path := filepath.Join(dir, fmt.Sprint("x", random.IntN(4)))
				_ = os.RemoveAll(path) // whoever was faster
				switch random.IntN(5) {
				case 0:
					_ = os.Symlink(outside, path)
				case 1:
					_ = os.Symlink(filepath.Join(outside, "inner"), path)
				case 2:
					_ = os.Mkdir(path, 0o700)
					write(filepath.Join(path, "inner2"), []byte("own"))
				case 3:
					write(path, bytes.Repeat([]byte("own"), random.IntN(100_000)))
				case 4:
					_ = unix.Mkfifo(path, 0o600)
				}
			}
		})
	}
	for range 100 {
		p, _ := pack(t, dir)
		for i, h := range p.headers {
			if bytes.Contains(p.bodies[i], []byte("secret")) {
				t.Errorf("%q leaks", h.Name)
			}
		}
		unpack(t, throughTar(t, p))
	}
	close(stop)
	wg.Wait()
}

func TestFileThatShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	e := &exactly{f: f, left: 10}
	must(t, os.Truncate(path, 4))
	b, err := io.ReadAll(e)
	if string(b) != "0123\x00\x00\x00\x00\x00\x00" || err != nil || !e.short {
		t.Errorf("%q %v %v", b, err, e.short)
	}
}

func TestNamesThatLeadOut(t *testing.T) {
	for _, h := range []*tar.Header{
		{Name: "../x"}, {Name: "/etc/passwd"}, {Name: "a/../../x"}, {Name: "a//b"}, {Name: "./a"}, {Name: ""}, {Name: "a/../b"}, {Name: "a\x00b"}, {Name: ".."},
		{Name: "l", Typeflag: tar.TypeLink, Linkname: "../x"}, {Name: "l", Typeflag: tar.TypeLink, Linkname: "/etc/shadow"},
	} {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		root, err := os.OpenRoot(t.TempDir())
		must(t, err)
		u := &Unpacker{Root: root}
		if err := u.Add(h, strings.NewReader("")); !errors.Is(err, ErrName) {
			t.Errorf("%q -> %q: %v", h.Name, h.Linkname, err)
		}
		must(t, u.Close(), root.Close())
	}
}

// TestLinksThatLeadOut unpacks through links, which must not be followed out.
func TestLinksThatLeadOut(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	dir, u := unpack(t, packed{headers: []*tar.Header{
		{Typeflag: tar.TypeSymlink, Name: "out", Linkname: outside},
		{Typeflag: tar.TypeReg, Name: "out/new", Mode: 0o644},
		{Typeflag: tar.TypeDir, Name: "out/dir", Mode: 0o777},
		{Typeflag: tar.TypeDir, Name: "out", Mode: 0o777},
		{Typeflag: tar.TypeReg, Name: "out/secret", Mode: 0o666},
		{Typeflag: tar.TypeLink, Name: "hard", Linkname: "out/secret"},
		{Typeflag: tar.TypeSymlink, Name: "up", Linkname: "../../.."},
		{Typeflag: tar.TypeReg, Name: "up/x", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "good", Mode: 0o644},
	}, bodies: make([][]byte, 9)})
	entries, err := os.ReadDir(outside)
	must(t, err)
	fi, err := os.Stat(filepath.Join(outside, "secret"))
	must(t, err)
	if len(entries) != 1 || fi.Mode().Perm() != 0o600 || fi.Size() != 6 {
		t.Errorf("outside there is now %v, the secret %v", entries, fi)
	}
	if _, err := os.Lstat(filepath.Join(dir, "good")); err != nil {
		t.Error(err)
	}
	if u.Report().Skipped.Count != 6 {
		t.Errorf("%+v", u.Report().Skipped)
	}
}

func TestSameNameTwice(t *testing.T) {
	dir, _ := unpack(t, packed{headers: []*tar.Header{
		{Typeflag: tar.TypeReg, Name: "a", Mode: 0o600, Size: 3}, {Typeflag: tar.TypeSymlink, Name: "a", Linkname: "b"}, {Typeflag: tar.TypeReg, Name: "a", Mode: 0o600, Size: 5},
	}, bodies: [][]byte{[]byte("one"), nil, []byte("three")}})
	if b, err := os.ReadFile(filepath.Join(dir, "a")); string(b) != "three" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "b")); err == nil {
		t.Error("a link was followed")
	}
}

// TestAnyFile has any contents with any holes come back the same.
func TestAnyFile(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		must(t, err)
		f, err := os.Create(filepath.Join(dir, "f"))
		must(t, err)
		size := rapid.Int64Range(0, 1<<21).Draw(rt, "size")
		must(t, f.Truncate(size))
		for _, at := range rapid.SliceOfN(rapid.Int64Range(0, 1<<21), 0, 6).Draw(rt, "writes") {
			_, err := f.WriteAt(bytes.Repeat([]byte{1, 0, 2}, rapid.IntRange(0, 3000).Draw(rt, "n")), at)
			must(t, err)
		}
		must(t, f.Close())
		want, err := os.ReadFile(f.Name())
		must(t, err)
		p, _ := pack(t, dir)
		got, _ := unpack(t, p)
		have, err := os.ReadFile(filepath.Join(got, "home/f"))
		if err != nil || !bytes.Equal(have, want) {
			rt.Fatalf("%d bytes became %d: %v", len(want), len(have), err)
		}
		must(t, os.RemoveAll(dir), os.RemoveAll(got))
	})
}

func FuzzSparse(f *testing.F) {
	f.Add(int64(100), []byte("\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x03abc"))
	f.Add(int64(-1), []byte("x"))
	f.Fuzz(func(t *testing.T, size int64, body []byte) {
		if size > 1<<30 {
			return
		}
		out, err := os.CreateTemp(t.TempDir(), "")
		must(t, err)
		defer out.Close()
		if writeSparse(out, size, bytes.NewReader(body)) != nil {
			return
		}
		fi, err := out.Stat()
		must(t, err)
		if fi.Size() != size {
			t.Errorf("%d bytes, want %d", fi.Size(), size)
		}
	})
}

func TestNotesAreBounded(t *testing.T) {
	var n Notes
	for range 1000 {
		n.Note(strings.Repeat("\n", 5000), errSpecial)
	}
	if n.Count != 1000 || len(n.First) != maxNotes || slices.ContainsFunc(n.First, func(s string) bool { return len(s) > 500 || strings.Contains(s, "\n") }) {
		t.Errorf("%d notes, %d kept", n.Count, len(n.First))
	}
}
