package pool

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// The server's places for Claude processes. A supervisor tells which it holds and which it wants, and starts nothing
// without; this end decides who is next. All that is known here comes from the supervisors: a server that dies leaves
// every process its place, and the next one counts what it is told.

// Times of the places.
const (
	arrangeEvery = 2 * time.Second // memory is measured, and who waits looked at, when nothing happens
	busyPause    = 5 * time.Second // a process that looked idle and was not is let alone so long
	retryWaiting = 10 * time.Second
)

// dealt is what the server says to one instance about places; guarded by Pool.mu.
type dealt struct {
	told    *protocol.Places // what its supervisor last told; nil: it is of a version that gives itself places
	giving  map[string]bool  // given, and not yet told to be held
	refused []string         // of those that are wanted ahead
	line    map[string]int
	said    said // what it knows
}

// said is what an instance was told that stays true until it is told again.
type said struct {
	line    map[string]int
	crowded bool
}

// arrangeLoop deals with places whenever something has changed.
func (p *Pool) arrangeLoop(ctx context.Context) {
	t := time.NewTicker(arrangeEvery)
	defer t.Stop()
	p.feel()
	for {
		p.mu.Lock()
		p.arrangeLocked()
		p.mu.Unlock()
		select {
		case <-p.arrangeNow:
		case <-t.C:
			p.feel()
		case <-ctx.Done():
			return
		}
	}
}

// rearrange has the places looked at, soon.
func (p *Pool) rearrange() {
	select {
	case p.arrangeNow <- struct{}{}:
	default:
	}
}

// arrangeLocked gives places to who is next, takes them from who does not use theirs while others wait, and tells
// everybody who waits how far they are.
func (p *Pool) arrangeLocked() {
	if p.stopping {
		return
	}
	held, going := p.standLocked()
	room := p.roomLocked(held)
	for ; room > 0 && p.line.len() > 0; room-- {
		userID, session, _ := p.line.next()
		inst := p.slots[userID].inst // who is in line has one
		p.giveLocked(inst, session)
		held++
	}
	// Everybody who waits needs one that ends.
	short := p.line.len() - going
	for ; short > 0; short-- {
		if !p.endIdleLocked("crowd", true) && !p.suspendLocked() {
			break
		}
	}
	p.crowded = short > 0
	p.aheadLocked(&room, going)
	if short <= 0 {
		p.trimLocked(held - going)
	}
	p.sayLocked(max(p.line.len()-max(short, 0), 0))
}

// standLocked brings the line up to date. It counts the places that are held, and those of them whose process ends.
func (p *Pool) standLocked() (held, going int) {
	waiting := map[int64]bool{}
	for _, s := range p.slots {
		inst := s.inst
		if inst == nil || inst.status == StatusHibernated {
			continue
		}
		h, g := inst.heldLocked()
		held, going = held+h, going+g
		if inst.told == nil || s.job != nil || !inst.usableLocked() {
			continue
		}
		var now []waiter
		for _, w := range inst.told.Wants {
			if !w.Ahead && !inst.giving[w.SessionID] {
				since := w.Since
				if inst.told.Given.After(since) {
					since = inst.told.Given // its user has had a turn meanwhile
				}
				now = append(now, waiter{session: w.SessionID, since: since})
			}
		}
		if len(now) > 0 {
			p.line.sync(s.userID, now)
			waiting[s.userID] = true
		}
	}
	for _, u := range slices.Clone(p.line.users) {
		if !waiting[u.userID] {
			p.line.sync(u.userID, nil)
		}
	}
	return held, going
}

// heldLocked counts an instance's places, and those that are about to be free.
func (i *Instance) heldLocked() (held, going int) {
	if i.adopted && !i.hasToldLocked() {
		return i.quota.LiveSessions, 0 // nobody knows yet: as many as there may be
	}
	if i.told == nil {
		for _, w := range i.sessions {
			if w.State != protocol.StateDormant && w.State != protocol.StateQueued {
				held++
				if w.closing {
					going++
				}
			}
		}
		return held, going
	}
	held = len(i.told.Held)
	for id := range i.giving {
		if !slices.Contains(i.told.Held, id) {
			held++
		}
	}
	for _, id := range i.told.Held {
		if w := i.sessions[id]; w != nil && w.closing {
			going++
		}
	}
	return held, going
}

// hasToldLocked says whether its supervisor has once told everything.
func (i *Instance) hasToldLocked() bool {
	select {
	case <-i.synced:
		return true
	default:
		return false
	}
}

// roomLocked is how many more processes there may be. One may always be: work goes on, however little memory there is.
func (p *Pool) roomLocked(held int) int {
	room := math.MaxInt
	if p.o.MaxLiveSessions > 0 {
		room = p.o.MaxLiveSessions - held
	}
	room = min(room, p.memory.room(held))
	if held == 0 {
		room = max(room, 1)
	}
	return room
}

