package history

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	kinds = []Series{{"mean", Mean}, {"most", Most}, {"rate", Rate}, {"count", Count}}
	start = time.Unix(1_800_000_000, 0) // begins a slot of every ring
)

const step = 15 * time.Second

func fresh(file string) *History {
	return New(Options{Step: step, Server: kinds, User: kinds, File: file, Log: slog.New(slog.DiscardHandler)})
}

// at takes n samples, one a step; value i of each is f(i).
func (h *History) at(from time.Time, n int, f func(i int) []float64) {
	for i := range n {
		v := f(i)
		h.add(from.Add(time.Duration(i)*step), Sample{Server: v, Users: map[int64][]float64{7: v}})
	}
}

func last(t *testing.T, f Figures, name string, back int) float64 {
	t.Helper()
	line := f.Series[name]
	if v := line[len(line)-1-back]; v != nil {
		return *v
	}
	return math.NaN()
}

func TestSamplesBecomeSlots(t *testing.T) {
	h := fresh("")
	// Two slots of two minutes: a counter that rises by 30 in 15 s, and a figure that goes from 1 to 8 in each.
	h.at(start, 16, func(i int) []float64 {
		n := float64(i%8 + 1)
		return []float64{n, n, float64(30 * i), float64(30 * i)}
	})
	for name, want := range map[string]float64{"mean": 4.5, "most": 8, "rate": 2, "count": 240} {
		for _, f := range []Figures{h.Server("12h"), h.User(7, "12h")} {
			if got := last(t, f, name, 0); got != want {
				t.Errorf("12h %s: got %v; want %v", name, got, want)
			}
			if f.StepSeconds != 120 || len(f.Series[name]) != 360 {
				t.Errorf("12h: got %d slots of %v s; want 360 of 120", len(f.Series[name]), f.StepSeconds)
			}
			if end := f.From.Add(360 * 2 * time.Minute); !end.Equal(start.Add(4 * time.Minute)) {
				t.Errorf("12h ends at %v; want %v", end, start.Add(4*time.Minute))
			}
		}
	}
	if got := last(t, h.Server("1h"), "mean", 1); got != 7 {
		t.Errorf("1h: the last but one is %v; want 7", got)
	}
	if got := last(t, h.Server("1h"), "rate", 15); !math.IsNaN(got) {
		t.Errorf("the first rate is %v; want none, nothing was before it", got)
	}
}

func TestRecentIsAnHourOfThoseWhoWereSeen(t *testing.T) {
	h := fresh("")
	h.at(start, 240, func(i int) []float64 { return []float64{float64(i), 1, 0, 0} })
	for i := range 8 { // only the server, for two minutes: user 7 has stopped
		h.add(start.Add(time.Hour+time.Duration(i)*step), Sample{Server: []float64{0, 0, 0, 0}})
	}
	r := h.Recent("mean")
	if len(r.Items) != 1 || r.Items[0].UserID != 7 || len(r.Items[0].Series) != 1 {
		t.Fatalf("got %+v; want the mean of user 7 alone", r.Items)
	}
	line := r.Items[0].Series["mean"]
	if r.StepSeconds != 120 || len(line) != 30 || !r.From.Equal(start.Add(2*time.Minute)) {
		t.Errorf("got %d slots of %v s from %v; want 30 of 120 from %v", len(line), r.StepSeconds, r.From, start.Add(2*time.Minute))
	}
	if line[29] != nil || line[28] == nil || *line[28] != 235.5 {
		t.Errorf("got %v, %v; want the mean of the last two minutes and then nothing", line[28], line[29])
	}
	for i := range 240 {
		h.add(start.Add(time.Hour+time.Duration(8+i)*step), Sample{Server: []float64{0, 0, 0, 0}})
	}
	if r := h.Recent("mean"); len(r.Items) != 0 {
		t.Errorf("got %+v an hour later; want nobody", r.Items)
	}
}

func TestPausesAreGaps(t *testing.T) {
	h := fresh("")
	one := func(i int) []float64 { return []float64{1, 1, float64(i), float64(i)} }
	h.at(start, 4, one)
	h.at(start.Add(10*time.Minute), 1, func(int) []float64 { return []float64{1, math.NaN(), 100, 100} })
	f := h.Server("1h")
	for name, want := range map[string]bool{"mean": true, "most": false, "rate": false, "count": false} {
		if got := !math.IsNaN(last(t, f, name, 0)); got != want {
			t.Errorf("%s after a pause: known %v; want %v", name, got, want)
		}
	}
	if !math.IsNaN(last(t, f, "mean", 1)) || last(t, f, "mean", 40) != 1 {
		t.Error("want the pause as a gap, and what was before it")
	}
	// A counter that began anew counts from nothing, and a user who is gone stays so.
	h.add(start.Add(10*time.Minute+step), Sample{Server: []float64{1, 1, 15, 15}})
	if got := last(t, h.Server("1h"), "count", 0); got != 15 {
		t.Errorf("after a counter began anew: got %v; want 15", got)
	}
	if got := last(t, h.User(7, "1h"), "mean", 0); !math.IsNaN(got) {
		t.Errorf("a user who is gone has %v; want none", got)
	}
	if got := last(t, h.User(8, "1h"), "mean", 0); !math.IsNaN(got) {
		t.Errorf("a user who never was has %v; want none", got)
	}
}

