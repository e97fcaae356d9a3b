package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/project"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Create makes a session in a project that exists. Its process starts when
// somebody opens it.
func (s *Service) Create(ctx context.Context, userID int64, n NewSession) (Session, error) {
	now := stamp(s.now())
	r := &row{UserID: userID, ID: uuid.NewString(), Project: n.Project, Model: n.Model, AskedModel: n.Model, PermissionMode: n.PermissionMode, Effort: cmp.Or(n.Effort, claude.DefaultEffort),
		State: protocol.StateDormant, CreatedAt: now, LastActivityAt: now, SeenAt: now, Usage: "{}"}
	if n.Title != "" {
		title, err := checkedTitle(n.Title)
		if err != nil {
			return Session{}, err
		}
		r.Title, r.TitledBy = title, titledByPerson
	}
	if r.PermissionMode == "" {
		r.PermissionMode = "default"
	}
	if err := errors.Join(checkMode(r.PermissionMode), checkModel(r.Model), checkEffort(r.Effort), checkProject(n.Project)); err != nil {
		return Session{}, err
	}
	err := s.with(ctx, userID, callTimeout, func(ctx context.Context, c *client.Client) error { return project.Exists(ctx, c, n.Project) })
	if err != nil {
		return Session{}, err
	}
	if err := s.add(ctx, r); err != nil {
		return Session{}, err
	}
	s.tellSession(r)
	return s.view(r), nil
}

// add inserts a session while the user has room for it.
func (s *Service) add(ctx context.Context, r *row) error {
	return store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) error {
		n, err := tx.NewSelect().Table("sessions").Where("user_id = ? AND NOT deleting", r.UserID).Count(ctx)
		if err != nil {
			return fmt.Errorf("count sessions: %w", err)
		}
		if n >= maxSessions {
			return fault.New(fault.QuotaExceeded, "You have %d sessions. Delete some to make new ones.", n)
		}
		return insert(ctx, tx, r)
	})
}

// position is where a page of a list ended.
type position struct {
	At time.Time `json:"at"`
	ID string    `json:"id"`
}

// List gives the user's sessions, of one project if it is not "", the last
// used first. What the CLI itself left in the workspace is among them as far
// as it was ever seen; it is looked for while there is an instance.
func (s *Service) List(ctx context.Context, userID int64, projectName string, limit int, cursor string) (items []Session, next string, err error) {
	limit = store.Limit(limit)
	q := s.db.NewSelect().Model((*row)(nil)).Where("user_id = ? AND NOT deleting", userID).
		Order("last_activity_at DESC", "id DESC").Limit(int64(limit) + 1)
	if projectName != "" {
		q.Where("project = ?", projectName)
	}
	if cursor != "" {
		p, err := store.DecodeCursor[position](cursor)
		if err != nil {
			return nil, "", err
		}
		q.Where("(last_activity_at, id) < (?, ?)", p.At, p.ID)
	} else {
		s.scan(ctx, userID)
	}
	var rows []*row
	if err := q.Scan(ctx, &rows); err != nil {
		return nil, "", fmt.Errorf("list sessions: %w", err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		next = store.EncodeCursor(position{At: last.LastActivityAt.UTC(), ID: last.ID})
	}
	items = make([]Session, 0, len(rows))
	for _, r := range rows {
		items = append(items, s.view(r))
	}
	// What the instance knows beyond the rows is a moment newer than their order.
	slices.SortStableFunc(items, func(a, b Session) int { return b.LastActivityAt.Compare(a.LastActivityAt) })
	return items, next, nil
}

// Get gives one session.
func (s *Service) Get(ctx context.Context, userID int64, id string) (Session, error) {
	r, err := find(ctx, s.db, key{userID, id})
	if errors.Is(err, fault.NotFoundError) && validID(id) {
		s.scan(ctx, userID) // it may be one that the CLI has just left
		r, err = find(ctx, s.db, key{userID, id})
	}
	if err != nil {
		return Session{}, err
	}
	return s.view(r), nil
}

// view is a row with what the instance knows beyond it. Without an instance
// every session is dormant.
func (s *Service) view(r *row) Session {
	c := *r
	c.State = protocol.StateDormant
	if p, ok := s.live(r.key()); ok {
		c.take(&p)
	}
	return c.session()
}

// live is what the running instance says of a session.
func (s *Service) live(k key) (protocol.Session, bool) {
	inst, ok := s.pool.Current(k.userID)
	if !ok {
		return protocol.Session{}, false
	}
	return inst.Session(k.id)
}

// Change gives a session a title, a model, a permission mode or an effort, which
// but for the title reach a running process at once, others when they start; or
// notes that it was seen.
func (s *Service) Change(ctx context.Context, userID int64, id string, c Change) (Session, error) {
	k := key{userID, id}
	if _, err := find(ctx, s.db, k); err != nil {
		return Session{}, err
	}
	var title string
	if c.Title != nil {
		var err error
		if title, err = checkedTitle(*c.Title); err != nil {
			return Session{}, err
		}
	}
	if c.Model != nil {
		if err := checkModel(*c.Model); err != nil {
			return Session{}, err
		}
	}
	if c.PermissionMode != nil {
		if err := checkMode(*c.PermissionMode); err != nil {
			return Session{}, err
		}
	}
	if c.Effort != nil {
		if err := checkEffort(*c.Effort); err != nil {
			return Session{}, err
		}
	}
	// A process that runs has the last word: it knows which models there are.
	now, err := s.set(ctx, k, c)
	if err != nil {
		return Session{}, err
	}
	r, err := s.amend(ctx, k, func(r *row) {
		if title != "" {
			r.Title, r.TitledBy = title, titledByPerson
		}
		if c.Model != nil {
			r.Model, r.AskedModel = *c.Model, *c.Model
		}
		if c.PermissionMode != nil {
			r.PermissionMode = *c.PermissionMode
		}
		if c.Effort != nil {
			r.Effort = *c.Effort
		}
		if c.SeenAt != nil {
			at, now := stamp(*c.SeenAt), stamp(s.now())
			if at.After(now) {
				at = now // what is yet to come cannot have been seen
			}
			if at.After(r.seen()) {
				r.SeenAt = at
			}
		}
		switch {
		case now != nil:
			r.take(now)
		case c.Model != nil || c.PermissionMode != nil || c.Effort != nil:
			r.State = protocol.StateDormant // with what its last process ended, which may not have been heard yet, counts no more
		}
	})
	if err != nil {
		return Session{}, err
	}
	s.tellSession(r)
	v := s.view(r)
	v.Model, v.PermissionMode, v.Effort = r.Model, r.PermissionMode, r.Effort // whatever the pool has heard by now
	return v, nil
}

// set changes a running process; nil when there is none.
func (s *Service) set(ctx context.Context, k key, c Change) (*protocol.Session, error) {
	if c.Model == nil && c.PermissionMode == nil && c.Effort == nil {
		return nil, nil
	}
	if err := s.pool.Known(ctx); err != nil {
		return nil, err
	}
	p, ok := s.live(k)
	inst, there := s.pool.Current(k.userID)
	if !ok || !there || p.State == protocol.StateDormant {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	now, err := inst.Client().Set(ctx, &protocol.SetRequest{SessionID: k.id, Model: c.Model, PermissionMode: c.PermissionMode, Effort: c.Effort})
	if err != nil {
		return nil, fmt.Errorf("set in session %s: %w", k.id, unreachable(err))
	}
	inst.Touch()
	s.awaitSettings(ctx, k, now)
	return now, nil
}

// awaitSettings waits until the pool has heard of changed settings, which come to it another way: who looks next must
// find them. It is a matter of milliseconds, and not worth failing for.
func (s *Service) awaitSettings(ctx context.Context, k key, now *protocol.Session) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		p, ok := s.live(k)
		if !ok || p.Model == now.Model && p.PermissionMode == now.PermissionMode && p.Effort == now.Effort || pause(ctx, 2*time.Millisecond) != nil {
			return
		}
	}
}

