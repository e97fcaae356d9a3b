package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// atOnce is how many of a crowd are made at a time: more would only wait for the processor.
const atOnce = 8

// member is a person of a crowd with sessions that each have a kept process.
type member struct {
	*person
	instance string
	sessions []string
}

// crowd is many people at one Carrel, and their clients.
type crowd struct {
	b       *bench
	members []*member
	ears    []*ear
}

// people makes members until there are so many, each with an instance.
func (c *crowd) people(ctx context.Context, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for len(c.members) < n {
		p, err := c.b.newPerson(ctx) // one at a time: the names are counted
		if err != nil {
			return errorOf(g, err)
		}
		m := &member{person: p}
		c.members = append(c.members, m)
		g.Go(func() error {
			if err := m.login(ctx); err != nil {
				return err
			}
			if err := m.do(ctx, 201, "POST", "/projects", map[string]any{"name": project}, nil); err != nil {
				return err
			}
			var got instance
			err := m.do(ctx, 0, "PUT", "/instance", nil, &got)
			m.instance = got.ID
			return err
		})
	}
	return g.Wait()
}

// errorOf waits for what was begun and gives the first error.
func errorOf(g *errgroup.Group, err error) error {
	if first := g.Wait(); first != nil {
		return first
	}
	return err
}

// open makes sessions until there are so many in all, spread evenly; each has run a turn, and its process is kept.
func (c *crowd) open(ctx context.Context, n int) error {
	have := 0
	for _, m := range c.members {
		have += len(m.sessions)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce / 2)
	for ; have < n; have++ {
		m := c.members[0]
		for _, other := range c.members {
			if len(other.sessions) < len(m.sessions) {
				m = other
			}
		}
		id, err := m.open(ctx)
		if err != nil {
			return errorOf(g, err)
		}
		m.sessions = append(m.sessions, id)
		g.Go(func() error {
			if err := m.prompt(ctx, id, "[say 1]"); err != nil {
				return err
			}
			return m.settled(ctx, id)
		})
	}
	return g.Wait()
}

// prompt sends one over HTTP, and is back when it is on disk.
func (p *person) prompt(ctx context.Context, session, text string) error {
	return p.do(ctx, 202, "POST", "/sessions/"+session+"/prompts", map[string]any{"id": uuid.NewString(), "content": text}, nil)
}

// looked is what GET /sessions/{id} answers, as far as it matters here.
type looked struct {
	State   string `json:"state"`
	LastSeq int64  `json:"last_seq"`
}

func (p *person) look(ctx context.Context, session string) (l looked, err error) {
	return l, p.do(ctx, 200, "GET", "/sessions/"+session, nil, &l)
}

// settled waits until a session has run its turn and is ready for the next.
func (p *person) settled(ctx context.Context, session string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		l, err := p.look(ctx, session)
		if err != nil {
			return err
		}
		if l.State == "ready" && l.LastSeq > 3 { // more than a prompt and states: a turn has been
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for a session to be ready (it is %q at event %d): %w", l.State, l.LastSeq, ctx.Err())
		}
	}
}

// connect opens clients until there are so many, each subscribed to one session of
// its person's, and waits until each has been sent the session's last event.
func (c *crowd) connect(ctx context.Context, n int) error {
	type seat struct {
		m       *member
		session string
	}
	var seats []seat
	for i := range sessionsEach {
		for _, m := range c.members {
			if i < len(m.sessions) {
				seats = append(seats, seat{m, m.sessions[i]})
			}
		}
	}
	if len(seats) == 0 {
		return fmt.Errorf("%d clients, and no session to look at", n)
	}
	first := len(c.ears)
	c.ears = append(c.ears, make([]*ear, n-first)...)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * atOnce)
	for i := first; i < n; i++ {
		s := seats[i%len(seats)]
		g.Go(func() error {
			l, err := s.m.look(gctx, s.session)
			if err != nil {
				return err
			}
			e, err := s.m.listen(gctx, s.session, max(0, l.LastSeq-1))
			c.ears[i] = e
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return c.await(ctx, func(e *ear) bool { return e.events.Load() > 0 }, "the last event of its session")
}

// await polls until something holds of every client that is still connected.
func (c *crowd) await(ctx context.Context, holds func(*ear) bool, what string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		missing := 0
		for _, e := range c.ears {
			if !e.gone() && !holds(e) {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d clients wait for %s: %w", missing, len(c.ears), what, ctx.Err())
		}
	}
}

// heard adds up what all clients have been sent, and how many were let go.
func (c *crowd) heard() (events int64, gone int) {
	for _, e := range c.ears {
		events += e.events.Load()
		if e.gone() {
			gone++
		}
	}
	return events, gone
}

// leave ends all clients.
func (c *crowd) leave() {
	var wg sync.WaitGroup
	for _, e := range c.ears {
		if e != nil {
			wg.Go(e.close)
		}
	}
	wg.Wait()
	c.ears = nil
}
