package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// retryDelete and retryDeleteMost are between two tries to finish deletions: longer from one that failed to the next.
// What fails for long is for its person to mend, whose workspace it is in.
const (
	retryDelete     = 2 * time.Second
	retryDeleteMost = 5 * time.Minute
)

// Delete removes a session for ever: from the catalogue, and what the user's volume has of it. Whoever is subscribed is
// told. From the first step on nobody finds it; its row is removed last, so that what is cut short in between is
// finished: by who asks again, or by finish.
func (s *Service) Delete(ctx context.Context, userID int64, id string) error {
	k := key{userID, id}
	r, err := findAny(ctx, s.db, k)
	if err != nil {
		return err
	}
	if err := s.pool.Known(ctx); err != nil {
		return err
	}
	_, there := s.pool.Current(userID)
	ask := there || r.LastSeq > 0 || r.CLILeft || r.ForkOf != ""
	if ask { // an instance first: without one nothing is begun
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		if _, _, err := s.pool.Get(ctx, userID); err != nil {
			return err
		}
	}
	if err := s.condemn(ctx, k); err != nil {
		return err
	}
	if !ask { // as far as anybody knows there is nothing in the volume to make an instance for
		s.finishLater(userID)
		return nil
	}
	err = s.with(ctx, userID, callTimeout, func(ctx context.Context, c *client.Client) error { return s.erase(ctx, c, k) })
	if err != nil {
		s.finishLater(userID)
		return fmt.Errorf("delete session %s: %w", id, err)
	}
	return nil
}

// condemn has nobody find a session any more.
func (s *Service) condemn(ctx context.Context, k key) error {
	var rows []*row
	_, err := s.db.NewUpdate().Model((*row)(nil)).Set("deleting = TRUE").Set("state = ?", protocol.StateDormant).
		Where("user_id = ? AND id = ? AND NOT deleting", k.userID, k.id).Returning("*").Exec(ctx, &rows)
	if err != nil {
		return fmt.Errorf("delete session %s: %w", k.id, err)
	}
	for _, r := range rows { // else somebody was told already
		s.endStreams(k)
		s.notices.tell(k.userID, Notice{Kind: "session_deleted", Session: &Session{ID: k.id, UserID: k.userID, Project: r.Project}})
	}
	return nil
}

// erase removes what there is of a condemned session. A look into the workspace that began before may have seen its
// transcript, and must find the row when it writes down what is new: it is waited for.
func (s *Service) erase(ctx context.Context, c *client.Client, k key) error {
	if err := c.Delete(ctx, &protocol.SessionRequest{SessionID: k.id}); err != nil && !errors.Is(err, fault.NotFoundError) {
		return err
	}
	s.mu.Lock()
	looked := s.scanned[k.userID].done
	s.mu.Unlock()
	if looked != nil {
		select {
		case <-looked:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return remove(ctx, s.db, k)
}

// finishLater has the deletions of a user's finished that are left to be.
func (s *Service) finishLater(userID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unfinished[userID] = struct{}{}
	s.wakeFinishLocked()
}

func (s *Service) wakeFinishLocked() {
	select {
	case s.finishNow <- struct{}{}:
	default:
	}
}

// leftDeletions finds what an earlier server left.
func (s *Service) leftDeletions(ctx context.Context) error {
	var users []int64
	if err := s.db.NewSelect().Model((*row)(nil)).Distinct().Column("user_id").Where("deleting").Scan(ctx, &users); err != nil {
		return fmt.Errorf("find deletions that were cut short: %w", err)
	}
	for _, id := range users {
		s.finishLater(id)
	}
	return nil
}

// finish goes on with deletions that were cut short, as soon as there is an instance to ask. It makes none.
func (s *Service) finish(ctx context.Context) {
	for wait := retryDelete; ; {
		select {
		case <-s.finishNow:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		users := make([]int64, 0, len(s.unfinished))
		for id := range s.unfinished {
			users = append(users, id)
		}
		s.mu.Unlock()
		failed := false
		for _, id := range users {
			inst, ok := s.pool.Current(id)
			if !ok {
				continue // observe tells when there is one
			}
			s.mu.Lock()
			delete(s.unfinished, id) // what is left from now on says so itself
			s.mu.Unlock()
			if err := s.finishOf(ctx, inst, id); err != nil && ctx.Err() == nil {
				s.log.Warn("finish deleting sessions", "user", id, "error", err)
				s.finishLater(id)
				failed = true
			}
		}
		if !failed {
			wait = retryDelete
			continue
		}
		_ = s.rest(ctx, wait) // the loop sees that ctx has ended
		wait = min(2*wait, retryDeleteMost)
	}
}

func (s *Service) finishOf(ctx context.Context, inst *pool.Instance, userID int64) error {
	var ids []string
	if err := s.db.NewSelect().Model((*row)(nil)).Column("id").Where("user_id = ? AND deleting", userID).Scan(ctx, &ids); err != nil {
		return fmt.Errorf("find deletions that were cut short: %w", err)
	}
	for _, id := range ids {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			return s.erase(ctx, inst.Client(), key{userID, id})
		}()
		if err != nil {
			return fmt.Errorf("delete session %s: %w", id, err)
		}
	}
	return nil
}
