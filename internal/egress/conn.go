package egress

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// activity is shared by the two ends of a tunnel: a long download is silent in
// one direction and must not be cut for it.
type activity struct {
	last  atomic.Int64 // Unix nanoseconds
	idle  time.Duration
	until time.Time
}

func (a *activity) touch() { a.last.Store(time.Now().UnixNano()) }

// deadline is when the tunnel is over if nothing comes.
func (a *activity) deadline() time.Time {
	d := time.Unix(0, a.last.Load()).Add(a.idle)
	if d.After(a.until) {
		return a.until
	}
	return d
}

// conn is one end: the instance's, or the far one. It can be half-closed, which
// is what goproxy asks of both ends to relay an orderly end.
type conn struct {
	net.Conn
	set *connSet

	tunnel  atomic.Pointer[activity] // nil: deadlines are net/http's
	read    atomic.Int64
	written atomic.Int64

	once    sync.Once
	onClose func() // set before the connection is a tunnel's
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		a := c.tunnel.Load()
		if a != nil {
			if err := c.Conn.SetReadDeadline(a.deadline()); err != nil {
				return 0, err
			}
		}
		n, err := c.Conn.Read(p)
		c.read.Add(int64(n))
		if a == nil {
			return n, err
		}
		if n > 0 {
			a.touch()
		}
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(a.deadline()) {
			continue // the other direction was busy meanwhile
		}
		return n, err
	}
}

func (c *conn) Write(p []byte) (int, error) {
	a := c.tunnel.Load()
	if a != nil {
		a.touch()
		if err := c.Conn.SetWriteDeadline(a.deadline()); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	if a != nil && n > 0 {
		a.touch()
	}
	return n, err
}

func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Conn.Close()
}

func (c *conn) CloseRead() error {
	if h, ok := c.Conn.(interface{ CloseRead() error }); ok {
		return h.CloseRead()
	}
	return nil
}

// Close is called by whoever uses the connection, as the last thing.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		if c.onClose != nil {
			c.onClose()
		}
		c.set.remove(c)
	})
	return err
}

// connSet knows every open connection of an outlet, hijacked ones too.
type connSet struct {
	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
	users  sync.WaitGroup // one for each connection until its user has closed it
}

func newConnSet() *connSet { return &connSet{conns: make(map[*conn]struct{})} }

// add takes a connection over, or closes it when the outlet is closed.
func (s *connSet) add(c net.Conn) (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(net.ErrClosed, c.Close())
	}
	out := &conn{Conn: c, set: s}
	s.conns[out] = struct{}{}
	s.users.Add(1)
	return out, nil
}

func (s *connSet) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.users.Done()
}

// close cuts every connection; wait returns when nobody uses one any more.
func (s *connSet) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		_ = c.Conn.Close() // its user sees the error and closes it properly
	}
}

func (s *connSet) wait() { s.users.Wait() }

// listener bounds and tracks the connections of an instance. At the bound it
// stops accepting, and the rest wait in the socket's backlog.
type listener struct {
	net.Listener
	set    *connSet
	places chan struct{}
	done   chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	raw, err := l.Listener.Accept()
	if err == nil {
		var c *conn
		if c, err = l.set.add(raw); err == nil {
			return &place{conn: c, release: sync.OnceFunc(func() { <-l.places })}, nil
		}
	}
	<-l.places
	return nil, err
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// place is a connection that holds one of an instance's places.
type place struct {
	*conn
	release func()
}

func (p *place) Close() error {
	defer p.release()
	return p.conn.Close()
}
