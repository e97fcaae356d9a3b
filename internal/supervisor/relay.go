package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/process"
)

// Bounds of the relay. A person may open connections as they like; the supervisor's memory and descriptors are not theirs.
const (
	relayConnections = 256
	relayIdle        = 10 * time.Minute // neither side says anything
	relayDial        = 10 * time.Second
	relayBuffer      = 16 << 10
)

// relay is the way out of an instance: it listens on loopback inside, and joins each connection with the
// socket of the egress proxy. It reads nothing of what passes.
type relay struct {
	listener *net.TCPListener
	socket   string
	uid      int // whose the socket is
	idle     time.Duration
	log      *slog.Logger

	wg    sync.WaitGroup
	slots chan struct{}
	mu    sync.Mutex
	open  map[io.Closer]bool // nil once stopped
}

// startRelay returns a running relay, on a port of the kernel's choice.
func startRelay(socket string, uid int, idle time.Duration, log *slog.Logger) (*relay, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("listen for the egress relay: %w", err)
	}
	r := &relay{listener: l, socket: socket, uid: uid, idle: idle, log: log, slots: make(chan struct{}, relayConnections), open: map[io.Closer]bool{}}
	r.wg.Go(r.accept)
	return r, nil
}

func (r *relay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// stop ends all connections and returns when nothing of the relay runs any more.
func (r *relay) stop() {
	_ = r.listener.Close() // twice is harmless
	r.mu.Lock()
	for c := range r.open {
		_ = c.Close() // its goroutine ends by that
	}
	r.open = nil
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *relay) accept() {
	for {
		c, err := r.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors: what runs must end first.
			r.log.Warn("egress relay cannot accept", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		select {
		case r.slots <- struct{}{}:
			r.wg.Go(func() {
				defer func() { <-r.slots }()
				r.join(c)
			})
		default:
			// Refused at once is easier to understand than a wait without end.
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
}

// keep remembers a connection so that stop can end it.
func (r *relay) keep(c io.Closer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		_ = c.Close()
		return false
	}
	r.open[c] = true
	return true
}

func (r *relay) drop(c io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	_ = c.Close()
}

func (r *relay) join(inside *net.TCPConn) {
	if !r.keep(inside) {
		return
	}
	defer r.drop(inside)
	outside, err := r.dial()
	if err != nil {
		r.log.Debug("egress proxy not reached", "error", err)
		return
	}
	if !r.keep(outside) {
		return
	}
	defer r.drop(outside)
	var last atomic.Int64 // when either side last said something
	last.Store(time.Now().UnixNano())
	var both sync.WaitGroup
	both.Go(func() { r.copy(outside, inside, &last) })
	both.Go(func() { r.copy(inside, outside, &last) })
	both.Wait()
}

func (r *relay) dial() (*net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), relayDial)
	defer cancel()
	var c net.Conn
	err := process.AsPerson(r.uid, func() (err error) {
		var d net.Dialer
		c, err = d.DialContext(ctx, "unix", r.socket)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

type halfCloser interface {
	net.Conn
	CloseWrite() error
	CloseRead() error
}

// copy carries one direction to its end, and passes the end on: the other direction may have much to say yet.
func (r *relay) copy(to, from halfCloser, last *atomic.Int64) {
	defer func() {
		// Either fails only when the connection is gone altogether.
		_ = to.CloseWrite()
		_ = from.CloseRead()
	}()
	buf := make([]byte, relayBuffer)
	for {
		_ = from.SetReadDeadline(time.Unix(0, last.Load()).Add(r.idle))
		n, err := from.Read(buf)
		if n > 0 {
			last.Store(time.Now().UnixNano())
			_ = to.SetWriteDeadline(time.Now().Add(r.idle))
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Since(time.Unix(0, last.Load())) < r.idle:
			// The other direction spoke meanwhile.
		default:
			return
		}
	}
}
