package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// maxLeft bounds how many conversations of one workspace are taken over.
const maxLeft = 1000

// scan brings the catalogue up to date with the conversations that the CLI
// left in the workspace, when there is an instance to ask and it was not asked
// a moment ago; when it is being asked just now, its answer is waited for. What
// goes wrong makes a list older, and nothing else.
func (s *Service) scan(ctx context.Context, userID int64) {
	inst, ok := s.pool.Current(userID)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	running, done := s.scanDue(userID)
	if done == nil {
		select {
		case <-running:
		case <-ctx.Done():
		}
		return
	}
	defer done()
	found, err := inst.Client().Transcripts(ctx)
	if err == nil {
		err = s.takeOver(ctx, userID, found)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn("look for conversations of the CLI's own", "user", userID, "error", err)
	}
}

// lastScan is when a user's workspace was last looked through; done is closed
// at the end of it.
type lastScan struct {
	at   time.Time
	done chan struct{}
}

// scanDue begins a scan that done ends, or gives the end of the last one.
func (s *Service) scanDue(userID int64) (last <-chan struct{}, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if l, ok := s.scanned[userID]; ok && now.Sub(l.at) < scanEvery {
		return l.done, nil
	}
	for id, l := range s.scanned { // nothing is kept of users who do not come back
		if now.Sub(l.at) > time.Hour {
			delete(s.scanned, id)
		}
	}
	l := lastScan{now, make(chan struct{})}
	s.scanned[userID] = l
	return nil, func() { close(l.done) }
}

// takeOver inserts conversations that are new and removes found ones that are
// gone again. All of it comes from files of the user's, and is checked.
func (s *Service) takeOver(ctx context.Context, userID int64, found []protocol.Transcript) error {
	var have []*row
	err := s.db.NewSelect().Model(&have).Column("user_id", "id", "cli_left", "last_seq", "title", "titled_by", "last_activity_at").Where("user_id = ?", userID).Scan(ctx)
	if err != nil {
		return fmt.Errorf("read sessions: %w", err)
	}
	known := map[string]*row{}
	for _, r := range have {
		known[r.ID] = r
	}
	seen := map[string]bool{}
	var fresh []*row
	for _, t := range found {
		if !validID(t.SessionID) || seen[t.SessionID] {
			continue
		}
		seen[t.SessionID] = true
		if known[t.SessionID] == nil && len(have)+len(fresh) < maxSessions && len(fresh) < maxLeft {
			fresh = append(fresh, s.leftRow(userID, t))
		}
	}
	var gone []string
	for _, r := range have {
		if r.CLILeft && r.LastSeq == 0 && !seen[r.ID] { // never opened by us, so nothing is lost with it
			gone = append(gone, r.ID)
		}
	}
	if len(fresh) == 0 && len(gone) == 0 {
		return nil
	}
	return store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) error {
		if len(fresh) > 0 {
			if _, err := tx.NewInsert().Model(&fresh).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
				return fmt.Errorf("insert found sessions: %w", err)
			}
		}
		if len(gone) > 0 {
			_, err := tx.NewDelete().Table("sessions").Where("user_id = ? AND id IN (?)", userID, bun.List(gone)).Exec(ctx)
			if err != nil {
				return fmt.Errorf("delete lost sessions: %w", err)
			}
		}
		return nil
	})
}

func (s *Service) leftRow(userID int64, t protocol.Transcript) *row {
	at := stamp(t.ModifiedAt)
	if now := stamp(s.now()); at.After(now) || at.Year() < 2000 {
		at = now // a file's time is what its owner sets it to
	}
	r := &row{UserID: userID, ID: t.SessionID, Title: cut(squeeze(t.Title), titleLength), PermissionMode: "default", Effort: claude.DefaultEffort,
		State: protocol.StateDormant, CreatedAt: at, LastActivityAt: at, SeenAt: at, Usage: "{}", CLILeft: true}
	if workspace.CheckProject(t.Project) == nil {
		r.Project = t.Project
	}
	if r.Title != "" {
		r.TitledBy = titledByPrompt
	}
	return r
}
