package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carrel-dev/carrel/internal/runtime"
)

// fakeGateways stands for one gateway after the other: it is up or down, and
// each connection records what it was told.
type fakeGateways struct {
	mu       sync.Mutex
	up       bool
	starts   bool // launch brings it up
	now      *fakeHandoff
	all      []*fakeHandoff
	launched int
	refuse   map[string]error // by operation and id
	launch   error
}

func (g *fakeGateways) dial(ctx context.Context) (handoff, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.up {
		return nil, errors.New("nobody listens")
	}
	g.now = &fakeHandoff{gateways: g, done: make(chan struct{})}
	g.all = append(g.all, g.now)
	return g.now, nil
}

func (g *fakeGateways) start() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.launched++
	g.up = g.up || g.starts
	return g.launch
}

// set brings the gateway up, or kills it with its connection.
func (g *fakeGateways) set(up bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.up && !up && g.now != nil {
		g.now.die()
	}
	g.up = up
}

func (g *fakeGateways) told() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now == nil {
		return nil
	}
	return slices.Clone(g.now.orders)
}

func (g *fakeGateways) count() (connections, launched int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.all), g.launched
}

type fakeHandoff struct {
	gateways *fakeGateways
	done     chan struct{}
	dead     bool // guarded by gateways.mu, like the rest
	closed   bool
	orders   []string
}

func (h *fakeHandoff) die() {
	if !h.dead {
		h.dead = true
		close(h.done)
	}
}

func (h *fakeHandoff) order(ctx context.Context, op, id string, files ...*os.File) error {
	h.gateways.mu.Lock()
	defer h.gateways.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		return errors.New("an order without a deadline")
	}
	if h.dead || h.closed {
		return errors.New("gone")
	}
	for _, f := range files {
		if raw, err := f.SyscallConn(); err != nil || raw.Control(func(uintptr) {}) != nil {
			return os.ErrClosed
		}
	}
	if err := h.gateways.refuse[op+" "+id]; err != nil {
		return err
	}
	h.orders = append(h.orders, strings.TrimSpace(op+" "+id))
	return nil
}

func (h *fakeHandoff) Sync(ctx context.Context, ids []string) error {
	sort.Strings(ids)
	return h.order(ctx, "sync", strings.Join(ids, ","))
}

func (h *fakeHandoff) Add(ctx context.Context, id string, userID int64, gateway, egress *os.File) error {
	return h.order(ctx, "add", fmt.Sprintf("%s/%d/%s", id, userID, filepath.Base(gateway.Name())), gateway, egress)
}

func (h *fakeHandoff) Remove(ctx context.Context, id string) error {
	return h.order(ctx, "remove", id)
}
func (h *fakeHandoff) Done() <-chan struct{} { return h.done }
func (h *fakeHandoff) Close() error {
	h.gateways.mu.Lock()
	defer h.gateways.mu.Unlock()
	h.closed = true
	return nil
}

// bench runs sockets beside a fake gateway, in a bubble where time is not real.
type bench struct {
	*testing.T
	*fakeGateways
	s   *sockets
	dir string
}

func withSockets(t *testing.T, g *fakeGateways, f func(b *bench)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, fakeGateways: g, s: newSockets(g.dial, g.start, quiet), dir: dir}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); b.s.run(ctx) }()
		f(b)
		cancel()
		<-ended
		if len(b.s.open) != 0 {
			t.Errorf("%d instances' sockets are still held after the end", len(b.s.open))
		}
		for _, h := range g.all {
			if !h.closed {
				t.Error("a connection was left open")
			}
		}
	})
}

// attach makes the files of an instance; version tells one pair from the next.
func (b *bench) attach(id string, userID int64, version string) (gateway, egress *os.File) {
	b.Helper()
	var files [2]*os.File
	for i, name := range []string{version, "egress-" + version} {
		f, err := os.Create(filepath.Join(b.dir, name))
		if err != nil {
			b.Fatal(err)
		}
		files[i] = f
	}
	b.s.attach(runtime.Spec{ID: id, UserID: userID}, files[0], files[1])
	return files[0], files[1]
}

func (b *bench) settle() { time.Sleep(2 * time.Second); synctest.Wait() }

func (b *bench) want(what string, orders ...string) {
	b.Helper()
	got := b.told()
	// Additions have no order among each other.
	sort.Strings(got[min(1, len(got)):])
	sort.Strings(orders[min(1, len(orders)):])
	if !slices.Equal(got, orders) {
		b.Errorf("%s: the gateway was told %q; want %q", what, got, orders)
	}
}

func closed(f *os.File) bool { return errors.Is(f.Close(), os.ErrClosed) }

