package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	pageOf  = 50  // sessions in a page, as the list shows
	replays = 100 // events from the end of a session that somebody comes back to
)

// history: what a list and the end of a session cost must not grow with what is before.
func history(ctx context.Context, b *bench) error {
	how, err := b.crowded(ctx)
	if err != nil {
		return err
	}
	if err := b.needs(ctx, how); err != nil {
		return err
	}
	c := &crowd{b: b}
	if err := c.people(ctx, 2); err != nil { // the lists fill the first one's quota of sessions
		return err
	}
	if err := b.lists(ctx, c.members[0]); err != nil {
		return err
	}
	return b.replay(ctx, c.members[1])
}

// page is one of a list of sessions.
type page struct {
	Items []struct {
		ID string `json:"id"`
	} `json:"items"`
	Next string `json:"next_cursor"`
}

func (p *person) page(ctx context.Context, cursor string) (got page, err error) {
	return got, p.do(ctx, 200, "GET", fmt.Sprintf("/sessions?limit=%d&cursor=%s", pageOf, url.QueryEscape(cursor)), nil, &got)
}

func (b *bench) lists(ctx context.Context, m *member) error {
	made := 0
	var least *series
	for _, n := range b.set.load.sessions {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		began, before := time.Now(), made
		for ; made < n; made++ {
			g.Go(func() error { _, err := m.open(gctx); return err })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "  %d sessions made in %.1f s\n", n-before, time.Since(began).Seconds())
		last, pages := "", 1
		for ; ; pages++ {
			got, err := m.page(ctx, last)
			if err != nil {
				return err
			}
			if got.Next == "" {
				break
			}
			last = got.Next
		}
		var front, back series
		for range b.turns() {
			for _, one := range []struct {
				cursor string
				into   *series
			}{{"", &front}, {last, &back}} {
				began := time.Now()
				if _, err := m.page(ctx, one.cursor); err != nil {
					return err
				}
				one.into.add(time.Since(began))
			}
		}
		const part = "list of sessions, 50 a page"
		b.report.add(part, fmt.Sprintf("first page of %d", n), inSeconds, &front, fmt.Sprintf("of %d", b.set.load.sessions[0]), least)
		b.report.add(part, fmt.Sprintf("page %d of %d", pages, n), inSeconds, &back, "its first page", &front)
		if least == nil {
			least = &front // what the others are put beside
		}
	}
	return nil
}

// long is a session with many events, and what reading its end took.
type long struct {
	id                   string
	asked                int   // events
	after                int64 // what is read begins behind it
	overHTTP, overSocket series
}

// replay reads the ends of ever longer sessions, over HTTP and by a subscription, in turn.
func (b *bench) replay(ctx context.Context, m *member) error {
	s, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var all []*long
	for _, n := range b.set.load.events {
		l, err := m.lengthen(ctx, n)
		if err != nil {
			return err
		}
		all = append(all, l)
	}
	for range b.turns() {
		for _, l := range all {
			if err := l.readEnd(ctx, m, s); err != nil {
				return err
			}
		}
	}
	const part = "last 100 events of a session"
	var overHTTP, overSocket *series // of the shortest, which the others are put beside
	for _, l := range all {
		beside := fmt.Sprintf("of %d", all[0].asked)
		b.report.add(part, fmt.Sprintf("over HTTP, of %d", l.asked), inSeconds, &l.overHTTP, beside, overHTTP)
		b.report.add(part, fmt.Sprintf("by a subscription, of %d", l.asked), inSeconds, &l.overSocket, beside, overSocket)
		overHTTP, overSocket = &all[0].overHTTP, &all[0].overSocket
	}
	return nil
}

// lengthen makes a session and has it say so much that it has n events.
func (m *member) lengthen(ctx context.Context, n int) (*long, error) {
	const atOnce = 1000 // of a turn
	id, err := m.open(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var l looked
	for l.LastSeq < int64(n) {
		// Finished messages: pieces of text may be dropped from a journal.
		if err := m.prompt(ctx, id, fmt.Sprintf("[blocks %d] [first 0s]", min(atOnce, n-int(l.LastSeq)))); err != nil {
			return nil, err
		}
		if l, err = m.grown(ctx, id, l.LastSeq); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(os.Stderr, "  %d events made in %.1f s\n", l.LastSeq, time.Since(began).Seconds())
	return &long{id: id, asked: n, after: l.LastSeq - replays}, nil
}

// readEnd reads it in both ways.
func (l *long) readEnd(ctx context.Context, m *member, s *socket) error {
	began := time.Now()
	var got struct {
		Items []struct{} `json:"items"`
	}
	path := fmt.Sprintf("/sessions/%s/events?after=%d&limit=%d", l.id, l.after, replays)
	if err := m.do(ctx, 200, "GET", path, nil, &got); err != nil {
		return err
	}
	l.overHTTP.add(time.Since(began))
	if len(got.Items) != replays {
		return fmt.Errorf("%d events after %d; want %d", len(got.Items), l.after, replays)
	}
	took, err := s.replayed(ctx, m.person, l.id, l.after, replays)
	l.overSocket.add(took)
	return err
}

// grown waits until a session is ready again with more events than before.
func (p *person) grown(ctx context.Context, id string, than int64) (looked, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	last := looked{}
	for {
		l, err := p.look(ctx, id)
		if err != nil {
			return l, err
		}
		if l.State == "ready" && l.LastSeq > than+3 && l == last { // the same twice: the catalogue has caught up
			return l, nil
		}
		last = l
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return l, errors.Join(fmt.Errorf("wait for a session to be ready again (it is %q at event %d)", l.State, l.LastSeq), ctx.Err())
		}
	}
}

// replayed subscribes anew and tells how long it was to the n-th event.
func (s *socket) replayed(ctx context.Context, p *person, id string, after int64, n int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	began := time.Now()
	c, err := s.subscribeAfter(ctx, p, id, after)
	if err != nil {
		return 0, err
	}
	for i := range n {
		select {
		case _, ok := <-c.events:
			if !ok {
				return 0, fmt.Errorf("the connection ended at event %d of a replay", i)
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for event %d of a replay: %w", i, ctx.Err())
		}
	}
	return time.Since(began), s.send(ctx, map[string]any{"type": "unsubscribe", "session_id": id})
}
