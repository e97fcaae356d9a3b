package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is what a journal must be: the events that stay, by number.
type model struct {
	events map[int64]string
	last   int64
	moved  int64
}

func (m *model) after(n, before int64) (seqs []int64) {
	for seq := range m.events {
		if seq > n && seq < before {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

// drain reads what is there after a number, with its numbers.
func drain(j *Journal, after, before int64) (seqs []int64, data map[int64]string, err error) {
	r, err := j.Read(after)
	if err != nil {
		return nil, nil, err
	}
	data = map[int64]string{}
	for next := after; next < j.Last() && next < before-1; {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		e, err := r.Next(ctx)
		cancel()
		if err != nil {
			return nil, nil, err
		}
		if next = e.Seq; e.Seq < before {
			seqs = append(seqs, e.Seq)
			data[e.Seq] = string(e.Data)
		}
	}
	return seqs, data, nil
}

func (m *model) check(rt *rapid.T, j *Journal) {
	if j.Last() != m.last {
		rt.Fatalf("the last is %d, want %d", j.Last(), m.last)
	}
	seqs, data, err := drain(j, 0, m.last+1)
	if err != nil {
		rt.Fatal(err)
	}
	if want := m.after(0, m.last+1); !slices.Equal(seqs, want) {
		rt.Fatalf("got events %v, want %v", seqs, want)
	}
	if !maps.Equal(data, m.events) {
		rt.Fatalf("got %v, want %v", data, m.events)
	}
}

// TestModel appends, compacts, reads, pages, closes and tears, and compares with the model. A reader that was begun
// before is still right after all that.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, fmt.Sprint(rapid.Uint64().Draw(rt, "name")))
		defer func() {
			for _, s := range []string{"", pastSuffix, newSuffix, damagedSuffix} {
				_ = os.Remove(path + s)
			}
		}()
		j, err := Open(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = j.Close() }()
		m := &model{events: map[int64]string{}}
		var reader *Reader // half-way
		var read int64
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(rt, "n") {
					data := fmt.Sprintf(`{"n":"%0*d"}`, rapid.SampledFrom([]int{1, 40, 400, 9000}).Draw(rt, "size"), m.last+1)
					seq, err := j.Append([]byte(data))
					if err != nil || seq != m.last+1 {
						rt.Fatalf("got %d, %v; want %d", seq, err, m.last+1)
					}
					m.last, m.events[seq] = seq, data
				}
			},
			"compact": func(rt *rapid.T) {
				until := int64(rapid.IntRange(0, int(m.last)+1).Draw(rt, "until"))
				odds := rapid.IntRange(0, 10).Draw(rt, "odds")
				gone := map[int64]bool{}
				for seq := m.moved + 1; seq < until; seq++ {
					if rapid.IntRange(0, 9).Draw(rt, "drop") < odds {
						gone[seq] = true
					}
				}
				err := j.Compact(context.Background(), until, func(seq int64) bool { return gone[seq] })
				switch {
				case until > m.last:
					if !errors.Is(err, ErrAhead) {
						rt.Fatalf("got %v, want ErrAhead", err)
					}
					return
				case err != nil:
					rt.Fatal(err)
				}
				m.moved = max(m.moved, until)
				for seq := range gone {
					delete(m.events, seq)
				}
			},
			"sync": func(rt *rapid.T) {
				if err := j.Sync(); err != nil {
					rt.Fatal(err)
				}
			},
			"after": func(rt *rapid.T) {
				after := int64(rapid.IntRange(0, int(m.last)).Draw(rt, "after"))
				seqs, _, err := drain(j, after, m.last+1)
				if want := m.after(after, m.last+1); err != nil || !slices.Equal(seqs, want) {
					rt.Fatalf("after %d: got %v, %v; want %v", after, seqs, err, want)
				}
			},
			"page": func(rt *rapid.T) {
				before := int64(rapid.IntRange(0, int(m.last)+2).Draw(rt, "before"))
				limit := rapid.IntRange(1, 30).Draw(rt, "limit")
				size := int64(rapid.SampledFrom([]int{1, 3000, 1 << 30}).Draw(rt, "bytes"))
				after, err := j.Page(before, limit, size)
				if err != nil {
					rt.Fatal(err)
				}
				if before == 0 {
					before = m.last + 1
				}
				want := m.after(0, before)
				want = want[max(0, len(want)-limit):]
				sum := int64(0)
				for i, seq := range slices.Backward(want) {
					sum += int64(len(format(nil, Event{Seq: seq, Data: []byte(m.events[seq])})))
					if sum > size && i < len(want)-1 {
						want = want[i+1:]
						break
					}
				}
				got, _, err := drain(j, after, before)
				if err != nil || !slices.Equal(got, want) {
					rt.Fatalf("%d before %d: got %v, %v; want %v", limit, before, got, err, want)
				}
			},
			"read on": func(rt *rapid.T) {
				if reader == nil {
					read = int64(rapid.IntRange(0, int(m.last)).Draw(rt, "from"))
					if reader, err = j.Read(read); err != nil {
						rt.Fatal(err)
					}
				}
				for range rapid.IntRange(0, 12).Draw(rt, "events") {
					if len(m.after(read, m.last+1)) == 0 {
						return
					}
					e, err := reader.Next(context.Background())
					if err != nil || e.Seq <= read {
						rt.Fatalf("after %d came %d, %v", read, e.Seq, err)
					}
					if got, want := m.after(read, e.Seq), []int64(nil); !slices.Equal(got, want) {
						rt.Fatalf("from %d to %d it left out %v", read, e.Seq, got)
					}
					if want, stays := m.events[e.Seq]; stays && want != string(e.Data) {
						rt.Fatalf("event %d is %s, want %s", e.Seq, e.Data, want)
					}
					read = e.Seq
				}
			},
			"reopen": func(rt *rapid.T) {
				if err := j.Close(); err != nil {
					rt.Fatal(err)
				}
				reader = nil
				if rapid.Bool().Draw(rt, "tear") {
					info, err := os.Stat(path)
					if err != nil {
						rt.Fatal(err)
					}
					cut := rapid.Int64Range(0, info.Size()).Draw(rt, "cut")
					if err := os.Truncate(path, cut); err != nil {
						rt.Fatal(err)
					}
					off := int64(0)
					for _, seq := range m.after(m.moved, m.last+1) {
						off += int64(len(format(nil, Event{Seq: seq, Data: []byte(m.events[seq])})))
						if off > cut {
							delete(m.events, seq)
						}
					}
					m.last = m.moved
					for seq := range m.events {
						m.last = max(m.last, seq)
					}
				}
				if j, err = Open(path); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) { m.check(rt, j) },
		})
	})
}

