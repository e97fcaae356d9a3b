package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/backup/tree"
	"github.com/carrel-dev/carrel/internal/keeper"
	"github.com/carrel-dev/carrel/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a data folder in the form of the runtime bare.
type desk struct {
	t   *testing.T
	dir string
	db  *store.DB
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir()}
	for _, name := range []string{"volumes", "secrets", "gateway"} {
		d.must(os.Mkdir(d.at(name), 0o700))
	}
	d.write("secrets/gateway.json", `{"api_key":"sk-of-the-house"}`)
	d.write("gateway/meter.spool", "records\n")
	d.write("gateway/meter.lock", "")
	d.write("carrel.yaml", "runtime: bare\n")
	t.Chdir(d.dir) // as the server has it
	db, err := store.Open(t.Context(), "carrel.db", slog.New(slog.DiscardHandler))
	d.must(err)
	d.db = db
	t.Cleanup(func() { db.Close() })
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) at(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) write(name, text string) {
	d.t.Helper()
	d.must(os.MkdirAll(filepath.Dir(d.at(name)), 0o700))
	d.must(os.WriteFile(d.at(name), []byte(text), 0o600))
}

func (d *desk) user(id int64, name string) {
	d.t.Helper()
	_, err := d.db.Bun().NewRaw(`INSERT INTO users (id, username, password_hash, role, language, active, created_at) VALUES (?, ?, '', 'user', 'en', TRUE, '2026-11-24')`, id, name).Exec(d.t.Context())
	d.must(err)
	_, err = d.db.Bun().NewRaw(`INSERT INTO quotas (user_id, instances, live_sessions, cpu, memory_bytes, pids, storage_bytes, inodes) VALUES (?, 1, 1, 1, 1, 1, 67108864, 4096)`, id).Exec(d.t.Context())
	d.must(err)
}

func (d *desk) options() Options {
	client := keeper.NewClient(d.dir, "bare")
	d.t.Cleanup(client.Close)
	return Options{Version: "test", DataDir: d.dir, StateDir: d.at("run"), ServerUID: os.Getuid(), Keeper: client, Secrets: true, Now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		CopyStore: func(ctx context.Context, to string) ([]Account, error) { return CopyStore(ctx, "carrel.db", to) }}
}

func (d *desk) backup(o Options) []byte {
	d.t.Helper()
	var b bytes.Buffer
	if _, err := Run(d.t.Context(), o, &b); err != nil {
		d.t.Fatal(err)
	}
	if left, _ := filepath.Glob(d.at(copyPrefix + "*")); len(left) > 0 {
		d.t.Errorf("left: %v", left)
	}
	return b.Bytes()
}

