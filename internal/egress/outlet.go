package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/elazarl/goproxy"
)

// Outlet serves one instance's egress socket.
type Outlet struct {
	proxy     *Proxy
	owner     Owner
	log       *slog.Logger
	server    *http.Server
	transport *http.Transport
	conns     *connSet
	places    chan struct{}

	mu       sync.Mutex
	listener net.Listener // guarded by mu
	serving  sync.WaitGroup
}

type connKey struct{}

// Open makes the outlet of an instance; Serve gives it its socket.
func (p *Proxy) Open(owner Owner) *Outlet {
	o := &Outlet{
		proxy:  p,
		owner:  owner,
		log:    p.log.With("user_id", owner.UserID, "instance_id", owner.InstanceID),
		conns:  newConnSet(),
		places: make(chan struct{}, maxConnections),
	}
	o.transport = &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, port, err := splitAddress(address, 80)
			if err != nil {
				return nil, err
			}
			c, err := p.open(ctx, host, port)
			if err != nil {
				return nil, err
			}
			return o.conns.add(c)
		},
		MaxConnsPerHost:       16,
		MaxIdleConns:          16,
		IdleConnTimeout:       keepAliveTimeout,
		ResponseHeaderTimeout: responseTimeout,
		DisableCompression:    true, // what is fetched arrives as it was sent
	}
	o.server = &http.Server{
		Handler:           o.handler(),
		ReadHeaderTimeout: p.header,
		ReadTimeout:       p.total,
		WriteTimeout:      p.total,
		IdleTimeout:       keepAliveTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		// net/http does not wait for its own goroutines: count them.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew: // within Serve, which is counted too
				o.serving.Add(1)
			case http.StateClosed, http.StateHijacked:
				o.serving.Done()
			}
		},
	}
	return o
}

// Serve takes the socket's listener and returns at once. A listener given
// before is closed; its connections go on.
func (o *Outlet) Serve(l net.Listener) {
	tracked := &listener{Listener: l, set: o.conns, places: o.places, done: make(chan struct{})}
	o.mu.Lock()
	old := o.listener
	o.listener = tracked
	o.serving.Go(func() {
		if err := o.server.Serve(tracked); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			o.log.Error("egress socket ended", "error", err)
		}
	})
	o.mu.Unlock()
	if old != nil {
		_ = old.Close() // the socket lives on in the new descriptor
	}
}

// Close cuts every connection and returns when nothing of the outlet runs.
func (o *Outlet) Close() {
	o.mu.Lock()
	if o.listener != nil {
		_ = o.listener.Close()
	}
	o.mu.Unlock()
	_ = o.server.Close()
	o.conns.close()
	o.transport.CloseIdleConnections()
	o.serving.Wait()
	o.conns.wait()
}

func (o *Outlet) handler() http.Handler {
	h := goproxy.NewProxyHttpServer()
	// goproxy takes these from the environment and without verification.
	h.ConnectDial, h.Tr = nil, o.transport
	h.KeepAcceptEncoding = true
	h.Logger = discard{}
	h.NonproxyHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This is Carrel's egress proxy. It answers requests that name a whole http URL, and CONNECT.", http.StatusBadRequest)
	})
	h.OnRequest().HandleConnectFunc(o.connect)
	h.OnRequest().DoFunc(o.request)
	h.OnResponse().DoFunc(o.response)
	return h
}

