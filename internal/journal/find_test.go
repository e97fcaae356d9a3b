package journal

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// written is a file of events with their numbers and where they begin.
type written struct {
	*bytes.Reader
	seqs, offs []int64
}

func drawFile(rt *rapid.T) written {
	var b []byte
	w := written{}
	seq := int64(0)
	for range rapid.IntRange(0, 120).Draw(rt, "events") {
		seq += int64(rapid.IntRange(1, 30).Draw(rt, "gap"))
		size := rapid.SampledFrom([]int{1, 1, 10, 300, 300, 5000, 70_000}).Draw(rt, "size")
		w.seqs, w.offs = append(w.seqs, seq), append(w.offs, int64(len(b)))
		b = format(b, Event{Seq: seq, Data: fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("y", size))})
	}
	w.Reader = bytes.NewReader(b)
	return w
}

func TestSeek(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawFile(rt)
		seq := int64(rapid.IntRange(0, 4000).Draw(rt, "seq"))
		want := w.Size()
		for i, n := range w.seqs {
			if n >= seq {
				want = w.offs[i]
				break
			}
		}
		if got, err := seek(w, w.Size(), seq); got != want || err != nil {
			rt.Fatalf("event %d: got %d, %v; want %d", seq, got, err, want)
		}
	})
}

func TestBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawFile(rt)
		ends := append(slices.Clone(w.offs), w.Size())
		at := rapid.IntRange(0, len(ends)-1).Draw(rt, "from")
		limit := rapid.IntRange(1, 50).Draw(rt, "limit")
		bytes := int64(rapid.IntRange(0, 200_000).Draw(rt, "bytes"))
		first := rapid.IntRange(0, 1).Draw(rt, "first")
		want, n := ends[at], 0
		for i := at - 1; i >= 0 && n < limit && (n < first || ends[at]-ends[i] <= bytes); i-- {
			want = ends[i]
			n++
		}
		begin, m, err := back(w, ends[at], limit, bytes, first)
		if begin != want || m != n || err != nil {
			rt.Fatalf("got %d over %d lines, %v; want %d over %d", begin, m, err, want, n)
		}
	})
}

func TestLastWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawFile(rt)
		b := make([]byte, w.Size())
		_, _ = w.ReadAt(b, 0)
		tail := rapid.SampledFrom([]string{"", "{", "x\ny\n", strings.Repeat("\x00", 9000), `{"seq":9`, strings.Repeat("\n", 300_000)}).Draw(rt, "tail")
		seq := int64(0)
		if len(w.seqs) > 0 {
			seq = w.seqs[len(w.seqs)-1]
		}
		f := bytes.NewReader(append(b, tail...))
		if got, end, err := lastWhole(f, f.Size()); got != seq || end != int64(len(b)) || err != nil {
			rt.Fatalf("got %d to %d, %v; want %d to %d", got, end, err, seq, len(b))
		}
	})
}
