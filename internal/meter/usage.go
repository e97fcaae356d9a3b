package meter

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/gateway"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/store"
)

// Usage is what one user has used. Days and months begin at 00:00 UTC.
type Usage struct {
	Today Period `json:"today"`
	Month Period `json:"month"`
}

// Period sums one stretch of time.
type Period struct {
	Total    int64 `json:"total_tokens"` // what counts against the quota: all kinds
	Requests int64 `json:"requests"`
	Failures int64 `json:"failures"`
	gateway.Tokens
	ByModel map[string]gateway.Tokens `json:"by_model"`
}

func (p *Period) add(r usageRow) {
	p.Tokens = p.Plus(r.tokens())
	p.Total = p.Tokens.Total()
	p.Requests += r.Requests
	p.Failures += r.Failures
	if r.tokens().Total() > 0 {
		p.ByModel[r.Model] = p.ByModel[r.Model].Plus(r.tokens())
	}
}

type usageRow struct {
	UserID              int64
	Day                 string
	Model               string
	Requests            int64
	Failures            int64
	InputTokens         int64
	OutputTokens        int64
	CacheCreationTokens int64
	CacheReadTokens     int64
}

func (r usageRow) tokens() gateway.Tokens {
	return gateway.Tokens{Input: r.InputTokens, Output: r.OutputTokens, CacheCreation: r.CacheCreationTokens, CacheRead: r.CacheReadTokens}
}

const sumColumns = `SUM(requests) AS requests, SUM(failures) AS failures, SUM(input_tokens) AS input_tokens,
	SUM(output_tokens) AS output_tokens, SUM(cache_creation_tokens) AS cache_creation_tokens, SUM(cache_read_tokens) AS cache_read_tokens`

// Usage gives what a user has used today and in this month.
func (m *Meter) Usage(ctx context.Context, userID int64) (Usage, error) {
	now := m.now().UTC()
	var rows []usageRow
	err := m.db.NewRaw(`SELECT user_id, day, model, `+sumColumns+` FROM meter_usage
		WHERE user_id = ? AND day >= ? AND day < ? GROUP BY user_id, day, model`,
		userID, firstOfMonth(now).Format(dayFormat), nextMonth(now).Format(dayFormat)).Scan(ctx, &rows)
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	u := Usage{Today: Period{ByModel: map[string]gateway.Tokens{}}, Month: Period{ByModel: map[string]gateway.Tokens{}}}
	for _, r := range rows {
		u.Month.add(r)
		if r.Day == now.Format(dayFormat) {
			u.Today.add(r)
		}
	}
	return u, nil
}

// Everyone gives what all users together have used today.
func (m *Meter) Everyone(ctx context.Context) (Period, error) {
	var rows []usageRow
	day := m.now().UTC().Format(dayFormat)
	err := m.db.NewRaw(`SELECT 0 AS user_id, day, model, `+sumColumns+` FROM meter_usage WHERE day = ? GROUP BY day, model`, day).Scan(ctx, &rows)
	if err != nil {
		return Period{}, fmt.Errorf("read usage of everyone: %w", err)
	}
	p := Period{ByModel: map[string]gateway.Tokens{}}
	for _, r := range rows {
		p.add(r)
	}
	return p, nil
}

// Total is what one user has used, all kinds of tokens together.
type Total struct{ Today, Month int64 }

// Totals gives what each user has used; who has used nothing this month is not there.
func (m *Meter) Totals(ctx context.Context) (map[int64]Total, error) {
	all, err := totals(ctx, m.db, m.now().UTC())
	if err != nil {
		return nil, fmt.Errorf("read usage of each: %w", err)
	}
	return all, nil
}

func totals(ctx context.Context, db bun.IDB, now time.Time) (map[int64]Total, error) {
	var rows []usageRow
	err := db.NewRaw(`SELECT user_id, CASE WHEN day = ? THEN day ELSE '' END AS day, '' AS model, `+sumColumns+` FROM meter_usage
		WHERE day >= ? AND day < ? GROUP BY user_id, 2`,
		now.Format(dayFormat), firstOfMonth(now).Format(dayFormat), nextMonth(now).Format(dayFormat)).Scan(ctx, &rows)
	if err != nil {
		return nil, err
	}
	all := make(map[int64]Total)
	for _, r := range rows {
		t := all[r.UserID]
		t.Month += r.tokens().Total()
		if r.Day != "" {
			t.Today += r.tokens().Total()
		}
		all[r.UserID] = t
	}
	return all, nil
}

// SessionTokens gives what a session has used since it began, by model.
func (m *Meter) SessionTokens(ctx context.Context, userID int64, sessionID string) (map[string]gateway.Tokens, error) {
	var rows []usageRow
	err := m.db.NewRaw(`SELECT user_id, '' AS day, model, `+sumColumns+` FROM meter_usage
		WHERE user_id = ? AND session_id = ? AND model <> '' GROUP BY user_id, model`, userID, sessionID).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read usage of session: %w", err)
	}
	out := make(map[string]gateway.Tokens, len(rows))
	for _, r := range rows {
		out[r.Model] = r.tokens()
	}
	return out, nil
}

// leases turns quotas and use into what the gateway enforces. The use and the
// number up to which it is counted are read in one transaction: what the
// gateway counted after that number is neither forgotten nor counted twice.
func (m *Meter) leases(ctx context.Context, spool string, quotas map[int64]quota.Quota) ([]gateway.Limit, error) {
	now := m.now().UTC()
	var used map[int64]Total
	var seq int64
	err := store.InTx(ctx, m.db, func(ctx context.Context, tx bun.Tx) (err error) {
		if seq, err = m.lastSeq(ctx, tx, spool); err != nil {
			return err
		}
		used, err = totals(ctx, tx, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	limits := make([]gateway.Limit, 0, len(quotas))
	for id, q := range quotas {
		l := gateway.Limit{UserID: id, Spool: spool, AsOfSeq: seq, ExpiresAt: now.Add(leaseTime)}
		bind(&l, "day", q.TokensPerDay, used[id].Today, nextDay(now))
		bind(&l, "month", q.TokensPerMonth, used[id].Month, nextMonth(now))
		limits = append(limits, l)
	}
	return limits, nil
}

// bind narrows a lease to a budget, if it leaves less than the one before. Of
// two that are used up the one that lasts longer is told.
func bind(l *gateway.Limit, name string, budget *int64, used int64, resets time.Time) {
	if budget == nil {
		return
	}
	left := max(*budget-used, 0)
	if l.RemainingTokens != nil && *l.RemainingTokens < left {
		return
	}
	l.RemainingTokens, l.Budget, l.BudgetTokens, l.ResetsAt = &left, name, *budget, resets
}
