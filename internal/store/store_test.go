package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/uptrace/bun"
	"go.uber.org/goleak"
)

// TestMain is also the entry of the child processes that some tests start.
func TestMain(m *testing.M) {
	if path := os.Getenv("STORE_TEST_WRITER"); path != "" {
		writeForEver(path)
	}
	if path := os.Getenv("STORE_TEST_RELATIVE"); path != "" {
		openRelative(path)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

func insertUser(ctx context.Context, db bun.IDB, name string) (id int64, err error) {
	err = db.NewRaw(`INSERT INTO users (username, password_hash, role, language, active, created_at)
		VALUES (?, 'x', 'user', 'en', TRUE, ?) RETURNING id`, name, time.Now()).Scan(ctx, &id)
	return id, err
}

func TestOpenMakesThenReopens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "carrel.db")
	db := open(t, path)
	if _, err := insertUser(t.Context(), db.Bun(), "ana"); err != nil {
		t.Fatal(err)
	}
	versions := rows(t, db, "SELECT version_id || ' ' || tstamp FROM goose_db_version ORDER BY id")
	if len(versions) < 3 {
		t.Fatalf("versions = %v, want 0, 1, 2 and what follows", versions)
	}
	schema := rows(t, db, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")

	again := open(t, path) // beside the first, as `carrel user add` does
	if got := rows(t, again, "SELECT version_id || ' ' || tstamp FROM goose_db_version ORDER BY id"); fmt.Sprint(got) != fmt.Sprint(versions) {
		t.Errorf("versions after a reopen = %v, want %v", got, versions)
	}
	if got := rows(t, again, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"); fmt.Sprint(got) != fmt.Sprint(schema) {
		t.Errorf("schema changed by a reopen")
	}
	if got := rows(t, again, "SELECT username FROM users"); fmt.Sprint(got) != "[ana]" {
		t.Errorf("users = %v, want [ana]", got)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		if got := rows(t, again, "PRAGMA "+pragma); fmt.Sprint(got) != "["+want+"]" {
			t.Errorf("PRAGMA %s = %v, want %s", pragma, got, want)
		}
	}
}

func TestFilesAreClosedToOthers(t *testing.T) {
	dir := t.TempDir()
	wide := filepath.Join(dir, "wide.db")
	if err := os.WriteFile(wide, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, wide)
	open(t, filepath.Join(dir, "new.db"))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", e.Name(), info.Mode())
		}
	}
	if len(entries) != 6 { // each: the file, -wal, -shm
		t.Errorf("files = %v", entries)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	db := open(t, newer)
	if _, err := db.Bun().Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, TRUE)"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		newer:                            "start the newer carrel",
		text:                             "not a database",
		dir:                              "not a regular file",
		filepath.Join(dir, "no", "a.db"): "no such file",
	} {
		db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
		if err == nil {
			db.Close()
			t.Errorf("Open(%s) succeeded", path)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s) = %v, want %q in it", path, err, want)
		}
	}
}

func TestManyOpenOneNewFileTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "carrel.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			if err := db.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	wg.Wait()
	db := open(t, path)
	if got := rows(t, db, "SELECT version_id FROM goose_db_version GROUP BY version_id HAVING COUNT(*) > 1"); len(got) != 0 {
		t.Errorf("migrations applied twice: %v", got)
	}
}