func restoreOptions(to string) RestoreOptions {
	return RestoreOptions{DataDir: to, Now: time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC), House: func(string) (House, error) { return House{Runtime: "bare"}, nil }}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if e.IsDir() {
			name += "/"
		}
		all = append(all, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestBackupComesBack(t *testing.T) {
	d := newDesk(t)
	d.user(1, "ada")
	d.user(2, "bob")
	d.user(3, "eve")
	d.write("volumes/user-1/home/projects/demo/main.go", "package main")
	d.write("volumes/user-1/journal/s.jsonl", "{}\n")
	d.write("volumes/user-2/home/x", "of bob")
	d.write("volumes/user-4/home/x", "of one who came later, or has gone")
	file := d.backup(d.options())
	if m, err := Verify(t.Context(), bytes.NewReader(file), nil); err != nil || len(m.Users) != 3 || !m.Secrets {
		t.Fatalf("%+v %v", m, err)
	}
	to := filepath.Join(t.TempDir(), "data")
	done, err := Restore(t.Context(), restoreOptions(to), bytes.NewReader(file))
	if err != nil || done.Skipped.Count != 0 || done.Kept != "" {
		t.Fatalf("%+v %v", done, err)
	}
	want := []string{"carrel.db", "carrel.yaml", "gateway/", "gateway/meter.spool", "secrets/", "secrets/gateway.json", "volumes/", "volumes/user-1/", "volumes/user-1/home/",
		"volumes/user-1/home/projects/", "volumes/user-1/home/projects/demo/", "volumes/user-1/home/projects/demo/main.go", "volumes/user-1/journal/", "volumes/user-1/journal/s.jsonl",
		"volumes/user-2/", "volumes/user-2/home/", "volumes/user-2/home/x"}
	if got := list(t, to); !slices.Equal(got, want) {
		t.Errorf("restored\n%q\nwant\n%q", got, want)
	}
	if b, _ := os.ReadFile(filepath.Join(to, "secrets/gateway.json")); !bytes.Contains(b, []byte("sk-of-the-house")) {
		t.Errorf("the key became %q", b)
	}
	db, err := sql.Open("sqlite", filepath.Join(to, "carrel.db"))
	d.must(err)
	defer db.Close()
	var names string
	if err := db.QueryRow(`SELECT group_concat(username) FROM users`).Scan(&names); err != nil || names != "ada,bob,eve" {
		t.Errorf("accounts %q %v", names, err)
	}
}

func TestWithoutSecrets(t *testing.T) {
	d := newDesk(t)
	o := d.options()
	o.Secrets = false
	file := d.backup(o)
	z, err := zstd.NewReader(bytes.NewReader(file))
	d.must(err)
	defer z.Close()
	plain, err := io.ReadAll(z)
	if err != nil || bytes.Contains(plain, []byte("sk-of-the-house")) || bytes.Contains(plain, []byte("runtime: bare")) {
		t.Errorf("secrets are in it, or %v", err)
	}
}

func TestEncrypted(t *testing.T) {
	d := newDesk(t)
	id, err := age.GenerateX25519Identity()
	d.must(err)
	other, err := age.GenerateX25519Identity()
	d.must(err)
	o := d.options()
	o.Recipients = []age.Recipient{id.Recipient()}
	file := d.backup(o)
	if _, err := Verify(t.Context(), bytes.NewReader(file), []age.Identity{id}); err != nil {
		t.Error(err)
	}
	if _, err := Verify(t.Context(), bytes.NewReader(file), nil); err == nil || !strings.Contains(err.Error(), "--identity") {
		t.Errorf("without a key: %v", err)
	}
	if _, err := Verify(t.Context(), bytes.NewReader(file), []age.Identity{other}); err == nil {
		t.Error("another's key opened it")
	}
	for _, cut := range []int{len(file) - 1, len(file) - 20, len(file) / 2} {
		if _, err := Verify(t.Context(), bytes.NewReader(file[:cut]), []age.Identity{id}); err == nil {
			t.Errorf("%d of %d bytes pass", cut, len(file))
		}
	}
}

// TestDamaged changes and cuts a backup at many places: none may pass, and none
// may leave anything. Except where compression says the same in two ways: what
// repeats may be repeated from another place.
func TestDamaged(t *testing.T) {
	d := newDesk(t)
	d.user(1, "ada")
	noise := make([]byte, 20_000)
	_, _ = rand.Read(noise)
	d.write("volumes/user-1/home/noise", string(noise))
	file := d.backup(d.options())
	whole := unpacked(file)
	if whole == nil {
		t.Fatal("the backup itself is not whole")
	}
	parent := t.TempDir()
	try := func(what string, b []byte) {
		t.Helper()
		data := filepath.Join(parent, "data")
		_, err := Restore(t.Context(), restoreOptions(data), bytes.NewReader(b))
		if err == nil && bytes.Equal(unpacked(b), whole) {
			d.must(os.RemoveAll(data))
			return
		}
		if err == nil {
			t.Errorf("%s passes", what)
		}
		if left := list(t, parent); len(left) > 0 {
			t.Errorf("%s leaves %v", what, left)
		}
	}
	for i := 0; i < len(file); i += len(file)/60 + 1 {
		try(fmt.Sprintf("cut at %d", i), file[:i])
		changed := bytes.Clone(file)
		changed[i] ^= 0x10
		try(fmt.Sprintf("byte %d changed", i), changed)
	}
	try("the last byte cut", file[:len(file)-1])
}

// unpacked is what zstd makes of it; nothing when it is not whole.
func unpacked(file []byte) []byte {
	z, err := zstd.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil
	}
	defer z.Close()
	b, err := io.ReadAll(z)
	if err != nil {
		return nil
	}
	return b
}

