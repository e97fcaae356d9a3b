package meter

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/gateway"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// fakeGateway keeps records as the real one does. It is what is outside, so
// that its faults can be chosen; TestWithRealGateway has the real one.
type fakeGateway struct {
	mu      sync.Mutex
	spool   string
	next    int64
	records []gateway.Record // those not acknowledged
	arrived chan struct{}
	lost    bool // acknowledgements do not arrive
	hasty   bool // does not wait for a record
	limits  chan []gateway.Limit
}

func newFake() *fakeGateway {
	return &fakeGateway{spool: "s1", next: 1, arrived: make(chan struct{}, 1), limits: make(chan []gateway.Limit, 100)}
}

func (f *fakeGateway) append(r gateway.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Seq = f.next
	f.next++
	f.records = append(f.records, r)
	select {
	case f.arrived <- struct{}{}:
	default:
	}
}

func (f *fakeGateway) Status(context.Context) (*gateway.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &gateway.Status{Spool: f.spool}, nil
}

func (f *fakeGateway) Records(ctx context.Context, r gateway.RecordsRequest) (*gateway.RecordsResponse, error) {
	for {
		f.mu.Lock()
		res := &gateway.RecordsResponse{Spool: f.spool}
		for _, have := range f.records {
			if r.Spool != f.spool || have.Seq > r.After {
				res.Records = append(res.Records, have)
			}
		}
		f.mu.Unlock()
		if len(res.Records) > 0 || r.WaitS == 0 || f.hasty {
			return res, nil
		}
		select {
		case <-f.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *fakeGateway) Ack(_ context.Context, spool string, seq int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost || spool != f.spool {
		return errors.New("lost")
	}
	for len(f.records) > 0 && f.records[0].Seq <= seq {
		f.records = f.records[1:]
	}
	return nil
}

func (f *fakeGateway) SetLimits(_ context.Context, limits []gateway.Limit) error {
	select {
	case f.limits <- limits:
	default:
	}
	return nil
}

type quotas map[int64]quota.Quota

func (q quotas) Quotas(context.Context) (map[int64]quota.Quota, error) { return q, nil }

func open(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "carrel.db"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func p(n int64) *int64 { return &n }

// Whoever dies between storing and acknowledging, and if two servers pull at
// once: the sums are the records, each once.
func TestEachRecordCountsOnce(t *testing.T) {
	db := open(t)
	var userID int64 // a new one for each run: the store is shared
	spools := 0
	rapid.Check(t, func(rt *rapid.T) {
		userID++
		spools++
		f := newFake()
		f.hasty = true
		f.spool = "once-" + string(rune('a'+spools%26)) + time.Now().Format("150405.000000000")
		meters := []*Meter{New(db.Bun(), f, quotas{}, quiet), New(db.Bun(), f, quotas{}, quiet)}
		known := []string{"", f.spool}
		var want gateway.Tokens
		var requests int64
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"record", "record", "pull", "lose", "find", "restart", "newspool"}).Draw(rt, "step") {
			case "record":
				tokens := gateway.Tokens{Input: rapid.Int64Range(0, 9).Draw(rt, "in"), Output: 1, CacheRead: 2, CacheCreation: 3}
				f.append(gateway.Record{UserID: userID, At: time.Now(), Model: "m", Status: 200, Tokens: tokens})
				want = want.Plus(tokens)
				requests++
			case "pull":
				m := meters[rapid.IntRange(0, 1).Draw(rt, "meter")]
				spool := rapid.SampledFrom(known).Draw(rt, "knows")
				if _, err := m.pullOnce(t.Context(), spool); err != nil && !f.lost {
					rt.Fatal(err)
				}
			case "lose":
				f.lost = true
			case "find":
				f.lost = false
			case "restart":
				meters[0] = New(db.Bun(), f, quotas{}, quiet)
			case "newspool":
				if len(f.records) == 0 { // the gateway's folder was lost after all was read
					f.spool, f.next = f.spool+"x", 1
					known = append(known, f.spool)
				}
			}
		}
		f.lost = false
		for len(f.records) > 0 {
			if _, err := meters[0].pullOnce(t.Context(), ""); err != nil {
				rt.Fatal(err)
			}
		}
		got, err := meters[0].Usage(t.Context(), userID)
		if err != nil || got.Today.Tokens != want || got.Month.Requests != requests {
			rt.Fatalf("got %+v, %v; want %+v of %d requests", got, err, want, requests)
		}
	})
}