// amend changes a row under the store's lock.
func (s *Service) amend(ctx context.Context, k key, f func(*row)) (*row, error) {
	var r *row
	err := store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) (err error) {
		if r, err = find(ctx, tx, k); err != nil {
			return err
		}
		f(r)
		return update(ctx, tx, r)
	})
	return r, err
}

// Fork makes a new session that begins with a copy of another's history, as
// it is now, or of what was before a prompt.
func (s *Service) Fork(ctx context.Context, userID int64, id, before string) (Session, error) {
	src, err := find(ctx, s.db, key{userID, id})
	if err != nil {
		return Session{}, err
	}
	if v := s.view(src); v.LastSeq == 0 && !src.CLILeft {
		return Session{}, fault.New(fault.Conflict, "There is nothing to fork yet. Send a first prompt.")
	}
	title, err := forkTitle(ctx, s.db, src)
	if err != nil {
		return Session{}, err
	}
	now := stamp(s.now())
	r := &row{UserID: userID, ID: uuid.NewString(), Project: src.Project, Title: title, TitledBy: titledByPrompt, Model: src.Model, AskedModel: src.AskedModel,
		PermissionMode: src.PermissionMode, Effort: src.Effort, State: protocol.StateDormant, CreatedAt: now, LastActivityAt: now, SeenAt: now, Usage: "{}", ForkOf: src.ID}
	if r.Title == "" {
		r.TitledBy = ""
	}
	if err := s.add(ctx, r); err != nil {
		return Session{}, err
	}
	// At once, lest later turns of the original get into it.
	req := r.openRequest()
	req.ForkBefore = before
	if err := s.openAs(ctx, r, req); err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		err = errors.Join(err, s.condemn(undo, r.key()))
		s.finishLater(userID) // it may have begun all the same
		return Session{}, err
	}
	s.tellSession(r)
	return s.view(r), nil
}

// RenameProject follows a project's new name.
func (s *Service) RenameProject(ctx context.Context, userID int64, from, to string) error {
	var rows []*row
	_, err := s.db.NewUpdate().Model((*row)(nil)).Set("project = ?", to).
		Where("user_id = ? AND project = ? AND NOT deleting", userID, from).Returning("*").Exec(ctx, &rows)
	if err != nil {
		return fmt.Errorf("rename a project of sessions: %w", err)
	}
	for _, r := range rows {
		s.tellSession(r)
	}
	return nil
}

// Costs is what the sessions that there are have cost, by user; of these users, or of all.
func (s *Service) Costs(ctx context.Context, userIDs ...int64) (map[int64]float64, error) {
	q := s.db.NewSelect().Table("sessions").Column("user_id").ColumnExpr("sum(cost_usd) AS cost").Group("user_id")
	if len(userIDs) > 0 {
		q.Where("user_id IN (?)", bun.In(userIDs))
	}
	var rows []struct {
		UserID int64
		Cost   float64
	}
	if err := q.Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("add up what sessions cost: %w", err)
	}
	all := make(map[int64]float64, len(rows))
	for _, r := range rows {
		all[r.UserID] = r.Cost
	}
	return all, nil
}
