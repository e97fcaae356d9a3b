package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// records are Records in the store.
type records struct{ db *bun.DB }

// NewRecords keeps records in the store.
func NewRecords(db *bun.DB) Records { return records{db} }

type recordRow struct {
	bun.BaseModel  `bun:"table:hibernated"`
	UserID         int64 `bun:",pk"`
	ID             string
	Name           string
	Language       string
	Workspace      string
	CreatedAt      time.Time
	LastActivityAt time.Time
	StorageBytes   int64
	Inodes         int64
}

func (r records) Hibernated(ctx context.Context) ([]Record, error) {
	var rows []recordRow
	if err := r.db.NewSelect().Model(&rows).Order("user_id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("read hibernated instances: %w", err)
	}
	out := make([]Record, 0, len(rows))
	for _, row := range rows {
		out = append(out, Record{row.UserID, row.ID, row.Name, row.Language, row.Workspace, row.CreatedAt, row.LastActivityAt, row.StorageBytes, row.Inodes})
	}
	return out, nil
}

func (r records) Keep(ctx context.Context, rec Record) error {
	row := recordRow{UserID: rec.UserID, ID: rec.ID, Name: rec.Name, Language: rec.Language, Workspace: rec.Workspace,
		CreatedAt: rec.CreatedAt.UTC(), LastActivityAt: rec.LastActivityAt.UTC(), StorageBytes: rec.StorageBytes, Inodes: rec.Inodes}
	_, err := r.db.NewInsert().Model(&row).On("CONFLICT (user_id) DO UPDATE").
		Set("id = EXCLUDED.id, name = EXCLUDED.name, language = EXCLUDED.language, workspace = EXCLUDED.workspace, created_at = EXCLUDED.created_at").
		Set("last_activity_at = EXCLUDED.last_activity_at, storage_bytes = EXCLUDED.storage_bytes, inodes = EXCLUDED.inodes").Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep hibernated instance of user %d: %w", rec.UserID, err)
	}
	return nil
}

func (r records) Forget(ctx context.Context, userID int64) error {
	if _, err := r.db.NewDelete().Model((*recordRow)(nil)).Where("user_id = ?", userID).Exec(ctx); err != nil {
		return fmt.Errorf("forget hibernated instance of user %d: %w", userID, err)
	}
	return nil
}
