package pool

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func (p *Pool) dialer(id string) rpc.Dialer {
	return func(ctx context.Context) (net.Conn, error) { return p.o.Runtime.Dial(ctx, id) }
}

// attendLocked starts what looks after one instance. Each has goroutines of
// its own, so that one which hangs costs nobody else anything.
func (p *Pool) attendLocked(inst *Instance) {
	ctx, cancel := context.WithCancel(p.life)
	inst.cancel = cancel
	inst.wg.Go(func() { p.watch(ctx, inst) })
	inst.wg.Go(func() { p.checkLoop(ctx, inst) })
	inst.wg.Go(func() { p.talk(ctx, inst) })
}

// release ends what looks after it, waits for that, and lets go of the
// connections. It may be called again, and before attend.
func (i *Instance) release() {
	i.pool.mu.Lock()
	cancel := i.cancel
	i.pool.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	i.wg.Wait()
	i.client.Close()
}

// watch keeps the supervisor's Watch open. A stream that breaks is the first
// sign of a dead supervisor, long before the next check.
func (p *Pool) watch(ctx context.Context, inst *Instance) {
	for try := 1; ctx.Err() == nil; try++ {
		seen := map[string]bool{}
		ready := false
		err := inst.client.Watch(ctx, func(n *protocol.Notice) error {
			if n.Changed == "ready" {
				ready, try = true, 1
			}
			p.apply(inst, n, seen, ready)
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		p.o.Log.Debug("watch broke off", "instance", inst.id, "error", err)
		if why, dead := p.dead(ctx, inst); dead {
			p.lost(inst, why)
			return
		}
		_ = pause(ctx, backoff(try, 50*time.Millisecond, retryInterval)) // the loop sees that ctx has ended
	}
}

// apply takes over what a notice tells. Until ready the stream tells what
// there is, not what happens, and so is no activity.
func (p *Pool) apply(inst *Instance, n *protocol.Notice, seen map[string]bool, ready bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	switch {
	case n.Session != nil:
		s := *n.Session
		seen[s.ID] = true
		at := s.LastActivityAt
		if at.After(now) {
			at = now // the clock inside may be another machine's
		}
		p.touchLocked(inst, at)
		w := inst.sessions[s.ID]
		switch {
		case w == nil:
			w = &watched{since: now, used: !ready} // what was there before us may have worked
			inst.sessions[s.ID] = w
		case w.State != s.State || w.Tasks != s.Tasks || !w.LastActivityAt.Equal(s.LastActivityAt): // events alone are no sign of use
			w.since = now
			// The word that its place is free comes by itself: until then it is one that is about to be.
			if s.State != protocol.StateDormant || inst.told == nil || !slices.Contains(inst.told.Held, s.ID) {
				w.closing, w.taken, w.suspend = false, false, false
			}
		}
		switch s.State {
		case protocol.StateRunning, protocol.StateWaiting:
			w.used = true
		case protocol.StateDormant, protocol.StateQueued:
			w.used = false // it has no process; the next one has not worked
		}
		w.Session = s
		p.emitSessionLocked(inst.userID, s)
		p.rearrange()
	case n.Places != nil:
		p.toldLocked(inst, n.Places)
	case n.Changed == "processes":
		inst.processes = append([]protocol.Process{}, n.Processes...)
		for _, pr := range inst.processes {
			if !pr.StartedAt.After(now) {
				p.touchLocked(inst, pr.StartedAt)
			}
		}
		if ready {
			p.touchLocked(inst, now)
		}
		if len(inst.processes) > 0 && inst.status == StatusIdle {
			_ = p.moveLocked(inst, StatusActive) // always allowed from idle
		}
		p.emitInstanceLocked(inst)
	case n.Changed == "ready":
		for id, w := range inst.sessions {
			if !seen[id] {
				p.setDormantLocked(inst, w)
			}
		}
		select {
		case <-inst.synced:
		default:
			close(inst.synced)
		}
	}
}

// dormantLocked corrects the sessions of an instance whose processes are gone.
func (p *Pool) dormantLocked(inst *Instance) {
	inst.processes = []protocol.Process{}
	inst.dealt = dealt{giving: map[string]bool{}}
	p.rearrange()
	for _, w := range inst.sessions {
		p.setDormantLocked(inst, w)
	}
}

func (p *Pool) setDormantLocked(inst *Instance, w *watched) {
	if w.State == protocol.StateDormant {
		return
	}
	w.State, w.closing, w.taken = protocol.StateDormant, false, false
	w.since = p.now()
	p.emitSessionLocked(inst.userID, w.Session)
}

// dead says whether an instance is proved gone, and how. One that merely does
// not answer is not. A refused connection is proof only while the runtime
// itself answers, before and after: else it may be the keeper that is away.
func (p *Pool) dead(ctx context.Context, inst *Instance) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, p.o.CheckTimeout)
	defer cancel()
	if !p.refused(ctx, inst.id) {
		return "", false
	}
	handles, err := p.o.Runtime.List(ctx)
	if err != nil {
		return "", false
	}
	listed := false
	for _, h := range handles {
		listed = listed || h.Spec.ID == inst.id
	}
	if !listed {
		return whyGone, true
	}
	if p.refused(ctx, inst.id) {
		return whyEnded, true
	}
	return "", false
}

// How an instance is found dead, in words for people.
const (
	whyGone  = "Its processes were gone."
	whyEnded = "Its supervisor had ended."
)

// refused dials and says whether nobody listens.
func (p *Pool) refused(ctx context.Context, id string) bool {
	conn, err := p.o.Runtime.Dial(ctx, id)
	if err == nil {
		_ = conn.Close() // it only was to be opened
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) || errors.Is(err, fault.NotFoundError)
}
