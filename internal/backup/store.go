package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/carrel-dev/carrel/internal/store"
)

// Account is what of an account decides about its volume.
type Account struct {
	ID           int64  `json:"id"`
	Name         string `json:"name"`
	StorageBytes int64  `json:"storage_bytes"`
	Inodes       int64  `json:"inodes"`
}

// CopyStore writes a copy of the database beside it, as it is at one moment
// while others write in it, and gives the accounts in the copy. It is run as
// the server's user: root need not read what a server may have made of the file.
func CopyStore(ctx context.Context, database, to string) (_ []Account, err error) {
	if err := store.Copy(ctx, database, to); err != nil {
		return nil, err
	}
	// Not opened as a store, which would bring the copy to this program's schema.
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(to)+"?mode=ro&immutable=1&vfs="+store.RelativeVFS())
	if err != nil {
		return nil, fmt.Errorf("open the copy: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, `SELECT u.id, u.username, COALESCE(q.storage_bytes, 0), COALESCE(q.inodes, 0)
		FROM users u LEFT JOIN quotas q ON q.user_id = u.id ORDER BY u.id`)
	if err != nil {
		return nil, fmt.Errorf("read accounts of the copy: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []Account
	for rows.Next() {
		var a Account
		if err := rows.Scan(&a.ID, &a.Name, &a.StorageBytes, &a.Inodes); err != nil {
			return nil, fmt.Errorf("read accounts of the copy: %w", err)
		}
		all = append(all, a)
	}
	return all, rows.Err()
}
