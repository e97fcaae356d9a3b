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
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func (s *series) sample() *sample {
	if s == nil || len(s.values) == 0 {
		return nil
	}
	v := slices.Sorted(slices.Values(s.values))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + mid) / 2
	}
	return &sample{N: len(v), Median: mid, Min: v[0], Max: v[len(v)-1]}
}

// text is a sample for people: median, and from which to which.
func (s *sample) text(u unit) string {
	switch {
	case s == nil:
		return "–"
	case s.N == 1:
		return number(s.Median, u)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median, u), number(s.Min, u), number(s.Max, u))
}

func number(v float64, u unit) string {
	switch {
	case u == inBytes:
		return fmt.Sprintf("%.1f MB", v/1e6)
	case v < 0.1:
		return fmt.Sprintf("%.1f ms", v*1e3)
	case v < 1:
		return fmt.Sprintf("%.0f ms", v*1e3)
	}
	return fmt.Sprintf("%.2f s", v)
}
