package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var embedded embed.FS

// migrations are forward only and never edited once released. Number 1 makes the
// versions table's rows unique: of two processes that migrate at the same time,
// one commits a migration and the other's whole transaction fails.
var migrations = func() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}()

func migrate(ctx context.Context, pool *sql.DB, from fs.FS, log *slog.Logger) error {
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, from,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(log))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	for current < target {
		applied, upErr := provider.Up(ctx)
		for _, m := range applied {
			log.InfoContext(ctx, "migrated the database", "migration", m.Source.Path, "took", m.Duration)
		}
		now, err := provider.GetDBVersion(ctx)
		if err != nil {
			return fmt.Errorf("read the schema's version: %w", err)
		}
		// A failure that left the version where it was is a failure. Otherwise another
		// process was migrating too, and was faster with one of them: go on from there.
		if upErr != nil && now == current {
			return fmt.Errorf("migrate from version %d to %d: %w", current, target, upErr)
		}
		current = now
	}
	if current > target {
		return fmt.Errorf("the database has schema version %d and this program knows versions up to %d: start the newer carrel that wrote it, or restore a backup", current, target)
	}
	return nil
}
