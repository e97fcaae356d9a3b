package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/quota"
)

// userRow is a user with the quota, as selectUsers reads them.
type userRow struct {
	ID             int64
	Username       string
	Email          string
	PasswordHash   string
	Role           string
	Language       string
	Active         bool
	CreatedAt      time.Time
	LastSeenAt     *time.Time
	Instances      int
	LiveSessions   int
	CPU            float64 `bun:"cpu"`
	MemoryBytes    int64
	PIDs           int64 `bun:"pids"`
	StorageBytes   int64
	Inodes         int64
	TokensPerDay   *int64
	TokensPerMonth *int64
}

func (r userRow) user() User {
	return User{
		ID: r.ID, Username: r.Username, Email: r.Email, Role: r.Role, Language: r.Language, Active: r.Active,
		CreatedAt: r.CreatedAt.UTC(), LastSeenAt: inUTC(r.LastSeenAt),
		Quota: quota.Quota{
			Instances: r.Instances, LiveSessions: r.LiveSessions, CPU: r.CPU, MemoryBytes: r.MemoryBytes, PIDs: r.PIDs,
			StorageBytes: r.StorageBytes, Inodes: r.Inodes, TokensPerDay: r.TokensPerDay, TokensPerMonth: r.TokensPerMonth,
		},
	}
}

func selectUsers(db bun.IDB) *bun.SelectQuery {
	return db.NewSelect().
		TableExpr("users AS u").
		Join("JOIN quotas AS q ON q.user_id = u.id").
		ColumnExpr("u.id, u.username, u.email, u.password_hash, u.role, u.language, u.active, u.created_at, u.last_seen_at").
		ColumnExpr("q.instances, q.live_sessions, q.cpu, q.memory_bytes, q.pids, q.storage_bytes, q.inodes, q.tokens_per_day, q.tokens_per_month")
}

// oneUser reads the only row of a query, or reports that there is none.
func oneUser(ctx context.Context, query *bun.SelectQuery) (row userRow, found bool, err error) {
	err = query.Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return userRow{}, false, nil
	}
	if err != nil {
		return userRow{}, false, fmt.Errorf("read a user: %w", err)
	}
	return row, true, nil
}

// insertUser makes the rows of a user that complete has checked.
func (s *Service) insertUser(ctx context.Context, tx bun.Tx, u NewUser, passwordHash string) (User, error) {
	if err := checkFree(ctx, tx, 0, &u.Username, &u.Email); err != nil {
		return User{}, err
	}
	made := User{Username: u.Username, Email: u.Email, Role: u.Role, Language: u.Language, Active: true, CreatedAt: s.now(), Quota: *u.Quota}
	err := tx.NewRaw(`INSERT INTO users (username, email, email_key, password_hash, role, language, active, created_at)
		VALUES (?, ?, ?, ?, ?, ?, TRUE, ?) RETURNING id`,
		made.Username, made.Email, emailKey(made.Email), passwordHash, made.Role, made.Language, made.CreatedAt).Scan(ctx, &made.ID)
	if err != nil {
		return User{}, fmt.Errorf("insert user: %w", err)
	}
	q := made.Quota
	_, err = tx.NewRaw(`INSERT INTO quotas (user_id, instances, live_sessions, cpu, memory_bytes, pids, storage_bytes, inodes, tokens_per_day, tokens_per_month)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		made.ID, q.Instances, q.LiveSessions, q.CPU, q.MemoryBytes, q.PIDs, q.StorageBytes, q.Inodes, q.TokensPerDay, q.TokensPerMonth).Exec(ctx)
	if err != nil {
		return User{}, fmt.Errorf("insert quota: %w", err)
	}
	return made, nil
}

// checkFree reports a user name or an address that a user other than self has.
// The transaction has the write lock, so that what is free stays free.
func checkFree(ctx context.Context, tx bun.Tx, self int64, username, email *string) error {
	taken := func(column string, value any) (bool, error) {
		n, err := tx.NewSelect().Table("users").Where("? = ?", bun.Ident(column), value).Where("id <> ?", self).Count(ctx)
		if err != nil {
			return false, fmt.Errorf("look for %s: %w", column, err)
		}
		return n > 0, nil
	}
	if username != nil {
		if is, err := taken("username", *username); err != nil {
			return err
		} else if is {
			return fault.Fields(fault.Conflict, fault.FieldAt("body.username", "The user name %s is taken. Choose another.", *username))
		}
	}
	if email != nil && *email != "" {
		if is, err := taken("email_key", emailKey(*email)); err != nil {
			return err
		} else if is {
			return fault.Fields(fault.Conflict, fault.FieldAt("body.email", "Another account has this e-mail address."))
		}
	}
	return nil
}
