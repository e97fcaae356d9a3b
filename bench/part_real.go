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
	c, probe := &crowd{b: b}, &crowd{b: b} // nobody looks at the session that is measured
	defer c.leave()
	if err := probe.people(ctx, 1); err != nil {
		return err
	}
	if err := probe.open(ctx, 1); err != nil {
		return err
	}
	for _, n := range b.set.load.real {
		if err := c.people(ctx, (n+sessionsOfOne-1)/sessionsOfOne); err != nil {
			return err
		}
		if err := c.open(ctx, n); err != nil {
			return err
		}
		if err := b.realAt(ctx, c, probe.members[0], n); err != nil {
			return fmt.Errorf("%d real CLIs: %w", n, err)
		}
	}
	return nil
}

func (b *bench) realAt(ctx context.Context, c *crowd, probe *member, n int) (err error) {
	c.leave()
	part := fmt.Sprintf("%d real CLIs live, %d people", n, len(c.members))
	fmt.Fprintf(os.Stderr, "  %s\n", part)
	total, err := b.instancesMemory(c)
	if err != nil {
		return err
	}
	b.report.one(part, "memory of all instances (PSS)", inBytes, float64(total))
	b.report.one(part, "  by live CLI, instance included", inBytes, float64(total)/float64(n))

	kept, raw, done, err := b.probes(ctx, probe, b.set.claude)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	var first, firstRaw series
	work, err := b.workOf(probe.instance)
	if err != nil {
		return err
	}
	if err := alternate(ctx, kept, raw, b.turns(), &first, &firstRaw); err != nil {
		return err
	}
	used, err := work()
	if err != nil {
		return err
	}
	const beside = "raw CLI, kept"
	b.report.add(part, "first token, others at rest", inSeconds, &first, beside, &firstRaw)
	for _, name := range []string{"server", "gateway", "supervisor"} {
		b.report.one(part, "  processor for a whole turn, "+name, inSeconds, used[name].Seconds()/float64(b.turns()))
	}
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
	return b.rhythm(ctx, c, part)
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

// workOf begins to count the processor's time that Carrel's own processes take for one person; what it gives ends that.
func (b *bench) workOf(instance string) (func() (map[string]time.Duration, error), error) {
	supervisor, err := role(instance, "supervisor")
	if err != nil {
		return nil, err
	}
	gateway, err := role(b.carrel.dir, "gateway")
	if err != nil {
		return nil, err
	}
	pids := map[string]int{"server": b.carrel.cmd.Process.Pid, "gateway": gateway, "supervisor": supervisor}
	look := func() (map[string]time.Duration, error) {
		all := map[string]time.Duration{}
		for name, pid := range pids {
			a, err := activityOf(pid)
			if err != nil {
				return nil, err
			}
			all[name] = a.cpu
		}
		return all, nil
	}
	before, err := look()
	return func() (map[string]time.Duration, error) {
		after, err := look()
		for name := range after {
			after[name] -= before[name]
		}
		return after, err
	}, err
}

// rawsInRhythm is how many raw CLIs are prompted in the same rhythm: after a pause a process is slower, raw or not.
const rawsInRhythm = 4

// rhythm has every session prompted again and again, each at its own moment, and some raw CLIs as well.
func (b *bench) rhythm(ctx context.Context, c *crowd, part string) (err error) {
	var raws []*raw
	defer func() {
		for _, r := range raws {
			err = errors.Join(err, r.close())
		}
	}()
	for range rawsInRhythm {
		r, err := b.startRaw()
		if err != nil {
			return err
		}
		raws = append(raws, r)
		if _, err := r.ask(ctx, answer); err != nil {
			return err
		}
	}
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
	for i, r := range raws {
		delay := b.set.load.rhythm * time.Duration(i) / rawsInRhythm
		g.Go(func() error { return ask(ctx, r, &firstRaw, delay, b.set.load.rhythm) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	b.report.add(part, fmt.Sprintf("first token, each prompted every %s", b.set.load.rhythm), inSeconds, &first, fmt.Sprintf("%d raw CLIs alike", rawsInRhythm), &firstRaw)
	return nil
}