func TestANewGatewayIsToldEverything(t *testing.T) {
	withSockets(t, &fakeGateways{up: true}, func(b *bench) {
		b.attach("a", 1, "a1")
		b.attach("b", 2, "b1")
		b.settle()
		b.set(false)
		b.settle()
		// While it is away: one comes, one goes, one is made anew.
		b.s.detach("a")
		b.attach("c", 3, "c1")
		old, oldEgress := b.s.open["b"].gateway, b.s.open["b"].egress
		b.attach("b", 2, "b2")
		if !closed(old) || !closed(oldEgress) {
			b.Error("the sockets that were replaced are still open")
		}
		b.settle()
		b.set(true)
		b.settle()
		// Sync is the first, so that the gateway forgets a; nothing is told twice.
		b.want("after its return", "sync b,c", "add b/2/b2", "add c/3/c1")
	})
}

func TestChangesAreToldAsTheyCome(t *testing.T) {
	withSockets(t, &fakeGateways{up: true}, func(b *bench) {
		b.settle()
		b.want("at the start", "sync")
		gateway, egress := b.attach("a", 1, "a1")
		b.settle()
		b.attach("a", 1, "a2") // made anew: the gateway replaces it
		b.settle()
		if !closed(gateway) || !closed(egress) {
			b.Error("the sockets that were replaced are still open")
		}
		b.s.detach("a")
		b.settle()
		b.s.detach("a") // twice is nothing
		b.settle()
		got := b.told()
		if want := []string{"sync", "add a/1/a1", "add a/1/a2", "remove a"}; !slices.Equal(got, want) {
			b.Errorf("told %q; want %q in this order", got, want)
		}
		if n, launched := b.count(); n != 1 || launched != 0 {
			b.Errorf("%d connections, %d starts; want one connection and no start", n, launched)
		}
	})
}

// An instance that goes at the moment it is told of costs the others nothing.
func TestClosedAtTheWrongMoment(t *testing.T) {
	withSockets(t, &fakeGateways{}, func(b *bench) {
		gateway, _ := b.attach("a", 1, "a1")
		b.attach("b", 2, "b1")
		gateway.Close()
		b.set(true)
		b.settle()
		b.want("one is closed", "sync a,b", "add b/2/b1")
		if n, _ := b.count(); n != 1 {
			b.Errorf("%d connections; want 1", n)
		}
	})
}

func TestLaunchedWhenItCannotBeDialled(t *testing.T) {
	withSockets(t, &fakeGateways{starts: true}, func(b *bench) {
		b.settle()
		if n, launched := b.count(); n != 1 || launched != 1 {
			b.Fatalf("%d connections after %d starts; want 1 and 1", n, launched)
		}
		b.set(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if n, launched := b.count(); n != 2 || launched != 2 {
			b.Errorf("a second after its death: %d connections, %d starts; want 2 and 2", n, launched)
		}
	})
}

// A gateway that cannot be started, or that drops whoever connects, is asked
// again, but not as fast as the machine can.
func TestNothingIsTriedWithoutPause(t *testing.T) {
	withSockets(t, &fakeGateways{launch: errors.New("no such program")}, func(b *bench) {
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if _, launched := b.count(); launched < 10 || launched > 12 {
			b.Errorf("%d tries in 10 s after a start that failed; want one a second", launched)
		}
	})
	withSockets(t, &fakeGateways{up: true, refuse: map[string]error{"sync ": errors.New("refused")}}, func(b *bench) {
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n, _ := b.count(); n < 10 || n > 510 {
			b.Errorf("%d connections in 10 s to a gateway that refuses; want at most 50 a second", n)
		}
	})
}

// Whatever comes and goes, and however often the gateway dies: in the end it
// has what there is.
func TestStormEndsInOrder(t *testing.T) {
	withSockets(t, &fakeGateways{starts: true}, func(b *bench) {
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				id := fmt.Sprintf("i%d", n)
				for round := range 50 {
					b.attach(id, int64(n), fmt.Sprintf("%s-%d", id, round))
					time.Sleep(time.Duration(n+1) * time.Millisecond)
					if round%3 == 0 || n%2 == 1 && round == 49 {
						b.s.detach(id)
					}
				}
			})
		}
		wg.Go(func() {
			for range 10 {
				time.Sleep(17 * time.Millisecond)
				b.set(false)
			}
		})
		wg.Wait()
		b.settle()
		has := map[string]string{}
		for _, o := range b.told() {
			op, rest, _ := strings.Cut(o, " ")
			id, _, _ := strings.Cut(rest, "/")
			switch op {
			case "add":
				has[id] = rest
			case "remove":
				delete(has, id)
			}
		}
		want := map[string]string{"i0": "i0/0/i0-49", "i2": "i2/2/i2-49", "i4": "i4/4/i4-49", "i6": "i6/6/i6-49"}
		if fmt.Sprint(has) != fmt.Sprint(want) {
			b.Errorf("in the end the gateway has %v; want %v", has, want)
		}
	})
}
