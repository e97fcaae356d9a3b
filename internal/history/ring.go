package history

import (
	"math"
	"strconv"
	"time"
)

var nan = math.NaN()

// subject is all that is kept of one user, or of the server.
type subject struct {
	rings  [len(rings)]ring
	at     time.Time // of the last sample
	before []float64 // counters at that time
}

func newSubject(series int) *subject {
	s := &subject{before: make([]float64, series)}
	for i := range s.rings {
		s.rings[i] = newRing(rings[i].slots, series)
	}
	return s
}

// add takes one sample into each ring.
func (s *subject) add(series []Series, step time.Duration, now time.Time, values []float64) {
	took := now.Sub(s.at)
	known := took > 0 && took <= longestPause*step
	fresh := make([]float64, len(series))
	for i, one := range series {
		fresh[i] = values[i]
		if one.Kind != Rate && one.Kind != Count {
			continue
		}
		fresh[i] = nan
		if known {
			fresh[i] = values[i] - s.before[i]
			if fresh[i] < 0 { // it began anew
				fresh[i] = values[i]
			}
			if one.Kind == Rate {
				fresh[i] /= took.Seconds()
			}
		}
		s.before[i] = values[i]
	}
	s.at = now
	for i := range s.rings {
		s.rings[i].add(series, now.UnixNano()/int64(step*time.Duration(rings[i].steps)), fresh)
	}
}

// ring is a number of slots, each with one value of every series.
type ring struct {
	last   int64     // number of the newest slot, counted from 1970
	values []float32 // slot after slot
	counts []int     // values that the newest slot was made of, by series
}

func newRing(slots, series int) ring {
	r := ring{values: make([]float32, slots*series), counts: make([]int, series)}
	for i := range r.values {
		r.values[i] = float32(nan)
	}
	return r
}

// add joins values to a slot's. A slot before the newest is of a clock that went back, and is left as it is.
func (r *ring) add(series []Series, slot int64, fresh []float64) {
	n := len(series)
	slots := int64(len(r.values) / n)
	if slot < r.last {
		if r.last-slot < slots {
			return
		}
		r.last = 0 // the clock was far ahead: what it measured goes
	}
	if slot > r.last {
		for s := max(r.last+1, slot-slots+1); s <= slot; s++ {
			at := int(s%slots) * n
			for i := range n {
				r.values[at+i] = float32(nan)
			}
		}
		clear(r.counts)
		r.last = slot
	}
	at := int(slot%slots) * n
	for i, one := range series {
		if math.IsNaN(fresh[i]) {
			continue
		}
		old, c := float64(r.values[at+i]), float64(r.counts[i])
		switch {
		case c == 0:
			old = fresh[i]
		case one.Kind == Most:
			old = max(old, fresh[i])
		case one.Kind == Count:
			old += fresh[i]
		default:
			old += (fresh[i] - old) / (c + 1)
		}
		r.values[at+i] = float32(old)
		r.counts[i]++
	}
}

// value is NaN where nothing was measured.
func (r *ring) value(slot int64, series, of int) float32 {
	slots := int64(len(r.values) / of)
	if slot < 0 || slot > r.last || slot <= r.last-slots {
		return float32(nan)
	}
	return r.values[int(slot%slots)*of+series]
}

// rounded spares the digits that nobody sees.
func rounded(v float32) *float64 {
	f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', 6, 64), 64) // what was just written can be read
	return &f
}
