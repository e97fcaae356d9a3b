package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxStandins bounds the sessions that clients share when they are many.
const maxStandins = 500

// tokensPerSecond is how fast a session streams, about as a large model does.
const tokensPerSecond = 20

// clients: what WebSocket clients cost the server at rest, what they cost
// another person's turns, and how many events reach them.
func clients(ctx context.Context, b *bench) (err error) {
	how, err := b.crowded(ctx)
	if err != nil {
		return err
	}
	if err := b.needs(ctx, how); err != nil {
		return err
	}
	c := &crowd{b: b}
	defer c.leave()
	probe := &crowd{b: b}
	if err := probe.people(ctx, 1); err != nil {
		return err
	}
	if err := probe.open(ctx, 1); err != nil {
		return err
	}
	for _, n := range b.set.load.clients {
		sessions := min(n, maxStandins, b.set.load.users*sessionsEach)
		if err := c.people(ctx, (sessions+sessionsEach-1)/sessionsEach); err != nil {
			return err
		}
		if err := c.open(ctx, sessions); err != nil {
			return err
		}
		if err := b.clientsAt(ctx, c, probe.members[0], n, sessions); err != nil {
			return fmt.Errorf("%d clients: %w", n, err)
		}
	}
	return nil
}

// clientsAt measures one size on a server that has just started: no memory of a larger size is counted for it.
func (b *bench) clientsAt(ctx context.Context, c *crowd, probe *member, n, sessions int) (err error) {
	c.leave()
	if err := b.carrel.kill(syscall.SIGTERM); err != nil {
		return err
	}
	if err := b.carrel.launch(); err != nil {
		return err
	}
	if _, _, err := b.adopted(ctx, len(c.members)+1); err != nil {
		return err
	}
	server := b.carrel.cmd.Process.Pid
	part := fmt.Sprintf("%d clients, %d sessions of stand-ins, %d people", n, sessions, len(c.members))
	fmt.Fprintf(os.Stderr, "  %s\n", part)

	// Both are there before the first client, and so are not counted for them.
	kept, raw, done, err := b.probes(ctx, probe, b.standin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := pause(ctx, settle); err != nil {
		return err
	}
	before, err := pss(server)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := c.connect(ctx, n); err != nil {
		return err
	}
	connected := time.Since(began)
	if err := pause(ctx, settle); err != nil {
		return err
	}
	quiet, err := b.rest(ctx, server)
	if err != nil {
		return err
	}
	b.report.one(part, "server, all connected and at rest", inBytes, float64(quiet.memory))
	b.report.one(part, "  by client", inBytes, float64(quiet.memory-before)/float64(n))
	b.report.one(part, "  processor at rest", inCores, quiet.cores)
	b.report.one(part, "  wake-ups at rest", perSecond, quiet.wakes)
	b.report.one(part, "clients connected and subscribed", perSecond, float64(n)/connected.Seconds())

	var first, firstRaw series
	if err := alternate(ctx, kept, raw, b.turns(), &first, &firstRaw); err != nil {
		return err
	}
	b.report.add(part, "first token, others at rest", inSeconds, &first, "raw stand-in, kept", &firstRaw)
	return b.streaming(ctx, c, kept, raw, part, server)
}

// turns is how often a probe asks.
func (b *bench) turns() int { return max(4*b.set.n, manyEnough) }

// probes are a kept conversation through Carrel and one with a raw process of the same kind, warm.
func (b *bench) probes(ctx context.Context, m *member, program string) (kept *session, r *raw, done func() error, err error) {
	if r, err = b.startRawOf(program); err != nil {
		return nil, nil, nil, err
	}
	s, err := m.dial(ctx)
	if err != nil {
		return nil, nil, nil, errors.Join(err, r.close())
	}
	done = func() error { s.close(); return r.close() }
	l, err := m.look(ctx, m.sessions[0])
	if err == nil {
		kept, err = s.subscribeAfter(ctx, m.person, m.sessions[0], l.LastSeq)
	}
	for range 2 {
		for _, t := range []talk{kept, r} {
			if err == nil {
				_, err = t.ask(ctx, answer)
			}
		}
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, done())
	}
	return kept, r, done, nil
}

