package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		crashChild(path)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string) *Journal {
	t.Helper()
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func add(t testing.TB, j *Journal, data string) int64 {
	t.Helper()
	seq, err := j.Append([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// rest reads what is there after a number.
func rest(t testing.TB, j *Journal, after int64) (out []string) {
	t.Helper()
	r, err := j.Read(after)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for seq := after + 1; seq <= j.Last(); seq++ {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq != seq {
			t.Fatalf("got event %d, want %d", e.Seq, seq)
		}
		out = append(out, string(e.Data))
	}
	return out
}

func TestAppendReadReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	before := time.Now().Add(-time.Second)
	for i, data := range []string{`{"a":1}`, `{}`, `{"b":"` + strings.Repeat("x", 200<<10) + `"}`, "{\"c\":\"\u2028\\n\"}"} {
		if seq := add(t, j, data); seq != int64(i+1) {
			t.Fatalf("got number %d, want %d", seq, i+1)
		}
	}
	want := rest(t, j, 0)
	if got := rest(t, j, 2); len(got) != 2 || got[0] != want[2] {
		t.Errorf("after 2 came %d events", len(got))
	}
	if got := rest(t, j, 4); len(got) != 0 {
		t.Errorf("after the last came %v", got)
	}
	for _, after := range []int64{-1, 5} {
		if _, err := j.Read(after); !errors.Is(err, ErrAhead) {
			t.Errorf("after %d: got %v, want ErrAhead", after, err)
		}
	}
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if n, err := Last(path); n != 4 || err != nil {
		t.Errorf("Last: got %d, %v", n, err)
	}
	// A process that is just being forked has a copy of the descriptor; the lock must not live on in it.
	child, err := syscall.Dup(int(j.tail.file.(realFile).Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path)
	r, err := again.Read(0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 4 {
		e, err := r.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if e.At.Before(before) || e.At.After(time.Now().Add(time.Second)) {
			t.Errorf("event %d is of %v", e.Seq, e.At)
		}
		got = append(got, string(e.Data))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("other events after opening it again")
	}
	if seq := add(t, again, `{}`); seq != 5 {
		t.Errorf("got number %d, want 5", seq)
	}
}

func TestAppendRefuses(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "j"))
	for _, data := range []string{"", "7", "null", `"x"`, "[]", "{", "{}\n", "{\n}", "{} {}", " {}", "{} ", "{}\r", `{"a":"` + strings.Repeat("x", MaxEventBytes) + `"}`} {
		if _, err := j.Append([]byte(data)); !errors.Is(err, ErrNotEvent) {
			t.Errorf("%.20q: got %v", data, err)
		}
	}
	if j.Last() != 0 {
		t.Errorf("got %d events", j.Last())
	}
}

func TestFollow(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "j"))
	const events, readers = 2000, 5
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var wg, all sync.WaitGroup // all: have got everything
	for i := range readers {
		all.Add(1)
		r, err := j.Read(0)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			got := sync.OnceFunc(all.Done)
			defer got()
			for seq := int64(1); seq <= events; seq++ {
				e, err := r.Next(ctx)
				if err != nil || e.Seq != seq || string(e.Data) != fmt.Sprintf(`{"n":%d}`, seq) {
					t.Errorf("reader %d at %d: got %d %s, %v", i, seq, e.Seq, e.Data, err)
					return
				}
			}
			got()
			if _, err := r.Next(ctx); !errors.Is(err, ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		})
	}
	for n := 1; n <= events; n++ {
		add(t, j, fmt.Sprintf(`{"n":%d}`, n))
		if n%500 == 0 {
			if err := j.Sync(); err != nil {
				t.Error(err)
			}
		}
	}
	all.Wait()
	late, err := j.Read(events)
	if err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithCancelCause(ctx)
	why := errors.New("enough")
	stop(why)
	if _, err := late.Next(short); !errors.Is(err, why) {
		t.Errorf("got %v, want the context's cause", err)
	}
	// Each waits at the end now, or is about to; closing ends that.
	_ = j.Close()
	wg.Wait()
	if _, err := j.Append([]byte(`{}`)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if _, err := j.Read(0); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

// TestDamage: what a crash of the machine may leave is cut, and kept aside if it is more than one torn line.
func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		tail string
		kept bool
	}{
		"torn line":           {`{"seq":3,"at":"2026`, false},
		"zeros":               {strings.Repeat("\x00", 5000), false},
		"zeros within a line": {`{"seq":3,"at":"2026-11-24T15:04:05.000000Z","event":{"a":"` + "\x00\x00" + `"}}` + "\n", true},
		"a gap":               {`{"seq":4,"at":"2026-11-24T15:04:05.000000Z","event":{}}` + "\n", true},
		"the same again":      {`{"seq":2,"at":"2026-11-24T15:04:05.000000Z","event":{}}` + "\n", true},
		"other lines":         {"hello\nworld\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j")
			j := open(t, path)
			add(t, j, `{"a":1}`)
			add(t, j, `{"a":2}`)
			_ = j.Close()
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(bytes.Clone(whole), c.tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			j = open(t, path)
			if got := fmt.Sprint(rest(t, j, 0)); got != `[{"a":1} {"a":2}]` {
				t.Errorf("got %s", got)
			}
			if got, _ := os.ReadFile(path); !bytes.Equal(got, whole) {
				t.Error("the tail was not cut")
			}
			got, err := os.ReadFile(path + ".damaged")
			if c.kept && string(got) != c.tail || !c.kept && !os.IsNotExist(err) {
				t.Errorf("kept aside: %q, %v", got, err)
			}
		})
	}
}

func TestLinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "j")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "j")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("got %v, want ELOOP", err)
	}
}

// TestLongLines: they are found as others are, and a reader does not keep their memory.
func TestLongLines(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "j"))
	data := `{"x":"` + strings.Repeat("y", 20<<10) + `"}`
	for range 200 {
		add(t, j, data)
	}
	for _, after := range []int64{0, 1, 99, 150, 199} {
		if got := rest(t, j, after); len(got) != int(200-after) {
			t.Errorf("after %d came %d", after, len(got))
		}
	}
	r, err := j.Read(0)
	if err != nil {
		t.Fatal(err)
	}
	add(t, j, `{"x":"`+strings.Repeat("y", 3<<20)+`"}`)
	add(t, j, data)
	for range 202 {
		if _, err := r.Next(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	add(t, j, data)
	if _, err := r.Next(context.Background()); err != nil {
		t.Fatal(err)
	}
	if cap(r.scan.buf) > 2*readBytes {
		t.Errorf("a reader keeps %d bytes after a long line", cap(r.scan.buf))
	}
}

func TestSkip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	j := open(t, path)
	for range 3 {
		add(t, j, `{"type":"a"}`)
	}
	if err := j.Skip(100); err != nil {
		t.Fatal(err)
	}
	if seq := add(t, j, `{"type":"b"}`); seq != 105 {
		t.Errorf("the event after the gap has number %d, want 105", seq)
	}
	check := func(j *Journal) {
		t.Helper()
		if j.Last() != 105 {
			t.Fatalf("last is %d, want 105", j.Last())
		}
		for after, want := range map[int64]int64{2: 3, 3: 104, 50: 104, 104: 105} {
			r, err := j.Read(after)
			if err != nil {
				t.Fatal(err)
			}
			if e, err := r.Next(t.Context()); err != nil || e.Seq != want {
				t.Errorf("after %d comes %d, %v, want %d", after, e.Seq, err, want)
			}
		}
		if after, err := j.Page(104, 2, 1<<20); err != nil || after != 1 {
			t.Errorf("the page before the gap begins after %d, %v, want 1", after, err)
		}
	}
	check(j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path)
	check(j)
	if err := j.Compact(t.Context(), j.Last(), func(int64) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if err := j.Skip(10); err != nil { // the first of a new tail
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if j = open(t, path); j.Last() != 116 {
		t.Errorf("last is %d, want 116", j.Last())
	}
	if names, err := filepath.Glob(path + damagedSuffix); err != nil || len(names) > 0 {
		t.Errorf("a gap was taken for damage: %v, %v", names, err)
	}
}
