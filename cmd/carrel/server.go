package main

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
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api"
	"github.com/carrel-dev/carrel/internal/audit"
	"github.com/carrel-dev/carrel/internal/config"
	"github.com/carrel-dev/carrel/internal/gateway"
	"github.com/carrel-dev/carrel/internal/history"
	"github.com/carrel-dev/carrel/internal/keeper"
	"github.com/carrel-dev/carrel/internal/meter"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/pressure"
	"github.com/carrel-dev/carrel/internal/project"
	"github.com/carrel-dev/carrel/internal/push"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/snapshot"
	"github.com/carrel-dev/carrel/internal/store"
	"github.com/carrel-dev/carrel/internal/timetable"
	"github.com/carrel-dev/carrel/internal/webui"
)

// databaseFile is in the data folder, which is the server's working folder.
const databaseFile = "carrel.db"

// inheritance is what `carrel serve` hands to the server that it becomes.
type inheritance struct {
	listener, lock, keeperPID int
	scripted                  bool
}

func serverCommand() *cobra.Command {
	var in inheritance
	cmd := hidden("server", "The server, which serve becomes", func(cmd *cobra.Command) error {
		cfg, err := config.Load(cmd.Context(), config.Sources{NoFile: true, Environ: os.Environ()})
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(in.listener), "listener")
		l, err := net.FileListener(f)
		if err != nil {
			return fmt.Errorf("take over listener: %w", err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("take over listener: %w", err)
		}
		for _, fd := range []int{in.lock} {
			unix.CloseOnExec(fd)
		}
		return runServer(cfg, l, in)
	})
	cmd.Flags().IntVar(&in.listener, "listener", -1, "descriptor of the listening socket")
	cmd.Flags().IntVar(&in.lock, "lock", -1, "descriptor of the lock")
	cmd.Flags().IntVar(&in.keeperPID, "keeper-pid", 0, "the keeper that was started as a child of this process")
	cmd.Flags().BoolVar(&in.scripted, "scripted", false, "the scripted model answers")
	return cmd
}

// runServer serves until a signal: SIGINT ends everything, SIGTERM this process alone, unless the setting says otherwise.
func runServer(cfg config.Config, l net.Listener, in inheritance) (err error) {
	log := newLog(os.Stderr, cfg.Log)
	// What the server holds is mostly clients at rest. As much garbage beside it as Go's default allows would
	// be a good part of a client's memory; it is collected twice as often instead.
	debug.SetGCPercent(50)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if in.keeperPID > 0 {
		reap(in.keeperPID, cfg.StateDir, log)
	}

	s, err := assemble(ctx, cfg, in, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	srv := &http.Server{
		Handler: s.api, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 2 * api.MaxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	failed := make(chan error, 1)
	wg.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve: %w", err)
		}
	})
	if err := s.greet(ctx, l.Addr()); err != nil {
		return errors.Join(err, srv.Close())
	}
	// Instances of a server before are found in the background: the page need not wait.
	wg.Go(func() { s.start(ctx) })
	wg.Go(func() { timetable.Run(ctx, s.timetable) })
	wg.Go(func() { s.history.Run(ctx) })

	var signalled os.Signal
	select {
	case err = <-failed:
	case signalled = <-signals:
	}
	log.Info("ending", "signal", signalled)
	end, done := context.WithTimeout(context.Background(), cfg.ShutdownTimeout)
	defer done()
	err = errors.Join(err, s.api.Close(end))
	if e := srv.Shutdown(end); e != nil {
		err = errors.Join(err, srv.Close())
	}
	if signalled == os.Interrupt || signalled == syscall.SIGTERM && cfg.SIGTERM == "end" {
		// First in order, so that supervisors flush their journals; then whatever is left, with the other two processes.
		if e := s.pool.Shutdown(end); e != nil {
			log.Warn("end instances in order", "err", e)
		}
		err = errors.Join(err, s.keeper.Stop(end, keeper.StopRequest{Instances: true, Gateway: true}))
	}
	cancel()
	return err
}

// reap waits for the keeper that `carrel serve` started before it became this
// process: it is a child of ours, and would stay a zombie. It may outlive us.
func reap(pid int, stateDir string, log *slog.Logger) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	go func() {
		state, err := p.Wait()
		if err == nil {
			log.Warn("the keeper has ended; running instances go on", "state", state.String(), "why", filepath.Join(stateDir, "keeper.log"))
		}
	}()
}

// server is all parts of the process that speaks to browsers.
type server struct {
	log       *slog.Logger
	db        *store.DB
	accounts  *account.Service
	keeper    *keeper.Client
	gateway   *gateway.Client
	pool      *pool.Pool
	sessions  *session.Service
	meter     *meter.Meter
	snapshots *snapshot.Service
	push      *push.Service // nil: off
	history   *history.History
	api       *api.Server

	timetable timetable.Options
}

