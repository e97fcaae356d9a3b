package sessions

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// placePatience is how long a prompt that is not on disk yet waits for the server's word. Then it is journaled, and
// waits in line.
const placePatience = 3 * time.Second

// places are the server's places for Claude processes, as far as this supervisor holds or wants some. The server knows
// all users and decides; here a process is started only with a place. Its lock is the last to be taken.
type places struct {
	granted bool // else everybody has a place: nobody else gives any

	mu      sync.Mutex
	rev     int64
	wants   []*want
	held    []*session
	line    map[string]int // in the server's line, by session, as last told: it tells only what is new
	given   time.Time      // to one with a prompt, the last time
	crowded bool
	moved   chan struct{} // closed and replaced with every change
}

// want is one session's wish; guarded by the places' mu.
type want struct {
	session        *session
	since          time.Time
	ahead          bool
	given, refused bool
	place          int // in the server's line; 0 while it has not told one
}

func newPlaces(granted bool) places {
	return places{granted: granted, rev: 1, moved: make(chan struct{})}
}

func (p *places) changedLocked() {
	p.rev++
	close(p.moved)
	p.moved = make(chan struct{})
}

// acquire waits for a place. What is not inLine comes back with errAtWork as soon as there is none to be had now.
func (p *places) acquire(ctx context.Context, s *session, n need) error {
	if !p.granted {
		return nil
	}
	w := &want{session: s, since: time.Now().UTC(), ahead: n == forLater}
	p.mu.Lock()
	if n == inLine {
		// It has wanted one before, for work. Where the server has not seen that end, it takes this for the same want.
		w.place = p.line[s.id]
	}
	p.wants = append(p.wants, w)
	p.changedLocked()
	p.mu.Unlock()
	var patience <-chan time.Time
	if n == forWork {
		t := time.NewTimer(placePatience)
		defer t.Stop()
		patience = t.C
	}
	for shown := 0; ; {
		p.mu.Lock()
		now, moved := *w, p.moved
		p.mu.Unlock()
		switch {
		case now.given:
			return nil
		case now.refused, n == forWork && now.place > 0:
			return p.withdraw(w, errAtWork)
		case n == inLine && now.place > 0 && now.place != shown:
			shown = now.place
			s.showPlace(inQueue{place: shown})
		}
		select {
		case <-moved:
		case <-patience:
			return p.withdraw(w, errAtWork)
		case <-ctx.Done():
			return p.withdraw(w, context.Cause(ctx))
		}
	}
}

// withdraw takes a want back, and with it a place that was given in the same moment.
func (p *places) withdraw(w *want, why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.given {
		p.held = slices.DeleteFunc(p.held, func(s *session) bool { return s == w.session })
	} else {
		p.wants = slices.DeleteFunc(p.wants, func(o *want) bool { return o == w })
	}
	p.changedLocked()
	return why
}

// release gives a session's place back.
func (p *places) release(s *session) {
	if !p.granted {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = slices.DeleteFunc(p.held, func(o *session) bool { return o == s })
	p.changedLocked()
}

// take takes in what the server says. It tells whether the crowd has gone.
func (p *places) take(r *protocol.PlaceRequest) (eased bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var given []*session
	waiting := p.wants[:0]
	changed := false
	for _, w := range p.wants {
		switch id := w.session.id; {
		case slices.Contains(r.Give, id):
			w.given, changed = true, true
			if !w.ahead {
				p.given = time.Now().UTC()
			}
			given = append(given, w.session)
			continue
		case w.ahead && slices.Contains(r.Refuse, id):
			changed = changed || !w.refused
			w.refused = true
		default:
			changed = changed || w.place != r.Line[id]
			w.place = r.Line[id]
		}
		waiting = append(waiting, w)
	}
	clear(p.wants[len(waiting):])
	p.wants = waiting
	p.held = append(p.held, given...)
	eased = p.crowded && !r.Crowded
	p.line, p.crowded = r.Line, r.Crowded
	if changed {
		p.changedLocked()
	}
	return eased
}

// last is the place in the server's line of the last session of ours that waits there: who waits for the person's own
// quota comes after it.
func (p *places) last() (place int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.wants {
		place = max(place, w.place)
	}
	return place
}

func (p *places) isCrowded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crowded
}

func (p *places) statement() (protocol.Places, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := protocol.Places{Rev: p.rev, Given: p.given, Held: make([]string, 0, len(p.held)), Wants: make([]protocol.Want, 0, len(p.wants))}
	for _, s := range p.held {
		out.Held = append(out.Held, s.id)
	}
	for _, w := range p.wants {
		out.Wants = append(out.Wants, protocol.Want{SessionID: w.session.id, Since: w.since, Ahead: w.ahead})
	}
	return out, p.moved
}

// Place takes in what the server says about its places, and says which are held and wanted here.
func (ss *Sessions) Place(ctx context.Context, req *protocol.PlaceRequest) (*protocol.PlaceResponse, error) {
	_, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	eased := ss.places.take(req)
	busy := []string{}
	ss.mu.Lock()
	all := ss.sessionsLocked()
	ss.mu.Unlock()
	for _, s := range all {
		if slices.Contains(req.Suspend, s.id) {
			s.suspend()
		}
		if slices.Contains(req.Take, s.id) && s.makeRoom() == nil && s.stays() {
			busy = append(busy, s.id)
		}
		if eased { // what was held back is brought now
			s.mu.Lock()
			s.deliverLocked()
			s.mu.Unlock()
		}
	}
	now, _ := ss.places.statement()
	return &protocol.PlaceResponse{Places: now, Busy: busy}, nil
}

// suspend ends a process that waits for its person, who may not come for hours, or in which nothing runs but tasks in
// the background, which may have no end.
func (s *session) suspend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.run
	switch {
	case r == nil || !r.greeted || r.ending != "":
	case len(s.ledger.asks) > 0:
		r.endLocked(reasonSuspended)
	case s.ledger.tasks > 0 && !s.ledger.busy() && len(r.calls) == 0:
		s.complainLocked(fault.RateLimited, "Others waited for a place, and nothing ran here but in the background. It was ended: %s. The conversation goes on with your next prompt.",
			fault.Quote(strings.Join(r.tasks, "; ")))
		r.endLocked(reasonYielded)
	}
}

// stays says whether there is a process that nobody ends.
func (s *session) stays() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run != nil && s.run.ending == ""
}

// WatchPlaces tells of the places that are held and wanted, and then of each change, until the context ends or f
// fails. Where nobody gives any it tells that alone, by a Rev of 0.
func (ss *Sessions) WatchPlaces(ctx context.Context, f func(protocol.Places) error) error {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if !ss.opt.Granted {
		if err := f(protocol.Places{}); err != nil {
			return err
		}
		return wait(ctx, nil)
	}
	for {
		now, moved := ss.places.statement()
		if err := f(now); err != nil {
			return err
		}
		if err := wait(ctx, moved); err != nil {
			return err
		}
	}
}

// yieldLocked ends a process whose work is done while others wait for its place: what is asked of the session next
// waits for another, in its turn. Prompts that were held back stand in line at once.
func (s *session) yieldLocked() {
	r := s.run
	if r == nil || !r.greeted || r.ending != "" || !r.worked || !s.ss.places.isCrowded() {
		return
	}
	if !s.ledger.turn && !s.ledger.atWork() && len(s.ledger.asks) == 0 && s.ledger.tasks == 0 && len(r.calls) == 0 {
		r.endLocked(reasonYielded)
	}
}
