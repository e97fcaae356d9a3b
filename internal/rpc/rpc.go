// Package rpc is Connect over unix sockets with plain Go structs as JSON: how
// the server, the keeper, the gateway and the supervisors speak. It carries
// fault.Error across, so that a refusal deep in an instance reaches the API
// with its code and its text.
package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/carrel-dev/carrel/internal/fault"
)

// MaxMessageBytes bounds one message in either direction. A prompt with
// pictures is the largest thing there is.
const MaxMessageBytes = 32 << 20

// codec is Connect's "json" for plain structs. Unknown fields are refused
// where strict is set: the keeper takes nothing that it does not know.
type codec struct{ strict bool }

func (codec) Name() string { return "json" }

// appender is a message that writes itself: encoding/json would write anew what others wrote in it.
type appender interface{ AppendJSON([]byte) []byte }

func (codec) Marshal(v any) ([]byte, error) {
	if a, ok := v.(appender); ok {
		return a.AppendJSON(nil), nil
	}
	return json.Marshal(v)
}

func (c codec) Unmarshal(b []byte, v any) error {
	if len(b) == 0 {
		return nil
	}
	if !c.strict {
		return json.Unmarshal(b, v)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

// HandlerOptions are what every handler is made with.
func HandlerOptions(strict bool) connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithCodec(codec{strict: strict}),
		connect.WithReadMaxBytes(MaxMessageBytes),
		connect.WithInterceptors(faultInterceptor{}),
	)
}

// ClientOptions are what every client is made with. Nothing is compressed: it
// all stays on one machine, and each event would be compressed for itself.
func ClientOptions() connect.ClientOption {
	return connect.WithClientOptions(
		connect.WithAcceptCompression("gzip", nil, nil), // Connect's own default, taken back
		connect.WithCodec(codec{}),
		connect.WithReadMaxBytes(MaxMessageBytes),
		connect.WithInterceptors(faultInterceptor{client: true}),
	)
}

// Unary registers a handler for one procedure.
func Unary[Req, Res any](mux *http.ServeMux, procedure string, strict bool, f func(context.Context, *Req) (*Res, error)) {
	mux.Handle(procedure, connect.NewUnaryHandler(procedure, func(ctx context.Context, r *connect.Request[Req]) (*connect.Response[Res], error) {
		res, err := f(ctx, r.Msg)
		if err != nil {
			return nil, err
		}
		return connect.NewResponse(res), nil
	}, HandlerOptions(strict)))
}

// Stream registers a handler that answers with many messages.
func Stream[Req, Res any](mux *http.ServeMux, procedure string, f func(context.Context, *Req, func(*Res) error) error) {
	mux.Handle(procedure, connect.NewServerStreamHandler(procedure, func(ctx context.Context, r *connect.Request[Req], s *connect.ServerStream[Res]) error {
		return f(ctx, r.Msg, s.Send)
	}, HandlerOptions(false)))
}

// Caller calls procedures over one transport.
type Caller struct {
	HTTP *http.Client
	base string
}

// Dialer connects to the other side.
type Dialer func(ctx context.Context) (net.Conn, error)

// settleWithin is what a transport may take to share a connection that it has.
const settleWithin = time.Second

// Once gives the one connection that there is. A transport may ask for another while it is just about to share the
// first, and takes that as soon as it can: so who asks again is kept waiting a moment before there is none.
func Once(conn net.Conn) Dialer {
	var given atomic.Bool
	return func(ctx context.Context) (net.Conn, error) {
		if given.CompareAndSwap(false, true) {
			return conn, nil
		}
		settle := time.NewTimer(settleWithin)
		defer settle.Stop()
		select {
		case <-settle.C:
		case <-ctx.Done():
		}
		return nil, errors.New("the one connection is gone")
	}
}

// NewCaller returns a caller that dials as it needs: one connection, HTTP/2
// without TLS, many calls at a time.
func NewCaller(dial Dialer) *Caller {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &Caller{
		base: "http://carrel",
		HTTP: &http.Client{Transport: &http.Transport{
			Protocols:       protocols,
			DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			IdleConnTimeout: time.Minute,
			// Without it the transport asks for gzip where we do not.
			DisableCompression: true,
			HTTP2: &http.HTTP2Config{
				SendPingTimeout: 15 * time.Second,
				PingTimeout:     15 * time.Second,
			},
		}},
	}
}

