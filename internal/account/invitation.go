package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/store"
)

const (
	invitationLife    = 7 * 24 * time.Hour
	maxInvitationLife = 90 * 24 * time.Hour
)

// NewInvitation is what making one takes.
type NewInvitation struct {
	By        int64     // who invites; 0: the command line, which may all
	Role      string    // "": user; at most the role of who invites
	ExpiresAt time.Time // zero: in 7 days; at most in 90
}

type invitationRow struct {
	ID        string
	Role      string
	CreatedBy *int64
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    *time.Time
	UsedBy    *int64

	CreatedByName, UsedByName *string
}

func (r invitationRow) invitation() Invitation {
	i := Invitation{ID: r.ID, Role: r.Role, CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), UsedAt: inUTC(r.UsedAt)}
	set(&i.CreatedBy, r.CreatedBy)
	set(&i.UsedBy, r.UsedBy)
	set(&i.CreatedByName, r.CreatedByName)
	set(&i.UsedByName, r.UsedByName)
	return i
}

func selectInvitations(db bun.IDB) *bun.SelectQuery {
	return db.NewSelect().TableExpr("invitations AS i").
		ColumnExpr("i.id, i.role, i.created_by, i.created_at, i.expires_at, i.used_at, i.used_by")
}

// Invite makes an invitation, which serves once. The secret is shown once.
// Moderators invite moderators and users, administrators everybody.
func (s *Service) Invite(ctx context.Context, n NewInvitation) (Invitation, string, error) {
	now := s.now()
	if n.Role == "" {
		n.Role = RoleUser
	}
	if n.ExpiresAt.IsZero() {
		n.ExpiresAt = now.Add(invitationLife)
	}
	n.ExpiresAt = n.ExpiresAt.UTC().Truncate(time.Microsecond)
	var f fields
	f.role(n.Role)
	if !n.ExpiresAt.After(now) || n.ExpiresAt.After(now.Add(maxInvitationLife)) {
		f.add("body.expires_at", "An invitation expires in the future, and within 90 days.")
	}
	if err := f.err(); err != nil {
		return Invitation{}, "", err
	}
	made := Invitation{ID: newID("inv_"), Role: n.Role, CreatedBy: n.By, CreatedAt: now, ExpiresAt: n.ExpiresAt}
	var by *int64
	if n.By != 0 {
		u, err := s.User(ctx, n.By)
		if err != nil {
			return Invitation{}, "", fmt.Errorf("invite: %w", err)
		}
		if !mayInvite(u.Active, u.Role, n.Role) {
			return Invitation{}, "", fault.New(fault.Forbidden, "Your role does not allow you to invite somebody as %s.", n.Role)
		}
		by = &n.By
	}
	secret, hash := newSecret("")
	_, err := s.db.NewRaw("INSERT INTO invitations (id, hash, role, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
		made.ID, hash, made.Role, by, made.CreatedAt, made.ExpiresAt).Exec(ctx)
	if err != nil {
		return Invitation{}, "", fmt.Errorf("insert invitation: %w", err)
	}
	return made, secret, nil
}

// Invitations lists all invitations, the newest first, also those that are used or expired.
func (s *Service) Invitations(ctx context.Context, limit int, cursor string) (Page[Invitation], error) {
	limit = store.Limit(limit)
	query := selectInvitations(s.db).
		ColumnExpr("(SELECT username FROM users WHERE id = i.created_by) AS created_by_name, (SELECT username FROM users WHERE id = i.used_by) AS used_by_name").
		OrderExpr("i.created_at DESC, i.id DESC").Limit(int64(limit) + 1)
	if err := before(query, "i", cursor); err != nil {
		return Page[Invitation]{}, err
	}
	var rows []invitationRow
	if err := query.Scan(ctx, &rows); err != nil {
		return Page[Invitation]{}, fmt.Errorf("list invitations: %w", err)
	}
	return page(rows, limit, invitationRow.invitation, func(r invitationRow) any { return listKey{r.CreatedAt.UTC(), r.ID} }), nil
}

// Revoke takes an invitation back that nobody has used.
func (s *Service) Revoke(ctx context.Context, id string) error {
	none := fault.New(fault.NotFound, "There is no such invitation, or it has been used.")
	if !idPattern.MatchString(id) {
		return none
	}
	result, err := s.db.NewRaw("DELETE FROM invitations WHERE id = ? AND used_at IS NULL", id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("revoke invitation: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return none
	}
	return nil
}

// validInvitation finds an invitation that still serves. Who made it must still
// be one who may.
func (s *Service) validInvitation(ctx context.Context, db bun.IDB, secret string) (invitationRow, error) {
	refused := func() error {
		return fault.InvalidField("body.invitation", "This invitation does not serve: it is unknown, used, revoked or expired. Ask for a new one.")
	}
	var row invitationRow
	err := selectInvitations(db).Where("i.hash = ?", hashOf(secret)).Where("i.used_at IS NULL").Where("i.expires_at > ?", s.now()).Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return invitationRow{}, refused()
	}
	if err != nil {
		return invitationRow{}, fmt.Errorf("read invitation: %w", err)
	}
	if row.CreatedBy != nil {
		by, found, err := oneUser(ctx, selectUsers(db).Where("u.id = ?", *row.CreatedBy))
		if err != nil {
			return invitationRow{}, err
		}
		if !found || !mayInvite(by.Active, by.Role, row.Role) {
			return invitationRow{}, refused()
		}
	}
	return row, nil
}

func mayInvite(active bool, inviter, role string) bool {
	return active && RoleAtLeast(inviter, RoleModerator) && RoleAtLeast(inviter, role)
}
