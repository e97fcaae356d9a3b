package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Kinds of upstream, as Status names them.
const (
	UpstreamAnthropic = "anthropic"
	UpstreamCustom    = "custom"
	UpstreamScripted  = "scripted"
	UpstreamNone      = "none" // no key, no base URL and no scripted model
)

// upstream is where requests go now. It is never changed, only replaced.
type upstream struct {
	kind      string
	base      *url.URL
	key       Key
	transport *http.Transport
}

func (g *gateway) newUpstream(s Settings) *upstream {
	u := &upstream{kind: UpstreamCustom, base: s.base(), key: s.APIKey}
	switch {
	case u.base != nil && u.base.String() == DefaultBaseURL:
		u.kind = UpstreamAnthropic
	case u.base != nil:
	case g.scripted != nil:
		u.kind, u.base = UpstreamScripted, &url.URL{Scheme: "http", Host: "scripted"}
	default:
		u.kind = UpstreamNone
		return u
	}
	u.transport = &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: firstByteTimeout,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // identity is asked for, see rewrite
		// A connection that died silently is found while a model thinks.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if u.kind == UpstreamScripted {
		u.transport.DialContext = g.scripted.dial
	}
	return u
}

// host is the base URL without path, for those who show it.
func (u *upstream) host() string {
	if u.base == nil || u.kind == UpstreamScripted {
		return ""
	}
	return u.base.Host
}

func (u *upstream) close() {
	if u.transport != nil {
		u.transport.CloseIdleConnections()
	}
}

// inProcess serves a handler without any socket: each dial is a pipe to it. A
// real server and a real connection keep its manners: chunks, cut streams, the
// end of a request's context.
type inProcess struct {
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
	wg     sync.WaitGroup
}

func serveInProcess(h http.Handler, log *slog.Logger) *inProcess {
	p := &inProcess{conns: make(chan net.Conn), done: make(chan struct{})}
	p.server = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnState:         countConns(&p.wg),
	}
	p.wg.Go(func() { _ = p.server.Serve(p) }) // ends with close
	return p
}

func (p *inProcess) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.done:
		return nil, errors.New("the scripted model has ended")
	}
}

// Accept, Close and Addr make it the server's listener.
func (p *inProcess) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *inProcess) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *inProcess) Addr() net.Addr { return &net.UnixAddr{Name: "in process", Net: "pipe"} }

func (p *inProcess) stop() {
	_ = p.server.Close()
	p.wg.Wait()
}

// countConns makes a WaitGroup wait for a server's connections; net/http does
// not wait for its own goroutines. Serve must be counted in it too.
func countConns(wg *sync.WaitGroup) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			wg.Add(1)
		case http.StateClosed, http.StateHijacked:
			wg.Done()
		}
	}
}