// TestReadersWhileCompacted: readers that follow, and such that come anew, get all that stays once and in order, with
// compactions under their hands.
func TestReadersWhileCompacted(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "j"))
	const events = 20_000
	stays := func(seq int64) bool { return seq%10 == 0 }
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error, 8)
	follow := func(begin int64) error {
		r, err := j.Read(begin)
		if err != nil {
			return err
		}
		for last := begin; last < events; {
			e, err := r.Next(ctx)
			if err != nil {
				return err
			}
			if want := fmt.Sprintf(`{"n":%d}`, e.Seq); string(e.Data) != want {
				return fmt.Errorf("event %d is %s", e.Seq, e.Data)
			}
			for seq := last + 1; seq < e.Seq; seq++ {
				if stays(seq) {
					return fmt.Errorf("from %d to %d", last, e.Seq)
				}
			}
			if e.Seq <= last {
				return fmt.Errorf("%d after %d", e.Seq, last)
			}
			last = e.Seq
		}
		return nil
	}
	for range 3 {
		go func() { done <- follow(0) }()
	}
	for begin := range int64(2) {
		go func() { // again and again from where it was
			for j.Last() < events {
				if _, _, err := drain(j, max(0, j.Last()-3000-begin), j.Last()+1); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	go func() {
		for moved := int64(0); moved < events; moved, _ = j.Moved() {
			if err := j.Compact(ctx, j.Last(), func(seq int64) bool { return !stays(seq) }); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for n := 1; n <= events; n++ {
		add(t, j, fmt.Sprintf(`{"n":%d}`, n))
	}
	for range 6 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
