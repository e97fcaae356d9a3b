package meter

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/gateway"
	"github.com/carrel-dev/carrel/internal/store"
)

// sum is one row of meter_usage.
type sum struct {
	requests, failures int64
	tokens             gateway.Tokens
}

type sumKey struct {
	userID              int64
	day, model, session string
}

const dayFormat = "2006-01-02"

// store adds records to the sums and moves the spool's number, in one
// transaction, and gives the number. Records that are in the sums already are
// left out, so that it does not matter who was killed between store and
// acknowledgement, or whether two servers pull for a moment.
func (m *Meter) store(ctx context.Context, spool string, records []gateway.Record) (last int64, err error) {
	err = store.InTx(ctx, m.db, func(ctx context.Context, tx bun.Tx) error {
		before, err := m.lastSeq(ctx, tx, spool)
		if err != nil {
			return err
		}
		last = before
		sums := make(map[sumKey]sum)
		for _, r := range records {
			if r.Seq <= before {
				continue
			}
			if r.Seq != last+1 && last != 0 {
				m.log.Error("records of the meter are missing", "spool", spool, "from", last+1, "to", r.Seq-1)
			}
			last = r.Seq
			k := sumKey{userID: r.UserID, day: r.At.UTC().Format(dayFormat), model: r.Model, session: r.SessionID}
			if r.Total() == 0 { // its names are the instance's own, and could be any number
				k.model, k.session = "", ""
			}
			s := sums[k]
			s.requests++
			if r.Status < 200 || r.Status > 299 {
				s.failures++
			}
			s.tokens = s.tokens.Plus(r.Tokens)
			sums[k] = s
		}
		for k, s := range sums {
			if err := add(ctx, tx, k, s); err != nil {
				return err
			}
		}
		_, err = tx.NewRaw(`INSERT INTO meter_spools (spool, last_seq) VALUES (?, ?)
			ON CONFLICT (spool) DO UPDATE SET last_seq = excluded.last_seq`, spool, last).Exec(ctx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("store records: %w", err)
	}
	return last, nil
}

func add(ctx context.Context, tx bun.Tx, k sumKey, s sum) error {
	_, err := tx.NewRaw(`INSERT INTO meter_usage (user_id, day, model, session_id, requests, failures,
			input_tokens, output_tokens, cache_creation_tokens, cache_read_tokens)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id, day, model, session_id) DO UPDATE SET
			requests = meter_usage.requests + excluded.requests,
			failures = meter_usage.failures + excluded.failures,
			input_tokens = meter_usage.input_tokens + excluded.input_tokens,
			output_tokens = meter_usage.output_tokens + excluded.output_tokens,
			cache_creation_tokens = meter_usage.cache_creation_tokens + excluded.cache_creation_tokens,
			cache_read_tokens = meter_usage.cache_read_tokens + excluded.cache_read_tokens`,
		k.userID, k.day, k.model, k.session, s.requests, s.failures,
		s.tokens.Input, s.tokens.Output, s.tokens.CacheCreation, s.tokens.CacheRead).Exec(ctx)
	return err
}

// lastSeq is the number of the last record of a spool in the sums; 0: none.
func (m *Meter) lastSeq(ctx context.Context, db bun.IDB, spool string) (int64, error) {
	var seq int64
	err := db.NewRaw(`SELECT last_seq FROM meter_spools WHERE spool = ?`, spool).Scan(ctx, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the meter's number: %w", err)
	}
	return seq, nil
}

func nextDay(t time.Time) time.Time {
	y, mo, d := t.UTC().Date()
	return time.Date(y, mo, d+1, 0, 0, 0, 0, time.UTC)
}

func firstOfMonth(t time.Time) time.Time {
	y, mo, _ := t.UTC().Date()
	return time.Date(y, mo, 1, 0, 0, 0, 0, time.UTC)
}

func nextMonth(t time.Time) time.Time {
	y, mo, _ := t.UTC().Date()
	return time.Date(y, mo+1, 1, 0, 0, 0, 0, time.UTC)
}