func (p *Pool) giveLocked(inst *Instance, session string) {
	inst.giving[session] = true
	p.memory.started()
	for _, w := range inst.told.Wants {
		if w.SessionID == session {
			p.figures.waited(p.now().Sub(w.Since))
		}
	}
	inst.wakeTalk()
}

// endIdleLocked has the process ended that was idle for longest; with unusedFirst, of those that were started ahead
// and never used, if there are any.
func (p *Pool) endIdleLocked(why string, unusedFirst bool) bool {
	var inst *Instance
	var w *watched
	now := p.now()
	for _, s := range p.slots {
		if s.inst == nil || s.job != nil || !s.inst.usableLocked() {
			continue
		}
		for _, o := range s.inst.sessions {
			if o.State != protocol.StateReady || o.Tasks > 0 || o.closing || now.Before(o.busyUntil) {
				continue
			}
			sooner := w == nil || o.since.Before(w.since)
			if unusedFirst && w != nil && w.used != o.used {
				sooner = w.used
			}
			if sooner {
				inst, w = s.inst, o
			}
		}
	}
	if w == nil {
		return false
	}
	p.closeSessionLocked(inst, w, why)
	return true
}

// suspendLocked has the process ended that waits for its person for longest, or in which nothing runs but tasks in the
// background, when that is too long for those who wait for its place.
func (p *Pool) suspendLocked() bool {
	var inst *Instance
	var w *watched
	now := p.now()
	for _, s := range p.slots {
		if s.inst == nil || s.inst.told == nil || s.job != nil || !s.inst.usableLocked() {
			continue
		}
		for _, o := range s.inst.sessions {
			patience := p.patienceLocked(o)
			if patience > 0 && !o.closing && !now.Before(o.busyUntil) && now.Sub(o.since) >= patience && (w == nil || o.since.Before(w.since)) {
				inst, w = s.inst, o
			}
		}
	}
	if w == nil {
		return false
	}
	w.suspend = true
	why := "unanswered"
	if w.State == protocol.StateReady {
		why = "background"
	}
	p.closeSessionLocked(inst, w, why)
	return true
}

// patienceLocked is how long those who wait for a place let a session that does nothing of its own keep one; 0: for
// ever, or it is at work.
func (p *Pool) patienceLocked(w *watched) time.Duration {
	switch {
	case w.State == protocol.StateWaiting:
		return p.o.AnswerTimeout
	case w.State == protocol.StateReady && w.Tasks > 0:
		return p.o.BackgroundTimeout
	}
	return 0
}

// aheadLocked decides on processes that are only to be ready. They never wait: nobody notices when one is not there.
func (p *Pool) aheadLocked(room *int, going int) {
	for _, s := range p.slots {
		if s.inst == nil || s.inst.told == nil || s.job != nil || !s.inst.usableLocked() {
			continue
		}
		s.inst.refused = nil
		for _, w := range s.inst.told.Wants {
			switch {
			case !w.Ahead || s.inst.giving[w.SessionID]:
			case p.line.len() == 0 && *room > 0 && !p.memory.tight:
				p.giveLocked(s.inst, w.SessionID)
				*room--
			case p.line.len() == 0 && !p.memory.tight && going > 0:
				going-- // it waits for a process that is ending
			case p.line.len() == 0 && !p.memory.tight && p.endIdleLocked("opened", false):
			default:
				s.inst.refused = append(s.inst.refused, w.SessionID)
				s.inst.wakeTalk()
			}
		}
	}
}

// trimLocked ends idle processes of which there are more than there may be: the setting or the memory is less than it
// was, or they are of supervisors that ask nobody.
func (p *Pool) trimLocked(live int) {
	limit := p.o.MaxLiveSessions
	if most := p.memory.most; most > 0 && (limit <= 0 || most < limit) {
		limit = most
	}
	for limit > 0 && live > limit && p.endIdleLocked("limit", false) {
		live--
	}
}

// sayLocked finds out what each instance has to be told. Those for whom a process is ending already are told no place,
// unless they stand in line by now: most of them will never have waited.
func (p *Pool) sayLocked(coming int) {
	for _, s := range p.slots {
		if s.inst == nil || s.inst.told == nil {
			continue
		}
		line := map[string]int{}
		for n, id := range p.line.of(s.userID) {
			place := p.line.place(s.userID, n)
			if w := s.inst.sessions[id]; place > coming || w != nil && w.State == protocol.StateQueued {
				line[id] = place
			}
		}
		s.inst.line = line
		if s.inst.said.differs(line, p.crowded) {
			s.inst.wakeTalk()
		}
	}
}

func (s said) differs(line map[string]int, crowded bool) bool {
	if s.crowded != crowded || len(s.line) != len(line) {
		return true
	}
	for id, place := range line {
		if s.line[id] != place {
			return true
		}
	}
	return false
}
