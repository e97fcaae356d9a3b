package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a runtime and a pool that write down what they are asked.
type host struct {
	all   []runtime.Snapshot
	stats []pool.Stats
	did   []string
	keep  runtime.Keep
	fails error  // a restore
	lost  string // what no snapshot holds
	// taking is called while one is being taken; may be nil.
	taking func()
	mu     sync.Mutex // of stats, which the test changes while the service runs
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
	if h.taking != nil {
		h.taking()
	}
	s := runtime.Snapshot{ID: fmt.Sprint("s", len(h.did)), Kind: kind, CreatedAt: time.Now()}
	if h.lost != "" {
		s.Skipped, s.SkippedFirst = 1, h.lost
	}
	h.all = slices.Insert(h.all, 0, s)
	h.all = h.all[:min(len(h.all), keep.Count)]
	return s, nil
}
func (h *host) RestoreSnapshot(_ context.Context, userID int64, id string) error {
	h.did = append(h.did, fmt.Sprint("restore ", id, " of ", userID))
	return h.fails
}
func (h *host) DeleteSnapshot(_ context.Context, _ int64, id string) error {
	h.all = slices.DeleteFunc(h.all, func(s runtime.Snapshot) bool { return s.ID == id })
	return nil
}
func (h *host) All(context.Context) []pool.Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.stats)
}
func (h *host) Offline(ctx context.Context, userID int64, do func(context.Context) error) error {
	h.did = append(h.did, fmt.Sprint("offline ", userID))
	defer func() { h.did = append(h.did, "online") }()
	return do(ctx)
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
	if want := []string{"offline 3", "take before_restore of 3", "restore old of 3", "online"}; !slices.Equal(h.did, want) {
		t.Errorf("%q, want %q", h.did, want)
	}
	if h.keep != (runtime.Keep{Count: 6, Bytes: 2000, Spare: "old"}) {
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

func ids(all []runtime.Snapshot) (out []string) {
	for _, s := range all {
		out = append(out, s.ID)
	}
	return out
}

// A restore that does not come to be leaves the snapshots as they were, unless
// nobody knows whether it came to be.
func TestRestoreThatFails(t *testing.T) {
	old := []runtime.Snapshot{{ID: "new"}, {ID: "old"}}
	for _, c := range []struct {
		name  string
		fails error
		lost  string
		want  []string
		code  fault.Code
	}{
		{"refused", fault.New(fault.QuotaExceeded, "full"), "", []string{"new", "old"}, fault.QuotaExceeded},
		{"something would be lost", nil, `"home/x": permission denied`, []string{"new", "old"}, fault.Conflict},
		{"the keeper went away", fault.Wrap(rpc.ErrUnreachable, fault.RuntimeUnavailable, "away"), "", []string{"s2", "new", "old"}, fault.RuntimeUnavailable},
		{"cut short", context.Canceled, "", []string{"s2", "new", "old"}, fault.Internal},
	} {
		h := &host{all: slices.Clone(old), fails: c.fails, lost: c.lost}
		err := service(h, 2, 0).Restore(t.Context(), 3, "old")
		if fault.CodeOf(err) != c.code || !slices.Equal(ids(h.all), c.want) {
			t.Errorf("%s: %v, there are %q", c.name, err, ids(h.all))
		}
		if c.lost != "" && (!strings.Contains(err.Error(), c.lost) || slices.Contains(h.did, "restore old of 3")) {
			t.Errorf("%s: %v after %q", c.name, err, h.did)
		}
	}
}

func TestOneAtATime(t *testing.T) {
	h := &host{all: []runtime.Snapshot{{ID: "old"}}}
	s := service(h, 5, 0)
	h.taking = func() {
		h.taking = nil
		if err := s.Restore(t.Context(), 3, "old"); !errors.Is(err, fault.ConflictError) {
			t.Errorf("a restore meanwhile: %v", err)
		}
		if _, err := s.Take(t.Context(), 3); !errors.Is(err, fault.ConflictError) {
			t.Errorf("a snapshot meanwhile: %v", err)
		}
		if _, err := s.Take(t.Context(), 4); err != nil {
			t.Errorf("another's meanwhile: %v", err)
		}
	}
	if _, err := s.Take(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(h.did, "offline 3") {
		t.Errorf("what was refused ended the instance: %q", h.did)
	}
}

func TestNotWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{all: []runtime.Snapshot{{ID: "old"}}}
		s := service(h, 24, 0)
		for range askedBurst {
			if _, err := s.Take(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
		}
		did := len(h.did)
		_, err := s.Take(t.Context(), 3)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.RateLimited || f.RetryAfter <= 0 || f.RetryAfter > askedEvery {
			t.Fatalf("one too many: %v", err)
		}
		if err := s.Restore(t.Context(), 3, "old"); fault.CodeOf(err) != fault.RateLimited || len(h.did) != did {
			t.Fatalf("a restore: %v, %q", err, h.did)
		}
		if _, err := s.Take(t.Context(), 4); err != nil {
			t.Fatalf("another's: %v", err)
		}
		time.Sleep(f.RetryAfter)
		if _, err := s.Take(t.Context(), 3); err != nil {
			t.Fatalf("when it was said: %v", err)
		}
	})
}
