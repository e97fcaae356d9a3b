package pool

import (
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

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
