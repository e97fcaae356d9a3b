package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for _, c := range []struct {
		values []float64
		in100  int
		want   float64
	}{
		{hundred, 99, 99}, {hundred, 50, 50}, {hundred, 100, 100}, {hundred, 0, 1},
		{hundred[:1], 99, 1}, {hundred[:20], 99, 20}, {hundred[:20], 50, 10}, {[]float64{1, 2, 3}, 50, 2},
	} {
		if got := percentile(c.values, c.in100); got != c.want {
			t.Errorf("%d in 100 of %d values: %v; want %v", c.in100, len(c.values), got, c.want)
		}
	}
	s := (&series{slices.Clone(hundred)}).sample()
	if s.Median != 50.5 || s.P99 != 99 {
		t.Errorf("%+v; want the median 50.5 and the p99 99", s)
	}
	if text := s.text(inSeconds); text != "50.50 s, p99 99.00 s" {
		t.Errorf("many values read %q", text)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"56.7 kB": number(56_700, inBytes), "12.3 MB": number(12_340_000, inBytes), "3751/s": number(3751.2, perSecond),
		"1.3 % of a core": number(0.013, inCores), "0": number(0, counted), "12.0 ms": number(0.012, inSeconds),
	} {
		if got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	var s sizes
	if err := s.Set("1, 10,200"); err != nil || !slices.Equal(s, sizes{1, 10, 200}) || s.String() != "1,10,200" {
		t.Errorf("%v, %v", s, err)
	}
	for _, wrong := range []string{"", "0", "a", "10,1", "5,5", "1,,2", "-3"} {
		if err := s.Set(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
	if !slices.Equal(s, sizes{1, 10, 200}) {
		t.Errorf("a wrong value left %v", s)
	}
}

// TestParts: which parts run by default, with -load, and when named.
func TestParts(t *testing.T) {
	t.Parallel()
	for argv, want := range map[string]string{
		"":                    "start first-token together instance memory",
		"-load":               "clients real adopt history density",
		"-only adopt,memory":  "memory adopt",
		"-load -only history": "history",
	} {
		set, err := parse(append(strings.Fields(argv), "-carrel", "true", "-claude", "/dev/null"))
		if err != nil {
			t.Fatalf("%s: %v", argv, err)
		}
		var got []string
		for _, p := range parts {
			if set.wants(p) {
				got = append(got, p.name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q runs %v; want %s", argv, got, want)
		}
	}
}

func TestHeadOfAnEvent(t *testing.T) {
	t.Parallel()
	const at = "2026-11-24T20:00:00.123456789Z"
	for message, want := range map[string]head{
		`{"type":"event","session_id":"x","seq":7,"at":"` + at + `","event":{"type":"stream_event","event":{"type":"result"}}}`: {7, at, false},
		`{"type":"event","session_id":"x","seq":12,"at":"` + at + `","event":{"type":"result","subtype":"success"`:              {12, at, true},
	} {
		if got, ok := headOf([]byte(message)); !ok || got != want {
			t.Errorf("%s: %+v, %v; want %+v", message, got, ok, want)
		}
	}
	for _, none := range []string{``, `{"type":"notice"}`, `{"type":"event","session_id":"x"`, `{"type":"event","session_id":"x","seq":1x,"at":"","event":{}}`} {
		if got, ok := headOf([]byte(none)); ok {
			t.Errorf("%s is event %+v", none, got)
		}
	}
}

// TestEarCounts: what comes twice or late is told from what comes once.
func TestEarCounts(t *testing.T) {
	t.Parallel()
	e := &ear{last: 3}
	for _, seq := range []string{"4", "5", "5", "9", "8"} {
		e.take([]byte(`{"type":"event","session_id":"x","seq":` + seq + `,"at":"2026-11-24T20:00:00Z","event":{"type":"result"}}`))
	}
	e.take([]byte(`{"type":"hello"}`))
	if e.events.Load() != 5 || e.wrong.Load() != 2 || e.results.Load() != 5 {
		t.Errorf("%d events, %d wrong, %d results", e.events.Load(), e.wrong.Load(), e.results.Load())
	}
}

func TestProcessorTime(t *testing.T) {
	t.Parallel()
	got, err := cpuOf("42 (a ) name) S 1 42 42 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 1 0 1 1 1")
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("%v, %v; want 1.75 s", got, err)
	}
	if _, err := cpuOf("42 (x) S 1"); err == nil {
		t.Error("a short line was taken")
	}
	a, err := activityOf(os.Getpid())
	if err != nil || a.wakes == 0 {
		t.Errorf("our own activity is %+v, %v", a, err)
	}
	cores, wakes := activity{3 * time.Second, 500, a.at.Add(2 * time.Second)}.since(activity{time.Second, 100, a.at})
	if cores != 1 || wakes != 200 {
		t.Errorf("%v cores and %v wake-ups a second; want 1 and 200", cores, wakes)
	}
}

func TestUsersThatFit(t *testing.T) {
	t.Parallel()
	const room, liveOne, warmOne = 20e9, 120e6, 6e6
	for _, c := range []struct {
		live, warm, want float64
	}{{1, 0, 166}, {0.1, 0.2, 1515}, {0, 1, 3333}, {0, 0, 0}} {
		if got := fits(room, c.live, c.warm, liveOne, warmOne); got != c.want {
			t.Errorf("%v live and %v warm: %v fit; want %v", c.live, c.warm, got, c.want)
		}
	}
}
