package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// watchedDisk tells of every step that changes something, and may have it fail.
type watchedDisk struct {
	disk
	step func(name string) error
}

type watchedFile struct {
	file
	step func(name string) error
}

func (d watchedDisk) Create(path string, fresh bool) (file, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	f, err := d.disk.Create(path, fresh)
	return watchedFile{f, d.step}, err
}

func (d watchedDisk) Rename(from, to string) error {
	if err := d.step("rename"); err != nil {
		return err
	}
	return d.disk.Rename(from, to)
}

func (d watchedDisk) SyncDir(path string) error {
	if err := d.step("sync folder"); err != nil {
		return err
	}
	return d.disk.SyncDir(path)
}

func (f watchedFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.step("write"); err != nil {
		n, _ := f.file.WriteAt(p[:len(p)/2], off) // a full disk takes a part
		return n, err
	}
	return f.file.WriteAt(p, off)
}

func (f watchedFile) Truncate(size int64) error {
	if err := f.step("truncate"); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func (f watchedFile) Sync() error {
	if err := f.step("sync"); err != nil {
		return err
	}
	return f.file.Sync()
}

const crashEvents = 900

// crashEvent is larger than a reader's buffer now and then, so that a compaction has many steps.
func crashEvent(seq int64) string { return fmt.Sprintf(`{"n":"%0*d"}`, 200+int(seq%7)*100, seq) }

// wanted checks a journal of crashEvent: all events, but for the dropped of those up to a number, which may be there.
func wanted(j *Journal, last, until int64) error {
	seqs, data, err := drain(j, 0, last+1)
	if err != nil {
		return err
	}
	if j.Last() < last {
		return fmt.Errorf("the last is %d, want %d", j.Last(), last)
	}
	if !slices.IsSorted(seqs) {
		return fmt.Errorf("not in order: %v", seqs)
	}
	for seq := int64(1); seq <= last; seq++ {
		if got, ok := data[seq]; ok && got != crashEvent(seq) {
			return fmt.Errorf("event %d is %s", seq, got)
		} else if !ok && (seq >= until || seq%3 == 0) {
			return fmt.Errorf("event %d is lost", seq)
		}
	}
	return nil
}

func dropTwoOfThree(seq int64) bool { return seq%3 != 0 }

func fill(t testing.TB, path string) *Journal {
	t.Helper()
	j := open(t, path)
	for seq := int64(1); seq <= crashEvents; seq++ {
		add(t, j, crashEvent(seq))
	}
	if err := j.Compact(context.Background(), 100, dropTwoOfThree); err != nil { // so that there is a past
		t.Fatal(err)
	}
	return j
}

// copyTo copies a journal's files as they are at this moment: what a kill would leave.
func copyTo(t *testing.T, path, dir string) {
	t.Helper()
	for _, s := range []string{"", pastSuffix, newSuffix} {
		b, err := os.ReadFile(path + s)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "j")+s, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryStepOfCompact: before every single step, what is on disk opens as the whole journal, old or new, also when
// the end of what was being written is torn or zeros; and each step may fail, and nothing has changed.
func TestEveryStepOfCompact(t *testing.T) {
	const until = crashEvents - 50
	var names []string
	crash := func(failing int) (steps int) {
		path := filepath.Join(t.TempDir(), "j")
		j := fill(t, path)
		full := errors.New("no space")
		j.disk = watchedDisk{realDisk{}, func(string) error { return nil }}
		step := func(name string) error {
			if failing < 0 {
				names = append(names, name)
				for _, harm := range []string{"", "torn", "zeros"} {
					dir := t.TempDir()
					copyTo(t, path, dir)
					harmPast(t, filepath.Join(dir, "j"), j, harm)
					again := open(t, filepath.Join(dir, "j"))
					if err := wanted(again, crashEvents, until); err != nil {
						t.Fatalf("killed before step %d, %s %s: %v", steps, name, harm, err)
					}
					if err := again.Compact(context.Background(), until, dropTwoOfThree); err != nil {
						t.Fatal(err)
					}
					if err := wanted(again, crashEvents, until); err != nil {
						t.Fatalf("killed before step %d, %s %s, and compacted again: %v", steps, name, harm, err)
					}
					if _, err := os.Stat(filepath.Join(dir, "j") + damagedSuffix); err == nil {
						t.Errorf("step %d, %s: taken for damage", steps, name)
					}
					_ = again.Close()
				}
			}
			steps++
			if steps-1 == failing {
				return full
			}
			return nil
		}
		j.disk = watchedDisk{realDisk{}, step}
		j.past.file = watchedFile{j.past.file, step}
		err := j.Compact(context.Background(), until, dropTwoOfThree)
		if failing < 0 && err != nil || failing >= 0 && failing < steps && !errors.Is(err, full) {
			t.Fatalf("step %d fails: got %v", failing, err)
		}
		for range 2 { // now, and opened again
			if err := wanted(j, crashEvents, until); err != nil {
				t.Fatalf("step %d failed: %v", failing, err)
			}
			_ = j.Close()
			j = open(t, path)
		}
		if err := j.Compact(context.Background(), until, dropTwoOfThree); err != nil {
			t.Fatal(err)
		}
		if moved, _ := j.Moved(); moved != until {
			t.Errorf("after another try %d is moved, want %d", moved, until)
		}
		return steps
	}
	steps := crash(-1)
	t.Log(names)
	if steps < 10 {
		t.Fatalf("only %d steps were seen", steps)
	}
	for failing := range steps {
		crash(failing)
	}
}

// harmPast does to the not yet synced end of the past what a power loss may do.
func harmPast(t *testing.T, path string, j *Journal, harm string) {
	t.Helper()
	b, err := os.ReadFile(path + pastSuffix)
	if err != nil {
		t.Fatal(err)
	}
	if harm == "" || j.era > 1 {
		return // the new tail has the name: the past is synced
	}
	safe := int(j.past.size)
	switch {
	case len(b) == safe:
		return
	case harm == "torn":
		b = b[:safe+(len(b)-safe)/2]
	case harm == "zeros":
		clear(b[safe+(len(b)-safe)/3 : safe+(len(b)-safe)/2])
	}
	if err := os.WriteFile(path+pastSuffix, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// crashEnv tells this test binary to append and compact until it is killed.
const crashEnv = "CARREL_TEST_JOURNAL"

// crashChild writes down, by a second file, what it knows to be appended.
func crashChild(path string) {
	j, err := Open(path)
	if err != nil {
		panic(err)
	}
	acks, err := os.OpenFile(path+".acks", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			moved, _ := j.Moved()
			if err := j.Compact(context.Background(), max(moved, j.Last()-20), dropTwoOfThree); err != nil {
				panic(err)
			}
		}
	}()
	for {
		seq, err := j.Append([]byte(crashEvent(j.Last() + 1)))
		if err != nil {
			panic(err)
		}
		if _, err := fmt.Fprintf(acks, "%d\n", seq); err != nil {
			panic(err)
		}
	}
}

// TestKilledWhileCompacting kills a process that appends and compacts, at random moments, again and again: what it had
// appended is there, and its successor goes on.
func TestKilledWhileCompacting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	if err := os.WriteFile(path+".acks", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	unfinished, moved := 0, int64(0)
	for round := range rounds {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashEnv+"="+path)
		var stderr strings.Builder
		child.Stderr = &stderr
		before := acked(t, path)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(20 * time.Second)
		for acked(t, path) == before && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond) // until it works
		}
		time.Sleep(rand.N(30 * time.Millisecond)) // the moment is meant to be any
		_ = child.Process.Kill()
		_ = child.Wait()
		if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			t.Fatalf("it ended by itself: %v\n%s", child.ProcessState, stderr.String())
		}
		if _, err := os.Stat(path + newSuffix); err == nil {
			unfinished++
		}
		last := acked(t, path)
		j := open(t, path)
		moved, _ = j.Moved()
		if last <= before {
			t.Fatalf("round %d: nothing was appended; the last is %d", round, last)
		}
		if err := wanted(j, last, j.Last()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		_ = j.Close()
	}
	if moved == 0 {
		t.Error("nothing was ever compacted")
	}
	if _, err := os.Stat(path + damagedSuffix); err == nil {
		t.Error("a kill was taken for damage")
	}
	t.Logf("%d events, killed %d times, %d of them with the next tail half made", acked(t, path), rounds, unfinished)
}

// acked is the last number that a child has written down whole.
func acked(t *testing.T, path string) int64 {
	t.Helper()
	b, err := os.ReadFile(path + ".acks")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 2 {
		return 0
	}
	n, err := strconv.ParseInt(lines[len(lines)-2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
