package account

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/store"
)

func errNoUser() error { return fault.New(fault.NotFound, "There is no such user.") }

// Create makes an account, for an administrator or the command line.
func (s *Service) Create(ctx context.Context, u NewUser) (User, error) {
	if err := s.complete(&u); err != nil {
		return User{}, err
	}
	hash, err := s.passwords.hash(ctx, u.Password)
	if err != nil {
		return User{}, err
	}
	var made User
	err = store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) (err error) {
		made, err = s.insertUser(ctx, tx, u, hash)
		return err
	})
	if err != nil {
		return User{}, fmt.Errorf("create user: %w", err)
	}
	return made, nil
}

// Users lists all users by id.
func (s *Service) Users(ctx context.Context, limit int, cursor string) (Page[User], error) {
	limit = store.Limit(limit)
	query := selectUsers(s.db).Order("u.id").Limit(int64(limit) + 1)
	if cursor != "" {
		after, err := store.DecodeCursor[int64](cursor)
		if err != nil {
			return Page[User]{}, err
		}
		query.Where("u.id > ?", after)
	}
	var rows []userRow
	if err := query.Scan(ctx, &rows); err != nil {
		return Page[User]{}, fmt.Errorf("list users: %w", err)
	}
	return page(rows, limit, userRow.user, func(r userRow) any { return r.ID }), nil
}

// User gives one user.
func (s *Service) User(ctx context.Context, id int64) (User, error) {
	row, found, err := oneUser(ctx, selectUsers(s.db).Where("u.id = ?", id))
	if err != nil {
		return User{}, err
	}
	if !found {
		return User{}, errNoUser()
	}
	return row.user(), nil
}

// UserByName gives the user of a user name.
func (s *Service) UserByName(ctx context.Context, username string) (User, error) {
	if !namePattern.MatchString(username) {
		return User{}, errNoUser()
	}
	row, found, err := oneUser(ctx, selectUsers(s.db).Where("u.username = ?", username))
	if err != nil {
		return User{}, err
	}
	if !found {
		return User{}, errNoUser()
	}
	return row.user(), nil
}

// Change changes an account. A new password, or taking the account out of use,
// ends all login sessions of the user; their tokens stay, unless they are to be
// revoked, and those of one who is not active open nothing. The last active administrator stays one.
func (s *Service) Change(ctx context.Context, id int64, c UserChange) (User, error) {
	if err := checkChange(c); err != nil {
		return User{}, err
	}
	var hash string
	if c.Password != nil {
		var err error
		if hash, err = s.passwords.hash(ctx, *c.Password); err != nil {
			return User{}, err
		}
	}
	return s.change(ctx, id, c, hash, "")
}

// change is Change with the hash of c's password, if it has one. was is the hash
// that the present password was compared with; "": nobody asked for that one.
func (s *Service) change(ctx context.Context, id int64, c UserChange, hash, was string) (User, error) {
	var changed User
	err := store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) error {
		row, found, err := oneUser(ctx, selectUsers(tx).Where("u.id = ?", id))
		if err != nil {
			return err
		}
		if !found {
			return errNoUser()
		}
		if was != "" && row.PasswordHash != was {
			return errOvertaken()
		}
		before := row
		set(&row.Username, c.Username)
		set(&row.Email, c.Email)
		set(&row.Role, c.Role)
		set(&row.Language, c.Language)
		set(&row.Active, c.Active)
		if hash != "" {
			row.PasswordHash = hash
		}
		if err := checkFree(ctx, tx, id, c.Username, c.Email); err != nil {
			return err
		}
		if isAdmin(before) && !isAdmin(row) {
			if err := checkOtherAdmin(ctx, tx, id); err != nil {
				return err
			}
		}
		_, err = tx.NewRaw(`UPDATE users SET username = ?, email = ?, email_key = ?, password_hash = ?, role = ?, language = ?, active = ? WHERE id = ?`,
			row.Username, row.Email, emailKey(row.Email), row.PasswordHash, row.Role, row.Language, row.Active, id).Exec(ctx)
		if err != nil {
			return fmt.Errorf("update user: %w", err)
		}
		if hash != "" || !row.Active {
			if _, err := tx.NewRaw("DELETE FROM logins WHERE user_id = ?", id).Exec(ctx); err != nil {
				return fmt.Errorf("end login sessions: %w", err)
			}
		}
		if c.RevokeTokens {
			if _, err := tx.NewRaw("DELETE FROM tokens WHERE user_id = ?", id).Exec(ctx); err != nil {
				return fmt.Errorf("revoke tokens: %w", err)
			}
		}
		changed = row.user()
		return nil
	})
	if err != nil {
		return User{}, fmt.Errorf("change user %d: %w", id, err)
	}
	return changed, nil
}

