package session

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Who gave a title. Each yields to the next.
const (
	titledByPrompt = "prompt"
	titledByCLI    = "cli"
	titledByPerson = "person"
)

// maxUsageBytes bounds the numbers of a session; a handful of models needs one.
const maxUsageBytes = 64 << 10

// row is a session in the catalogue.
type row struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	UserID         int64  `bun:",pk"`
	ID             string `bun:",pk"`
	Project        string
	Title          string
	TitledBy       string
	Model          string // as shown: what the CLI says that it uses
	AskedModel     string // as asked for; "" is the CLI's choice, and stays so whatever it chose
	PermissionMode string
	Effort         string // "default" is the CLI's choice
	State          string
	CreatedAt      time.Time
	LastActivityAt time.Time
	SeenAt         time.Time `bun:",nullzero"` // NULL: a server of before made it, and nobody has looked at it since
	LastSeq        int64
	Usage          string
	CostUSD        float64 `bun:"cost_usd"`
	ForkOf         string
	CLILeft        bool `bun:"cli_left"`
	Deleting       bool // nobody finds it any more; it is left until the volume has nothing of it
}

func (r *row) key() key { return key{r.UserID, r.ID} }

// session is the row as people see it.
func (r *row) session() Session {
	return Session{
		ID: r.ID, UserID: r.UserID, Project: r.Project, Title: r.Title, State: r.State, Model: r.Model, PermissionMode: r.PermissionMode, Effort: r.Effort,
		CreatedAt: r.CreatedAt.UTC(), LastActivityAt: r.LastActivityAt.UTC(), SeenAt: r.seen(), LastSeq: r.LastSeq,
		Usage: json.RawMessage(r.Usage), CostUSD: r.CostUSD,
	}
}

// seen is up to when the person has seen what was said.
func (r *row) seen() time.Time {
	if r.SeenAt.IsZero() {
		return r.CreatedAt.UTC()
	}
	return r.SeenAt.UTC()
}

// take takes over what a supervisor tells. Numbers only rise: a supervisor that
// was just started knows less than the catalogue.
func (r *row) take(p *protocol.Session) {
	if p.State != protocol.StateDormant || r.State != protocol.StateDormant {
		r.takeSettings(p)
	}
	r.State = p.State
	r.LastSeq = max(r.LastSeq, p.LastSeq)
	if at := p.LastActivityAt; at.After(r.LastActivityAt) {
		r.LastActivityAt = stamp(at)
	}
	// The CLI goes on to give a fork the title that it was copied with.
	if t := cleanTitle(p.Title); t != "" && r.TitledBy != titledByPerson && (r.ForkOf == "" || bareTitle(r.Title) != bareTitle(t)) {
		r.Title, r.TitledBy = t, titledByCLI
	}
	if n := len(p.Usage); n > 2 && n <= maxUsageBytes && json.Valid(p.Usage) && p.Usage[0] == '{' {
		r.Usage = string(p.Usage)
	}
	r.CostUSD = max(r.CostUSD, p.CostUSD)
}

// takeSettings takes over what a process works with, or ended with. Where there is none, what was chosen since is in the
// catalogue alone, and reaches the supervisor with the next start.
func (r *row) takeSettings(p *protocol.Session) {
	if checkModel(p.Model) == nil && p.Model != "" {
		r.Model = p.Model
	}
	if modes[p.PermissionMode] {
		r.PermissionMode = p.PermissionMode
	}
	if claude.ValidEffort(p.Effort) {
		r.Effort = p.Effort
	}
}

// stamp is a time as the store keeps it: of one form, so that texts sort as times do.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// errNoSession is the same for a session of somebody else's and for none.
func errNoSession() error { return fault.New(fault.NotFound, "There is no such session.") }

// find reads one session of a user.
func find(ctx context.Context, db bun.IDB, k key) (*row, error) {
	r, err := findAny(ctx, db, k)
	if err == nil && r.Deleting {
		return nil, errNoSession()
	}
	return r, err
}

// findAny finds also what is being deleted.
func findAny(ctx context.Context, db bun.IDB, k key) (*row, error) {
	if !validID(k.id) {
		return nil, errNoSession()
	}
	r := new(row)
	err := db.NewSelect().Model(r).Where("user_id = ? AND id = ?", k.userID, k.id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoSession()
	}
	if err != nil {
		return nil, fmt.Errorf("read session %s: %w", k.id, err)
	}
	return r, nil
}

// insert adds a session.
func insert(ctx context.Context, db bun.IDB, r *row) error {
	if _, err := db.NewInsert().Model(r).Exec(ctx); err != nil {
		return fmt.Errorf("insert session %s: %w", r.ID, err)
	}
	return nil
}

// update writes every column that may change.
func update(ctx context.Context, db bun.IDB, r *row) error {
	_, err := db.NewUpdate().Model(r).WherePK().
		Column("project", "title", "titled_by", "model", "asked_model", "permission_mode", "effort", "state", "last_activity_at", "seen_at", "last_seq", "usage", "cost_usd").Exec(ctx)
	if err != nil {
		return fmt.Errorf("update session %s: %w", r.ID, err)
	}
	return nil
}

// remove deletes a session from the catalogue.
func remove(ctx context.Context, db bun.IDB, k key) error {
	if _, err := db.NewDelete().Table("sessions").Where("user_id = ? AND id = ?", k.userID, k.id).Exec(ctx); err != nil {
		return fmt.Errorf("delete session %s: %w", k.id, err)
	}
	return nil
}