func TestOldSlotsAreForgotten(t *testing.T) {
	h := fresh("")
	h.at(start, 300, func(i int) []float64 { return []float64{float64(i), 0, 0, 0} })
	line := h.Server("1h").Series["mean"]
	if *line[0] != 60 || *line[239] != 299 {
		t.Errorf("got %v to %v; want 60 to 299", *line[0], *line[239])
	}
	// A clock that goes back a little changes nothing, one that was far ahead is believed no more.
	h.at(start, 1, func(int) []float64 { return []float64{-1, 0, 0, 0} })
	if got := last(t, h.Server("7d"), "mean", 0); got < 0 {
		t.Errorf("after a clock that went back: got %v", got)
	}
	h.at(start.Add(-1000*time.Hour), 1, func(int) []float64 { return []float64{5, 0, 0, 0} })
	if got := last(t, h.Server("1h"), "mean", 0); got != 5 {
		t.Errorf("after a clock that was far ahead: got %v; want 5", got)
	}
}

func TestUsersAgeOutAndAreBounded(t *testing.T) {
	h := fresh("")
	none := []float64{0, 0, 0, 0}
	users := map[int64][]float64{}
	for id := range int64(MaxUsers) {
		users[id+1] = none
	}
	h.add(start, Sample{Server: none, Users: users})
	h.add(start.Add(step), Sample{Server: none, Users: map[int64][]float64{9999: none}})
	if len(h.users) != MaxUsers || h.users[9999] == nil {
		t.Errorf("got %d users; want %d with the new one", len(h.users), MaxUsers)
	}
	h.add(start.Add(7*24*time.Hour+step), Sample{Server: none})
	if len(h.users) != 1 {
		t.Errorf("after seven days: got %d users; want the one who was there last", len(h.users))
	}
}

func TestFileKeepsFigures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.gz")
	h := fresh(file)
	h.at(start, 20, func(i int) []float64 { return []float64{float64(i), 0, float64(i), float64(i)} })
	if err := h.save(); err != nil {
		t.Fatal(err)
	}
	again := fresh(file)
	again.at(start.Add(20*step), 1, func(int) []float64 { return []float64{20, 0, 5000, 5000} })
	for _, f := range []Figures{again.Server("1h"), again.User(7, "1h")} {
		if last(t, f, "mean", 0) != 20 || last(t, f, "mean", 1) != 19 {
			t.Error("want what was before the restart, and what came after")
		}
		if !math.IsNaN(last(t, f, "count", 0)) || last(t, f, "count", 1) != 1 {
			t.Error("want a gap where a counter was not followed")
		}
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), whole...)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{"empty": {}, "half": whole[:len(whole)/2], "no end": whole[:len(whole)-1], "flipped": flipped, "other": []byte("hello")} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		h := fresh(file)
		if !math.IsNaN(last(t, h.Server("1h"), "mean", 0)) || len(h.users) != 0 {
			t.Errorf("%s: want an empty history", name)
		}
		h.at(start, 1, func(int) []float64 { return []float64{1, 1, 1, 1} })
		if err := h.save(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := last(t, fresh(file).Server("1h"), "mean", 0); got != 1 {
			t.Errorf("%s: got %v after it was written anew; want 1", name, got)
		}
	}
}

// TestRunEnds has readers beside the one who writes; the race detector looks on.
func TestRunEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.gz")
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	h := New(Options{Step: time.Millisecond, Server: kinds, User: kinds, File: file, Log: slog.New(slog.DiscardHandler), Measure: func(context.Context) Sample {
		if n++; n == 50 {
			cancel()
		}
		return Sample{Server: []float64{1, 1, 1, 1}, Users: map[int64][]float64{int64(n % 3): {1, 1, 1, 1}}}
	}})
	var wg sync.WaitGroup
	wg.Go(func() { h.Run(ctx) })
	for ctx.Err() == nil {
		h.Server("1h")
		h.User(1, "7d")
	}
	wg.Wait()
	if _, err := os.Stat(file); err != nil {
		t.Errorf("at the end: %v", err)
	}
}

func fiveHundred() map[int64][]float64 {
	users := map[int64][]float64{}
	for id := range int64(500) {
		users[id+1] = []float64{float64(id), 1 << 30, 1 << 32, 40}
	}
	return users
}

func TestMemoryOfFiveHundred(t *testing.T) {
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	users := fiveHundred()
	h := fresh("")
	before := used()
	h.add(start, Sample{Server: users[1], Users: users})
	first := used()
	for i := range 2000 {
		h.add(start.Add(time.Duration(i+1)*step), Sample{Server: users[1], Users: users})
	}
	after := used()
	t.Logf("500 users: %d kB each", (first-before)/500/1000)
	if first-before > 500*24_000 || after > first+100_000 {
		t.Errorf("500 users take %d bytes, and %d after 2000 samples; want at most 24,000 each, and no more later", first-before, after-before)
	}
	runtime.KeepAlive(h)
}

func BenchmarkSampleOfFiveHundred(b *testing.B) {
	h, users, n := fresh(""), fiveHundred(), 0
	for b.Loop() {
		n++
		h.add(start.Add(time.Duration(n)*step), Sample{Server: users[1], Users: users})
	}
}

func BenchmarkSaveOfFiveHundred(b *testing.B) {
	h, users := fresh(filepath.Join(b.TempDir(), "history.gz")), fiveHundred()
	for i := range 3000 {
		h.add(start.Add(time.Duration(i)*step), Sample{Server: users[1], Users: users})
	}
	for b.Loop() {
		if err := h.save(); err != nil {
			b.Fatal(err)
		}
	}
}
