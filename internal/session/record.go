package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// recorder holds what is yet to be written: per session the last state only,
// so a busy conversation costs a few writes a second, not one a token.
type recorder struct {
	mu      sync.Mutex
	pending map[key]*change
	wake    chan struct{}
}

// change is what became known of one session since the last write.
type change struct {
	session *protocol.Session
	title   string // made of a first prompt
}

func (r *recorder) init() {
	r.pending = map[key]*change{}
	r.wake = make(chan struct{}, 1)
}

func (r *recorder) session(k key, p *protocol.Session) {
	r.add(k, func(c *change) { c.session = p })
}

func (r *recorder) prompted(k key, title string) {
	r.add(k, func(c *change) {
		if c.title == "" { // the first prompt's stays
			c.title = title
		}
	})
}

func (r *recorder) add(k key, f func(*change)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.pending[k]
	if c == nil {
		c = &change{}
		r.pending[k] = c
	}
	f(c)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *recorder) takeAll() map[key]*change {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.pending
	r.pending = map[key]*change{}
	return all
}

// putBack keeps what could not be written, but for what is known better by now.
func (r *recorder) putBack(old map[key]*change) {
	for k, c := range old {
		r.add(k, func(now *change) {
			if now.session == nil {
				now.session = c.session
			}
			if now.title == "" {
				now.title = c.title
			}
		})
	}
}

// record writes, at most every writeEvery, and once more at the end.
func (s *Service) record(ctx context.Context) {
	for {
		wait := writeEvery
		select {
		case <-s.recorder.wake:
			if err := s.write(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("write the states of sessions", "error", err)
				wait = time.Second
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			if err := s.write(last); err != nil {
				s.log.Error("write the last states of sessions", "error", err)
			}
			return
		}
		_ = pause(ctx, wait) // at the end the loop sees it
	}
}

// write writes all that is pending in one transaction, and then tells.
func (s *Service) write(ctx context.Context) error {
	batch := s.recorder.takeAll()
	if len(batch) == 0 {
		return nil
	}
	var changed []*row
	err := store.InTx(ctx, s.db, func(ctx context.Context, tx bun.Tx) error {
		changed = nil
		for k, c := range batch {
			r, err := find(ctx, tx, k)
			if errors.Is(err, fault.NotFoundError) {
				continue // deleted meanwhile, or never one of the catalogue's
			}
			if err != nil {
				return err
			}
			before := *r
			r.apply(c)
			if *r == before {
				continue
			}
			if err := update(ctx, tx, r); err != nil {
				return err
			}
			// That events came is told by the events.
			before.LastSeq, before.LastActivityAt = r.LastSeq, r.LastActivityAt
			if *r != before {
				changed = append(changed, r)
			}
		}
		return nil
	})
	if err != nil {
		s.recorder.putBack(batch)
		return err
	}
	for _, r := range changed {
		s.tellSession(r)
	}
	return nil
}

func (r *row) apply(c *change) {
	if c.session != nil {
		r.take(c.session)
	}
	if c.title != "" && r.TitledBy == "" {
		r.Title, r.TitledBy = c.title, titledByPrompt
	}
}
