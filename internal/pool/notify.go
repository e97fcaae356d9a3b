package pool

import (
	"sync"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Change is one thing that changed for one user: a session, or the instance.
type Change struct {
	UserID   int64
	Session  *protocol.Session // a session of the user; else the change is the instance's
	Instance *Stats            // nil, with Session nil too: there is none any more
}

// changeKey is what a Change is about. Of several that wait only the last is
// kept, so a slow listener costs as much memory as there are things to tell of.
type changeKey struct {
	userID  int64
	session string
}

// listener is one Watch. What waits is guarded by Pool.mu.
type listener struct {
	order  []changeKey
	latest map[changeKey]Change
	wake   chan struct{}
	ended  chan struct{}
}

// Watch calls f with everything there is, and then with every change, one at
// a time and per user in order; of what changes faster than f returns, the
// last state is told. It ends with stop, which waits for a running f, or with
// the pool.
func (p *Pool) Watch(f func(Change)) (stop func()) {
	l := &listener{latest: map[changeKey]Change{}, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return func() {}
	}
	for _, s := range p.slots {
		if s.inst == nil {
			continue
		}
		if st := s.inst.statsLocked(); !st.Ahead {
			l.push(Change{UserID: s.userID, Instance: &st})
		}
		for _, w := range s.inst.sessions {
			c := w.Session
			l.push(Change{UserID: s.userID, Session: &c})
		}
	}
	p.listeners[l] = struct{}{}
	done := make(chan struct{})
	p.wg.Go(func() {
		defer close(done)
		p.listen(l, f)
	})
	var once sync.Once
	return func() {
		once.Do(func() { close(l.ended) })
		<-done
	}
}

func (p *Pool) listen(l *listener, f func(Change)) {
	defer func() {
		p.mu.Lock()
		delete(p.listeners, l)
		p.mu.Unlock()
	}()
	for {
		for {
			c, ok := p.next(l)
			if !ok {
				break
			}
			f(c)
		}
		select {
		case <-l.wake:
		case <-l.ended:
			return
		case <-p.life.Done():
			return
		}
	}
}

func (p *Pool) next(l *listener) (Change, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(l.order) == 0 {
		l.order = nil
		return Change{}, false
	}
	k := l.order[0]
	l.order = l.order[1:]
	c := l.latest[k]
	delete(l.latest, k)
	return c, true
}

// push needs Pool.mu.
func (l *listener) push(c Change) {
	k := changeKey{userID: c.UserID}
	if c.Session != nil {
		k.session = c.Session.ID
	}
	if _, waits := l.latest[k]; !waits {
		l.order = append(l.order, k)
	}
	l.latest[k] = c
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (p *Pool) emitLocked(c Change) {
	for l := range p.listeners {
		l.push(c)
	}
}

func (p *Pool) emitSessionLocked(userID int64, s protocol.Session) {
	p.emitLocked(Change{UserID: userID, Session: &s})
}

func (p *Pool) emitInstanceLocked(inst *Instance) {
	if inst.status == statusGone || inst.ahead && !inst.woken || len(p.listeners) == 0 {
		return
	}
	st := inst.statsLocked()
	p.emitLocked(Change{UserID: inst.userID, Instance: &st})
}

func (p *Pool) emitGoneLocked(inst *Instance) { p.emitLocked(Change{UserID: inst.userID}) }
