// Package timetable says whose instances are to be started ahead of a time, as
// when a class begins at nine. It starts nothing itself, and bounds nothing: that
// is the pool's.
package timetable

import (
	"context"
	"log/slog"
	"time"
)

// Line is one line of a timetable.
type Line struct {
	Schedule Schedule
	Users    []string // login names
	Ahead    time.Duration
}

// Schedule gives the first time after one; package robfig/cron makes them.
type Schedule interface {
	Next(after time.Time) time.Time
}

// Options are what a timetable is made of.
type Options struct {
	Lines []Line
	// UserID finds a user by the login name.
	UserID func(ctx context.Context, name string) (int64, error)
	// Warm has a user's instance started ahead; it does not wait.
	Warm func(userID int64)
	Log  *slog.Logger
}

const (
	lookEvery  = 20 * time.Second // how late a start may be
	askTimeout = 5 * time.Second
	longestNap = time.Hour // after a longer one (a machine that slept) what it missed is past
)

// Run starts what is due, again and again, until ctx ends. What was due before it began and lies ahead still is due at
// once: the server may have been started anew in that very time.
func Run(ctx context.Context, o Options) {
	if len(o.Lines) == 0 {
		return
	}
	last := make([]time.Time, len(o.Lines))
	for i, l := range o.Lines {
		last[i] = time.Now().Add(-l.Ahead)
	}
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		now := time.Now()
		for i, l := range o.Lines {
			if now.Sub(last[i]) > longestNap+l.Ahead {
				last[i] = now.Add(-l.Ahead)
			}
			if due(l, last[i], now) {
				warm(ctx, o, l)
			}
			last[i] = now
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// due says whether a line's time, less what it is ahead, lies after last and not after now.
func due(l Line, last, now time.Time) bool {
	next := l.Schedule.Next(last.Add(l.Ahead))
	return !next.IsZero() && !next.After(now.Add(l.Ahead))
}

func warm(ctx context.Context, o Options, l Line) {
	for _, name := range l.Users {
		call, cancel := context.WithTimeout(ctx, askTimeout)
		id, err := o.UserID(call, name)
		cancel()
		if err != nil {
			o.Log.Warn("start an instance by the timetable", "name", name, "error", err)
			continue
		}
		o.Warm(id)
	}
}
