package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// answer is what every prompt here asks for, as fast as the model goes.
const answer = "[say 30]"

// kept are the prompts of one process whose first tokens are told: the second and the tenth.
const lastKept = 10

// ladder is the first tokens of one conversation.
type ladder struct{ first, second, tenth series }

func (l *ladder) climb(ctx context.Context, t talk, ask func() (turn, error)) error {
	one, err := ask()
	if err != nil {
		return err
	}
	l.first.add(one.first)
	for i := 2; i <= lastKept; i++ {
		if one, err = t.ask(ctx, answer); err != nil {
			return fmt.Errorf("prompt %d: %w", i, err)
		}
		switch i {
		case 2:
			l.second.add(one.first)
		case lastKept:
			l.tenth.add(one.first)
		}
	}
	return nil
}

// firstToken: from a prompt to the first piece of its answer, cold, ahead and kept. The
// two sides take turns, so that a busy machine is busy for both.
func firstToken(ctx context.Context, b *bench) error {
	if err := b.need(ctx); err != nil {
		return err
	}
	p, err := b.signedIn(ctx)
	if err != nil {
		return err
	}
	if err := p.do(ctx, 0, "PUT", "/instance", nil, nil); err != nil {
		return err
	}
	s, err := p.dial(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var cold, coldRaw, ahead, aheadRaw ladder
	for range b.set.n {
		if err := b.rawLadder(ctx, &coldRaw, false); err != nil {
			return err
		}
		if err := carrelLadder(ctx, p, s, &cold, false); err != nil {
			return err
		}
		if err := b.rawLadder(ctx, &aheadRaw, true); err != nil {
			return err
		}
		if err := carrelLadder(ctx, p, s, &ahead, true); err != nil {
			return err
		}
	}
	const part, beside = "prompt to first token", "raw CLI"
	b.report.add(part, "cold: no process yet", inSeconds, &cold.first, beside, &coldRaw.first)
	b.report.add(part, "first prompt, process ready", inSeconds, &ahead.first, beside, &aheadRaw.first)
	b.report.add(part, "second prompt, kept", inSeconds, &ahead.second, beside, &aheadRaw.second)
	b.report.add(part, "tenth prompt, kept", inSeconds, &ahead.tenth, beside, &aheadRaw.tenth)
	return nil
}

func (b *bench) rawLadder(ctx context.Context, l *ladder, ahead bool) (err error) {
	r, err := b.startRaw()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	began := r.began
	if ahead {
		if err := r.greet(ctx); err != nil {
			return err
		}
		began = time.Now()
	}
	return l.climb(ctx, r, func() (turn, error) { return r.askFrom(ctx, began, answer) })
}

func carrelLadder(ctx context.Context, p *person, s *socket, l *ladder, ahead bool) (err error) {
	id, err := p.open(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	c, err := s.subscribe(ctx, p, id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if ahead {
		if err := p.ready(ctx, id); err != nil {
			return err
		}
	}
	return l.climb(ctx, c, func() (turn, error) {
		before := time.Since(began)
		t, err := c.ask(ctx, answer)
		if !ahead { // a cold session is counted from the moment it is looked at
			t.first, t.end = t.first+before, t.end+before
		}
		return t, err
	})
}

// together: many turns at once, of several people, beside as many raw processes.
func together(ctx context.Context, b *bench) (err error) {
	if err := b.need(ctx); err != nil {
		return err
	}
	var raws, sessions []talk
	defer func() {
		for _, t := range append(raws, sessions...) {
			err = errors.Join(err, t.close())
		}
	}()
	var people []*person
	var sockets []*socket
	defer func() { // runs before the sessions are closed, which is over HTTP
		for _, s := range sockets {
			s.close()
		}
	}()
	for range b.set.users {
		p, err := b.signedIn(ctx)
		if err != nil {
			return err
		}
		s, err := p.dial(ctx)
		if err != nil {
			return err
		}
		people, sockets = append(people, p), append(sockets, s)
	}
	for i := range b.set.together {
		p, s := people[i%len(people)], sockets[i%len(sockets)]
		id, err := p.open(ctx)
		if err != nil {
			return err
		}
		c, err := s.subscribe(ctx, p, id)
		if err != nil {
			return err
		}
		sessions = append(sessions, c)
		r, err := b.startRaw()
		if err != nil {
			return err
		}
		raws = append(raws, r)
		for _, t := range []talk{c, r} { // a first turn: both sides are kept processes from here on
			if _, err := t.ask(ctx, answer); err != nil {
				return err
			}
		}
	}
	var first, firstRaw, all, allRaw series
	for range b.set.n {
		if err := round(ctx, raws, &firstRaw, &allRaw); err != nil {
			return err
		}
		if err := round(ctx, sessions, &first, &all); err != nil {
			return err
		}
	}
	part := fmt.Sprintf("%d turns at once, %d people", b.set.together, b.set.users)
	b.report.add(part, "first token", inSeconds, &first, "raw kept CLIs", &firstRaw)
	b.report.add(part, "all answers", inSeconds, &all, "raw kept CLIs", &allRaw)
	return nil
}

// round asks all at the same moment.
func round(ctx context.Context, talks []talk, first, all *series) error {
	turns := make([]turn, len(talks))
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for i, t := range talks {
		g.Go(func() (err error) {
			turns[i], err = t.ask(ctx, "[say 100]")
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	all.add(time.Since(began))
	for _, t := range turns {
		first.add(t.first)
	}
	return nil
}
