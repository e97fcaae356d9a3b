package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Client is from where somebody signs in.
type Client struct {
	Address string // without the port
	Agent   string // the User-Agent header; what is too long is cut
	Secure  bool   // whether by https
}

const maxAgent = 400

func (c Client) agent() string { return strings.ToValidUTF8(c.Agent[:min(len(c.Agent), maxAgent)], "") }

// maxSignIns is of one user: the one that was not used for longest goes when there is another. So a program that signs
// in again and again ends its own, and not a browser that somebody sits before.
const maxSignIns = 100

// SignIn is a browser in which a person is signed in.
type SignIn struct {
	ID         string     `json:"id" example:"log_ab3d5fgh2jkm4npq" doc:"The sign-in."`
	Agent      string     `json:"agent" example:"Mozilla/5.0 (Linux; Android 15) …" doc:"The browser, as it names itself (User-Agent); empty: unknown."`
	Address    string     `json:"address" example:"192.0.2.7" doc:"From where it was last used; empty: unknown."`
	CreatedAt  time.Time  `json:"created_at" doc:"When the person signed in."`
	LastUsedAt *time.Time `json:"last_used_at" doc:"When it was last used, to a minute; null: unknown."`
	ExpiresAt  time.Time  `json:"expires_at" doc:"When it ends by itself."`
	Current    bool       `json:"current" doc:"Whether it is the one that asks."`
}

type signInRow struct {
	Hash       []byte
	ID         string
	Agent      string
	Address    string
	CreatedAt  time.Time
	LastUsedAt *time.Time
	ExpiresAt  time.Time
}

// SignInKey is by what the rest of the database names the sign-in of a cookie.
func SignInKey(secret string) []byte { return hashOf(secret) }

// SignIns lists where a user is signed in, the newest first. secret is the cookie of who asks, or "".
func (s *Service) SignIns(ctx context.Context, userID int64, secret string) ([]SignIn, error) {
	var rows []signInRow
	err := s.db.NewSelect().Table("logins").Column("hash", "id", "agent", "address", "created_at", "last_used_at", "expires_at").
		Where("user_id = ?", userID).Where("expires_at > ?", s.now()).Order("created_at DESC", "id DESC").Limit(maxSignIns).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("list sign-ins: %w", err)
	}
	now := string(hashOf(secret))
	all := make([]SignIn, 0, len(rows))
	for _, r := range rows {
		all = append(all, SignIn{
			ID: r.ID, Agent: r.Agent, Address: r.Address, CreatedAt: r.CreatedAt.UTC(), LastUsedAt: inUTC(r.LastUsedAt), ExpiresAt: r.ExpiresAt.UTC(),
			Current: string(r.Hash) == now,
		})
	}
	return all, nil
}

// EndSignIn ends one of a user's own sign-ins; another's is not there.
func (s *Service) EndSignIn(ctx context.Context, userID int64, id string) error {
	none := fault.New(fault.NotFound, "There is no such sign-in.")
	if id == "" {
		return none
	}
	result, err := s.db.NewRaw("DELETE FROM logins WHERE id = ? AND user_id = ?", id, userID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("end a sign-in: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return none
	}
	return nil
}

// EndOtherSignIns ends all of a user's sign-ins but the one of a cookie, and says how many those were.
func (s *Service) EndOtherSignIns(ctx context.Context, userID int64, secret string) (int64, error) {
	result, err := s.db.NewRaw("DELETE FROM logins WHERE user_id = ? AND hash <> ?", userID, hashOf(secret)).Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("end sign-ins: %w", err)
	}
	return result.RowsAffected()
}

// noteSignIn writes when and from where a sign-in was last used, once for all requests of the same minute. The request
// does not fail if that does.
func (s *Service) noteSignIn(ctx context.Context, userID int64, hash []byte, address string, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), usedWait)
	defer cancel()
	_, err := s.db.NewRaw("UPDATE logins SET last_used_at = ?, address = ? WHERE hash = ? AND (last_used_at IS NULL OR last_used_at <= ?)",
		now, address, hash, now.Add(-usedEvery)).Exec(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "the use of a sign-in was not noted", "error", err)
	}
	s.noteSeen(ctx, userID, now)
}

// makeRoom ends what a user has not used for longest, where there are as many sign-ins as may be.
func (s *Service) makeRoom(ctx context.Context, userID int64) error {
	_, err := s.db.NewRaw(`DELETE FROM logins WHERE hash IN
		(SELECT hash FROM logins WHERE user_id = ? ORDER BY coalesce(last_used_at, created_at) DESC, hash LIMIT -1 OFFSET ?)`, userID, maxSignIns-1).Exec(ctx)
	if err != nil {
		return fmt.Errorf("make room for a sign-in: %w", err)
	}
	return nil
}
