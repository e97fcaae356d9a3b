package account

import (
	"context"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// SignedIn is what a new sign-in gives: the cookie's value, and when it ends.
type SignedIn struct {
	Secret  string
	Expires time.Time
}

// ChangePassword is Change for a person who is signed in and sets a new password
// of their own: present is the one they have. It counts only while it still is the
// one when the new one is stored, so that who knew it cannot undo what an
// administrator has set meanwhile. With from the person is signed in again.
func (s *Service) ChangePassword(ctx context.Context, id int64, present string, c UserChange, from *Client) (u User, in SignedIn, err error) {
	if err := checkChange(c); err != nil {
		return User{}, SignedIn{}, err
	}
	err = s.passwords.alone(id, func() error {
		row, found, err := oneUser(ctx, selectUsers(s.db).Where("u.id = ?", id))
		if err != nil {
			return err
		}
		if !found {
			return errNoUser()
		}
		var hash string
		err = s.passwords.inLine(ctx, func() error {
			if err := s.checkPresent(row, present); err != nil {
				return err
			}
			hash, err = s.passwords.make(*c.Password)
			return err
		})
		if err != nil {
			return err
		}
		if u, err = s.change(ctx, id, c, hash, row.PasswordHash); err != nil || from == nil {
			return err
		}
		in.Secret, in.Expires, err = s.openLogin(ctx, id, hash, *from)
		if fault.CodeOf(err) == fault.Unauthenticated {
			return errOvertaken()
		}
		return err
	})
	return u, in, err
}

// checkPresent is slowed like a sign-in, but by what the person fails alone.
func (s *Service) checkPresent(row userRow, present string) error {
	key := userKey(row.ID)
	if wait := s.own.wait(key); wait > 0 {
		return errSlow(wait)
	}
	ok := len(present) <= maxPasswordBytes
	if ok {
		var err error
		if ok, err = s.passwords.matches(present, row.PasswordHash); err != nil {
			return err
		}
	}
	if !ok {
		s.own.fail(key)
		return fault.Fields(fault.Forbidden, fault.FieldAt("body.current_password", "The password is wrong."))
	}
	s.own.forgive(key)
	return nil
}

func errOvertaken() error {
	return fault.New(fault.Conflict, "The password was changed by somebody else at the same time. Sign in with the new one.")
}
