package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/store"
)

const (
	maxTokens = 100 // of one user
	// usedEvery is how exact last_used_at is: a write for every request would cost more than the request.
	usedEvery = time.Minute
	// usedWait bounds how long a request waits to note the use.
	usedWait = time.Second
)

type tokenRow struct {
	ID         string
	Name       string
	CreatedAt  time.Time
	LastUsedAt *time.Time
	ExpiresAt  *time.Time
}

func (r tokenRow) token() Token {
	return Token{ID: r.ID, Name: r.Name, CreatedAt: r.CreatedAt.UTC(), LastUsedAt: inUTC(r.LastUsedAt), ExpiresAt: inUTC(r.ExpiresAt)}
}

// listKey is where a list of the newest first goes on.
type listKey struct {
	At time.Time `json:"at"`
	ID string    `json:"id"`
}

func before(query *bun.SelectQuery, alias, cursor string) error {
	if cursor == "" {
		return nil
	}
	key, err := store.DecodeCursor[listKey](cursor)
	if err != nil {
		return err
	}
	if !idPattern.MatchString(key.ID) {
		return fault.InvalidField("query.cursor", "The cursor is not one that this list gave. Start again without it.")
	}
	query.Where("(?.created_at, ?.id) < (?, ?)", bun.Ident(alias), bun.Ident(alias), key.At, key.ID)
	return nil
}

// UserOfToken tells whose token it is, and notes its use.
func (s *Service) UserOfToken(ctx context.Context, secret string) (User, error) {
	refused := func() error {
		return fault.New(fault.Unauthenticated, "The token is unknown, revoked or expired. Make a new one in the settings.")
	}
	if !strings.HasPrefix(secret, tokenPrefix) {
		return User{}, refused()
	}
	now := s.now()
	var row struct {
		userRow
		TokenID    string
		LastUsedAt *time.Time
	}
	err := selectUsers(s.db).
		Join("JOIN tokens AS t ON t.user_id = u.id").
		ColumnExpr("t.id AS token_id, t.last_used_at").
		Where("t.hash = ?", hashOf(secret)).Where("(t.expires_at IS NULL OR t.expires_at > ?)", now).Where("u.active").
		Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, refused()
	}
	if err != nil {
		return User{}, fmt.Errorf("read a token: %w", err)
	}
	if row.LastUsedAt == nil || now.Sub(*row.LastUsedAt) >= usedEvery {
		s.noteUse(ctx, row.ID, row.TokenID, now)
	}
	return row.user(), nil
}

// noteUse writes last_used_at, once for all requests of the same minute. The
// request does not fail if that does.
func (s *Service) noteUse(ctx context.Context, userID int64, id string, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), usedWait)
	defer cancel()
	_, err := s.db.NewRaw("UPDATE tokens SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)",
		now, id, now.Add(-usedEvery)).Exec(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "the use of a token was not noted", "token", id, "error", err)
	}
	s.noteSeen(ctx, userID, now)
}

// noteSeen writes when a person was last here. It waits as long as its caller does, and fails nothing.
func (s *Service) noteSeen(ctx context.Context, userID int64, now time.Time) {
	_, err := s.db.NewRaw("UPDATE users SET last_seen_at = ? WHERE id = ? AND (last_seen_at IS NULL OR last_seen_at <= ?)",
		now, userID, now.Add(-usedEvery)).Exec(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "that a person was here was not noted", "user", userID, "error", err)
	}
}

// Tokens lists a user's tokens, the newest first.
func (s *Service) Tokens(ctx context.Context, userID int64, limit int, cursor string) (Page[Token], error) {
	limit = store.Limit(limit)
	query := s.db.NewSelect().TableExpr("tokens AS t").ColumnExpr("t.id, t.name, t.created_at, t.last_used_at, t.expires_at").
		Where("t.user_id = ?", userID).OrderExpr("t.created_at DESC, t.id DESC").Limit(int64(limit) + 1)
	if err := before(query, "t", cursor); err != nil {
		return Page[Token]{}, err
	}
	var rows []tokenRow
	if err := query.Scan(ctx, &rows); err != nil {
		return Page[Token]{}, fmt.Errorf("list tokens: %w", err)
	}
	return page(rows, limit, tokenRow.token, func(r tokenRow) any { return listKey{r.CreatedAt.UTC(), r.ID} }), nil
}

// CreateToken makes a token. The secret is shown once. expires is nil for a token
// that does not expire.
func (s *Service) CreateToken(ctx context.Context, userID int64, name string, expires *time.Time) (Token, string, error) {
	made := Token{ID: newID("tok_"), Name: name, CreatedAt: s.now()}
	var f fields
	f.tokenName(name)
	if expires != nil {
		at := expires.UTC().Truncate(time.Microsecond)
		made.ExpiresAt = &at
		if !at.After(made.CreatedAt) {
			f.add("body.expires_at", "A token expires in the future.")
		}
	}
	if err := f.err(); err != nil {
		return Token{}, "", err
	}
	secret, hash := newSecret(tokenPrefix)
	err := store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) error {
		if _, found, err := oneUser(ctx, selectUsers(tx).Where("u.id = ?", userID)); err != nil {
			return err
		} else if !found {
			return errNoUser()
		}
		n, err := tx.NewSelect().Table("tokens").Where("user_id = ?", userID).Count(ctx)
		if err != nil {
			return err
		}
		if n >= maxTokens {
			return fault.New(fault.QuotaExceeded, "%d of %d tokens exist. Revoke one to make another.", n, maxTokens)
		}
		_, err = tx.NewRaw("INSERT INTO tokens (id, user_id, name, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
			made.ID, userID, made.Name, hash, made.CreatedAt, made.ExpiresAt).Exec(ctx)
		return err
	})
	if err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	return made, secret, nil
}

// DeleteToken revokes a token of the user's own; another's is not there.
func (s *Service) DeleteToken(ctx context.Context, userID int64, id string) error {
	none := fault.New(fault.NotFound, "There is no such token.")
	if !idPattern.MatchString(id) {
		return none
	}
	result, err := s.db.NewRaw("DELETE FROM tokens WHERE id = ? AND user_id = ?", id, userID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("delete token: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return none
	}
	return nil
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
