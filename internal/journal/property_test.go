package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// TestCrashAtAnyByte: wherever the file ends, what opens again is every event that was whole, and writing goes on
// with the next number.
func TestCrashAtAnyByte(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, fmt.Sprint(rapid.Uint64().Draw(rt, "name")))
		defer os.Remove(path)
		defer os.Remove(path + ".damaged")
		var want []string
		for range rapid.IntRange(1, 3).Draw(rt, "lives") {
			j, err := Open(path)
			if err != nil {
				rt.Fatal(err)
			}
			if got := rest(t, j, 0); fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("got %v, want %v", got, want)
			}
			floor := j.tail.size // what earlier lives wrote stays
			var ends []int64     // of each event, in bytes
			for range want {
				ends = append(ends, 0)
			}
			for range rapid.IntRange(0, 8).Draw(rt, "events") {
				data := fmt.Sprintf(`{"x":%q}`, rapid.StringN(0, 300, -1).Draw(rt, "text"))
				seq, err := j.Append([]byte(data))
				if err != nil {
					continue // %q is not always JSON
				}
				want = append(want, data)
				if seq != int64(len(want)) {
					rt.Fatalf("got number %d, want %d", seq, len(want))
				}
				ends = append(ends, j.tail.size)
			}
			_ = j.Close()
			info, err := os.Stat(path)
			if err != nil {
				rt.Fatal(err)
			}
			cut := rapid.Int64Range(floor, info.Size()).Draw(rt, "cut")
			if err := os.Truncate(path, cut); err != nil {
				rt.Fatal(err)
			}
			for len(want) > 0 && ends[len(want)-1] > cut {
				want = want[:len(want)-1]
			}
		}
	})
}

// fullDisk is a file whose disk has room for so many bytes more.
type fullDisk struct {
	file
	room       int
	noTruncate bool
}

func (f *fullDisk) WriteAt(p []byte, off int64) (int, error) {
	if len(p) <= f.room {
		f.room -= len(p)
		return f.file.WriteAt(p, off)
	}
	n, _ := f.file.WriteAt(p[:f.room], off)
	f.room = 0
	return n, syscall.ENOSPC
}

func (f *fullDisk) Truncate(size int64) error {
	if f.noTruncate {
		return syscall.EIO
	}
	return f.file.Truncate(size)
}

// TestFullDisk: an Append that failed has changed nothing, for readers, for the numbers, and on disk.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, fmt.Sprint(rapid.Uint64().Draw(rt, "name")))
		defer os.Remove(path)
		j, err := Open(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer j.Close()
		disk := &fullDisk{file: j.tail.file}
		j.tail.file = disk
		var want []string
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			disk.room = rapid.IntRange(0, 200).Draw(rt, "room")
			disk.noTruncate = rapid.Bool().Draw(rt, "no truncate")
			data := fmt.Sprintf(`{"n":"%0*d"}`, rapid.IntRange(1, 150).Draw(rt, "length"), len(want))
			if seq, err := j.Append([]byte(data)); err == nil {
				want = append(want, data)
				if seq != int64(len(want)) {
					rt.Fatalf("got number %d, want %d", seq, len(want))
				}
			}
			if got := rest(t, j, 0); fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("got %v, want %v", got, want)
			}
			// A crash now must not bring anything back, either.
			b, err := os.ReadFile(path)
			if err != nil {
				rt.Fatal(err)
			}
			if !disk.noTruncate && int64(len(b)) != j.tail.size {
				rt.Fatalf("%d bytes on disk, %d count", len(b), j.tail.size)
			}
			if bytes.Count(b, []byte("\n")) > len(want) {
				rt.Fatalf("a whole line too many: %s", b)
			}
		}
	})
}

// FuzzOpen: whatever lies in the two files, a journal opens, is the same when it is opened again, keeps what it cuts
// unless that is one torn line or is elsewhere, and goes on.
func FuzzOpen(f *testing.F) {
	line := func(seqs ...int64) (b []byte) {
		for _, seq := range seqs {
			b = format(b, Event{Seq: seq, Data: []byte(`{"a":1}`)})
		}
		return b
	}
	f.Add(line(1), []byte(nil))
	f.Add(line(1, 2), []byte(nil))
	f.Add(line(5, 6), line(1, 4))
	f.Add(line(5, 6, 7), line(1, 4, 6))
	f.Add(line(3, 4), line(1, 2, 3, 9))
	f.Add(line(1), line(1, 2, 3))
	f.Add([]byte(nil), append(line(1, 4), "{"...))
	f.Add([]byte(`{"seq":01,"at":"2026-11-24T15:04:05.000000Z","event":{}}`+"\n"), []byte("\x00\n\n{}"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, tail, past []byte) {
		path := filepath.Join(dir, "j")
		_ = os.Remove(path + damagedSuffix)
		if err := errors.Join(os.WriteFile(path, tail, 0o600), os.WriteFile(path+pastSuffix, past, 0o600)); err != nil {
			t.Fatal(err)
		}
		j, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		n := j.Last()
		first, firstData := readAny(t, j)
		_ = j.Close()
		if cut, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(tail, cut) {
			t.Fatalf("what was kept is not the beginning: %q, %v", cut, err)
		}
		if cut, err := os.ReadFile(path + pastSuffix); err != nil || !bytes.HasPrefix(past, cut) {
			t.Fatalf("what was kept is not the beginning: %q, %v", cut, err)
		}
		if last, err := Last(path); last != n || err != nil {
			t.Errorf("Last: got %d, %v; want %d", last, err, n)
		}
		if j, err = Open(path); err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if again, data := readAny(t, j); !slices.Equal(again, first) || !maps.Equal(data, firstData) {
			t.Errorf("opened again it has %v, before %v", again, first)
		}
		if seq, err := j.Append([]byte(`{}`)); seq != n+1 || err != nil {
			t.Errorf("got number %d, %v; want %d", seq, err, n+1)
		}
		if err := j.Compact(context.Background(), n+1, func(int64) bool { return false }); err != nil {
			t.Error(err)
		}
		if after, err := j.Page(0, 1, 1); after != n || err != nil {
			t.Errorf("the last page is after %d, %v; want %d", after, err, n)
		}
	})
}

// readAny reads a journal whose past may have been damaged, where numbers may not rise.
func readAny(t *testing.T, j *Journal) (seqs []int64, data map[int64]string) {
	t.Helper()
	seqs, data, err := drain(j, 0, j.Last()+1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(seqs) {
		t.Fatalf("not in order: %v", seqs)
	}
	return seqs, data
}