// Delete removes an account with its login sessions, tokens and invitations. Its
// id is never given again. The user's instance and volume are the caller's to end.
func (s *Service) Delete(ctx context.Context, id int64) error {
	err := store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) error {
		row, found, err := oneUser(ctx, selectUsers(tx).Where("u.id = ?", id))
		if err != nil {
			return err
		}
		if !found {
			return errNoUser()
		}
		if isAdmin(row) {
			if err := checkOtherAdmin(ctx, tx, id); err != nil {
				return err
			}
		}
		_, err = tx.NewRaw("DELETE FROM users WHERE id = ?", id).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete user %d: %w", id, err)
	}
	return nil
}

// SetQuota replaces a user's quota.
func (s *Service) SetQuota(ctx context.Context, id int64, q quota.Quota) (User, error) {
	if err := q.Validate("body"); err != nil {
		return User{}, err
	}
	result, err := s.db.NewRaw(`UPDATE quotas SET instances = ?, live_sessions = ?, cpu = ?, memory_bytes = ?, pids = ?, storage_bytes = ?, inodes = ?,
		tokens_per_day = ?, tokens_per_month = ? WHERE user_id = ?`,
		q.Instances, q.LiveSessions, q.CPU, q.MemoryBytes, q.PIDs, q.StorageBytes, q.Inodes, q.TokensPerDay, q.TokensPerMonth, id).Exec(ctx)
	if err != nil {
		return User{}, fmt.Errorf("set quota of user %d: %w", id, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return User{}, errNoUser()
	}
	return s.User(ctx, id)
}

func checkChange(c UserChange) error {
	var f fields
	if c.Username != nil {
		f.username(*c.Username)
	}
	if c.Email != nil {
		f.email(*c.Email)
	}
	if c.Password != nil {
		f.password(*c.Password)
	}
	if c.Role != nil {
		f.role(*c.Role)
	}
	if c.Language != nil {
		f.language(*c.Language)
	}
	return f.err()
}

func isAdmin(r userRow) bool { return r.Active && r.Role == RoleAdmin }

// checkOtherAdmin refuses to let the last active administrator go. The
// transaction has the write lock, so that two who leave together cannot both
// count on the other.
func checkOtherAdmin(ctx context.Context, tx bun.Tx, id int64) error {
	n, err := tx.NewSelect().Table("users").Where("role = ?", RoleAdmin).Where("active").Where("id <> ?", id).Count(ctx)
	if err != nil {
		return fmt.Errorf("count administrators: %w", err)
	}
	if n == 0 {
		return fault.New(fault.Conflict, "This is the last active administrator. Make another one first.")
	}
	return nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// page makes a page of limit+1 rows or fewer.
func page[R, T any](rows []R, limit int, item func(R) T, key func(R) any) Page[T] {
	p := Page[T]{Items: make([]T, 0, min(len(rows), limit))}
	for i, row := range rows {
		if i == limit {
			p.NextCursor = store.EncodeCursor(key(rows[i-1]))
			break
		}
		p.Items = append(p.Items, item(row))
	}
	return p
}
