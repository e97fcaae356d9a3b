package files

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

const transcriptPath = ".claude/projects/-home-ana-projects-demo/" + idA + ".jsonl"

// chain is a transcript of n prompts, one below the other.
func chain(from, n int, text string) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, `{"type":"user","uuid":"00000000-0000-4000-8000-%012d","parentUuid":"00000000-0000-4000-8000-%012d","message":{"role":"user","content":"%d %s"}}`+"\n", i, i-1, i, text)
	}
	return b.String()
}

func (b *bench) rows(from string) (protocol.Rows, []string) {
	b.t.Helper()
	r := b.do("GET", "/transcripts/"+idA+"/rows", url.Values{"from": {from}}, nil, nil)
	b.wantOK(r, 200, "rows")
	head, rest, _ := strings.Cut(r.body, "\n")
	var h protocol.Rows
	if err := json.Unmarshal([]byte(head), &h); err != nil {
		b.t.Fatalf("%q: %v", head, err)
	}
	rows := strings.Split(strings.TrimSuffix(rest, "\n"), "\n")
	if rest == "" {
		rows = nil
	}
	if len(rows) != h.Count {
		b.t.Errorf("%d rows follow, and %d were told", len(rows), h.Count)
	}
	return h, rows
}

func TestRows(t *testing.T) {
	b := setup(t)
	b.wantCode(b.do("GET", "/transcripts/"+idA+"/rows", nil, nil, nil), fault.NotFound, "no transcript")
	text := chain(1, 3, "x")
	b.write(b.home, transcriptPath, text+`{"type":"user","torn`)
	h, rows := b.rows("0")
	if h.Until != int64(len(text)) || len(rows) != 3 || rows[0]+"\n"+rows[1]+"\n"+rows[2]+"\n" != text {
		t.Fatalf("got %+v and %q", h, rows)
	}
	// What is new since, and nothing new.
	b.write(b.home, transcriptPath, text+"not json\n\x00\xff\n{}\n"+chain(4, 1, "x"))
	since := h.Until
	if h, rows = b.rows(fmt.Sprint(since)); h.From != since || len(rows) != 1 || !strings.Contains(rows[0], `"4 x"`) {
		t.Errorf("since %d: got %+v and %q", since, h, rows)
	}
	if h, rows = b.rows(fmt.Sprint(h.Until)); len(rows) != 0 || h.LeftOut != 0 {
		t.Errorf("nothing new: got %+v and %q", h, rows)
	}
	// Another file in its place is read from its beginning.
	for _, from := range []string{"7", "99999"} {
		if h, rows = b.rows(from); h.From != 0 || len(rows) != 4 {
			t.Errorf("from %s: got %+v and %d rows", from, h, len(rows))
		}
	}
	for _, from := range []string{"-1", "x"} {
		b.wantCode(b.do("GET", "/transcripts/"+idA+"/rows", url.Values{"from": {from}}, nil, nil), fault.Invalid, from)
	}
}

// What lies where a transcript should may be anything.
func TestRowsHostile(t *testing.T) {
	b := setup(t)
	path := filepath.Join(b.home, transcriptPath)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	b.write(b.outside, "secret", secret)
	for name, make := range map[string]func() error{
		"pipe":   func() error { return syscall.Mkfifo(path, 0o600) },
		"link":   func() error { return os.Symlink(filepath.Join(b.outside, "secret"), path) },
		"folder": func() error { return os.Mkdir(path, 0o755) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		b.wantCode(b.do("GET", "/transcripts/"+idA+"/rows", nil, nil, nil), fault.NotFound, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	// A hole of a terabyte after two rows, and a row without an end.
	b.write(b.home, transcriptPath, chain(1, 2, "x"))
	if err := os.Truncate(path, 1<<40); err == nil {
		if h, rows := b.rows("0"); len(rows) != 0 {
			t.Errorf("got %+v and %d rows", h, len(rows))
		}
	}
}

func TestRowsBounds(t *testing.T) {
	open := func(text string) (*os.File, int64) {
		path := filepath.Join(t.TempDir(), "t")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f, int64(len(text))
	}
	wide := bounds{read: 1 << 20, row: 1 << 20, rows: 1000, given: 1 << 20}
	row := len(chain(1, 1, "x"))
	for _, c := range []struct {
		name          string
		change        func(*bounds)
		rows, leftOut int
	}{
		{"none", func(*bounds) {}, 9, 0},
		{"read", func(b *bounds) { b.read = int64(4*row + row/2) }, 4, 0},
		{"given", func(b *bounds) { b.given = int64(3 * row) }, 3, 6},
		{"rows", func(b *bounds) { b.rows = 6 }, 6, 3},
	} {
		b := wide
		c.change(&b)
		f, size := open(chain(1, 9, "x"))
		got, err := scanRows(f, 0, size, b)
		if err != nil || len(got.rows) != c.rows || got.leftOut != c.leftOut || got.until != size {
			t.Errorf("%s: got %d rows, %d left out, until %d of %d, %v; want %d and %d", c.name, len(got.rows), got.leftOut, got.until, size, err, c.rows, c.leftOut)
		}
	}
	// A row that is too long is left out; those before it are not lost with it.
	f, size := open(chain(1, 1, "x") + chain(2, 1, strings.Repeat("y", 700_000)) + chain(3, 1, "x"))
	b := wide
	b.row = 1 << 10
	if got, err := scanRows(f, 0, size, b); err != nil || len(got.rows) != 2 || got.leftOut != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func BenchmarkRows(b *testing.B) {
	path := filepath.Join(b.TempDir(), "t")
	text := chain(1, 100_000, strings.Repeat("y", 800))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := scanRows(f, 0, int64(len(text)), rowBounds); err != nil {
			b.Fatal(err)
		}
	}
}
