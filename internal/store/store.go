// Package store opens the database: one SQLite file in WAL mode, brought to
// this program's schema by numbered migrations. It owns the connections, the
// pragmas, the migrations and the opaque cursors of lists. It owns no query:
// each part writes its own, with bun, in SQL that Postgres would take too.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// connections is small on purpose. Readers never wait in WAL mode, and SQLite
	// has one writer at a time however many ask; each connection costs a page cache.
	connections = 4

	// busyTimeout is how long a writer waits for another one, in this process or
	// in another (`carrel user add` beside the server), before it gives up.
	busyTimeout = 5 * time.Second
)

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	bun *bun.DB
}

// Open opens the database at path, makes it when it is missing (mode 0600), and
// applies the migrations that it lacks. A database of a newer schema than this
// program's is refused. A relative path works even where the parents of the
// working directory are closed to the process; the process must not change its
// directory afterwards. The folder must exist.
//
// Commits are synchronous=FULL: what has been acknowledged (an account, a
// session, a bill) survives a power cut too. Writes are few and small here, so
// the fsync of each is a price worth paying.
func Open(ctx context.Context, path string, log *slog.Logger) (*DB, error) {
	if err := prepareFile(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	connector, err := sqlite.NewConnector(dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)

	if err := useWAL(ctx, pool); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), pool.Close())
	}
	if err := migrate(ctx, pool, migrations, log); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), pool.Close())
	}
	return &DB{bun: bun.NewDB(pool, sqlitedialect.New())}, nil
}

// Bun gives the handle that queries are made with.
func (db *DB) Bun() *bun.DB { return db.bun }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.bun.PingContext(ctx) }

// Close closes every connection. The last process to close the file also
// empties its write-ahead log.
func (db *DB) Close() error { return db.bun.Close() }

// InTx runs fn in one transaction, which commits when fn returns nil. The
// transaction has the write lock from its first moment (BEGIN IMMEDIATE): what
// fn reads cannot change before it writes, and it is never told halfway that
// another was faster. So keep fn short, and do reads that need no write without it.
// Inside fn use tx only: the handle outside it would wait for this transaction.
func InTx(ctx context.Context, db *bun.DB, fn func(ctx context.Context, tx bun.Tx) error) error {
	return db.RunInTx(ctx, nil, fn)
}

// UniqueViolation tells whether err comes from a UNIQUE or PRIMARY KEY constraint.
func UniqueViolation(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// prepareFile makes the file with its mode before SQLite would, with the umask's
// mode. SQLite gives the mode (and, as root, the owner) of the main file to the
// files beside it. An existing file is never opened here: closing any descriptor
// of it would drop the POSIX locks that SQLite holds in this process.
func prepareFile(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return nil // another process was faster, and does the same
		}
		if err != nil {
			return err
		}
		return f.Close()
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(path, 0o600)
	}
	return nil
}

func dsn(path string) string {
	q := url.Values{
		"_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())},
		"_foreign_keys": {"on"},
		"_synchronous":  {"full"},
		"_txlock":       {"immediate"},
		"_dqs":          {"false"}, // "misspelt" is an error and not a string
		"_defensive":    {"true"},
		"_error_rc":     {"true"},
		"_timezone":     {"UTC"},
	}
	if !filepath.IsAbs(path) {
		q.Set("vfs", relativeVFS())
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// useWAL turns the write-ahead log on, which the file then remembers. Two
// processes that open a new file together may meet here, where SQLite reports
// 'busy' without waiting.
func useWAL(ctx context.Context, pool *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for {
		var mode string
		err := pool.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode == "wal" {
			return nil
		}
		if err == nil {
			return fmt.Errorf("this file system has no write-ahead log: journal mode is %q", mode)
		}
		var e *sqlite.Error
		if !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_BUSY {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("turn the write-ahead log on: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
