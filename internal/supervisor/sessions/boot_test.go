package sessions

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
)

// TestNewBoot: a machine that lost power has lost what was not synced. Whoever had read it and says so gets all that
// came after, though the journal goes on from before it.
func TestNewBoot(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.boot = "first"
	w.start()
	id := uuid.NewString()
	w.prompt(id, "a [say 3]", "1")
	w.follow(id, 0).result()
	w.close(id)
	seen := w.all(id)
	last := seen[len(seen)-1].Seq
	w.stop()

	// The machine loses the last event.
	path := filepath.Join(w.cfg.JournalDir, id, "events.jsonl")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := len(raw) - 1
	for end > 0 && raw[end-1] != '\n' {
		end--
	}
	if err := os.Truncate(path, int64(end)); err != nil {
		t.Fatal(err)
	}

	w.boot = "second"
	w.start()
	f := w.follow(id, last) // what it has seen is not there any more
	w.prompt(id, "b [say 1]", "2")
	if got := f.until("the next prompt", func(e event) bool { return e.ID == "2" }); got.Seq <= last {
		t.Errorf("the prompt has number %d, which its reader has seen (up to %d)", got.Seq, last)
	}
	f.result()
	w.close(id)
	between := w.all(id)
	w.stop()

	// The same machine again: nothing is skipped.
	w.start()
	w.prompt(id, "c [say 1]", "3")
	f = w.follow(id, between[len(between)-1].Seq)
	if got := f.until("the first event", func(event) bool { return true }); got.Seq != between[len(between)-1].Seq+1 {
		t.Errorf("the next event has number %d after %d", got.Seq, between[len(between)-1].Seq)
	}
	f.result()
}