func TestUsage(t *testing.T) {
	f := newFake()
	m := New(open(t).Bun(), f, quotas{}, quiet)
	m.now = func() time.Time { return time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC) }
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	one := gateway.Tokens{Input: 1, Output: 2, CacheCreation: 3, CacheRead: 4}
	add := func(user int64, when, model, session string, status int, tokens gateway.Tokens) {
		f.append(gateway.Record{UserID: user, At: at(when), Model: model, SessionID: session, Status: status, Tokens: tokens})
	}
	add(7, "2026-10-31T23:59:59Z", "a", "s1", 200, one) // last month
	add(7, "2026-11-01T00:00:00Z", "a", "s1", 200, one)
	add(7, "2026-11-23T23:59:59Z", "b", "s1", 200, one)
	add(7, "2026-11-24T01:00:00+02:00", "b", "s2", 200, one) // still the 23rd in UTC
	add(7, "2026-11-24T00:00:00Z", "a", "s1", 200, one)
	add(7, "2026-11-24T09:00:00Z", "made-up-1", "x1", 429, gateway.Tokens{})
	add(7, "2026-11-24T09:00:00Z", "made-up-2", "x2", 499, gateway.Tokens{})
	add(8, "2026-11-24T00:00:00Z", "a", "s1", 200, one)
	if _, err := m.pullOnce(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	u, err := m.Usage(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if u.Today.Tokens != one || u.Today.Total != 10 || u.Today.Requests != 3 || u.Today.Failures != 2 || len(u.Today.ByModel) != 1 || u.Today.ByModel["a"] != one {
		t.Errorf("today: %+v", u.Today)
	}
	if u.Month.Total != 40 || u.Month.ByModel["a"].Total() != 20 || u.Month.ByModel["b"].Total() != 20 || len(u.Month.ByModel) != 2 {
		t.Errorf("month: %+v", u.Month)
	}
	if s, err := m.SessionTokens(t.Context(), 7, "s1"); err != nil || s["a"].Total() != 30 || s["b"].Total() != 10 {
		t.Errorf("session: %+v, %v", s, err)
	}
	if s, err := m.SessionTokens(t.Context(), 8, "s2"); err != nil || len(s) != 0 {
		t.Errorf("another's session: %+v, %v", s, err)
	}
	if u, err := m.Usage(t.Context(), 99); err != nil || u.Month.Total != 0 {
		t.Errorf("nobody: %+v, %v", u, err)
	}
	if all, err := m.Totals(t.Context()); err != nil || !maps.Equal(all, map[int64]Total{7: {Today: 10, Month: 40}, 8: {Today: 10, Month: 10}}) {
		t.Errorf("each: %+v, %v", all, err)
	}
}

func TestLeases(t *testing.T) {
	f := newFake()
	m := New(open(t).Bun(), f, quotas{1: {}, 2: {TokensPerDay: p(100)}, 3: {TokensPerDay: p(100), TokensPerMonth: p(50)}, 4: {TokensPerDay: p(0)}, 5: {TokensPerDay: p(5), TokensPerMonth: p(5)}}, quiet)
	now := time.Date(2026, 12, 31, 10, 0, 0, 0, time.UTC)
	m.now = func() time.Time { return now }
	for user := range int64(6) {
		f.append(gateway.Record{UserID: user, At: now, Status: 200, Model: "m", Tokens: gateway.Tokens{Output: 30}})
		f.append(gateway.Record{UserID: user, At: now.AddDate(0, 0, -1), Status: 200, Model: "m", Tokens: gateway.Tokens{Input: 15}})
	}
	if _, err := m.pullOnce(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := m.PushLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[int64]gateway.Limit{}
	for _, l := range <-f.limits {
		got[l.UserID] = l
		if l.Spool != "s1" || l.AsOfSeq != 12 || !l.ExpiresAt.After(now) {
			t.Errorf("lease %+v", l)
		}
	}
	if len(got) != 5 || got[1].RemainingTokens != nil {
		t.Errorf("leases %+v", got)
	}
	newYear := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for user, want := range map[int64]struct {
		left   int64
		budget string
	}{2: {70, "day"}, 3: {5, "month"}, 4: {0, "day"}, 5: {0, "month"}} {
		l := got[user]
		if l.RemainingTokens == nil || *l.RemainingTokens != want.left || l.Budget != want.budget || !l.ResetsAt.Equal(newYear) {
			t.Errorf("user %d: %+v; want %+v", user, l, want)
		}
	}
}

func TestStartStop(t *testing.T) {
	db := open(t)
	m := New(db.Bun(), newFake(), quotas{}, quiet)
	m.Stop()
	m.Stop()
	if err := m.Start(t.Context()); err == nil {
		t.Error("started after Stop")
	}
	for range 20 {
		m := New(db.Bun(), newFake(), quotas{}, quiet)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _ = m.Start(t.Context()) })
			wg.Go(m.Stop)
		}
		wg.Wait()
		m.Stop()
	}
}