// alternate asks both sides in turn, so that a busy machine is busy for both.
func alternate(ctx context.Context, kept, raw talk, n int, first, firstRaw *series) error {
	for range n {
		for _, side := range []struct {
			talk talk
			into *series
		}{{raw, firstRaw}, {kept, first}} {
			t, err := side.talk.ask(ctx, answer)
			if err != nil {
				return err
			}
			side.into.add(t.first)
		}
	}
	return nil
}

// settle is how long a server is left alone before its memory is looked at.
const settle = 3 * time.Second

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// resting is a server to which nobody says anything.
type resting struct {
	memory       int64
	cores, wakes float64
}

func (b *bench) rest(ctx context.Context, server int) (r resting, err error) {
	before, err := activityOf(server)
	if err != nil {
		return r, err
	}
	if err := pause(ctx, b.set.load.window); err != nil {
		return r, err
	}
	after, err := activityOf(server)
	if err != nil {
		return r, err
	}
	r.cores, r.wakes = after.since(before)
	r.memory, err = pss(server)
	return r, err
}

// streaming has all sessions answer at the same time, and asks the probe meanwhile.
func (b *bench) streaming(ctx context.Context, c *crowd, kept, raw talk, part string, server int) error {
	pace := time.Second / tokensPerSecond
	pieces := int(b.set.load.window / pace)
	text := fmt.Sprintf("[say %d] [pace %s]", pieces, pace)
	results := map[*ear]int64{}
	for _, e := range c.ears {
		e.takeDelays()
		results[e] = e.results.Load()
	}
	had, _ := c.heard()
	before, err := activityOf(server)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := c.askAll(ctx, text); err != nil {
		return err
	}
	var first, firstRaw series
	for asked := time.Now(); time.Since(asked) < b.set.load.window*3/4; {
		if err := alternate(ctx, kept, raw, 1, &first, &firstRaw); err != nil {
			return fmt.Errorf("a turn while all stream: %w", err)
		}
	}
	if err := c.await(ctx, func(e *ear) bool { return e.results.Load() > results[e] }, "the end of an answer"); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := activityOf(server)
	if err != nil {
		return err
	}
	now, gone := c.heard()
	memory, err := pss(server)
	if err != nil {
		return err
	}
	var delay series
	doubled := int64(0)
	for _, e := range c.ears {
		delay.values = append(delay.values, e.takeDelays()...)
		doubled += e.wrong.Load()
	}
	cores, _ := after.since(before)
	b.report.add(part, "first token, all sessions streaming", inSeconds, &first, "raw stand-in, kept", &firstRaw)
	b.report.one(part, "events delivered", perSecond, float64(now-had)/took.Seconds())
	b.report.add(part, "  all answers at every client after", inSeconds, &series{[]float64{took.Seconds()}}, "their own pace", &series{[]float64{(time.Duration(pieces) * pace).Seconds()}})
	b.report.add(part, "  an event from journal to client", inSeconds, &delay, "", nil)
	b.report.one(part, "  processor of the server", inCores, cores)
	b.report.one(part, "  server, after it", inBytes, float64(memory))
	b.report.one(part, "events twice or out of order", counted, float64(doubled))
	b.report.one(part, "clients let go", counted, float64(gone))
	return nil
}

// askAll prompts every session that somebody listens to.
func (c *crowd) askAll(ctx context.Context, text string) error {
	listened := map[string]bool{}
	for _, e := range c.ears {
		listened[e.session] = true
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * atOnce)
	for _, m := range c.members {
		for _, id := range m.sessions {
			if listened[id] {
				g.Go(func() error { return m.prompt(ctx, id, text) })
			}
		}
	}
	return g.Wait()
}
