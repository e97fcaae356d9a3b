package session

import (
	"context"
	"sync"

	"github.com/carrel-dev/carrel/internal/fault"
)

// notices fans out what changed to the connections of each user. Of several
// notices about one thing that wait, the last is kept: a slow reader holds up
// nobody and costs no more memory than there are things to tell of.
type notices struct {
	mu       sync.Mutex
	watchers map[int64]map[*watcher]struct{}
}

// watcher is one Watch; guarded by notices.mu.
type watcher struct {
	order  []string
	latest map[string]Notice
	wake   chan struct{}
}

func (n *notices) init() { n.watchers = map[int64]map[*watcher]struct{}{} }

func (n *notices) tell(userID int64, notice Notice) {
	about := notice.Kind
	if notice.Session != nil {
		about = notice.Session.ID
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.watchers[userID] {
		if _, waits := w.latest[about]; !waits {
			w.order = append(w.order, about)
		}
		w.latest[about] = notice
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (n *notices) add(userID int64) (*watcher, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.watchers[userID]) >= maxWatches {
		return nil, fault.New(fault.RateLimited, "You have %d connections open. Close some of them.", maxWatches)
	}
	w := &watcher{latest: map[string]Notice{}, wake: make(chan struct{}, 1)}
	if n.watchers[userID] == nil {
		n.watchers[userID] = map[*watcher]struct{}{}
	}
	n.watchers[userID][w] = struct{}{}
	return w, nil
}

func (n *notices) remove(userID int64, w *watcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.watchers[userID], w)
	if len(n.watchers[userID]) == 0 {
		delete(n.watchers, userID)
	}
}

func (n *notices) next(w *watcher) (Notice, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(w.order) == 0 {
		w.order = nil
		return Notice{}, false
	}
	about := w.order[0]
	w.order = w.order[1:]
	notice := w.latest[about]
	delete(w.latest, about)
	return notice, true
}

// Watch gives f what changes for a user, and for no other, until ctx ends or f
// fails.
func (s *Service) Watch(ctx context.Context, userID int64, f func(Notice) error) error {
	w, err := s.notices.add(userID)
	if err != nil {
		return err
	}
	defer s.notices.remove(userID, w)
	for {
		for {
			notice, ok := s.notices.next(w)
			if !ok {
				break
			}
			if err := f(notice); err != nil {
				return err
			}
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.life.Done():
			return errStopped()
		}
	}
}

// TellQuota has a user's connections told that what they may do is another now: their limits, or their role.
func (s *Service) TellQuota(userID int64) { s.notices.tell(userID, Notice{Kind: "quota"}) }

// tellSession tells a user's connections how a session stands now.
func (s *Service) tellSession(r *row) {
	v := s.view(r)
	s.notices.tell(r.UserID, Notice{Kind: "session", Session: &v})
}
