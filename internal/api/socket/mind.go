package socket

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Two goroutines look after all connections: whether their peers are there, and
// whether their people may still be here. One each for every connection would
// be most of what a quiet one costs. They run while there are connections.

// mindLocked starts them, unless they run. The caller's line holds the hub's wg.
func (h *Hub) mindLocked() {
	if h.unmind != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.unmind = cancel
	h.wg.Go(func() { h.heartbeat(ctx) })
	h.wg.Go(func() { h.guard(ctx) })
}

// minded are the upgraded connections, of some users or, with nil, of all.
func (h *Hub) minded(users map[int64]struct{}) []*line {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*line, 0, len(h.lines))
	for l := range h.lines {
		if _, ok := users[l.user]; l.wire != nil && (users == nil || ok) {
			all = append(all, l)
		}
	}
	return all
}

// heartbeat ends connections whose peer is not there any more, or takes nothing.
func (h *Hub) heartbeat(ctx context.Context) {
	times := h.cfg.Times
	tick := time.NewTicker(min(times.Stall/4, times.Ping))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, l := range h.minded(nil) {
			switch w := l.wire; {
			case w.stalled(times):
				l.end(endSlow)
			case w.quiet(times) && w.asked.CompareAndSwap(false, true):
				h.wg.Go(func() {
					defer w.asked.Store(false)
					if !w.ask(l.ctx, times) {
						l.end(endSilent)
					}
				})
			}
		}
	}
}

// guard ends connections whose person may no longer be here.
func (h *Hub) guard(ctx context.Context) {
	tick := time.NewTicker(h.cfg.Times.Recheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.recheckAll(ctx, h.minded(nil))
		case <-h.due:
			h.mu.Lock()
			users := h.recheck
			h.recheck = map[int64]struct{}{}
			h.mu.Unlock()
			h.recheckAll(ctx, h.minded(users))
		}
	}
}

// recheckAll asks once for each credential.
func (h *Hub) recheckAll(ctx context.Context, lines []*line) {
	answers := map[string]error{}
	for _, l := range lines {
		if ctx.Err() != nil {
			return
		}
		key := fmt.Sprint(l.user, " ", l.person.Credential)
		err, asked := answers[key]
		if !asked {
			err = h.recheckOne(ctx, l.person)
			answers[key] = err
			if err != nil && ctx.Err() == nil && fault.CodeOf(err) != fault.Unauthenticated { // a store that does not answer is no reason to throw people out
				h.cfg.Log.Warn("recheck of a connection's person", "user_id", l.user, "err", err)
			}
		}
		switch {
		case err == nil:
		case fault.CodeOf(err) == fault.Unauthenticated:
			l.end(endSignedOut)
		case errors.Is(err, context.DeadlineExceeded):
			return // the others would wait as long
		}
	}
}

// recheckOne asks about one person. A panic is an answer like any other that is none.
func (h *Hub) recheckOne(ctx context.Context, p Person) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v: %s", v, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Times.Call)
	defer cancel()
	return p.Recheck(ctx)
}

// Recheck looks at once whether a user's connections may stay, for when
// something is known to have changed: a sign-out, a token or account that went.
func (h *Hub) Recheck(userID int64) {
	h.mu.Lock()
	h.recheck[userID] = struct{}{}
	h.mu.Unlock()
	select {
	case h.due <- struct{}{}:
	default: // one is due already
	}
}
