package gateway

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var quiet = slog.New(slog.DiscardHandler)

func openTestSpool(t testing.TB, dir string) *spool {
	t.Helper()
	s, err := openSpool(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeSpool(t testing.TB, s *spool) {
	t.Helper()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

// all gives the numbers of the records that are not acknowledged.
func all(t testing.TB, s *spool) string {
	t.Helper()
	list, err := s.read(t.Context(), 0, 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range list {
		out = append(out, strconv.FormatInt(r.Seq, 10))
	}
	return strings.Join(out, " ")
}

// fillSpool is the child of TestKill: it appends and says each number once the
// record is written.
func fillSpool(dir string) {
	s, err := openSpool(dir, quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		fmt.Println(s.append(Record{UserID: 7, Tokens: Tokens{Input: 1}}).Seq)
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	var last int64
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "CARREL_TEST_SPOOL="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 200 && lines.Scan(); n++ {
			seq, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil || seq <= last {
				t.Fatalf("round %d: got %q after %d", round, lines.Text(), last)
			}
			last = seq
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s := openTestSpool(t, dir)
		list, err := s.read(t.Context(), 0, 1<<20, 0)
		if err != nil || int64(len(list)) < last {
			t.Fatalf("round %d: %d records, %v; want at least %d", round, len(list), err, last)
		}
		for i, r := range list {
			if r.Seq != int64(i+1) || r.Input != 1 {
				t.Fatalf("round %d: record %d is %+v", round, i, r)
			}
		}
		last = s.last()
		closeSpool(t, s)
	}
}

// Wherever the file is torn, the whole records before are there, and the next
// one has the number after them.
func TestTornAnywhere(t *testing.T) {
	dir := t.TempDir()
	s := openTestSpool(t, dir)
	head := s.size
	ends := []int64{head}
	for range 3 {
		s.append(Record{UserID: 7, Model: "m"})
		ends = append(ends, s.size)
	}
	closeSpool(t, s)
	whole, err := os.ReadFile(filepath.Join(dir, spoolFile))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, spoolFile), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := openTestSpool(t, dir)
		want := 0
		for want < 3 && ends[want+1] <= int64(cut) {
			want++
		}
		if got := s.append(Record{}); got.Seq != int64(want+1) {
			t.Fatalf("cut at %d: the next record is %d; want %d", cut, got.Seq, want+1)
		}
		closeSpool(t, s)
		again := openTestSpool(t, dir)
		if got := len(again.records); got != want+1 {
			t.Fatalf("cut at %d: %d records; want %d", cut, got, want+1)
		}
		closeSpool(t, again)
	}
	// A bit that flipped in the middle keeps what is before it, and what follows is set aside.
	whole[ends[1]+20] ^= 1
	if err := os.WriteFile(filepath.Join(dir, spoolFile), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openTestSpool(t, dir)
	defer closeSpool(t, s)
	if got := all(t, s); got != "1" {
		t.Fatalf("got records %s; want 1", got)
	}
	if b, err := os.ReadFile(filepath.Join(dir, spoolFile+".broken")); err != nil || len(b) != len(whole)-int(ends[1]) {
		t.Fatalf("%d bytes set aside, %v", len(b), err)
	}
}

func TestAck(t *testing.T) {
	dir := t.TempDir()
	s := openTestSpool(t, dir)
	id := s.id
	for range 5 {
		s.append(Record{UserID: 1})
	}
	for _, seq := range []int64{0, 2, 1, 3} {
		if err := s.ack(seq); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(t, s); got != "4 5" {
		t.Fatalf("got %s", got)
	}
	// A file that has grown is written anew, and the numbers go on.
	for s.size < compactAt {
		s.append(Record{UserID: 1, Model: strings.Repeat("m", maxModelBytes)})
	}
	last := s.last()
	if err := s.ack(last); err != nil {
		t.Fatal(err)
	}
	if s.size > 200 {
		t.Fatalf("%d bytes after all was acknowledged", s.size)
	}
	closeSpool(t, s)
	s = openTestSpool(t, dir)
	if s.id != id || s.append(Record{}).Seq != last+1 {
		t.Fatal("the numbering began anew")
	}
	if err := s.ack(last + 100); err != nil || all(t, s) != "" {
		t.Fatalf("got %v, %s", err, all(t, s))
	}
	closeSpool(t, s)
}

func TestReadWaits(t *testing.T) {
	s := openTestSpool(t, t.TempDir())
	defer closeSpool(t, s)
	got := make(chan []Record)
	go func() {
		list, _ := s.read(t.Context(), 0, 10, patience)
		got <- list
	}()
	s.append(Record{UserID: 3})
	if list := <-got; len(list) != 1 || list[0].UserID != 3 {
		t.Fatalf("got %+v", list)
	}
}

// A disk that fails loses nothing that the process still knows.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	s := openTestSpool(t, dir)
	s.append(Record{UserID: 1})
	_ = s.file.Close() // every write fails from here on
	s.append(Record{UserID: 2})
	if !s.broken {
		t.Fatal("the failure was not noticed")
	}
	s.append(Record{UserID: 3})
	closeSpool(t, s)
	s = openTestSpool(t, dir)
	defer closeSpool(t, s)
	if got := all(t, s); got != "1 2 3" {
		t.Fatalf("got %s", got)
	}
}

// Whatever the order of records, pulls and leases, a user has used exactly what
// the records since the lease's number say.
func TestLedgerCountsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "ledger")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		s, err := openSpool(dir, quiet)
		if err != nil {
			t.Fatal(err)
		}
		l, err := openLedger(dir, s, quiet)
		if err != nil {
			t.Fatal(err)
		}
		const budget = 1000
		var used, stored, storedUsed int64 // all there is; what the server has
		seqs := []int64{0}                 // used up to each record
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"record", "record", "pull", "lease", "restart"}).Draw(t, "step") {
			case "record":
				n := rapid.Int64Range(0, 100).Draw(t, "tokens")
				l.count(Record{UserID: 7, Tokens: Tokens{Output: n}})
				l.count(Record{UserID: 8, Tokens: Tokens{Output: 5}})
				used += n
				seqs = append(seqs, used, used)
			case "pull":
				stored = rapid.Int64Range(stored, s.last()).Draw(t, "stored")
				storedUsed = seqs[stored]
				if err := s.ack(rapid.Int64Range(0, stored).Draw(t, "acked")); err != nil {
					t.Fatal(err)
				}
			case "lease":
				left := budget - storedUsed
				if err := l.set([]Limit{{UserID: 7, RemainingTokens: &left, Spool: s.id, AsOfSeq: stored, ExpiresAt: time.Now().Add(time.Hour)}}); err != nil {
					t.Fatal(err)
				}
			case "restart":
				if err := s.close(); err != nil {
					t.Fatal(err)
				}
				if s, err = openSpool(dir, quiet); err != nil {
					t.Fatal(err)
				}
				if l, err = openLedger(dir, s, quiet); err != nil {
					t.Fatal(err)
				}
			}
			l.mu.Lock()
			have := l.leases[7]
			l.mu.Unlock()
			if have == nil || have.Spool == "" {
				continue
			}
			if refused := l.check(7, time.Now()) != nil; refused != (used >= budget) {
				t.Fatalf("used %d of %d and refused is %v: %+v", used, budget, refused, have)
			}
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	})
}
