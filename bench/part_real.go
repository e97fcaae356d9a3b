package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// sessionsOfOne is how many of the real CLIs one person has.
const sessionsOfOne = 2

// realOnes: many real CLIs live at once, prompted in a rhythm, with other
// clients connected, beside one raw CLI that is kept.
func realOnes(ctx context.Context, b *bench) error {
	if err := b.needs(ctx, b.realCrowd()); err != nil {
		return err
	}
	c := &crowd{b: b}
	defer c.leave()
	for _, n := range b.set.load.real {
		if err := c.people(ctx, (n+sessionsOfOne-1)/sessionsOfOne); err != nil {
			return err
		}
		if err := c.open(ctx, n); err != nil {
			return err
		}
		if err := b.realAt(ctx, c, n); err != nil {
			return fmt.Errorf("%d real CLIs: %w", n, err)
		}
	}
	return nil
}

func (b *bench) realAt(ctx context.Context, c *crowd, n int) (err error) {
	c.leave()
	part := fmt.Sprintf("%d real CLIs live, %d people", n, len(c.members))
	fmt.Fprintf(os.Stderr, "  %s\n", part)
	total, err := b.instancesMemory(c)
	if err != nil {
		return err
	}
	b.report.one(part, "memory of all instances (PSS)", inBytes, float64(total))
	b.report.one(part, "  by live CLI, instance included", inBytes, float64(total)/float64(n))

	kept, raw, done, err := b.probes(ctx, c.members[0], b.set.claude)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	var first, firstRaw series
	if err := alternate(ctx, kept, raw, b.turns(), &first, &firstRaw); err != nil {
		return err
	}
	const beside = "raw CLI, kept"
	b.report.add(part, "first token, others at rest", inSeconds, &first, beside, &firstRaw)
	if w := b.set.load.watchers; w > 0 {
		if err := c.connect(ctx, w); err != nil {
			return err
		}
		var first, firstRaw series
		if err := alternate(ctx, kept, raw, b.turns(), &first, &firstRaw); err != nil {
			return err
		}
		b.report.add(part, fmt.Sprintf("first token, %d other clients connected", w), inSeconds, &first, beside, &firstRaw)
	}
	return b.rhythm(ctx, c, raw, part)
}

// instancesMemory is what all instances of a crowd use together.
func (b *bench) instancesMemory(c *crowd) (total int64, err error) {
	for _, m := range c.members {
		pid, err := role(m.instance, "supervisor")
		if err != nil {
			return 0, err
		}
		n, err := treePSS(pid)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// rhythm has every session prompted again and again, each at its own moment, and the raw CLI as well.
func (b *bench) rhythm(ctx context.Context, c *crowd, raw talk, part string) error {
	var mu sync.Mutex
	var first, firstRaw series // guarded by mu
	ask := func(ctx context.Context, t talk, into *series, delay, every time.Duration) error {
		end := time.Now().Add(max(b.set.load.window, 2*b.set.load.rhythm))
		for at := time.Now().Add(delay); at.Before(end); at = at.Add(every) {
			if err := pause(ctx, time.Until(at)); err != nil {
				return err
			}
			one, err := t.ask(ctx, answer)
			if err != nil {
				return err
			}
			mu.Lock()
			into.add(one.first)
			mu.Unlock()
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	sessions := 0
	for _, m := range c.members {
		sessions += len(m.sessions)
	}
	i := 0
	for _, m := range c.members {
		s, err := m.dial(ctx)
		if err != nil {
			return errorOf(g, err)
		}
		defer s.close()
		for _, id := range m.sessions {
			l, err := m.look(ctx, id)
			if err != nil {
				return errorOf(g, err)
			}
			t, err := s.subscribeAfter(ctx, m.person, id, l.LastSeq)
			if err != nil {
				return errorOf(g, err)
			}
			delay := b.set.load.rhythm * time.Duration(i) / time.Duration(sessions)
			i++
			g.Go(func() error { return ask(ctx, t, &first, delay, b.set.load.rhythm) })
		}
	}
	g.Go(func() error { return ask(ctx, raw, &firstRaw, 0, time.Second) })
	if err := g.Wait(); err != nil {
		return err
	}
	b.report.add(part, fmt.Sprintf("first token, each prompted every %s", b.set.load.rhythm), inSeconds, &first, "raw CLI, kept", &firstRaw)
	return nil
}