// slowGateway counts how many set its limits at one time.
type slowGateway struct {
	*fakeGateway
	now, most atomic.Int32
}

func (g *slowGateway) SetLimits(ctx context.Context, limits []gateway.Limit) error {
	n := g.now.Add(1)
	defer g.now.Add(-1)
	g.most.Store(max(g.most.Load(), n))
	time.Sleep(20 * time.Millisecond)
	return g.fakeGateway.SetLimits(ctx, limits)
}

func TestOlderLeasesDoNotOvertake(t *testing.T) {
	g := &slowGateway{fakeGateway: newFake()}
	m := New(open(t).Bun(), g, quotas{7: {TokensPerDay: p(150)}}, quiet)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := m.PushLeases(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most := g.most.Load(); most != 1 {
		t.Fatalf("%d pushed leases at one time", most)
	}
}

// The real gateway with the meter: a prompt's tokens reach the store, and a
// budget that they use up ends the next.
func TestWithRealGateway(t *testing.T) {
	dir := t.TempDir()
	o := gateway.Options{RunDir: dir, DataDir: dir, Settings: filepath.Join(dir, "gateway.json"), ServerUID: os.Getuid(), Grace: time.Millisecond,
		Scripted: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"model":"scripted","usage":{"input_tokens":60,"output_tokens":40}}`))
		})}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Main(ctx, o, quiet) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	client := gateway.NewClient(dir)
	defer client.Close()
	m := New(open(t).Bun(), client, quotas{7: {TokensPerDay: p(150)}}, quiet)
	if err := m.Start(t.Context()); err != nil { // perhaps before the gateway listens
		t.Fatal(err)
	}
	defer m.Stop()

	deadline := time.Now().Add(20 * time.Second)
	until := func(what string, done func() bool) {
		t.Helper()
		for !done() {
			if time.Now().After(deadline) {
				t.Fatalf("not seen: %s", what)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	var keeper *gateway.Handoff
	until("a gateway", func() (ok bool) {
		var err error
		keeper, err = gateway.DialHandoff(t.Context(), filepath.Join(dir, gateway.HandoffSocket))
		return err == nil
	})
	defer func() { _ = keeper.Close() }()
	path := filepath.Join(dir, "m.sock")
	if err := keeper.Add(t.Context(), "i-abcdefghijkl", 7, listening(t, path), listening(t, filepath.Join(dir, "e.sock"))); err != nil {
		t.Fatal(err)
	}
	if err := m.PushLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func() int {
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}}
		defer tr.CloseIdleConnections()
		res, err := (&http.Client{Transport: tr}).Post("http://carrel/v1/messages", "application/json", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	for i := range int64(2) {
		if got := ask(); got != http.StatusOK {
			t.Fatalf("request %d: got %d", i, got)
		}
		until("the tokens in the store", func() bool {
			u, err := m.Usage(t.Context(), 7)
			return err == nil && u.Today.Total == 100*(i+1) && u.Today.ByModel["scripted"].Output == 40*(i+1)
		})
	}
	if got := ask(); got != http.StatusTooManyRequests {
		t.Fatalf("got %d over the budget", got)
	}
}

func listening(t testing.TB, path string) *os.File {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
