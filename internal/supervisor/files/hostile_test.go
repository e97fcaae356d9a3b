package files

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
)

func TestLinksDoNotLeadOut(t *testing.T) {
	b := setup(t)
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(b.home, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(b.outside, "abs")
	link("../outside", "rel")
	link(filepath.Join(b.outside, "secret"), "file")
	link("../outside/new", "new")
	link("loop", "loop")
	link("/proc/self/environ", "environ")
	link("README.md", "inside")
	link("projects", "inner")
	b.write(b.home, "projects/p/x", "x")
	for _, p := range []string{"abs/secret", "rel/secret", "file", "new", "loop", "environ", "inner/../../outside/secret"} {
		b.wantCode(b.get(p), fault.Invalid, "get "+p)
		b.wantCode(b.put(p, "changed"), fault.Invalid, "put "+p)
	}
	for _, p := range []string{"abs", "rel", "abs/x", "rel/x"} {
		b.wantCode(b.put(p+"/y", "changed"), fault.Invalid, "put "+p)
		b.wantCode(b.do("POST", "/folder", nil, nil, map[string]string{"path": p + "/y"}), fault.Invalid, "folder in "+p)
	}
	b.wantCode(b.do("POST", "/move", nil, nil, map[string]string{"from": "rel/secret", "to": "got"}), fault.Invalid, "move from outside")
	b.wantCode(b.do("POST", "/move", nil, nil, map[string]string{"from": "README.md", "to": "rel/got"}), fault.Invalid, "move to outside")
	b.wantCode(b.do("DELETE", "", at("rel/secret"), nil, nil), fault.Invalid, "delete outside")

	var folder Folder
	if err := json.Unmarshal([]byte(b.do("GET", "", nil, nil, nil).body), &folder); err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, e := range folder.Items {
		types[e.Name] = e.Type
	}
	for name, want := range map[string]string{"abs": "link", "file": "link", "loop": "link", "environ": "link", "inside": "file", "inner": "folder", "temp": "folder"} {
		if types[name] != want {
			t.Errorf("%s is shown as %q, want %q", name, types[name], want)
		}
	}

	// So is an absolute one, as programs make them: the workspace is /home/ana to them.
	link("/home/ana/README.md", "absfile")
	link("/home/ana/projects/p/", "absfolder")
	link("/home/ana/absfolder/../../projects/p", "absover") // by way of another, and of what that leads to
	link("/home/ana/../ana2/x", "absout")
	link("/home/ana2/x", "absnear")
	link("/home/ana/../../outside/secret", "absup")
	link("absfolder/../../../outside/secret", "absrel")
	link("/home/ana/absloop", "absloop")
	b.wantOK(b.put("absfile", "by a link"), 200, "put over an absolute link")
	if got := b.get("README.md").body + b.get("absfile").body; got != "by a linkby a link" {
		t.Errorf("got %q", got)
	}
	for _, dir := range []string{"absfolder", "absover"} {
		if got := b.get(dir + "/x").body; got != "x" {
			t.Errorf("got %q through %s", got, dir)
		}
		if err := json.Unmarshal([]byte(b.do("GET", "", at(dir), nil, nil).body), &folder); err != nil || folder.Type != typeFolder || len(folder.Items) != 1 || folder.Items[0].Path != dir+"/x" || folder.Items[0].Type != typeFile {
			t.Errorf("%s is shown as %+v, %v", dir, folder, err)
		}
	}
	b.wantOK(b.put("absfolder/new/y", "y"), 201, "put through an absolute link")
	b.wantOK(b.do("POST", "/folder", nil, nil, map[string]string{"path": "absfolder/f/g"}), 201, "folder through an absolute link")
	b.wantOK(b.begin("absfolder/up", 2, "", "up"), 201, "upload through an absolute link")
	b.wantOK(b.do("POST", "/move", nil, nil, map[string]string{"from": "absfolder/new/y", "to": "absfolder/f/g/z"}), 200, "move through an absolute link")
	for p, want := range map[string]string{"f/g/z": "y", "up": "up"} {
		if got, err := os.ReadFile(filepath.Join(b.home, "projects/p", p)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", p, got, err)
		}
	}
	for _, p := range []string{"f", "new", "up"} {
		b.wantOK(b.do("DELETE", "", at("absfolder/"+p), nil, nil), 204, "remove through an absolute link")
	}
	for _, p := range []string{"absout", "absnear", "absup", "absrel", "absloop"} {
		b.wantCode(b.get(p), fault.Invalid, "get "+p)
		b.wantCode(b.put(p, "changed"), fault.Invalid, "put "+p)
		b.wantCode(b.put(p+"/y", "changed"), fault.Invalid, "put below "+p)
	}
	for _, p := range []string{"absfile", "absfolder", "absover"} {
		b.wantOK(b.do("DELETE", "", at(p), nil, nil), 204, "remove link "+p)
	}

	// A link that stays inside is what it leads to; saving changes the file and not the link.
	b.wantOK(b.put("inside", "new text"), 200, "put over an inner link")
	if got := b.get("README.md").body; got != "new text" {
		t.Errorf("got %q", got)
	}
	b.wantOK(b.get("inner/p/x"), 200, "get through an inner link")
	// Links themselves can be removed, with nothing behind them.
	for _, p := range []string{"abs", "rel", "file", "new", "loop", "environ", "inner"} {
		b.wantOK(b.do("DELETE", "", at(p), nil, nil), 204, "remove link "+p)
	}
	b.wantOK(b.get("projects/p/x"), 200, "what was behind a removed link")
}

// While a folder is swapped with a link that leads out, nothing outside is ever read, written or removed.
func TestLinkSwappedWhileInUse(t *testing.T) {
	for name, target := range map[string]string{"at once": "", "over an absolute link into the workspace": "/home/ana/projects/hop"} {
		t.Run(name, func(t *testing.T) { swapped(t, target) })
	}
}

func swapped(t *testing.T, target string) {
	b := setup(t)
	b.write(b.home, "projects/d/secret", "inside")
	if target == "" {
		target = b.outside
	} else if err := os.Symlink(b.outside, filepath.Join(b.home, "projects/hop")); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		d, l, aside := filepath.Join(b.home, "projects/d"), filepath.Join(b.home, "projects/l"), filepath.Join(b.home, "projects/aside")
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Symlink(target, l)
			_ = unix.Renameat2(unix.AT_FDCWD, d, unix.AT_FDCWD, l, unix.RENAME_EXCHANGE)
			_ = os.Rename(filepath.Join(l, "secret"), aside)
			_ = os.Rename(aside, filepath.Join(l, "secret"))
			_ = unix.Renameat2(unix.AT_FDCWD, d, unix.AT_FDCWD, l, unix.RENAME_EXCHANGE)
		}
	}()
	for i := range 300 {
		if r := b.get("projects/d/secret"); strings.Contains(r.body, secret) {
			t.Errorf("round %d: the secret was read", i)
		}
		b.put("projects/d/new", "written")
		b.do("DELETE", "", at("projects/d/new"), nil, nil)
		b.do("POST", "/move", nil, nil, map[string]string{"from": "projects/d/secret", "to": "projects/d/moved"})
		b.do("POST", "/move", nil, nil, map[string]string{"from": "projects/d/moved", "to": "projects/d/secret"})
	}
	close(stop)
	<-stopped
}