func assemble(ctx context.Context, cfg config.Config, in inheritance, log *slog.Logger) (*server, error) {
	db, err := store.Open(ctx, databaseFile, log)
	if err != nil {
		return nil, err
	}
	s := &server{log: log, db: db}
	s.accounts = account.New(account.Options{DB: db.Bun(), Policy: cfg.Registration, DefaultQuota: cfg.Quota.Limits(), Log: log})
	s.keeper = keeper.NewClient(cfg.StateDir, cfg.Runtime)
	s.gateway = gateway.NewClient(cfg.StateDir + "/gateway")
	s.pool = pool.New(pool.Options{
		Runtime: s.keeper, Owners: owners{s.accounts}, Log: log, Version: version, IdleTimeout: cfg.Pool.IdleTimeout, SessionIdleTimeout: cfg.Session.IdleTimeout,
		MaxInstances: cfg.Pool.MaxInstances, MaxLiveSessions: cfg.Pool.MaxLiveSessions, MaxWaiting: cfg.Pool.MaxWaiting, AnswerTimeout: cfg.Pool.AnswerTimeout, BackgroundTimeout: cfg.Pool.BackgroundTimeout, HealthInterval: cfg.Pool.HealthInterval,
		Records: pool.NewRecords(db.Bun()), Memory: pressure.Gauge{}.Read, MemoryShare: cfg.Pool.MemoryShare,
	})
	s.timetable = timetable.Options{Lines: lines(cfg.Warm), UserID: owners{s.accounts}.byName, Warm: s.pool.Warm, Log: log}
	s.sessions = session.New(session.Options{DB: db.Bun(), Pool: s.pool, Log: log})
	s.meter = meter.New(db.Bun(), s.gateway, quotas{s.accounts}, log)
	s.snapshots = snapshot.New(snapshot.Options{Runtime: s.keeper, Pool: s.pool, Storage: s.storageLimit, Keep: cfg.Snapshot.Keep, Interval: cfg.Snapshot.Interval, Log: log})
	if cfg.Push.Enabled {
		s.push = push.New(push.Options{DB: db.Bun(), Pool: s.pool, Sessions: s.sessions, Accounts: s.accounts, Log: log, Contact: contact(cfg), Delay: cfg.Push.Delay, FinishedAfter: cfg.Push.FinishedAfter, TrustedHosts: cfg.Push.TrustedHosts})
	}
	s.history = history.New(history.Options{Step: cfg.History.Step, Server: serverSeries, User: userSeries, Measure: s.measure, File: historyFile, Log: log})
	projects := project.NewService(s.pool, s.sessions, log)
	deps := api.Deps{
		Accounts: s.accounts, Audit: audit.New(audit.Options{DB: db.Bun(), Now: time.Now, Keep: cfg.Audit.Retention, Log: log}), Instances: instances{s.pool, s.meter, s.sessions}, Sessions: s.sessions, Projects: projects, Desk: desk{s.pool}, Snapshots: s.snapshots, Use: s.use, UseOfEach: s.useOfEach, Warm: s.pool.Warm, History: s.history, Started: time.Now().UTC(),
		Ready: s.ready, Metrics: metrics(s.pool, s.push), Web: webui.Handler(), Log: log, Version: version, Registration: cfg.Registration,
		DefaultQuota: cfg.Quota.Limits(), Scripted: in.scripted, PublicURL: cfg.PublicURL, TrustedProxies: cfg.TrustedProxies,
	}
	if s.push != nil {
		deps.Push = s.push
	}
	s.api = api.New(deps)
	return s, nil
}

// start brings the parts up that look for what a server before left.
func (s *server) start(ctx context.Context) {
	if err := s.sessions.Start(ctx); err != nil {
		s.log.Error("start sessions", "err", err)
	}
	if err := s.meter.Start(ctx); err != nil {
		s.log.Error("start meter", "err", err)
	}
	s.snapshots.Start(ctx)
	if s.push != nil {
		s.push.Start()
	}
	for {
		err := s.pool.Start(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		// A keeper that was started a moment ago needs a moment.
		s.log.Debug("find instances", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// greet says where Carrel is, and how to make the first administrator.
func (s *server) greet(ctx context.Context, addr net.Addr) error {
	needs, err := s.accounts.NeedsSetup(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("Carrel %s serves http://%s\n", version, addr)
	if needs {
		fmt.Printf("\n  Set-up code: %s\n\n  Open the page and make the first administrator with it.\n\n", s.accounts.SetupCode())
	}
	return nil
}

// close ends the parts from the outside in.
func (s *server) close() error {
	if s.push != nil {
		s.push.Stop()
	}
	s.snapshots.Stop()
	s.meter.Stop()
	s.sessions.Stop()
	s.pool.Stop()
	s.keeper.Close()
	s.gateway.Close()
	return s.db.Close()
}
