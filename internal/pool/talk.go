package pool

import (
	"context"
	"slices"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

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
			req.Take, w.asked = append(req.Take, id), w.why
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
		switch {
		case w == nil:
		case !slices.Contains(res.Busy, id):
			w.taken = w.closing // else its end was told before
			p.figures.evictions[w.asked]++
			p.o.Log.Info("ended the process of a session", "instance", inst.id, "session", id, "why", w.asked)
		case w.closing:
			w.closing, w.taken, w.suspend = false, false, false
			w.busyUntil = p.now().Add(busyPause)
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
