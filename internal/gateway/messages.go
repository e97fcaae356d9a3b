package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits of one request, and of one instance.
const (
	maxBodyBytes     = 64 << 20
	maxHeaderBytes   = 64 << 10
	maxAtOneTime     = 32
	maxConnections   = 128
	requestsPerSec   = 20
	requestsBurst    = 100
	headerTimeout    = 10 * time.Second
	keepAliveTimeout = 5 * time.Minute
	bodyTimeout      = time.Minute      // silence within a request's body
	writeTimeout     = 2 * time.Minute  // a client that does not read
	firstByteTimeout = 10 * time.Minute // "stream": false answers when all is done
	requestTimeout   = time.Hour        // the longest streams take minutes
	restTimeout      = time.Minute      // for the rest of an answer whose client left
	maxRestBytes     = 16 << 20         // of it
)

// Parts of the API that pass. What is shared by an organisation (files,
// batches, its administration) does not: the key is everyone's.
const (
	routeMessages = "messages"
	routeCount    = "count_tokens"
	routeModels   = "models"
)

// modelPath takes no name that begins with a dot: the key must not go to a
// path that another server would shorten to one of its own.
var modelPath = regexp.MustCompile(`^/v1/models(/[A-Za-z0-9][A-Za-z0-9._:@-]{0,127})?$`)

func route(r *http.Request) string {
	path := r.URL.EscapedPath() // an encoded slash or dot is none of ours
	switch {
	case r.Method == http.MethodPost && path == "/v1/messages":
		return routeMessages
	case r.Method == http.MethodPost && path == "/v1/messages/count_tokens":
		return routeCount
	case r.Method == http.MethodGet && modelPath.MatchString(path):
		return routeModels
	}
	return ""
}

// sessionPattern is what a session's id may look like; another is dropped from
// the record, not from the request.
var sessionPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// ServeHTTP answers the instance's requests.
func (in *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up := in.gateway.upstream.Load()
	kind := route(r)
	refuse := func(e *apiError) {
		in.log.Debug("request refused", "method", r.Method, "status", e.status)
		e.write(w)
	}
	switch {
	case kind == "" || r.Header.Get("Upgrade") != "":
		refuse(errNoSuchPath)
		return
	case !in.rate.Allow():
		refuse(errTooMany)
		return
	case up.kind == UpstreamNone:
		refuse(errNoUpstream)
		return
	case r.ContentLength > maxBodyBytes:
		refuse(errTooLarge)
		return
	}
	select {
	case in.slots <- struct{}{}:
		defer func() { <-in.slots }()
	default:
		refuse(errTooMany)
		return
	}
	if kind == routeMessages {
		if e := in.gateway.ledger.check(in.userID, time.Now()); e != nil {
			refuse(e)
			return
		}
	}
	c := &call{instance: in, upstream: up, kind: kind, start: time.Now(), session: r.Header.Get("X-Claude-Code-Session-Id")}
	if !sessionPattern.MatchString(c.session) {
		c.session = ""
	}
	// Not ended with the client: what an answer took stands at its end, see leave.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), requestTimeout)
	defer cancel()
	c.cancel = cancel
	defer context.AfterFunc(in.life, cancel)()
	defer context.AfterFunc(r.Context(), c.leave)()
	defer c.finish(ctx, r.Context()) // also when ReverseProxy panics because the answer was cut
	c.serve(w, r.WithContext(ctx))
}

// call is one request on its way.
type call struct {
	*instance
	upstream *upstream
	kind     string
	start    time.Time
	session  string

	stream bool
	late   bool // the API did not answer in time
	usage  usage
	body   *requestBody
	writer *meteredWriter

	cancel context.CancelFunc // of the request upstream
	mu     sync.Mutex
	whole  bool        // guarded by mu: the answer is read to its end, with or without a client
	left   bool        // guarded by mu: the client did, or the request is done
	rest   *time.Timer // guarded by mu: bounds what is read without a client
}

// leave is called when the client has gone, or reads no more. A stream has said
// before what it takes, and is cut so that nobody pays for the rest. An answer
// in one piece has been made in full, and says at its end what it took: it is
// read on for a while, lest who leaves early writes for nothing.
func (c *call) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.left:
		return
	case c.whole:
		c.rest = time.AfterFunc(c.gateway.restTimeout, c.cancel)
	default:
		c.cancel()
	}
	c.left = true
}

// readWhole has the answer read to its end.
func (c *call) readWhole() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = true
	c.writer.left = c.leave
}

// done ends what leave began.
func (c *call) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	if c.rest != nil {
		c.rest.Stop()
	}
}