// A migration that could run twice without an error runs once nevertheless.
func TestMigrationsRunOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "carrel.db")
	more := withMigrations(t, map[string]string{
		"9001_marks.sql": "CREATE TABLE IF NOT EXISTS marks (id INTEGER);",
		"9002_mark.sql":  "INSERT INTO marks VALUES (1);",
		"9003_mark.sql":  "INSERT INTO marks VALUES (2);",
	})
	var wg sync.WaitGroup
	handles := []*DB{open(t, path), open(t, path), open(t, path), open(t, path)}
	for _, db := range handles {
		wg.Go(func() {
			if err := migrate(t.Context(), db.bun.DB, more, slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	wg.Wait()
	if got := rows(t, handles[0], "SELECT id FROM marks ORDER BY id"); fmt.Sprint(got) != "[1 2]" {
		t.Errorf("marks = %v, want [1 2]", got)
	}
	_, err := handles[0].Bun().Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9002, TRUE)")
	if !UniqueViolation(err) {
		t.Errorf("a version can be recorded twice: %v", err)
	}
}

// withMigrations adds to the program's own.
func withMigrations(t *testing.T, statements map[string]string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	for name, sql := range statements {
		all[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql + "\n")}
	}
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = &fstest.MapFile{Data: b}
	}
	return all
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "carrel.db")
	db := open(t, path)
	before := rows(t, db, "SELECT name FROM sqlite_schema ORDER BY name")
	more := withMigrations(t, map[string]string{"9001_bad.sql": "CREATE TABLE fine (id INTEGER);\nCREATE TABLE users (id INTEGER);"})
	err := migrate(t.Context(), db.bun.DB, more, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("migrate = %v, want 'already exists'", err)
	}
	if got := rows(t, db, "SELECT name FROM sqlite_schema ORDER BY name"); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("schema = %v, want %v", got, before)
	}
}

func TestIDsAreNeverGivenTwice(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "carrel.db")).Bun()
	first, err := insertUser(t.Context(), db, "ana")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DELETE FROM users"); err != nil {
		t.Fatal(err)
	}
	second, err := insertUser(t.Context(), db, "ben")
	if err != nil || second <= first {
		t.Errorf("second id = %d (%v), want more than %d", second, err, first)
	}
}

func TestUniqueViolation(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "carrel.db")).Bun()
	if _, err := insertUser(t.Context(), db, "ana"); err != nil {
		t.Fatal(err)
	}
	_, err := insertUser(t.Context(), db, "ana")
	if !UniqueViolation(err) || !UniqueViolation(fmt.Errorf("make user: %w", err)) {
		t.Errorf("UniqueViolation(%v) = false", err)
	}
	_, err = db.Exec("INSERT INTO quotas SELECT 999, 1, 1, 1, 1, 1, 1, 1, 1, 1")
	if err == nil || UniqueViolation(err) {
		t.Errorf("foreign key: error %v, UniqueViolation %v", err, UniqueViolation(err))
	}
}

// Each transaction reads a number and writes it back plus one: any that did not
// have the write lock while it read would lose an update or fail.
func TestInTxIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "carrel.db")
	handles := []*DB{open(t, path), open(t, path)} // two processes, as SQLite sees it
	if _, err := handles[0].Bun().Exec("CREATE TABLE n (v INTEGER); INSERT INTO n VALUES (0)"); err != nil {
		t.Fatal(err)
	}
	const writers, rounds = 8, 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range rounds {
				err := InTx(t.Context(), handles[i%2].Bun(), func(ctx context.Context, tx bun.Tx) error {
					var v int
					if err := tx.NewRaw("SELECT v FROM n").Scan(ctx, &v); err != nil {
						return err
					}
					_, err := tx.ExecContext(ctx, "UPDATE n SET v = ?", v+1)
					return err
				})
				if err != nil {
					t.Errorf("InTx: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := rows(t, handles[0], "SELECT v FROM n"); fmt.Sprint(got) != fmt.Sprintf("[%d]", writers*rounds) {
		t.Errorf("v = %v, want %d", got, writers*rounds)
	}
	err := InTx(t.Context(), handles[0].Bun(), func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE n SET v = -1"); err != nil {
			return err
		}
		return errors.New("no")
	})
	if err == nil {
		t.Error("InTx swallowed the error")
	}
	if got := rows(t, handles[0], "SELECT v FROM n"); fmt.Sprint(got) == "[-1]" {
		t.Error("a failed transaction was committed")
	}
}