// tamper makes a backup anew with entries that change, and sums that are not made anew.
func tamper(t *testing.T, file []byte, change func(*tar.Header, []byte) (*tar.Header, []byte), more ...*tar.Header) []byte {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out bytes.Buffer
	zw, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zw)
	add := func(h *tar.Header, b []byte) {
		h.Size = int64(len(b))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r)
		if h.Name == manifestName {
			for _, m := range more {
				add(m, nil)
			}
		}
		if h, b = change(h, b); h != nil {
			add(h, b)
		}
	}
	if err := errors.Join(w.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTampered(t *testing.T) {
	d := newDesk(t)
	d.user(1, "ada")
	d.write("volumes/user-1/home/x", "of ada")
	file := d.backup(d.options())
	same := func(h *tar.Header, b []byte) (*tar.Header, []byte) { return h, b }
	on := func(name string, f func(*tar.Header, []byte) (*tar.Header, []byte)) func(*tar.Header, []byte) (*tar.Header, []byte) {
		return func(h *tar.Header, b []byte) (*tar.Header, []byte) {
			if h.Name == name {
				return f(h, b)
			}
			return h, b
		}
	}
	const x = "volumes/1/home/x"
	drop := func(*tar.Header, []byte) (*tar.Header, []byte) { return nil, nil }
	for name, b := range map[string][]byte{
		"other contents": tamper(t, file, on(x, func(h *tar.Header, b []byte) (*tar.Header, []byte) { return h, []byte("of eve") })),
		"another owner":  tamper(t, file, on(x, func(h *tar.Header, b []byte) (*tar.Header, []byte) { h.Uid = 0; return h, b })),
		"another mode":   tamper(t, file, on(x, func(h *tar.Header, b []byte) (*tar.Header, []byte) { h.Mode = 0o4755; return h, b })),
		"another name":   tamper(t, file, on(x, func(h *tar.Header, b []byte) (*tar.Header, []byte) { h.Name = "volumes/1/home/y"; return h, b })),
		"an attribute": tamper(t, file, on(x, func(h *tar.Header, b []byte) (*tar.Header, []byte) {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"}
			return h, b
		})),
		"a file gone":         tamper(t, file, on(x, drop)),
		"the database gone":   tamper(t, file, on(storeName, drop)),
		"no manifest":         tamper(t, file, on(manifestName, drop)),
		"no head":             tamper(t, file, on(headName, drop)),
		"a file more":         tamper(t, file, same, &tar.Header{Typeflag: tar.TypeReg, Name: "volumes/1/home/z"}),
		"out of the folder":   tamper(t, file, same, &tar.Header{Typeflag: tar.TypeReg, Name: "volumes/1/home/../../../../x"}),
		"out of the archive":  tamper(t, file, same, &tar.Header{Typeflag: tar.TypeReg, Name: "../x"}),
		"an absolute name":    tamper(t, file, same, &tar.Header{Typeflag: tar.TypeReg, Name: "/tmp/carrel-was-here"}),
		"a volume of no user": tamper(t, file, same, &tar.Header{Typeflag: tar.TypeDir, Name: "volumes/../"}),
		"a part twice":        tamper(t, file, same, &tar.Header{Typeflag: tar.TypeReg, Name: "gateway/z"}),
		"a link in secrets": tamper(t, file, on("secrets/gateway.json", func(h *tar.Header, b []byte) (*tar.Header, []byte) {
			return &tar.Header{Typeflag: tar.TypeSymlink, Name: h.Name, Linkname: "/etc/shadow"}, nil
		})),
		"another folder of a volume": tamper(t, file, same, &tar.Header{Typeflag: tar.TypeReg, Name: "volumes/1/etc/passwd"}),
		"a device":                   tamper(t, file, same, &tar.Header{Typeflag: tar.TypeChar, Name: "volumes/1/home/tty", Devmajor: 1, Devminor: 5}),
		"a link to another's":        tamper(t, file, same, &tar.Header{Typeflag: tar.TypeLink, Name: "volumes/1/home/l", Linkname: "volumes/2/home/x"}),
		"a volume without limits":    tamper(t, file, on("volumes/1/", func(h *tar.Header, b []byte) (*tar.Header, []byte) { h.PAXRecords = nil; return h, b })),
	} {
		parent := t.TempDir()
		if _, err := Verify(t.Context(), bytes.NewReader(b), nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Verify says %v", name, err)
		}
		if _, err := Restore(t.Context(), restoreOptions(filepath.Join(parent, "data")), bytes.NewReader(b)); !errors.Is(err, ErrDamaged) && !errors.Is(err, tree.ErrName) && (err == nil || name != "a device") {
			t.Errorf("%s: Restore says %v", name, err)
		}
		if left := list(t, parent); len(left) > 0 {
			t.Errorf("%s leaves %v", name, left)
		}
	}
}

func TestPlaceIsTaken(t *testing.T) {
	d := newDesk(t)
	d.user(1, "ada")
	file := d.backup(d.options())
	parent := t.TempDir()
	to := filepath.Join(parent, "data")
	d.must(os.Mkdir(to, 0o700))
	d.must(os.WriteFile(filepath.Join(to, "carrel.db"), []byte("the old one"), 0o600))
	o := restoreOptions(to)
	if _, err := Restore(t.Context(), o, bytes.NewReader(file)); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("over what is there: %v", err)
	}
	o.Force = true
	if _, err := Restore(t.Context(), o, bytes.NewReader(file[:len(file)/2])); err == nil {
		t.Error("half a backup passes")
	}
	if got := list(t, parent); !slices.Equal(got, []string{"data/", "data/carrel.db"}) {
		t.Errorf("after a restore that failed: %v", got)
	}
	done, err := Restore(t.Context(), o, bytes.NewReader(file))
	if err != nil || done.Kept != to+".before-20261124T130000Z" {
		t.Fatalf("%+v %v", done, err)
	}
	if b, _ := os.ReadFile(filepath.Join(done.Kept, "carrel.db")); string(b) != "the old one" {
		t.Errorf("what was there became %q", b)
	}
	if b, _ := os.ReadFile(filepath.Join(to, "carrel.db")); !bytes.HasPrefix(b, []byte("SQLite format 3")) {
		t.Errorf("the database is %.20q", b)
	}
	empty := filepath.Join(parent, "empty")
	d.must(os.Mkdir(empty, 0o700))
	if done, err := Restore(t.Context(), restoreOptions(empty), bytes.NewReader(file)); err != nil || done.Kept != "" {
		t.Errorf("into an empty folder: %+v %v", done, err)
	}
}

