package account

import (
	"context"
	"crypto/subtle"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/store"
)

// SetupCode is what the operator must type to make the first administrator.
func (s *Service) SetupCode() string { return s.setupCode }

// NeedsSetup tells whether there is no account yet.
func (s *Service) NeedsSetup(ctx context.Context) (bool, error) { return noAccount(ctx, s.db) }

// Setup makes the first administrator, for the one who has the setup code, and
// only while there is no account. u.Role is not asked for.
func (s *Service) Setup(ctx context.Context, code string, u NewUser) (User, error) {
	done := func() error {
		return fault.New(fault.Conflict, "Carrel is set up already: there is an account. Sign in instead.")
	}
	if none, err := noAccount(ctx, s.db); err != nil {
		return User{}, err
	} else if !none {
		return User{}, done()
	}
	if subtle.ConstantTimeCompare(hashOf(code), hashOf(s.setupCode)) != 1 {
		return User{}, fault.Fields(fault.Forbidden, fault.FieldAt("body.setup_code", "The setup code is wrong. The server prints it when it starts, and in its log."))
	}
	u.Role = RoleAdmin
	if err := s.complete(&u); err != nil {
		return User{}, err
	}
	hash, err := s.passwords.hash(ctx, u.Password)
	if err != nil {
		return User{}, err
	}
	var made User
	err = store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) error {
		none, err := noAccount(ctx, tx) // again, with the write lock
		if err != nil {
			return err
		}
		if !none {
			return done()
		}
		made, err = s.insertUser(ctx, tx, u, hash)
		return err
	})
	if err != nil {
		return User{}, fmt.Errorf("set up: %w", err)
	}
	return made, nil
}

// Register makes an account for a person who asks for one, as the policy allows.
// The role is the invitation's, or user; u.Role and u.Quota are not asked for.
func (s *Service) Register(ctx context.Context, u NewUser, invitation string) (User, error) {
	u.Role, u.Quota = RoleUser, nil
	switch s.policy {
	case RegistrationOpen:
	case RegistrationInvite:
		if invitation == "" {
			return User{}, fault.Fields(fault.Forbidden, fault.FieldAt("body.invitation", "Registration needs an invitation. Ask an administrator for one."))
		}
	default:
		return User{}, fault.New(fault.Forbidden, "Registration is closed. Ask an administrator for an account.")
	}
	if none, err := noAccount(ctx, s.db); err != nil {
		return User{}, err
	} else if none { // or the first person would shut the setup, and nobody were an administrator
		return User{}, fault.New(fault.Conflict, "Carrel is not set up yet: the first administrator comes first.")
	}
	if invitation != "" { // before the password is hashed: a stranger without one costs nothing
		if _, err := s.validInvitation(ctx, s.db, invitation); err != nil {
			return User{}, err
		}
	}
	if u.Email == "" {
		return User{}, fault.InvalidField("body.email", "An e-mail address is needed, like ana@example.org.")
	}
	if err := s.complete(&u); err != nil {
		return User{}, err
	}
	hash, err := s.passwords.hash(ctx, u.Password)
	if err != nil {
		return User{}, err
	}
	var made User
	err = store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) error {
		var used invitationRow
		if invitation != "" {
			var err error
			if used, err = s.validInvitation(ctx, tx, invitation); err != nil {
				return err
			}
			u.Role = used.Role
		}
		var err error
		if made, err = s.insertUser(ctx, tx, u, hash); err != nil || invitation == "" {
			return err
		}
		_, err = tx.NewRaw("UPDATE invitations SET used_at = ?, used_by = ? WHERE id = ?", s.now(), made.ID, used.ID).Exec(ctx)
		return err
	})
	if err != nil {
		return User{}, fmt.Errorf("register: %w", err)
	}
	return made, nil
}

func noAccount(ctx context.Context, db bun.IDB) (bool, error) {
	exists, err := db.NewSelect().Table("users").Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("look for accounts: %w", err)
	}
	return !exists, nil
}
