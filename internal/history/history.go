// Package history keeps figures over time: of each user's instance and of the server as a whole, in rings of three
// steps that never grow. It measures nothing itself, and decides nothing.
package history

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Kind is how values of a series become one.
type Kind int

const (
	Mean  Kind = iota // of what was measured
	Most              // the largest
	Rate              // of a counter that rises: how much a second, as a mean
	Count             // of a counter that rises: how much in the step
)

// Series is one figure over time.
type Series struct {
	Name string
	Kind Kind
}

// Sample is what was measured at one time: values in the order of Options.Server and Options.User. NaN is not known.
type Sample struct {
	Server []float64
	Users  map[int64][]float64
}

// The three rings: with a step of 15 s an hour of 15 s, twelve hours of 2 min, seven days of 15 min.
var rings = [...]struct {
	name  string
	steps int // of Options.Step
	slots int
}{{"1h", 1, 240}, {"12h", 8, 360}, {"7d", 60, 672}}

// Ranges are the names that History takes, the shortest first.
var Ranges = [...]string{rings[0].name, rings[1].name, rings[2].name}

const (
	// MaxUsers bounds the memory: of more users, those who were seen last are kept. Each costs 4 bytes for a value of
	// the 1,272 slots, 20 kB with four series.
	MaxUsers = 2000
	// saveEvery is in samples: five minutes.
	saveEvery = 20
	// A counter is not followed over a longer pause, which is a gap.
	longestPause = 3
)

// Options is what a History is made of.
type Options struct {
	Step         time.Duration // between samples
	Server, User []Series
	Measure      func(ctx context.Context) Sample
	File         string // that survives a restart; "": none
	Log          *slog.Logger
}

// History holds figures. Make one with New; Run fills it.
type History struct {
	o Options

	mu     sync.RWMutex
	server *subject           // guarded by mu; Run alone writes
	users  map[int64]*subject // guarded by mu
}

// New gives a history with what the file has of a server before. A file that cannot be read is an empty history.
func New(o Options) *History {
	h := &History{o: o, server: newSubject(len(o.Server)), users: map[int64]*subject{}}
	if err := h.load(); err != nil {
		o.Log.Warn("the figures of before cannot be read; they begin anew", "file", o.File, "error", err)
	}
	return h
}

// Run samples until ctx ends, and writes the file then and every few minutes.
func (h *History) Run(ctx context.Context) {
	tick := time.NewTicker(h.o.Step)
	defer tick.Stop()
	for n := 1; ; n++ {
		call, cancel := context.WithTimeout(ctx, h.o.Step)
		s := h.o.Measure(call)
		cancel()
		if ctx.Err() == nil {
			h.add(time.Now(), s)
		}
		if n%saveEvery == 0 {
			if err := h.save(); err != nil {
				h.o.Log.Warn("write figures", "file", h.o.File, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			if err := h.save(); err != nil {
				h.o.Log.Warn("write figures", "file", h.o.File, "error", err)
			}
			return
		case <-tick.C:
		}
	}
}

// add takes a sample in, and forgets who was not seen for as long as the longest ring.
func (h *History) add(now time.Time, s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.server.add(h.o.Server, h.o.Step, now, s.Server)
	for id, values := range s.Users {
		u := h.users[id]
		if u == nil {
			u = newSubject(len(h.o.User))
			h.users[id] = u
		}
		u.add(h.o.User, h.o.Step, now, values)
	}
	long := rings[len(rings)-1]
	for id, u := range h.users {
		if now.Sub(u.at) > h.o.Step*time.Duration(long.steps*long.slots) {
			delete(h.users, id)
		}
	}
	for len(h.users) > MaxUsers {
		var oldest int64
		for id, u := range h.users {
			if first := h.users[oldest]; first == nil || u.at.Before(first.at) {
				oldest = id
			}
		}
		delete(h.users, oldest)
	}
}

// Figures are one range of series as they are shown.
type Figures struct {
	StepSeconds float64               `json:"step_seconds" example:"15" doc:"Seconds between two values."`
	From        time.Time             `json:"from" doc:"When the first value's step begins."`
	Series      map[string][]*float64 `json:"series" doc:"The values of each figure, the oldest first; null where nothing was measured."`
}

// Server gives the server's figures of a range, which must be one of Ranges.
func (h *History) Server(span string) Figures {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.figures(h.server, h.o.Server, span)
}

// User gives a user's; all null when nothing was ever measured.
func (h *History) User(id int64, span string) Figures {
	h.mu.RLock()
	defer h.mu.RUnlock()
	u := h.users[id]
	if u == nil {
		u = &subject{}
	}
	return h.figures(u, h.o.User, span)
}

// Recent are some figures of many users over the last hour, coarse: enough for a line beside each.
type Recent struct {
	StepSeconds float64      `json:"step_seconds" example:"120" doc:"Seconds between two values."`
	From        time.Time    `json:"from" doc:"When the first value's step begins."`
	Items       []UserRecent `json:"items" doc:"Everybody of whom something was measured."`
}

// UserRecent are one user's.
type UserRecent struct {
	UserID int64                 `json:"user_id" example:"7" doc:"Whose figures they are."`
	Series map[string][]*float64 `json:"series" doc:"The values of each figure, the oldest first; null where nothing was measured."`
}

// Recent gives the named figures of all users of the last hour, at the usual step, in the steps of the second ring.
func (h *History) Recent(names ...string) Recent {
	const at = 1
	slots := rings[0].steps * rings[0].slots / rings[at].steps
	h.mu.RLock()
	defer h.mu.RUnlock()
	step, from := h.place(at, slots)
	r := Recent{StepSeconds: step.Seconds(), From: from, Items: []UserRecent{}}
	for _, id := range slices.Sorted(maps.Keys(h.users)) {
		u := h.users[id]
		if u.at.Before(from) {
			continue
		}
		r.Items = append(r.Items, UserRecent{id, h.lines(u, h.o.User, at, slots, func(name string) bool { return slices.Contains(names, name) })})
	}
	return r
}

func (h *History) figures(s *subject, series []Series, span string) Figures {
	at := max(0, slices.Index(Ranges[:], span))
	step, from := h.place(at, rings[at].slots)
	return Figures{StepSeconds: step.Seconds(), From: from, Series: h.lines(s, series, at, rings[at].slots, func(string) bool { return true })}
}

// place gives the step of a ring, and when its newest slots begin. They end with the last sample of the server, so that
// who is gone is seen to be gone.
func (h *History) place(at, slots int) (step time.Duration, from time.Time) {
	step = h.o.Step * time.Duration(rings[at].steps)
	return step, time.Unix(0, max(0, h.server.rings[at].last-int64(slots)+1)*int64(step)).UTC()
}

func (h *History) lines(s *subject, series []Series, at, slots int, wanted func(name string) bool) map[string][]*float64 {
	all := map[string][]*float64{}
	first := h.server.rings[at].last - int64(slots) + 1
	for i, one := range series {
		if !wanted(one.Name) {
			continue
		}
		line := make([]*float64, slots)
		for j := range line {
			if v := s.rings[at].value(first+int64(j), i, len(series)); !math.IsNaN(float64(v)) {
				line[j] = rounded(v)
			}
		}
		all[one.Name] = line
	}
	return all
}
