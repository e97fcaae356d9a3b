package pool

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
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
			if o.State != protocol.StateReady || o.closing || now.Before(o.busyUntil) {
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

// suspendLocked has the process ended that waits for its person for longest, when that is too long for those who wait
// for its place.
func (p *Pool) suspendLocked() bool {
	var inst *Instance
	var w *watched
	now := p.now()
	for _, s := range p.slots {
		if p.o.AnswerTimeout <= 0 || s.inst == nil || s.inst.told == nil || s.job != nil || !s.inst.usableLocked() {
			continue
		}
		for _, o := range s.inst.sessions {
			if o.State == protocol.StateWaiting && !o.closing && !now.Before(o.busyUntil) && now.Sub(o.since) >= p.o.AnswerTimeout && (w == nil || o.since.Before(w.since)) {
				inst, w = s.inst, o
			}
		}
	}
	if w == nil {
		return false
	}
	w.suspend = true
	p.closeSessionLocked(inst, w, "unanswered")
	return true
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

func (i *Instance) wakeTalk() {
	select {
	case i.talkNow <- struct{}{}:
	default:
	}
}

// talk tells one instance what the server has to say about places. All of it may be said twice, and is, when an answer
// did not come.
func (p *Pool) talk(ctx context.Context, inst *Instance) {
	for try := 1; ; {
		select {
		case <-inst.talkNow:
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		req := p.requestLocked(inst)
		p.mu.Unlock()
		if req == nil {
			continue
		}
		call, cancel := context.WithTimeout(ctx, p.o.CheckTimeout)
		res, err := inst.client.Place(call, req)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.o.Log.Debug("tell an instance of places", "instance", inst.id, "error", err)
			_ = pause(ctx, backoff(try, 50*time.Millisecond, retryInterval)) // the loop sees that ctx has ended
			try++
			inst.wakeTalk()
			continue
		}
		try = 1
		p.answered(inst, req, res)
	}
}

// requestLocked is what there is to say; nil when nothing is new.
func (p *Pool) requestLocked(inst *Instance) *protocol.PlaceRequest {
	if inst.told == nil {
		return nil
	}
	req := &protocol.PlaceRequest{Line: inst.line, Crowded: p.crowded, Refuse: inst.refused}
	for id := range inst.giving {
		req.Give = append(req.Give, id)
	}
	for id, w := range inst.sessions {
		if w.closing && !w.taken {
			req.Take = append(req.Take, id)
			if w.suspend {
				req.Suspend = append(req.Suspend, id)
			}
		}
	}
	if len(req.Give)+len(req.Take)+len(req.Refuse) == 0 && !inst.said.differs(req.Line, req.Crowded) {
		return nil
	}
	return req
}

// answered takes in that an instance knows what it was told.
func (p *Pool) answered(inst *Instance, req *protocol.PlaceRequest, res *protocol.PlaceResponse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	inst.said = said{line: req.Line, crowded: req.Crowded}
	for _, id := range req.Give {
		delete(inst.giving, id) // it is held now, or is not wanted any more
	}
	for _, id := range req.Take {
		w := inst.sessions[id]
		if w == nil || !w.closing {
			continue
		}
		w.taken = true
		if slices.Contains(res.Busy, id) {
			w.closing, w.taken, w.suspend = false, false, false
			w.busyUntil = p.now().Add(busyPause)
		} else {
			p.o.Log.Info("ended the process of a session", "instance", inst.id, "session", id)
		}
	}
	p.toldLocked(inst, &res.Places)
}

// toldLocked takes in which places an instance holds and wants.
func (p *Pool) toldLocked(inst *Instance, now *protocol.Places) {
	if inst.told == nil || now.Rev >= inst.told.Rev {
		if inst.told != nil {
			p.memory.ended(len(inst.told.Held) - len(now.Held))
		}
		inst.told = now
		for _, id := range now.Held {
			delete(inst.giving, id)
		}
		for id, w := range inst.sessions {
			if w.closing && !slices.Contains(now.Held, id) {
				w.closing, w.taken, w.suspend = false, false, false
			}
		}
	}
	p.rearrange()
}

// Admit says whether a prompt may be put in a session: not when so many sessions of the user wait already that one
// more would be too many. done ends the call that brings it.
func (p *Pool) Admit(userID int64, session string) (done func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := arrival{userID, session}
	waiting := map[string]bool{}
	for a := range p.arriving {
		if a.userID == userID {
			waiting[a.session] = true
		}
	}
	if s := p.slots[userID]; s != nil && s.inst != nil {
		for id, w := range s.inst.sessions {
			switch w.State {
			case protocol.StateQueued:
				waiting[id] = true
			case protocol.StateDormant:
			default:
				delete(waiting, id) // it has its process
				if id == session {
					return func() {}, nil
				}
			}
		}
	}
	if !waiting[session] && p.o.MaxWaiting > 0 && len(waiting) >= p.o.MaxWaiting {
		p.figures.refused++
		return nil, &fault.Error{Code: fault.RateLimited, RetryAfter: retryWaiting,
			Detail: "So many of your sessions wait for a place already that this one cannot. Send it again when some of them are done; nothing of it was kept."}
	}
	p.arriving[key]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.arriving[key]--; p.arriving[key] == 0 {
			delete(p.arriving, key)
		}
	}, nil
}

// arrival is a prompt on its way to a session.
type arrival struct {
	userID  int64
	session string
}
