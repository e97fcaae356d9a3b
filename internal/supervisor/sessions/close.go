package sessions

import (
	"context"
	"fmt"
	"slices"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Close ends a session's process; the session is dormant when it returns nil. A turn that runs is given up. Prompts
// that had not begun wait for the session to be opened again.
func (ss *Sessions) Close(ctx context.Context, req *protocol.SessionRequest) (*protocol.Empty, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, release, err := ss.use(req.SessionID, false)
	if err != nil {
		return nil, err
	}
	defer release()
	return &protocol.Empty{}, s.end(ctx, reasonClosed)
}

// end ends the process and waits for it. One that died at work may have been started again meanwhile.
func (s *session) end(ctx context.Context, reason string) error {
	if err := s.leaveLine(ctx, reason); err != nil {
		return err
	}
	for {
		s.mu.Lock()
		r := s.run
		if r != nil {
			r.endLocked(reason)
		}
		s.mu.Unlock()
		if r == nil {
			return nil
		}
		if err := wait(ctx, r.gone); err != nil {
			return err
		}
	}
}

// Delete removes a session: its process, its transcripts and its journal. One that only has a transcript is removed as
// well. Subscribers are told that there is no such session, and so is everybody who calls from then on. There is no way
// back: a deletion that failed is gone on with when it is asked for again.
func (ss *Sessions) Delete(ctx context.Context, req *protocol.SessionRequest) (*protocol.Empty, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if !validID(req.SessionID) {
		return nil, errNoSession()
	}
	ss.bury(req.SessionID) // before it is looked for: who comes later makes none
	s, release, err := ss.take(req.SessionID, false, (*session).holdToDelete)
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			err = ss.opt.Home.RemoveTranscript(ctx, req.SessionID)
		}
		return &protocol.Empty{}, err
	}
	defer release()
	select {
	case s.grave <- struct{}{}:
		defer func() { <-s.grave }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return &protocol.Empty{}, s.delete(ctx)
}

func (s *session) delete(ctx context.Context) error {
	if s.isGone() {
		return errNoSession() // somebody else has done it meanwhile
	}
	if err := s.end(ctx, reasonClosed); err != nil {
		return err
	}
	s.mu.Lock()
	compacting := s.compacting // and no other begins
	s.mu.Unlock()
	if compacting != nil {
		if err := wait(ctx, compacting); err != nil {
			return err
		}
	}
	s.mu.Lock()
	transcripts := append(slices.Clone(s.meta.LeftIDs), s.id, s.meta.conversation(s.id))
	s.mu.Unlock()
	s.ss.bury(transcripts...)
	slices.Sort(transcripts)
	for _, id := range slices.Compact(transcripts) {
		if err := s.ss.opt.Home.RemoveTranscript(ctx, id); err != nil && fault.CodeOf(err) != fault.NotFound {
			return fmt.Errorf("remove transcript of session %s: %w", s.id, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.files.remove(); err != nil {
		return fmt.Errorf("remove session %s: %w", s.id, err)
	}
	s.gone = true
	s.info.Store(nil)
	s.ss.forget(s)
	s.ss.notify(s)
	return s.journal.Close() // which tells its readers
}

// Transcripts lists what the CLI left in the workspace, without the conversations that belong to a session of ours
// under another id, and without those that were just deleted.
func (ss *Sessions) Transcripts(ctx context.Context) ([]protocol.Transcript, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	list, err := ss.opt.Home.Transcripts(ctx)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	ss.mu.Lock()
	all := ss.sessionsLocked()
	for id := range ss.buried {
		ours[id] = true // it may have been listed before that
	}
	ss.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		for _, id := range append(slices.Clone(s.meta.LeftIDs), s.meta.ClaudeID) {
			if id != s.id {
				ours[id] = true
			}
		}
		s.mu.Unlock()
	}
	return slices.DeleteFunc(list, func(t protocol.Transcript) bool { return ours[t.SessionID] }), nil
}
