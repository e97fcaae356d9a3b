// Package gateway is the Messages API as instances see it: one unix socket
// each, handed in by the keeper. It owns the organisation's key, which is
// nowhere else in Carrel, the meter's records until the server has them, and
// the leases of tokens. With each instance's second socket it serves the egress
// proxy. It knows nothing of people but the number of the user that a socket
// belongs to, and it goes on while server and keeper are away.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/carrel-dev/carrel/internal/egress"
	"github.com/carrel-dev/carrel/internal/rpc"
)

// Options of the process. Paths may be relative; the process must not change
// its working folder.
type Options struct {
	RunDir    string // for handoff.sock and gateway.sock; others must be able to enter it
	DataDir   string // for the meter's spool and the leases; nobody else's
	Settings  string // the file with the key, see Settings; read again on SIGHUP and when it is replaced
	ServerUID int    // may use gateway.sock, beside root
	Version   string

	// Scripted answers while there is neither key nor base URL. May be nil.
	Scripted http.Handler
	// Egress is what instances may reach; its Log is set by Main.
	Egress egress.Options
	// FurtherHosts come to be allowed when they become known; may be nil.
	FurtherHosts <-chan []string
	// Grace is how long requests may go on after the context has ended; 0: 3 s.
	Grace time.Duration

	headerTimeout  time.Duration // 0: headerTimeout; tests have less
	restTimeout    time.Duration // 0: restTimeout; tests have less
	requestsPerSec rate.Limit    // 0: requestsPerSec; benchmarks have more
}

// gateway is one running gateway.
type gateway struct {
	version        string
	headerTimeout  time.Duration
	restTimeout    time.Duration
	requestsPerSec rate.Limit
	log            *slog.Logger
	life           context.Context // ends when the gateway stops
	egress         *egress.Proxy
	scripted       *inProcess // nil: none
	spool          *spool
	ledger         *ledger
	upstream       atomic.Pointer[upstream]
	instances      *instances
}

// settingsPoll is how often the settings file is looked at.
const settingsPoll = 2 * time.Second

// Main runs the gateway until the context ends. Nothing of it is left then but
// its files.
func Main(ctx context.Context, o Options, log *slog.Logger) (err error) {
	// No memory image with the key in it, neither by a debugger nor by a crash.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close the process to debuggers: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("switch core dumps off: %w", err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	lock, err := lockDir(o.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(errStopping)
	g := &gateway{version: o.Version, headerTimeout: o.headerTimeout, restTimeout: o.restTimeout, requestsPerSec: o.requestsPerSec, log: log, life: life}
	if g.headerTimeout == 0 {
		g.headerTimeout = headerTimeout
	}
	if g.restTimeout == 0 {
		g.restTimeout = restTimeout
	}
	if g.requestsPerSec == 0 {
		g.requestsPerSec = requestsPerSec
	}
	g.instances = &instances{gateway: g, byID: make(map[string]*instance)}
	if g.spool, err = openSpool(o.DataDir, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.spool.close()) }()
	if g.ledger, err = openLedger(o.DataDir, g.spool, log); err != nil {
		return err
	}
	o.Egress.Log = log
	if g.egress, err = egress.New(o.Egress); err != nil {
		return err
	}
	if o.Scripted != nil {
		g.scripted = serveInProcess(o.Scripted, log)
		defer g.scripted.stop()
	}
	seen, _ := os.Stat(o.Settings) // before it is read, so that no change is missed
	settings, err := loadSettings(o.Settings)
	if err != nil {
		return err
	}
	g.use(settings)
	defer func() { g.upstream.Load().close() }()

	handoff, err := listenFor(filepath.Join(o.RunDir, HandoffSocket), []int{0, os.Geteuid()}, log)
	if err != nil {
		return err
	}
	orders := &orders{gateway: g, listener: handoff, conns: make(map[*net.UnixConn]struct{})}
	control, err := listenFor(filepath.Join(o.RunDir, ControlSocket), []int{0, o.ServerUID}, log)
	if err != nil {
		return errors.Join(err, handoff.Close())
	}
	server := rpc.NewServer(g.control())
	var wg sync.WaitGroup
	server.ConnState = countConns(&wg)
	wg.Go(func() { _ = server.Serve(control) }) // ends with Close
	orders.start()
	log.Info("gateway serves", "upstream", g.upstream.Load().kind, "has_key", settings.APIKey.Set())

	wg.Go(func() { g.allowFurther(ctx, o) })

	g.watch(ctx, o.Settings, seen, hangup)

	// From the outside in: no new orders, no new requests, then the records of
	// those that ran can still be asked for until the next gateway is there.
	grace := o.Grace
	if grace == 0 {
		grace = 3 * time.Second
	}
	orders.stop()
	g.instances.stop(grace)
	end(errStopping)
	_ = server.Close()
	wg.Wait()
	log.Info("gateway has stopped")
	return nil
}

// allowFurther takes up hosts until the context ends or there are no more.
func (g *gateway) allowFurther(ctx context.Context, o Options) {
	allow := o.Egress.Allow
	for {
		var hosts []string
		ok := false
		select {
		case <-ctx.Done():
		case hosts, ok = <-o.FurtherHosts:
		}
		if !ok {
			return
		}
		allow = append(slices.Clone(allow), hosts...)
		rules, err := egress.NewRules(allow, o.Egress.Deny)
		if err != nil {
			g.log.Error("allow further hosts", "error", err)
			continue
		}
		g.egress.SetRules(rules)
	}
}

// use sends all further requests to the settings' upstream. Those that run
// keep theirs.
func (g *gateway) use(s Settings) {
	u := g.newUpstream(s)
	if old := g.upstream.Swap(u); old != nil {
		old.close()
	}
	if s.APIKey.Set() && u.base.Scheme == "http" {
		g.log.Warn("gateway.base_url is plain http: the key goes over the network unencrypted", "host", u.host())
	}
}

// watch reads the settings again when it is told to, or when the file is
// another one, until the context ends. Settings that cannot be read change nothing.
func (g *gateway) watch(ctx context.Context, path string, seen os.FileInfo, hangup <-chan os.Signal) {
	look := time.NewTicker(settingsPoll)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case <-look.C:
			now, _ := os.Stat(path)
			if sameFile(seen, now) {
				continue
			}
		}
		seen, _ = os.Stat(path)
		s, err := loadSettings(path)
		if err != nil {
			g.log.Error("the settings cannot be used; the earlier ones stay", "error", err)
			continue
		}
		g.use(s)
		g.log.Info("settings read", "upstream", g.upstream.Load().kind, "has_key", s.APIKey.Set())
	}
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