func (c *call) serve(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // an earlier request of the connection left its own
	c.writer = &meteredWriter{ResponseWriter: w, control: control}
	c.body = newRequestBody(http.MaxBytesReader(w, r.Body, maxBodyBytes), control, c.kind == routeMessages)
	if r.Body != http.NoBody {
		r.Body = c.body
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:        c.rewrite,
		Transport:      c.upstream.transport,
		ModifyResponse: c.answer,
		ErrorHandler:   func(_ http.ResponseWriter, r *http.Request, err error) { c.failed(r, err) },
		ErrorLog:       slog.NewLogLogger(maskingHandler{c.log.Handler(), c.upstream.key}, slog.LevelDebug),
	}
	proxy.ServeHTTP(c.writer, r)
}

// rewrite makes the request that goes out: another host, the real key, and an
// answer that can be read as it passes. The rest stays as Claude wrote it.
func (c *call) rewrite(p *httputil.ProxyRequest) {
	p.SetURL(c.upstream.base)
	h := p.Out.Header
	h.Set("Accept-Encoding", "identity")
	h.Del("Cookie")
	if c.upstream.key.Set() {
		h.Del("Authorization")
		h.Set("X-Api-Key", c.upstream.key.reveal())
	}
}

// answer looks at the head of what came back, and sets up how its tokens are read.
func (c *call) answer(res *http.Response) error {
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		return errEncoding
	case res.StatusCode >= 300 && res.StatusCode < 400 && res.Header.Get("Location") != "":
		return errRedirect
	}
	if e := res.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		if err := decode(res, e); err != nil {
			return err
		}
	}
	if key := c.upstream.key; key.Set() {
		res.Body = &maskingBody{ReadCloser: res.Body, key: key}
		for _, values := range res.Header {
			for i, v := range values {
				values[i] = key.maskText(v)
			}
		}
	}
	if c.kind != routeMessages || res.StatusCode < 200 || res.StatusCode > 299 {
		return nil // what failed is free
	}
	switch media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); media {
	case "text/event-stream":
		c.stream = true
		c.usage.events()
	case "application/json":
		c.usage.json()
		c.readWhole()
	default:
		c.usage.bytes()
		c.readWhole()
	}
	c.writer.tap = c.usage.feed
	return nil
}

// failed answers when there was nothing to pass on. An error's text stays in
// the log: it names hosts and addresses.
func (c *call) failed(r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // the client left; finish writes it down
	}
	e := explain(err)
	c.late = e.status == http.StatusGatewayTimeout
	c.log.Warn("the model's API could not be asked", "error", c.upstream.key.maskText(err.Error()), "status", e.status)
	e.write(c.writer)
}

func explain(err error) *apiError {
	var own *apiError
	var tooLarge *http.MaxBytesError
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &tooLarge):
		return errTooLarge
	case errors.Is(err, errBodyStalled):
		return errSlowBody
	case errors.As(err, &cert):
		return errUntrusted
	case errors.As(err, &dns):
		return errUnreachable("its name was not found", http.StatusBadGateway)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errUnreachable("the connection was refused", http.StatusBadGateway)
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return errUnreachable("it did not answer in time", http.StatusGatewayTimeout)
	default:
		return errUnreachable("the connection was lost", http.StatusBadGateway)
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Error makes an apiError an error, for ModifyResponse.
func (e *apiError) Error() string { return fmt.Sprintf("%s: %s", e.kind, e.message) }

// finish writes down what the request took.
func (c *call) finish(ctx, client context.Context) {
	c.done()
	if c.kind != routeMessages {
		return
	}
	status := c.writer.status
	if status == 0 {
		status = statusClientLeft
		if client.Err() == nil {
			status = http.StatusBadGateway
		}
	}
	asked, sent, whole := c.body.seen()
	// Whoever leaves before the API said what it took has it work all the same. What failed of itself is free.
	if c.usage.feed != nil || whole && (c.late || c.writer.status == 0 && ctx.Err() != nil) {
		c.usage.asked = sent
	}
	tokens, estimated := c.usage.sum()
	model := c.usage.model
	if model == "" {
		model = asked
	}
	r := Record{
		At: time.Now().UTC(), UserID: c.userID, InstanceID: c.id, SessionID: c.session, Model: model, Status: status,
		Tokens: tokens, Estimated: estimated, DurationMS: time.Since(c.start).Milliseconds(), Stream: c.stream,
	}
	c.gateway.ledger.count(r)
	c.log.Info("asked the model", "session_id", r.SessionID, "model", r.Model, "status", r.Status, "stream", r.Stream,
		"input_tokens", r.Input, "output_tokens", r.Output, "cache_creation_tokens", r.CacheCreation, "cache_read_tokens", r.CacheRead,
		"duration", time.Since(c.start).Round(time.Millisecond))
}

// statusClientLeft is nginx's number for it; HTTP has none.
const statusClientLeft = 499
