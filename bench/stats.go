package main

import (
	"fmt"
	"slices"
	"time"
)

// unit of a series' numbers.
type unit string

const (
	inSeconds unit = "s"
	inBytes   unit = "B"
	perSecond unit = "1/s"
	inCores   unit = "cores" // of processor time
	counted   unit = ""
)

// series is one thing measured several times.
type series struct {
	values []float64
}

func (s *series) add(d time.Duration) { s.values = append(s.values, d.Seconds()) }
func (s *series) addBytes(n int64)    { s.values = append(s.values, float64(n)) }

// sample is what of a series is told.
type sample struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// manyEnough is from how many values on the 99th in a hundred is told, and not the least and the most alone.
const manyEnough = 20

func (s *series) sample() *sample {
	if s == nil || len(s.values) == 0 {
		return nil
	}
	v := slices.Sorted(slices.Values(s.values))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + mid) / 2
	}
	return &sample{N: len(v), Median: mid, P99: percentile(v, 99), Min: v[0], Max: v[len(v)-1]}
}

// percentile is the least of sorted values that so many in a hundred do not exceed.
func percentile(sorted []float64, in100 int) float64 {
	return sorted[max(0, (len(sorted)*in100+99)/100-1)]
}

// text is a sample for people: median, and from which to which, or of many up to which 99 in 100 are.
func (s *sample) text(u unit) string {
	switch {
	case s == nil:
		return "–"
	case s.N == 1:
		return number(s.Median, u)
	case s.N >= manyEnough:
		return fmt.Sprintf("%s, p99 %s", number(s.Median, u), number(s.P99, u))
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median, u), number(s.Min, u), number(s.Max, u))
}

func number(v float64, u unit) string {
	switch {
	case u == inBytes && v < 1e6:
		return fmt.Sprintf("%.1f kB", v/1e3)
	case u == perSecond:
		return fmt.Sprintf("%.0f/s", v)
	case u == inCores:
		return fmt.Sprintf("%.1f %% of a core", v*100)
	case u == counted:
		return fmt.Sprintf("%.0f", v)
	case u == inBytes:
		return fmt.Sprintf("%.1f MB", v/1e6)
	case v < 0.1:
		return fmt.Sprintf("%.1f ms", v*1e3)
	case v < 1:
		return fmt.Sprintf("%.0f ms", v*1e3)
	}
	return fmt.Sprintf("%.2f s", v)
}
