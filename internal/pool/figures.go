package pool

import "time"

// Figures are what has happened in a pool since its start, and how it stands: for metrics and readiness.
type Figures struct {
	Waiting      int            // sessions in line for a place
	Held         int            // places that are held
	Places       int            // that there may be; 0: no bound but the memory
	Refused      uint64         // prompts for which the line was too long
	Waits        uint64         // places given
	WaitSeconds  float64        // and how long they were waited for, together
	LongestWait  time.Duration  // of who is in line now
	Evictions    map[string]int // processes and instances ended to make room, by reason
	Replacements map[string]int // instances replaced, by reason
	Tight        bool           // memory is short
	PSI          bool
	Available    int64 // memory, in bytes; 0 when it is not measured
	Some, Full   float64
	Memory       string // in words
	MemoryOK     bool
}

// figures counts; guarded by Pool.mu.
type figures struct {
	refused, waits          uint64
	waitSeconds             float64
	evictions, replacements map[string]int
}

func (f *figures) waited(d time.Duration) {
	f.waits++
	f.waitSeconds += max(d, 0).Seconds()
}

// Figures tells how the pool stands.
func (p *Pool) Figures() Figures {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := Figures{
		Places: p.o.MaxLiveSessions, Waiting: p.line.len(), Refused: p.figures.refused, Waits: p.figures.waits, WaitSeconds: p.figures.waitSeconds,
		Evictions: map[string]int{}, Replacements: map[string]int{},
		Tight: p.memory.tight, PSI: p.memory.reading.PSI, Available: p.memory.reading.Available, Some: p.memory.reading.Some, Full: p.memory.reading.Full,
	}
	f.Memory, f.MemoryOK = p.memory.detail()
	for why, n := range p.figures.evictions {
		f.Evictions[why] = n
	}
	for why, n := range p.figures.replacements {
		f.Replacements[why] = n
	}
	now := p.now()
	for _, s := range p.slots {
		if s.inst == nil || s.inst.status == StatusHibernated {
			continue
		}
		held, _ := s.inst.heldLocked()
		f.Held += held
		if s.inst.told == nil {
			continue
		}
		for _, w := range s.inst.told.Wants {
			if !w.Ahead {
				f.LongestWait = max(f.LongestWait, now.Sub(w.Since))
			}
		}
	}
	return f
}
