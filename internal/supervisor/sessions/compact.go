package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carrel-dev/carrel/internal/journal"
)

// When a journal is compacted: after a turn once so much of its tail is pieces of messages, or it is so long; and when
// the session has no process, once there is something to win. Opening a session reads the tail, so it must stay short.
const (
	loosePieces  = 256 << 10
	looseDormant = 64 << 10
	longTail     = 4 << 20
)

// keepPieces is how long the pieces of a turn stay after its end at least: a client whose connection broke off then still
// gets each word as it was said, also when the next turn began by itself meanwhile.
const keepPieces = time.Minute

// ended is a turn that is over.
type ended struct {
	begun int64 // number of the last event before it, as ledger.settled
	at    time.Time
}

// compactLocked has the journal compacted up to the first turn that is fresh, if that is worth it and not being done
// already. It keeps the journal open until that is done. What fails is tried again after the next turn.
func (s *session) compactLocked(loose int64) (begun bool) {
	if s.compacting != nil || s.deleting || s.gone || s.ledger == nil || s.ss.stopping.Load() {
		return false
	}
	until := s.ledger.idle
	for len(s.fresh) > 0 && time.Since(s.fresh[0].at) >= s.ss.opt.KeepPieces {
		s.fresh = s.fresh[1:]
	}
	if len(s.fresh) > 0 {
		until = s.fresh[0].begun
	}
	moved, rest := s.journal.Moved()
	if until <= moved || s.loose < loose && rest < longTail {
		return false
	}
	s.users++
	done := make(chan struct{})
	s.compacting = done
	j, before := s.journal, s.loose
	s.ss.running.Go(func() {
		defer close(done)
		err := s.compact(s.ss.life, j, until)
		if err != nil && !errors.Is(err, errStopping) && !errors.Is(err, journal.ErrClosed) {
			s.ss.opt.Log.Warn("compact journal", "session", s.id, "error", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.compacting = nil
		if err == nil {
			s.loose -= before
		}
		s.releaseLocked()
	})
	return true
}

// compact drops from the journal what its finished turns have twice, and remembers the ledger.
func (s *session) compact(ctx context.Context, j *journal.Journal, until int64) error {
	select {
	case s.ss.compacts <- struct{}{}: // one at a time is enough, and kind to the disk
		defer func() { <-s.ss.compacts }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	moved, _ := j.Moved()
	reader, err := j.Read(moved)
	if err != nil {
		return err
	}
	twice := newPieces()
	for seq := moved; seq < until; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		if seq = e.Seq; seq <= until {
			twice.take(e)
		}
	}
	if err := j.Compact(ctx, until, twice.has); err != nil {
		return err
	}
	s.mu.Lock()
	raw, err := s.ledger.checkpoint(s.last.Load())
	s.mu.Unlock()
	if err != nil {
		return err
	}
	// The events first: their numbers must not be given a second time after the ledger has seen them.
	if err := j.Sync(); err != nil {
		return err
	}
	if err := s.files.writeCheckpoint(raw); err != nil {
		return fmt.Errorf("keep a checkpoint: %w", err) // the next opening reads more
	}
	return nil
}