// writeForEver acknowledges each row on standard output once it is committed.
func writeForEver(path string) {
	ctx := context.Background()
	db, err := Open(ctx, path, slog.New(slog.DiscardHandler))
	for i := 0; err == nil; i++ {
		if _, err = insertUser(ctx, db.Bun(), fmt.Sprintf("user%d", i)); err == nil {
			fmt.Println(i)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Two processes write to one file, as the server and `carrel user add` do, until
// one of them is killed.
func TestKilledWriterLosesNothingAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "carrel.db")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_WRITER="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	beside := open(t, path)
	acknowledged := -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
			t.Fatalf("child says %q", lines.Text())
		}
		if acknowledged < 20 {
			if _, err := insertUser(t.Context(), beside.Bun(), fmt.Sprintf("beside%d", acknowledged)); err != nil {
				t.Fatalf("write beside the other process: %v", err)
			}
		}
		if acknowledged == 20 {
			_ = cmd.Process.Kill() // in the middle of a write, most likely
		}
	}
	_ = cmd.Wait() // killed, so it is an error
	if acknowledged < 20 {
		t.Fatalf("the writer stopped by itself after %d", acknowledged)
	}
	db := open(t, path)
	if got := rows(t, db, "PRAGMA integrity_check"); fmt.Sprint(got) != "[ok]" {
		t.Errorf("integrity_check = %v", got)
	}
	if got := rows(t, db, "SELECT COUNT(*) FROM users WHERE username LIKE 'beside%'"); fmt.Sprint(got) != "[20]" {
		t.Errorf("rows of the process that lives = %v, want 20", got)
	}
	got := rows(t, db, "SELECT username FROM users WHERE username LIKE 'user%' ORDER BY id")
	if len(got) <= acknowledged || got[acknowledged] != fmt.Sprintf("user%d", acknowledged) {
		t.Errorf("%d rows, want the %d acknowledged ones", len(got), acknowledged+1)
	}
}

const nobody = 65534

// openRelative is the server after it gave up its privileges.
func openRelative(path string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// As the server does it: working directory first, then the privileges.
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
		fail(err)
	}
	if _, err := os.ReadDir(".."); err == nil {
		fail(errors.New("the parent folder is open; the test proves nothing"))
	}
	ctx := context.Background()
	for range 2 {
		db, err := Open(ctx, path, slog.New(slog.DiscardHandler))
		if err != nil {
			fail(err)
		}
		var wg sync.WaitGroup
		for i := range 16 { // more than one connection
			wg.Go(func() {
				if _, err := insertUser(ctx, db.Bun(), fmt.Sprintf("u%d-%d", time.Now().UnixNano(), i)); err != nil {
					fail(err)
				}
			})
		}
		wg.Wait()
		if err := db.Close(); err != nil {
			fail(err)
		}
	}
	os.Exit(0)
}

func TestRelativePathBelowClosedFolders(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root to become somebody else")
	}
	closed := t.TempDir() // 0755, root's, until below
	dir := filepath.Join(closed, "data 100%?")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, nobody, nobody), os.Chmod(closed, 0o700)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Dir = dir
	cmd.Env = []string{"STORE_TEST_RELATIVE=car?r%el.db"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("open as nobody: %v\n%s", err, out)
	}
	db := open(t, filepath.Join(dir, "car?r%el.db"))
	if got := rows(t, db, "SELECT COUNT(*) FROM users"); fmt.Sprint(got) != "[32]" {
		t.Errorf("rows = %v, want 32", got)
	}
	// Root beside it: the files stay the server's.
	if _, err := insertUser(t.Context(), db.Bun(), "by-root"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != nobody {
			t.Errorf("%s belongs to %d, want %d", e.Name(), st.Uid, nobody)
		}
	}
}

func rows(t testing.TB, db *DB, query string) []string {
	t.Helper()
	var got []string
	if err := db.Bun().NewRaw(query).Scan(t.Context(), &got); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got
}

func BenchmarkOpen(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	dir := b.TempDir()
	n := 0
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			n++
			db, err := Open(b.Context(), filepath.Join(dir, fmt.Sprintf("%d.db", n)), log)
			if err != nil {
				b.Fatal(err)
			}
			db.Close()
		}
	})
	b.Run("existing", func(b *testing.B) {
		for b.Loop() {
			db, err := Open(b.Context(), filepath.Join(dir, "1.db"), log)
			if err != nil {
				b.Fatal(err)
			}
			db.Close()
		}
	})
}

func BenchmarkCommit(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "carrel.db"))
	for i := 0; b.Loop(); i++ {
		if _, err := insertUser(b.Context(), db.Bun(), fmt.Sprintf("u%d", i)); err != nil {
			b.Fatal(err)
		}
	}
}