// connect decides on a tunnel and dials before goproxy takes the connection
// over, so that a client that goes away meanwhile ends the dial.
func (o *Outlet) connect(target string, ctx *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	start := time.Now()
	host, port, err := splitAddress(target, 0)
	if err == nil && !o.proxy.Rules().Allowed(host, port) {
		err = &refusal{why: "not on the list"}
	}
	var far *conn
	if err == nil {
		var c net.Conn
		if c, err = o.proxy.open(ctx.Req.Context(), host, port); err == nil {
			far, err = o.conns.add(c)
		}
	}
	if err != nil {
		o.record(http.MethodConnect, host, port, start, err, 0, 0)
		ctx.Resp = answer(ctx.Req, host, err) //nolint:bodyclose // goproxy writes it out and closes it
		return goproxy.RejectConnect, target
	}
	near, _ := ctx.Req.Context().Value(connKey{}).(*place)
	ctx.Dialer = func(context.Context, string, string) (net.Conn, error) {
		a := &activity{idle: o.proxy.idle, until: start.Add(o.proxy.total)}
		a.touch()
		near.onClose = func() {
			o.record(http.MethodConnect, host, port, start, nil, far.read.Load(), far.written.Load())
		}
		near.tunnel.Store(a)
		far.tunnel.Store(a)
		return far, nil
	}
	// goproxy has no other way to fail between here and Dialer than a connection
	// that cannot be hijacked any more; far must not outlive it.
	context.AfterFunc(ctx.Req.Context(), func() {
		if far.tunnel.Load() == nil {
			_ = far.Close()
		}
	})
	return goproxy.OkConnect, target
}

// trip is one plain http request on its way.
type trip struct {
	host  string
	port  uint16
	start time.Time
}

// request decides on a plain http request.
func (o *Outlet) request(r *http.Request, ctx *goproxy.ProxyCtx) (*http.Request, *http.Response) {
	t := &trip{start: time.Now()}
	ctx.UserData = t
	var err error
	t.host, t.port, err = splitURL(r.URL)
	if err == nil && !o.proxy.Rules().Allowed(t.host, t.port) {
		err = &refusal{why: "not on the list"}
	}
	if err != nil {
		ctx.Error = err
		return r, answer(r, t.host, err)
	}
	for _, name := range strings.Split(strings.Join(r.Header["Connection"], ","), ",") {
		r.Header.Del(strings.TrimSpace(name))
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "X-Forwarded-For", "Forwarded", "Via"} {
		r.Header.Del(name)
	}
	return r, nil
}

// response is called once for each request, whatever became of it.
func (o *Outlet) response(res *http.Response, ctx *goproxy.ProxyCtx) *http.Response {
	t := ctx.UserData.(*trip)
	if res == nil {
		res = answer(ctx.Req, t.host, ctx.Error)
	}
	if ctx.Error != nil {
		o.record(ctx.Req.Method, t.host, t.port, t.start, ctx.Error, 0, 0)
		return res
	}
	res.Body = &countedBody{ReadCloser: res.Body, done: func(n int64) {
		o.record(ctx.Req.Method, t.host, t.port, t.start, nil, n, max(ctx.Req.ContentLength, 0))
	}}
	return res
}

// record logs one use: host and port, never a path, a query or a header.
func (o *Outlet) record(method, host string, port uint16, start time.Time, err error, received, sent int64) {
	attrs := []any{"method", method, "host", host, "port", port, "duration", time.Since(start).Round(time.Millisecond)}
	switch {
	case err == nil:
		o.log.Info("egress", append(attrs, "decision", "allowed", "bytes_received", received, "bytes_sent", sent)...)
	case errors.Is(err, errDeny):
		o.log.Warn("egress", append(attrs, "decision", "refused", "reason", err.Error())...)
	default:
		o.log.Warn("egress", append(attrs, "decision", "failed", "reason", err.Error())...)
	}
}

// splitAddress reads host:port; without a port it is the given one (0: must be there).
func splitAddress(s string, port uint16) (string, uint16, error) {
	host := s
	if h, p, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return "", 0, &refusal{why: "not a port"}
		}
		host, port = h, uint16(n)
	}
	name, ok := cleanHost(host)
	if !ok || port == 0 {
		return "", 0, &refusal{why: "not a host name and port"}
	}
	return name, port, nil
}

func splitURL(u *url.URL) (string, uint16, error) {
	if u.Scheme != "http" {
		return "", 0, &refusal{why: fmt.Sprintf("scheme %q", u.Scheme)}
	}
	return splitAddress(u.Host, 80)
}

// countedBody reports how much was fetched when it is closed.
type countedBody struct {
	io.ReadCloser
	n    int64
	done func(int64)
	once sync.Once
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

func (b *countedBody) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(func() { b.done(b.n) })
	return err
}

// discard is goproxy's logger: its lines hold paths.
type discard struct{}

func (discard) Printf(string, ...any) {}