// TestCopyThatIsALink has a server that is not to be trusted.
func TestCopyThatIsALink(t *testing.T) {
	d := newDesk(t)
	secret := filepath.Join(t.TempDir(), "secret")
	d.must(os.WriteFile(secret, []byte("root's"), 0o600))
	for name, make := range map[string]func(to string) error{
		"symlink": func(to string) error { return os.Symlink(secret, to) },
		"link":    func(to string) error { return os.Link(secret, to) },
		"folder":  func(to string) error { return os.Mkdir(to, 0o700) },
	} {
		o := d.options()
		o.CopyStore = func(_ context.Context, to string) ([]Account, error) { return nil, make(to) }
		if _, err := Run(t.Context(), o, io.Discard); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestStoreIsCopiedWhileWritten(t *testing.T) {
	d := newDesk(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for id := int64(1); ; id++ {
			select {
			case <-stop:
				return
			default:
				d.user(id, fmt.Sprint("u", id))
			}
		}
	}()
	for i := range 5 {
		name := fmt.Sprint("copy", i)
		all, err := CopyStore(t.Context(), "carrel.db", name)
		if err != nil {
			t.Error(err)
			break
		}
		for i, a := range all {
			if a.ID != int64(i+1) || i < len(all)-1 && a.StorageBytes == 0 {
				t.Errorf("account %d is %+v", i, a)
			}
		}
		if fi, err := os.Stat(name); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", fi, err)
		}
	}
	close(stop)
	<-done
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Verify(context.Background(), bytes.NewReader(b), nil); err == nil {
			t.Error("noise passes")
		}
	})
}
