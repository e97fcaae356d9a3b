package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a runtime and a pool that write down what they are asked.
type host struct {
	all   []runtime.Snapshot
	stats []pool.Stats
	did   []string
	keep  runtime.Keep
	mu    sync.Mutex // of stats, which the test changes while the service runs
}

func (h *host) active() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats[0].LastActivityAt = time.Now()
}

func (h *host) Snapshots(context.Context, int64) ([]runtime.Snapshot, error) { return h.all, nil }
func (h *host) TakeSnapshot(_ context.Context, userID int64, kind string, keep runtime.Keep) (runtime.Snapshot, error) {
	h.did = append(h.did, fmt.Sprint("take ", kind, " of ", userID))
	h.keep = keep
	s := runtime.Snapshot{ID: fmt.Sprint("s", len(h.did)), Kind: kind, CreatedAt: time.Now()}
	h.all = slices.Insert(h.all, 0, s)
	h.all = h.all[:min(len(h.all), keep.Count)]
	return s, nil
}
func (h *host) RestoreSnapshot(_ context.Context, userID int64, id string) error {
	h.did = append(h.did, fmt.Sprint("restore ", id, " of ", userID))
	return nil
}
func (h *host) DeleteSnapshot(context.Context, int64, string) error { return nil }
func (h *host) All(context.Context) []pool.Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.stats)
}
func (h *host) Destroy(_ context.Context, userID int64) error {
	h.did = append(h.did, fmt.Sprint("destroy ", userID))
	return fault.New(fault.NotFound, "There is no instance.")
}

func service(h *host, keep int, interval time.Duration) *Service {
	return New(Options{Runtime: h, Pool: h, Keep: keep, Interval: interval, Log: slog.New(slog.DiscardHandler),
		Storage: func(context.Context, int64) (int64, error) { return 1000, nil }})
}

func TestRestoreKeepsWhatIsThere(t *testing.T) {
	h := &host{all: []runtime.Snapshot{{ID: "old"}}}
	s := service(h, 5, 0)
	if err := s.Restore(t.Context(), 3, "old"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"destroy 3", "take before_restore of 3", "restore old of 3"}; !slices.Equal(h.did, want) {
		t.Errorf("%q, want %q", h.did, want)
	}
	if h.keep != (runtime.Keep{Count: 5, Bytes: 2000, Spare: "old"}) {
		t.Errorf("%+v", h.keep)
	}
	h.did = nil
	if err := s.Restore(t.Context(), 3, "none"); !errors.Is(err, fault.NotFoundError) || len(h.did) > 0 {
		t.Errorf("one that is not there: %v, %q", err, h.did)
	}
}

func TestTakesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{stats: []pool.Stats{{UserID: 3, LastActivityAt: time.Now()}}}
		s := service(h, 24, time.Hour)
		s.Start(t.Context())
		time.Sleep(3 * time.Hour) // nothing happens after the first
		synctest.Wait()
		if len(h.did) != 1 {
			t.Errorf("of one who does nothing: %q", h.did)
		}
		h.active()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		h.active()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if len(h.did) != 2 {
			t.Errorf("of one who works again: %q", h.did)
		}
		s.Stop()
		off := service(&host{}, 24, 0)
		off.Start(t.Context())
		off.Stop()
	})
}
