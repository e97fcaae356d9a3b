// Package history keeps figures over time: of each user's instance and of the server as a whole, in rings of three
// steps that never grow. It measures nothing itself, and decides nothing.
package history

import (
	"context"
	"log/slog"
	"math"
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

func (h *History) figures(s *subject, series []Series, span string) Figures {
	at := 0
	for i := range rings {
		if rings[i].name == span {
			at = i
		}
	}
	step := h.o.Step * time.Duration(rings[at].steps)
	// It ends with the last sample of the server, so that who is gone is seen to be gone.
	last := h.server.rings[at].last
	f := Figures{StepSeconds: step.Seconds(), Series: map[string][]*float64{}}
	n := int64(rings[at].slots)
	f.From = time.Unix(0, max(0, last-n+1)*int64(step)).UTC()
	for i, one := range series {
		line := make([]*float64, n)
		for j := range line {
			if v := s.rings[at].value(last-n+1+int64(j), i, len(series)); !math.IsNaN(float64(v)) {
				line[j] = rounded(v)
			}
		}
		f.Series[one.Name] = line
	}
	return f
}
