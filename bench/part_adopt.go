package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"time"
)

// adopt: how long a new server takes for what one that was killed has left.
func adopt(ctx context.Context, b *bench) error {
	how, err := b.crowded(ctx)
	if err != nil {
		return err
	}
	if err := b.needs(ctx, how); err != nil {
		return err
	}
	c := &crowd{b: b}
	for _, n := range b.set.load.adopt {
		if err := c.people(ctx, n); err != nil {
			return err
		}
		if err := c.open(ctx, n); err != nil { // one session each, with a process
			return err
		}
		var ready, active series
		for range b.set.n {
			if err := b.carrel.kill(syscall.SIGKILL); err != nil {
				return err
			}
			if err := b.carrel.launch(); err != nil {
				return err
			}
			took, all, err := b.adopted(ctx, n)
			if err != nil {
				return err
			}
			ready.add(took)
			active.add(all)
		}
		part := fmt.Sprintf("new server after kill -9, %d instances with a stand-in", n)
		b.report.add(part, "start of carrel serve to /readyz", inSeconds, &ready, "", nil)
		b.report.add(part, "start to all shown active", inSeconds, &active, "", nil)
	}
	return nil
}

// adopted waits until a server that was just started is ready and shows so many instances active, and tells
// how long after its start each was.
func (b *bench) adopted(ctx context.Context, n int) (ready, active time.Duration, err error) {
	if ready, err = b.carrel.serving(ctx, "/readyz"); err != nil {
		return ready, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		states, err := b.instanceStates(ctx)
		if err == nil && states["active"] >= n {
			return ready, time.Since(b.carrel.began), nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ready, 0, errors.Join(fmt.Errorf("wait for %d active instances; there are %v: %w; last lines:\n%s", n, states, ctx.Err(), b.carrel.lastWords()), err)
		}
	}
}

// instanceStates counts everyone's instances by their status.
func (b *bench) instanceStates(ctx context.Context) (map[string]int, error) {
	states := map[string]int{}
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				Status string `json:"status"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}
		err := b.admin.do(ctx, 200, "GET", "/instances?limit=1000&cursor="+url.QueryEscape(cursor), nil, &page)
		if err != nil {
			return nil, err
		}
		for _, one := range page.Items {
			states[one.Status]++
		}
		if page.Next == "" {
			return states, nil
		}
		cursor = page.Next
	}
}
