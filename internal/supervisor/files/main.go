// Package files is the helper that touches a person's files: a process that
// runs as the person, beside the supervisor, and serves the workspace over
// HTTP on one connection that it was handed. Every access is confined to the
// home by an os.Root: no link, "..", absolute path, device or pipe leads out
// of it or makes the helper hang. What the tree holds is untrusted.
package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/workspace"
)

// Variable is the environment variable that holds a helper's Config.
const Variable = "CARREL_FILES"

// Config is what a helper is started with: JSON in Variable. Its connection is descriptor 0.
type Config struct {
	Home     string `json:"home"`
	Name     string `json:"name"`
	Language string `json:"language"`
}

// memoryLimit keeps the helper small: content streams through it, lists are cut into pages.
const memoryLimit = 48 << 20

// stopGrace is how long requests may go on after ctx has ended.
const stopGrace = 2 * time.Second

// Main is the helper's process. config is the value of Variable, conn descriptor 0.
func Main(ctx context.Context, config string, conn *os.File, log *slog.Logger) error {
	var c Config
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("read file helper's settings from %s: %w", Variable, err)
	}
	debug.SetMemoryLimit(memoryLimit)
	// Others of the same uid may not look into this process: it holds the way to the supervisor.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close file helper's memory to others: %w", err)
	}
	// A file that outgrows the limit is an error to answer with, not an end.
	signal.Ignore(syscall.SIGXFSZ, syscall.SIGPIPE)
	return Serve(ctx, c, conn, log)
}

// Serve makes what the workspace lacks, then serves conn until the other side closes it or ctx ends. It closes conn.
func Serve(ctx context.Context, c Config, conn *os.File, log *slog.Logger) error {
	nc, err := net.FileConn(conn)
	_ = conn.Close() // nc is a copy
	if err != nil {
		return fmt.Errorf("take over connection: %w", err)
	}
	defer nc.Close()
	root, err := os.OpenRoot(c.Home)
	if err != nil {
		return fmt.Errorf("open workspace: %w", err)
	}
	defer func() { _ = root.Close() }() // it was only read
	err = errors.Join(workspace.Ensure(root, c.Name, c.Language), workspace.WriteNew(root, claude.StateFile, claude.FirstState()))
	if err != nil {
		// A full disk is no reason not to show and to delete what fills it.
		log.Warn("workspace is not complete", "error", err)
	}
	return serve(ctx, nc, New(root, c.Home, log))
}

// serve serves one connection to its end.
func serve(ctx context.Context, conn net.Conn, h http.Handler) error {
	l := &oneConn{conn: conn, ended: make(chan struct{})}
	server := rpc.NewServer(h)
	var stopping sync.WaitGroup
	stop := context.AfterFunc(ctx, func() {
		stopping.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
			defer cancel()
			if server.Shutdown(ctx) != nil {
				_ = server.Close() // what still runs is cut
			}
		})
	})
	err := server.Serve(l)
	if !stop() {
		stopping.Wait()
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve files: %w", err)
	}
	return nil
}

// oneConn is a listener with one connection to give, which ends when that does.
type oneConn struct {
	once  sync.Once
	conn  net.Conn
	ended chan struct{}
	close sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	var c net.Conn
	l.once.Do(func() { c = &watched{Conn: l.conn, closed: l.end} })
	if c != nil {
		return c, nil
	}
	<-l.ended
	return nil, io.EOF
}

func (l *oneConn) end()           { l.close.Do(func() { close(l.ended) }) }
func (l *oneConn) Close() error   { l.end(); return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// watched tells when it is closed.
type watched struct {
	net.Conn
	closed func()
}

func (c *watched) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
