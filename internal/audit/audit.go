// Package audit owns the append-only record of who did what. The database itself
// refuses to change an entry, and to remove one of the last thirty days; what is older
// goes when it was kept for as long as is set. What is worth an entry, package api decides.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/store"
)

// maxDetailBytes bounds one entry: what is longer is cut, not refused, so that
// nobody can act unseen by acting at length.
const (
	maxDetailBytes = 4 << 10
	maxTextBytes   = 256
)

// Entry is one act.
type Entry struct {
	ID      int64          `json:"id"`       // given by Record
	At      time.Time      `json:"at"`       // given by Record
	ActorID int64          `json:"actor_id"` // the user who acted; 0: nobody who is signed in
	Action  string         `json:"action"`   // what was done: "user.create", "login.fail"
	Target  string         `json:"target"`   // to what: "user-7", a session's id
	Address string         `json:"address"`  // the client's
	Detail  map[string]any `json:"detail"`   // what else is of use; no secrets
}

// Filter chooses entries; what is zero does not choose.
type Filter struct {
	ActorID int64
	Nobody  bool   // only what was done by nobody who was signed in
	Action  string // itself, or all that begin with "user." for "user.*"
	Target  string
	Since   time.Time // at this time or later
	Before  time.Time // earlier than this time
}

// Page is one page of a list. NextCursor is "" at the end.
type Page struct {
	Items      []Entry // never nil
	NextCursor string
}

// Options are what a Log is made of.
type Options struct {
	DB   *bun.DB
	Now  func() time.Time
	Keep time.Duration // how long an entry is kept, at least 30 days; 0: for ever
	Log  *slog.Logger
}

const (
	// sweepEvery is how often Record looks for what is too old, and sweepMost how
	// much of that goes at once, so that nobody waits long for it.
	sweepEvery = time.Hour
	sweepMost  = 10_000
)

// Log is the record.
type Log struct {
	db   *bun.DB
	now  func() time.Time
	keep time.Duration
	log  *slog.Logger

	mu    sync.Mutex
	swept time.Time // guarded by mu; when Record last looked
}

// New makes a Log on a store's database.
func New(o Options) *Log { return &Log{db: o.DB, now: o.Now, keep: o.Keep, log: o.Log} }

// Record adds an entry. When it returns nil, the entry is on disk.
func (l *Log) Record(ctx context.Context, e Entry) error {
	var actor *int64
	if e.ActorID != 0 {
		actor = &e.ActorID
	}
	now := l.now().UTC().Truncate(time.Microsecond)
	_, err := l.db.NewRaw("INSERT INTO audit (at, actor_id, action, target, address, detail) VALUES (?, ?, ?, ?, ?, ?)",
		now, actor, text(e.Action), text(e.Target), text(e.Address), detail(e.Detail)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	l.sweep(ctx, now)
	return nil
}

// sweep removes what is too old, once in a while. Nothing grows but by Record, so
// that nobody else needs to. What could not be removed is tried again.
func (l *Log) sweep(ctx context.Context, now time.Time) {
	l.mu.Lock()
	due := l.keep > 0 && now.Sub(l.swept) >= sweepEvery
	if due {
		l.swept = now
	}
	l.mu.Unlock()
	if !due {
		return
	}
	_, err := l.db.NewRaw("DELETE FROM audit WHERE id IN (SELECT id FROM (SELECT id, at FROM audit ORDER BY id LIMIT ?) WHERE at < ?)",
		sweepMost, now.Add(-l.keep)).Exec(ctx)
	if err != nil {
		l.log.WarnContext(ctx, "old audit entries were not removed", "error", err)
	}
}

type row struct {
	ID      int64
	At      time.Time
	ActorID int64
	Action  string
	Target  string
	Address string
	Detail  string
}

// List gives the entries that a filter chooses, the newest first.
func (l *Log) List(ctx context.Context, f Filter, limit int, cursor string) (Page, error) {
	limit = store.Limit(limit)
	query := l.db.NewSelect().TableExpr("audit AS a").
		ColumnExpr("a.id, a.at, COALESCE(a.actor_id, 0) AS actor_id, a.action, a.target, a.address, a.detail").
		Order("a.id DESC").Limit(int64(limit) + 1)
	if cursor != "" {
		last, err := store.DecodeCursor[int64](cursor)
		if err != nil {
			return Page{}, err
		}
		query.Where("a.id < ?", last)
	}
	if f.ActorID != 0 {
		query.Where("a.actor_id = ?", f.ActorID)
	}
	if f.Nobody {
		query.Where("a.actor_id IS NULL")
	}
	if prefix, ok := strings.CutSuffix(f.Action, "*"); ok {
		prefix = text(prefix)
		query.Where("a.action >= ?", prefix).Where("a.action < ?", prefix+string(utf8.MaxRune))
	} else if f.Action != "" {
		query.Where("a.action = ?", text(f.Action))
	}
	if f.Target != "" {
		query.Where("a.target = ?", text(f.Target))
	}
	if !f.Since.IsZero() {
		query.Where("a.at >= ?", f.Since)
	}
	if !f.Before.IsZero() {
		query.Where("a.at < ?", f.Before)
	}
	var rows []row
	if err := query.Scan(ctx, &rows); err != nil {
		return Page{}, fmt.Errorf("list the audit record: %w", err)
	}
	page := Page{Items: make([]Entry, 0, min(len(rows), limit))}
	for i, r := range rows {
		if i == limit {
			page.NextCursor = store.EncodeCursor(rows[i-1].ID)
			break
		}
		e := Entry{ID: r.ID, At: r.At.UTC(), ActorID: r.ActorID, Action: r.Action, Target: r.Target, Address: r.Address}
		if err := json.Unmarshal([]byte(r.Detail), &e.Detail); err != nil {
			return Page{}, fmt.Errorf("read audit entry %d: %w", r.ID, err)
		}
		page.Items = append(page.Items, e)
	}
	return page, nil
}

// text makes a short, valid string: it may come from a stranger's request.
func text(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if len(s) <= maxTextBytes {
		return s
	}
	cut := maxTextBytes
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// detail makes the JSON to store. An entry is written even when its detail cannot be.
func detail(d map[string]any) string {
	if len(d) == 0 {
		return "{}"
	}
	// Through JSON and back, so that what is redacted is what would be written,
	// also within structs.
	b, err := json.Marshal(d)
	var plain any
	if err == nil {
		err = json.Unmarshal(b, &plain)
	}
	if err == nil {
		b, err = json.Marshal(redacted(plain))
	}
	if err != nil {
		return `{"unreadable":true}`
	}
	if len(b) > maxDetailBytes {
		return fmt.Sprintf(`{"too_long":%d}`, len(b))
	}
	return string(b)
}

// secretNames end the names of what is never written. Callers leave secrets out;
// this is for the day one of them does not.
var secretNames = []string{"password", "secret", "token", "api_key", "apikey", "cookie", "authorization", "setup_code", "invitation"}

func redacted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			v[name] = redacted(value)
			for _, secret := range secretNames {
				if strings.HasSuffix(strings.ToLower(name), secret) {
					v[name] = "[redacted]"
				}
			}
		}
	case []any:
		for i := range v {
			v[i] = redacted(v[i])
		}
	}
	return v
}