func TestWhatIsNotAFile(t *testing.T) {
	b := setup(t)
	if err := syscall.Mkfifo(filepath.Join(b.home, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(b.home, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	names := []string{"fifo", "sock"}
	if os.Geteuid() == 0 && syscall.Mknod(filepath.Join(b.home, "zero"), syscall.S_IFCHR|0o666, 1<<8|5) == nil {
		names = append(names, "zero") // /dev/zero: it has no end
	}
	for _, name := range names {
		b.wantCode(b.get(name), fault.Invalid, "get "+name)
		b.wantCode(b.put(name, "x"), fault.Invalid, "put "+name)
		var e Entry
		if err := json.Unmarshal([]byte(b.do("GET", "", at(name), nil, nil).body), &e); err != nil || e.Type != typeOther {
			t.Errorf("%s: got %+v, %v; want other", name, e, err)
		}
		b.wantOK(b.do("DELETE", "", at(name), nil, nil), 204, "remove "+name)
	}
}

func TestRemoveHardTrees(t *testing.T) {
	b := setup(t)
	// Deeper than descriptors, than the longest path, and with folders closed to writing.
	b.write(b.home, "temp/t/f", "x")
	top, err := os.Open(filepath.Join(b.home, "temp/t"))
	if err != nil {
		t.Fatal(err)
	}
	dir := top
	for range 3000 {
		if err := unix.Mkdirat(int(dir.Fd()), "d", 0o755); err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Openat(int(dir.Fd()), "d", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		dir.Close()
		dir = os.NewFile(uintptr(fd), "d")
	}
	dir.Close()
	b.write(b.home, "temp/t/ro/sub/f", "x")
	if err := os.Symlink(b.outside, filepath.Join(b.home, "temp/t/ro/sub/out")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"temp/t/ro/sub", "temp/t/ro"} {
		if err := os.Chmod(filepath.Join(b.home, p), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	b.wantOK(b.do("DELETE", "", at("temp/t"), nil, nil), 204, "remove")
	if _, err := os.Lstat(filepath.Join(b.home, "temp/t")); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// A full disk is told as such, changes nothing, and can be mended by deleting.
func TestFullDisk(t *testing.T) {
	b := setup(t)
	small := filepath.Join(b.home, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=64k,nr_inodes=8"); err != nil {
		t.Fatalf("needs the right to mount: %v", err)
	}
	defer unix.Unmount(small, 0)
	b.wantOK(b.put("small/a", "kept"), 201, "put")
	full := b.do("PUT", "/content", at("small/a"), nil, io.LimitReader(zeros{}, 1<<20))
	b.wantCode(full, fault.QuotaExceeded, "too much")
	if got := b.get("small/a").body; got != "kept" {
		t.Errorf("got %q", got)
	}
	b.clean("small")
	code := fault.Code("")
	for i := range 10 { // out of inodes
		if r := b.put(fmt.Sprintf("small/f%d", i), ""); r.err != nil {
			code = fault.CodeOf(r.err)
		}
	}
	if code != fault.QuotaExceeded {
		t.Errorf("got %q when the inodes were out", code)
	}
	b.wantOK(b.do("DELETE", "", at("small/f0"), nil, nil), 204, "remove")
	b.wantOK(b.put("small/f0", ""), 201, "put again")
}
