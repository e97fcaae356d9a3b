package push

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"
	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

type keyRow struct{ PrivateKey, PublicKey string }

type subscriptionRow struct {
	ID         string
	UserID     int64
	Endpoint   string
	P256DH     string `bun:"p256dh"`
	Auth       string
	Device     string
	CreatedAt  time.Time
	LastSentAt *time.Time
	Problem    string
	Login      []byte
}

func (r subscriptionRow) subscription() Subscription {
	s := Subscription{ID: r.ID, Device: r.Device, CreatedAt: r.CreatedAt.UTC(), Problem: r.Problem}
	if r.LastSentAt != nil {
		at := r.LastSentAt.UTC()
		s.LastSentAt = &at
	}
	return s
}

// key gives the server's key, and makes it when there is none. Of two that make it at once the first counts.
func (s *Service) key(ctx context.Context) (keyRow, error) {
	var k keyRow
	read := func() error {
		return s.db.NewSelect().Table("push_key").Column("private_key", "public_key").Where("id = 1").Scan(ctx, &k)
	}
	if err := read(); !errors.Is(err, sql.ErrNoRows) {
		if err != nil {
			err = fmt.Errorf("read the push key: %w", err)
		}
		return k, err
	}
	private, public, err := webpush.GenerateVAPIDKeys()
	if err != nil {
		return keyRow{}, fmt.Errorf("make the push key: %w", err)
	}
	if _, err := s.db.NewRaw("INSERT INTO push_key (id, private_key, public_key) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING", private, public).Exec(ctx); err != nil {
		return keyRow{}, fmt.Errorf("write the push key: %w", err)
	}
	if err := read(); err != nil {
		return keyRow{}, fmt.Errorf("read the push key: %w", err)
	}
	return k, nil
}

func subscriptionsOf(ctx context.Context, db bun.IDB, userID int64) ([]subscriptionRow, error) {
	var rows []subscriptionRow
	err := db.NewSelect().Table("push_subscriptions").
		Column("id", "user_id", "endpoint", "p256dh", "auth", "device", "created_at", "last_sent_at", "problem").
		Where("user_id = ?", userID).Order("created_at DESC", "id DESC").Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	return rows, nil
}

// putSubscription keeps one. A browser that is known keeps its id, and is its new person's.
func putSubscription(ctx context.Context, db *bun.DB, r subscriptionRow) (kept subscriptionRow, made bool, err error) {
	err = store.InTx(ctx, db, func(ctx context.Context, tx bun.Tx) error {
		var owner int64
		made = false
		err := tx.NewSelect().Table("push_subscriptions").Column("user_id").Where("endpoint = ?", r.Endpoint).Scan(ctx, &owner)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			made = true
		case err != nil:
			return fmt.Errorf("find a subscription: %w", err)
		}
		if made || owner != r.UserID {
			n, err := tx.NewSelect().Table("push_subscriptions").Where("user_id = ?", r.UserID).Count(ctx)
			if err != nil {
				return fmt.Errorf("count subscriptions: %w", err)
			}
			if n >= maxSubscriptions {
				return fault.New(fault.Conflict, "You have notifications on %d devices. Remove one of them first.", maxSubscriptions)
			}
		}
		r.ID = rand.Text()
		_, err = tx.NewRaw(`INSERT INTO push_subscriptions (id, user_id, endpoint, p256dh, auth, device, created_at, login) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (endpoint) DO UPDATE SET user_id = excluded.user_id, p256dh = excluded.p256dh, auth = excluded.auth, device = excluded.device, login = excluded.login, problem = ''`,
			r.ID, r.UserID, r.Endpoint, r.P256DH, r.Auth, r.Device, r.CreatedAt, r.Login).Exec(ctx)
		if err != nil {
			return fmt.Errorf("write a subscription: %w", err)
		}
		all, err := subscriptionsOf(ctx, tx, r.UserID)
		if err != nil {
			return err
		}
		for _, one := range all {
			if one.Endpoint == r.Endpoint {
				kept = one
			}
		}
		return nil
	})
	return kept, made, err
}

// removeSubscription removes one, of a user if that is not 0.
func removeSubscription(ctx context.Context, db bun.IDB, userID int64, id string) error {
	q := db.NewDelete().Table("push_subscriptions").Where("id = ?", id)
	if userID != 0 {
		q.Where("user_id = ?", userID)
	}
	res, err := q.Exec(ctx)
	if err != nil {
		return fmt.Errorf("remove a subscription: %w", err)
	}
	if n, err := res.RowsAffected(); err == nil && n == 0 {
		return fault.New(fault.NotFound, "There is no such device.")
	}
	return nil
}

func sentTo(ctx context.Context, db bun.IDB, id string, at time.Time, problem string) error {
	q := db.NewUpdate().Table("push_subscriptions").Set("problem = ?", problem).Where("id = ?", id)
	if problem == "" {
		q.Set("last_sent_at = ?", at)
	}
	if _, err := q.Exec(ctx); err != nil {
		return fmt.Errorf("note a sending: %w", err)
	}
	return nil
}

// tell notes that a request is being told of; false: it was before.
func tell(ctx context.Context, db bun.IDB, k key, requestID string) (bool, error) {
	res, err := db.NewRaw(`INSERT INTO push_told (user_id, session_id, request_id) VALUES (?, ?, ?)
		ON CONFLICT (user_id, session_id) DO UPDATE SET request_id = excluded.request_id WHERE push_told.request_id <> excluded.request_id`,
		k.userID, k.id, requestID).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("note a request: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// waiting counts a person's sessions that wait for an answer.
func waiting(ctx context.Context, db bun.IDB, userID int64) (int64, error) {
	n, err := db.NewSelect().Table("sessions").Where("user_id = ?", userID).Where("state = ?", protocol.StateWaiting).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("count sessions that wait: %w", err)
	}
	return n, nil
}
