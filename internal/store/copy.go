package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"modernc.org/sqlite"
)

// Copy writes a copy of a database that others may have open: as it is in one
// read transaction, which nobody waits for, in a file that must not exist yet
// (mode 0600). It changes no schema.
func Copy(ctx context.Context, path, to string) (err error) {
	// SQLite takes an empty file, and would make one that all can read.
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	if _, err := os.Stat(path); err != nil { // SQLite would make it
		return fmt.Errorf("copy database: %w", err)
	}
	connector, err := sqlite.NewConnector(dsn(path))
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	pool := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, pool.Close()) }()
	if _, err := pool.ExecContext(ctx, `VACUUM INTO ?`, to); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	return nil
}

// RelativeVFS is the VFS that opens relative paths as they are, for a database
// that is opened otherwise than by Open.
func RelativeVFS() string { return relativeVFS() }
