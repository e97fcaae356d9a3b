package egress

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// echoHost accepts connections and gives each to serve.
func echoHost(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func tunnel(t *testing.T, b *bench, target string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := dial(t.Context(), b.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v; want 200", res, err)
	}
	return c, r
}

func TestHalfCloseIsRelayed(t *testing.T) {
	far := echoHost(t, func(c net.Conn) {
		b, _ := io.ReadAll(c) // ends only with the client's FIN
		_, _ = c.Write([]byte(strings.ToUpper(string(b))))
	})
	b := setup(t, far, Options{Allow: []string{"ok.test"}})
	c, r := tunnel(t, b, "ok.test:443")
	_, _ = io.WriteString(c, "hello")
	_ = c.(*net.UnixConn).CloseWrite()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != "HELLO" {
		t.Fatalf("got %q, %v", got, err)
	}
}

// A download of any length is no idle tunnel, although its client is silent;
// one where nothing comes at all is cut.
func TestIdleTunnel(t *testing.T) {
	const idle = time.Second
	stopped := make(chan struct{})
	far := echoHost(t, func(c net.Conn) {
		for range 15 { // one and a half of the idle time in all, at a pace
			time.Sleep(idle / 10)
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, c) // until the proxy gives up
		close(stopped)
	})
	b := setup(t, far, Options{Allow: []string{"ok.test"}, IdleTime: idle})
	_, r := tunnel(t, b, "ok.test:443")
	got, err := io.ReadAll(r)
	if string(got) != strings.Repeat("x", 15) {
		t.Fatalf("got %q, %v; want all 15 bytes", got, err)
	}
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Fatal("the far end was not told")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	far := echoHost(t, func(c net.Conn) {})
	b := setup(t, far, Options{Allow: []string{"ok.test"}})
	var held []net.Conn
	for range maxConnections {
		c, err := dial(t.Context(), b.socket)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		defer func() { _ = c.Close() }()
	}
	deadline := time.Now().Add(10 * time.Second)
	for len(b.outlet.places) < maxConnections {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d connections were accepted", len(b.outlet.places), maxConnections)
		}
		time.Sleep(time.Millisecond)
	}
	extra, err := dial(t.Context(), b.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = extra.Close() }()
	_, _ = io.WriteString(extra, "GET / HTTP/1.0\r\n\r\n")
	_ = extra.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := extra.Read(make([]byte, 1)); err == nil {
		t.Fatal("the connection over the bound was served")
	}
	_ = held[0].Close() // makes room
	_ = extra.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := extra.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the waiting connection was not served: %v", err)
	}
}

func TestSlowHeadersAreCut(t *testing.T) {
	b := setup(t, "", Options{headerTime: 100 * time.Millisecond})
	if got := b.raw(t, "GET http://ok.te"); got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") {
		t.Fatalf("got %q", got)
	}
}

// Another listener of the same socket takes over; what is open goes on.
func TestServeAgain(t *testing.T) {
	far := echoHost(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, line)
		}
	})
	b := setup(t, far, Options{Allow: []string{"ok.test"}})
	c, r := tunnel(t, b, "ok.test:443")
	b.outlet.mu.Lock()
	f, err := b.outlet.listener.(*listener).Listener.(*net.UnixListener).File()
	b.outlet.listener.(*listener).Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	b.outlet.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(f)
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	b.outlet.Serve(l)
	_, _ = io.WriteString(c, "still here\n")
	if got, err := r.ReadString('\n'); got != "still here\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	if got := b.raw(t, "CONNECT evil.test:1 HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Fatalf("got %q", got)
	}
}
