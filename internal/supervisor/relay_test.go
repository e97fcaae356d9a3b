package supervisor

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// outside is what the relay leads to: each connection is given to serve.
func outside(t *testing.T, idle time.Duration, serve func(*net.UnixConn)) *relay {
	t.Helper()
	path := filepath.Join(t.TempDir(), "egress")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(c.(*net.UnixConn))
			})
		}
	})
	r, err := startRelay(path, -1, idle, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stop(); l.Close(); wg.Wait() })
	return r
}

func (r *relay) connect(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", r.port()), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// Who has said all there is to say may still listen.
func TestRelayHalfCloses(t *testing.T) {
	r := outside(t, relayIdle, func(c *net.UnixConn) {
		b, _ := io.ReadAll(c) // to the caller's end
		fmt.Fprintf(c, "%d bytes", len(b))
	})
	c := r.connect(t)
	if _, err := c.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != "1048576 bytes" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestRelayEndsWhatIsIdle(t *testing.T) {
	r := outside(t, 300*time.Millisecond, func(c *net.UnixConn) {
		for range 5 { // one direction alone keeps it open
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		_, _ = io.Copy(io.Discard, c)
	})
	begin := time.Now()
	b, err := io.ReadAll(r.connect(t))
	if err != nil || string(b) != "xxxxx" {
		t.Errorf("got %q, %v", b, err)
	}
	if took := time.Since(begin); took < 600*time.Millisecond || took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestRelayIsCapped(t *testing.T) {
	release := make(chan struct{})
	r := outside(t, relayIdle, func(c *net.UnixConn) {
		_, _ = c.Write([]byte("x"))
		<-release
	})
	defer close(release)
	b := make([]byte, 1)
	for i := range relayConnections {
		if _, err := r.connect(t).Read(b); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", r.port()), 5*time.Second)
	if err != nil {
		return // it was cut before the kernel had told us that it was there
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(b); err == nil {
		t.Error("one too many was let through")
	}
}

func TestRelayWithoutProxy(t *testing.T) {
	r, err := startRelay(filepath.Join(t.TempDir(), "nobody"), -1, relayIdle, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.stop()
	if b, err := io.ReadAll(r.connect(t)); len(b) > 0 {
		t.Errorf("got %q, %v", b, err)
	}
}
