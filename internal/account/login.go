package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// loginLife is how long a login session lasts. It is not prolonged by use: a
// cookie that was stolen dies too.
const loginLife = 30 * 24 * time.Hour

// maxLoginName is more than any user name or address has.
const maxLoginName = 320

// Login signs a person in by user name or e-mail address. The secret is the
// cookie's value. An unknown user and a wrong password are one and the same error,
// after the same time. That an account is out of use is told to who knows its password.
func (s *Service) Login(ctx context.Context, name, password string, from Client) (u User, secret string, expires time.Time, err error) {
	fail := func(err error) (User, string, time.Time, error) { return User{}, "", time.Time{}, err }

	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || len(name) > maxLoginName || strings.ContainsRune(name, 0) || len(password) > maxPasswordBytes {
		return fail(errWrongLogin())
	}
	network := networkOf(from.Address)
	if wait := s.guesses.network.wait(network); wait > 0 { // before the database is asked
		return fail(errSlow(wait))
	}
	query := selectUsers(s.db)
	if strings.Contains(name, "@") {
		query.Where("u.email_key = ?", name)
	} else {
		query.Where("u.username = ?", name)
	}
	row, found, err := oneUser(ctx, query)
	if err != nil {
		return fail(fmt.Errorf("log in: %w", err))
	}
	person := "name " + name
	if found {
		person = userKey(row.ID)
	}
	mayTry := func() error {
		if wait := s.guesses.wait(person, network, func() bool { return s.isAtHome(ctx, row.ID, network) }); wait > 0 {
			return errSlow(wait)
		}
		return nil
	}
	if err := mayTry(); err != nil { // before the queue, so that a flood does not fill it
		return fail(err)
	}
	err = s.passwords.inTurn(ctx, func() error {
		// Again: others of the same name may have failed while this one waited.
		if err := mayTry(); err != nil {
			return err
		}
		ok, err := s.passwords.matches(password, row.PasswordHash)
		if err != nil {
			return err
		}
		if !ok || !row.Active {
			s.guesses.failed(person, network)
		}
		if !ok {
			return errWrongLogin()
		}
		if !row.Active {
			return fault.Fields(fault.Unauthenticated, fault.FieldAt("body.username", "This account is switched off. An administrator can switch it on again."))
		}
		s.guesses.right(person, network)
		return nil
	})
	if err != nil {
		return fail(err)
	}
	secret, expires, err = s.openLogin(ctx, row.ID, row.PasswordHash, from)
	if err != nil {
		return fail(err)
	}
	return row.user(), secret, expires, nil
}

// OpenLogin starts a login session of a user who has just proved to be that user
// in another way: by the setup or a registration.
func (s *Service) OpenLogin(ctx context.Context, userID int64, from Client) (secret string, expires time.Time, err error) {
	row, found, err := oneUser(ctx, selectUsers(s.db).Where("u.id = ?", userID))
	if err != nil {
		return "", time.Time{}, err
	}
	if !found {
		return "", time.Time{}, errNoUser()
	}
	return s.openLogin(ctx, userID, row.PasswordHash, from)
}

// openLogin stores a login session, unless the account was changed since
// passwordHash was read: a session must not outlive the password it came by.
func (s *Service) openLogin(ctx context.Context, userID int64, passwordHash string, from Client) (string, time.Time, error) {
	now := s.now()
	expires := now.Add(loginLife)
	prefix := ""
	if from.Secure {
		prefix = securePrefix
	}
	secret, hash := newSecret(prefix)
	if _, err := s.db.NewRaw("DELETE FROM logins WHERE expires_at <= ?", now).Exec(ctx); err != nil {
		return "", time.Time{}, fmt.Errorf("remove expired login sessions: %w", err)
	}
	if err := s.makeRoom(ctx, userID); err != nil {
		return "", time.Time{}, err
	}
	result, err := s.db.NewRaw(`INSERT INTO logins (hash, id, user_id, created_at, expires_at, last_used_at, agent, address)
		SELECT ?, ?, id, ?, ?, ?, ?, ? FROM users WHERE id = ? AND active AND password_hash = ?`,
		hash, newID("log_"), now, expires, now, from.agent(), from.Address, userID, passwordHash).Exec(ctx)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("insert login session: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return "", time.Time{}, errWrongLogin()
	}
	s.noteSeen(ctx, userID, now)
	return secret, expires, nil
}

// Logout ends a login session. One that is not there has ended already.
func (s *Service) Logout(ctx context.Context, secret string) error {
	if _, err := s.db.NewRaw("DELETE FROM logins WHERE hash = ?", hashOf(secret)).Exec(ctx); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// UserOfCookie tells whose cookie it is, and notes its use. address is the client's, without the port.
func (s *Service) UserOfCookie(ctx context.Context, secret, address string) (User, error) {
	now, hash := s.now(), hashOf(secret)
	var row struct {
		userRow
		LastUsedAt *time.Time
	}
	err := selectUsers(s.db).
		Join("JOIN logins AS l ON l.user_id = u.id").
		ColumnExpr("l.last_used_at").
		Where("l.hash = ?", hash).Where("l.expires_at > ?", now).Where("u.active").
		Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, fault.New(fault.Unauthenticated, "You are not signed in, or no longer. Sign in again.")
	}
	if err != nil {
		return User{}, fmt.Errorf("read a sign-in: %w", err)
	}
	if row.LastUsedAt == nil || now.Sub(*row.LastUsedAt) >= usedEvery {
		s.noteSignIn(ctx, row.ID, hash, address, now)
	}
	return row.user(), nil
}

// isAtHome tells whether a user is signed in from a network. When the database cannot say, they are not.
func (s *Service) isAtHome(ctx context.Context, userID int64, network string) bool {
	var addresses []string
	err := s.db.NewSelect().Table("logins").Column("address").Where("user_id = ?", userID).Where("expires_at > ?", s.now()).
		Limit(maxSignIns).Scan(ctx, &addresses)
	return err == nil && slices.ContainsFunc(addresses, func(a string) bool { return networkOf(a) == network })
}

// userKey is by what a user's failures are counted.
func userKey(id int64) string { return "user " + strconv.FormatInt(id, 10) }

func errWrongLogin() error {
	return fault.New(fault.Unauthenticated, "The user name or the password is wrong.")
}

func errSlow(wait time.Duration) error {
	seconds := int64((wait + time.Second - 1) / time.Second)
	e := fault.New(fault.RateLimited, "Sign-in failed too often. Try again in %d s.", seconds)
	e.RetryAfter = wait
	return e
}

// networkOf is what failures are counted by: an IPv4 address, or the /64 that one
// customer has of IPv6.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "" // a unix socket, say: all of them together
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return p.String()
}
