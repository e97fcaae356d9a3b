package boot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// want is who owns a folder, and its mode.
var want = map[string]string{
	"data":            fmt.Sprintf("dtrwxrwx--x 0:%d", serverUID),
	"data/volumes":    "drwx--x--x 0:0",
	"data/workspaces": "drwx--x--x 0:0",
	"data/secrets":    fmt.Sprintf("drwx------ %d:%d", gatewayUID, gatewayUID),
	"data/gateway":    fmt.Sprintf("drwx------ %d:%d", gatewayUID, gatewayUID),
	"state":           "drwx--x--x 0:0",
	"state/instances": "drwx--x--x 0:0",
	"state/gateway":   fmt.Sprintf("drwx--x--x %d:%d", gatewayUID, gatewayUID),
}

func look(t *testing.T, path string) string {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	st := fi.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%s %d:%d", fi.Mode(), st.Uid, st.Gid)
}

func wantFolders(t *testing.T, h House) {
	t.Helper()
	for name, w := range want {
		if got := look(t, filepath.Join(filepath.Dir(h.DataDir), name)); got != w {
			t.Errorf("%s: %s; want %s", name, got, w)
		}
	}
}

func TestPrepareMakesAndRepairs(t *testing.T) {
	needRoot(t)
	h := house(t)
	defer syscall.Umask(syscall.Umask(0o077))
	for _, round := range []string{"made", "again"} {
		if err := h.Prepare(); err != nil {
			t.Fatal(err)
		}
		wantFolders(t, h)
		if t.Failed() {
			t.Fatal(round)
		}
	}
	// Root's hands: a backup put back, a chmod too much.
	for name := range want {
		path := filepath.Join(filepath.Dir(h.DataDir), name)
		if err := errors.Join(os.Chown(path, 0, 0), os.Chmod(path, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	// The data folder alone may be whoever's: `mkdir carrel-data; sudo carrel serve`.
	if err := os.Chown(h.DataDir, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := h.Prepare(); err != nil {
		t.Fatal(err)
	}
	wantFolders(t, h)
}

// Better said at the start than by the first person's first click.
func TestPrepareRefusesAPathTooLongForSockets(t *testing.T) {
	h := house(t)
	h.StateDir = "/" + strings.Repeat("s", maxSocketPath-len(longestSocket))
	if err := h.Prepare(); err == nil || !strings.Contains(err.Error(), "1 bytes too long") || !strings.Contains(err.Error(), "state_dir") {
		t.Errorf("prepare: %v; want what is too long, and the setting", err)
	}
	if _, err := os.Lstat(h.DataDir); err == nil {
		t.Error("something was made all the same")
	}
}

func TestPrepareRefusesWhatIsNoFolder(t *testing.T) {
	needRoot(t)
	for name := range want {
		for what, plant := range map[string]func(path, elsewhere string) error{
			"a link to a folder":  func(path, elsewhere string) error { return os.Symlink(elsewhere, path) },
			"a link to nothing":   func(path, elsewhere string) error { return os.Symlink(elsewhere+"/none", path) },
			"a link to a file":    func(path, elsewhere string) error { return os.Symlink(elsewhere+"/file", path) },
			"a link to itself":    func(path, _ string) error { return os.Symlink(path, path) },
			"a file":              func(path, _ string) error { return os.WriteFile(path, nil, 0o600) },
			"a pipe":              func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
			"a folder of another": func(path, _ string) error { return errors.Join(os.Mkdir(path, 0o777), os.Chown(path, 4242, 4242)) },
			"a folder of the server's": func(path, _ string) error {
				return errors.Join(os.Mkdir(path, 0o777), os.Chown(path, serverUID, serverUID))
			},
		} {
			if name == "data" && strings.HasPrefix(what, "a folder of") {
				continue // see above
			}
			h := house(t)
			base := filepath.Dir(h.DataDir)
			elsewhere := filepath.Join(base, "elsewhere")
			if err := errors.Join(os.Mkdir(elsewhere, 0o700), os.WriteFile(elsewhere+"/file", nil, 0o600), os.MkdirAll(filepath.Dir(filepath.Join(base, name)), 0o711)); err != nil {
				t.Fatal(err)
			}
			if err := plant(filepath.Join(base, name), elsewhere); err != nil {
				t.Fatal(err)
			}
			before := look(t, filepath.Join(base, name))
			if err := h.Prepare(); err == nil || !strings.Contains(err.Error(), filepath.Join(base, name)) {
				t.Errorf("%s in the place of %s: %v; want a refusal that names it", what, name, err)
			}
			if after := look(t, filepath.Join(base, name)); after != before {
				t.Errorf("%s in the place of %s was changed from %s to %s", what, name, before, after)
			}
			if got := look(t, elsewhere); got != "drwx------ 0:0" {
				t.Errorf("%s in the place of %s: what it leads to became %s", what, name, got)
			}
		}
	}
}

// A server that was broken into can keep its database, and put nothing in the
// place of what root and the gateway trust.
func TestServerIsKeptInItsPlace(t *testing.T) {
	needRoot(t)
	h := prepared(t)
	if err := h.WriteSecrets(map[string]string{"api_key": "sk"}); err != nil {
		t.Fatal(err)
	}
	fd, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := os.WriteFile(filepath.Join(h.DataDir, "carrel.yaml"), []byte("listen: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"keeper.lock", "keeper.log"} {
		if err := os.WriteFile(filepath.Join(h.StateDir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(h.StateDir, "bin"), 0o711); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, h, "drop", 0).CombinedOutput(); err != nil || string(out) != "opened" {
		t.Fatalf("the server cannot keep its database: %s, %v", out, err)
	}
	if got := look(t, filepath.Join(h.DataDir, "carrel.db")); got != fmt.Sprintf("-rw------- %d:%d", serverUID, serverUID) {
		t.Errorf("carrel.db: %s", got)
	}
	for who, uid := range map[string]int{"server": serverUID, "gateway": gatewayUID, "nobody": 65534} {
		out, err := child(t, h, "hostile", uid).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		did := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		sort.Strings(did)
		may := ""
		if who == "gateway" { // its own folders' contents
			may = "made a file in secrets,made a file in the state's gateway,read gateway.json,read secrets"
		}
		if got := strings.Join(did, ","); got != may {
			t.Errorf("the %s %s; want only: %s", who, got, may)
		}
	}
}

// The way to the data folder may be closed to everybody but root.
func TestDataFolderBelowAClosedOne(t *testing.T) {
	needRoot(t)
	h := house(t)
	closed := filepath.Join(filepath.Dir(h.DataDir), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	h.DataDir = filepath.Join(closed, "deep", "data")
	if err := h.Prepare(); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, h, "drop", 0).CombinedOutput(); err != nil || string(out) != "opened" {
		t.Fatalf("the server said %q, %v", out, err)
	}
	if got := look(t, closed); got != "drwx------ 0:0" {
		t.Errorf("the folder above became %s", got)
	}
}

func TestBecomeServer(t *testing.T) {
	needRoot(t)
	h := prepared(t)
	cmd := child(t, h, "become", 0)
	cmd.Env = append(cmd.Env, "CARREL_GATEWAY_API_KEY=sk-secret")
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ids := fmt.Sprintf("%d\t%[1]d\t%[1]d\t%[1]d\n", serverUID)
	for _, part := range []string{"[carrel server --listener 7]\n", "[CARREL_LISTEN=x]\n", "\n" + h.DataDir + "\n", "Uid:\t" + ids, "Gid:\t" + ids, "Groups:\t \n", "NoNewPrivs:\t1\n",
		"CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "CapAmb:\t0000000000000000\n", "Seccomp:\t2\n",
		// Its input is no terminal here: TCGETS shows what the kernel would say, the others do not get so far.
		"TIOCSTI: operation not permitted\n", "TIOCSTI with a high half: operation not permitted\n", "TIOCLINUX: operation not permitted\n", "TCGETS: inappropriate ioctl for device\n", fmt.Sprintf("\nPid:\t%d\n", cmd.Process.Pid)} {
		if !strings.Contains(out, part) {
			t.Errorf("the server lacks %q: %s", part, out)
		}
	}
	if strings.Contains(out, "sk-secret") {
		t.Error("the server has the key in its environment")
	}
}

func TestWriteSecrets(t *testing.T) {
	needRoot(t)
	type settings struct{ Key string }
	mine := fmt.Sprintf("-rw------- %d:%d", gatewayUID, gatewayUID)
	for what, plant := range map[string]func(path, victim string) error{
		"nothing":              func(string, string) error { return nil },
		"a link":               func(path, victim string) error { return os.Symlink(victim, path) },
		"a link at the new":    func(path, victim string) error { return os.Symlink(victim, path+".new") },
		"a name of the victim": func(path, victim string) error { return os.Link(victim, path+".new") },
		"a pipe":               func(path, _ string) error { return unix.Mkfifo(path, 0o666) },
		"a pipe at the new":    func(path, _ string) error { return unix.Mkfifo(path+".new", 0o666) },
		"the same, open to all": func(path, _ string) error {
			return errors.Join(os.WriteFile(path, []byte(`{"Key":"sk-1"}`), 0o666), os.Chmod(path, 0o666))
		},
		"a file that is held open": func(path, _ string) error { return os.WriteFile(path, []byte("old"), 0o666) },
	} {
		h := prepared(t)
		victim := filepath.Join(filepath.Dir(h.DataDir), "victim")
		if err := os.WriteFile(victim, []byte("untouched"), 0o640); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(h.DataDir, "secrets", "gateway.json")
		if err := plant(path, victim); err != nil {
			t.Fatal(err)
		}
		held, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
		if err == nil {
			defer held.Close()
		}
		for _, key := range []string{"sk-1", "sk-1", "sk-2"} {
			if err := h.WriteSecrets(settings{key}); err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != `{"Key":"`+key+`"}` {
				t.Errorf("%s: %q, %v; want the key %s", what, b, err, key)
			}
			if got := look(t, path); got != mine {
				t.Errorf("%s: %s; want %s", what, got, mine)
			}
			if held != nil {
				if b, _ := io.ReadAll(held); strings.Contains(string(b), "sk-2") {
					t.Errorf("%s: who had the old file open reads the new key", what)
				}
			}
		}
		if b, err := os.ReadFile(victim); err != nil || string(b) != "untouched" || look(t, victim) != "-rw-r----- 0:0" {
			t.Errorf("%s: the victim is %q, %s, %v", what, b, look(t, victim), err)
		}
		if _, err := os.Lstat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something is left at the new name", what)
		}
	}
}
