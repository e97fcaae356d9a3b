package pool

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Look gives one user's instance with fresh measurements.
func (p *Pool) Look(ctx context.Context, userID int64) (Stats, error) {
	if err := p.Known(ctx); err != nil {
		return Stats{}, err
	}
	p.mu.Lock()
	s := p.slots[userID]
	if s == nil || s.inst == nil {
		p.mu.Unlock()
		return Stats{}, errNone()
	}
	inst := s.inst
	measured := p.measureLocked(inst)
	p.mu.Unlock()
	await(ctx, measured)
	return inst.Stats(), nil
}

// All gives every instance, by user, with fresh measurements. One that hangs
// costs measureTimeout, however many hang.
func (p *Pool) All(ctx context.Context) []Stats {
	p.mu.Lock()
	var insts []*Instance
	var measured []<-chan struct{}
	for _, s := range p.slots {
		if s.inst != nil {
			insts = append(insts, s.inst)
			measured = append(measured, p.measureLocked(s.inst))
		}
	}
	p.mu.Unlock()
	out := []Stats{}
	for i, inst := range insts {
		await(ctx, measured[i])
		out = append(out, inst.Stats())
	}
	slices.SortFunc(out, func(a, b Stats) int { return int(a.UserID - b.UserID) })
	return out
}

// Stored gives what users have on disk, as far as their instances were measured, also those that hibernate. It measures
// nothing.
func (p *Pool) Stored() map[int64]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[int64]int64{}
	for id, s := range p.slots {
		if s.inst != nil && s.inst.usage.StorageBytes > 0 {
			all[id] = s.inst.usage.StorageBytes
		}
	}
	return all
}

func await(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-ctx.Done(): // what was known before has to do
	}
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// measureLocked begins a measurement, unless one is under way or just done,
// and gives what is closed at its end.
func (p *Pool) measureLocked(inst *Instance) <-chan struct{} {
	now := p.now()
	switch {
	case inst.measuring != nil:
		return inst.measuring
	case p.stopping, !inst.usableLocked(), now.Sub(inst.measuredAt) < usageTTL:
		return closedChan
	}
	done := make(chan struct{})
	inst.measuring = done
	p.wg.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(p.life, measureTimeout)
		defer cancel()
		p.measure(ctx, inst)
	})
	return done
}

// errEnough ends a stream of which enough has been read.
var errEnough = errors.New("enough")

// measure asks the runtime for the whole and the supervisor for each process.
func (p *Pool) measure(ctx context.Context, inst *Instance) {
	var wg sync.WaitGroup
	var fresh map[int]protocol.Process
	wg.Go(func() {
		err := inst.client.Watch(ctx, func(n *protocol.Notice) error {
			switch n.Changed {
			case "processes":
				fresh = map[int]protocol.Process{}
				for _, pr := range n.Processes {
					fresh[pr.PID] = pr
				}
			case "ready":
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) {
			fresh = nil
			p.o.Log.Debug("measure processes", "instance", inst.id, "error", err)
		}
	})
	u, err := p.o.Runtime.Usage(ctx, inst.id)
	wg.Wait()

	p.mu.Lock()
	defer p.mu.Unlock()
	inst.measuring = nil
	if err != nil {
		p.o.Log.Debug("measure", "instance", inst.id, "error", err)
	} else {
		if u.OOMKills > inst.usage.OOMKills && !inst.measuredAt.IsZero() {
			inst.oomAt = p.now()
		}
		inst.usage = u
	}
	inst.measuredAt = p.now()
	// Which processes there are is the watch's to say; this only knows what they use.
	for i, pr := range inst.processes {
		if f, ok := fresh[pr.PID]; ok && f.StartedAt.Equal(pr.StartedAt) {
			inst.processes[i].CPUSeconds, inst.processes[i].MemoryBytes = f.CPUSeconds, f.MemoryBytes
		}
	}
}