// URL is the address of a path on the other side, for plain HTTP.
func (c *Caller) URL(path string, query url.Values) string {
	u := c.base + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

// Close lets go of the connections.
func (c *Caller) Close() { c.HTTP.CloseIdleConnections() }

// Call calls a unary procedure.
func Call[Req, Res any](ctx context.Context, c *Caller, procedure string, req *Req) (*Res, error) {
	cl := connect.NewClient[Req, Res](c.HTTP, c.base+procedure, ClientOptions())
	res, err := cl.CallUnary(ctx, connect.NewRequest(req))
	if err != nil {
		return nil, fromConnect(err)
	}
	return res.Msg, nil
}

// Subscribe calls a streaming procedure and gives each message to f, until
// the stream ends (nil), f fails (its error) or the call does.
func Subscribe[Req, Res any](ctx context.Context, c *Caller, procedure string, req *Req, f func(*Res) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cl := connect.NewClient[Req, Res](c.HTTP, c.base+procedure, ClientOptions())
	s, err := cl.CallServerStream(ctx, connect.NewRequest(req))
	if err != nil {
		return fromConnect(err)
	}
	for s.Receive() {
		if err := f(s.Msg()); err != nil {
			cancel()
			_ = s.Close() // f's error is the one that tells
			return err
		}
	}
	if err := s.Err(); err != nil {
		_ = s.Close()
		return fromConnect(err)
	}
	return s.Close()
}

// NewServer returns a server for a unix socket's listener.
func NewServer(h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 1000},
	}
}

// Headers that carry a fault across.
const (
	headerCode   = "Carrel-Code"
	headerDetail = "Carrel-Detail"
	headerFields = "Carrel-Fields"
	headerSaid   = "Carrel-Said"
	headerRetry  = "Carrel-Retry-Ms"
)

// maxSaidBytes bounds what lets a fault be said in other languages. One that
// needs more is told in English.
const maxSaidBytes = 16 << 10

type faultInterceptor struct{ client bool }

func (i faultInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, r)
		if err != nil && !i.client {
			return nil, toConnect(err)
		}
		return res, err
	}
}

func (i faultInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (i faultInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, c connect.StreamingHandlerConn) error {
		if err := next(ctx, c); err != nil {
			return toConnect(err)
		}
		return nil
	}
}

var connectCodes = map[fault.Code]connect.Code{
	fault.Unauthenticated:     connect.CodeUnauthenticated,
	fault.Forbidden:           connect.CodePermissionDenied,
	fault.NotFound:            connect.CodeNotFound,
	fault.Invalid:             connect.CodeInvalidArgument,
	fault.Conflict:            connect.CodeAborted,
	fault.QuotaExceeded:       connect.CodeResourceExhausted,
	fault.InstanceUnavailable: connect.CodeUnavailable,
}

func toConnect(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	code, ok := connectCodes[f.Code]
	if !ok {
		code = connect.CodeUnknown
	}
	ce := connect.NewError(code, err)
	// Headers hold ASCII only, and texts may be Chinese.
	ce.Meta().Set(headerCode, string(f.Code))
	ce.Meta().Set(headerDetail, url.QueryEscape(f.Detail))
	if len(f.Fields) > 0 {
		if b, err := json.Marshal(f.Fields); err == nil {
			ce.Meta().Set(headerFields, url.QueryEscape(string(b)))
		}
	}
	if b, err := json.Marshal(f.Texts()); err == nil && len(b) <= maxSaidBytes {
		ce.Meta().Set(headerSaid, url.QueryEscape(string(b)))
	}
	if f.RetryAfter > 0 {
		ce.Meta().Set(headerRetry, strconv.FormatInt(f.RetryAfter.Milliseconds(), 10))
	}
	return ce
}

func fromConnect(err error) error {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return err
	}
	code := ce.Meta().Get(headerCode)
	if code == "" {
		switch ce.Code() {
		case connect.CodeUnavailable:
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		case connect.CodeCanceled: // a connection that breaks, or the other side's end; our own cancelling says so in the chain
			if !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%w: %w", ErrUnreachable, err)
			}
		case connect.CodeDeadlineExceeded: // the other side may notice it first, and then the chain has only its code
			return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
		}
		return err
	}
	detail, _ := url.QueryUnescape(ce.Meta().Get(headerDetail)) // a text that does not decode is shown as far as it does
	var fields []fault.Field
	if s, err := url.QueryUnescape(ce.Meta().Get(headerFields)); err == nil && s != "" {
		_ = json.Unmarshal([]byte(s), &fields) // the detail alone will do
	}
	var texts []fault.Text
	if s, err := url.QueryUnescape(ce.Meta().Get(headerSaid)); err == nil && s != "" && len(s) <= maxSaidBytes {
		if json.Unmarshal([]byte(s), &texts) != nil {
			texts = nil // English, then
		}
	}
	f := fault.Told(fault.Code(code), detail, fields, texts)
	f.Err = ce.Unwrap()
	if ms, err := strconv.ParseInt(ce.Meta().Get(headerRetry), 10, 64); err == nil {
		f.RetryAfter = time.Duration(ms) * time.Millisecond
	}
	return f
}

// ErrUnreachable is in the chain when the other side could not be dialled or went away.
var ErrUnreachable = errors.New("the other side cannot be reached")
