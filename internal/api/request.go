package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api/allowance"
	"github.com/carrel-dev/carrel/internal/api/problem"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
)

// request is what is known of one request while it runs.
type request struct {
	id      string
	person  *person // nil until guard has found out who asks
	control *http.ResponseController
	client  string         // address of who asks
	agent   string         // as who asks names the own program
	https   bool           // as the client sees it
	reads   words.Language // what who asks reads best
	err     error          // what a handler failed with, for the log
	timed   bool           // the writing of the answer has a deadline
	users   *allowance.Users
	allowed *allowance.Allowance // nil until something is held
	held    int
}

// hold takes memory of the user's allowance until the request has ended. Somebody has signed in.
func (q *request) hold(bytes int) error {
	if q.allowed == nil {
		q.allowed = q.users.Enter(q.person.user.ID)
	}
	if !q.allowed.Take(bytes) {
		err := fault.New(fault.RateLimited, "Too much of yours is on its way at one time. Wait for what is under way, and try again.")
		err.RetryAfter = time.Second
		return err
	}
	q.held += bytes
	return nil
}

func (q *request) letGo() {
	if q.allowed != nil {
		q.allowed.Give(q.held)
		q.users.Leave(q.allowed)
	}
}

// writeTimeout bounds the writing of a JSON answer: who does not read it must not hold it.
const writeTimeout = time.Minute

// limitWriting gives the answer its deadline; wrap takes it off the connection again.
func (q *request) limitWriting() {
	q.timed = q.control.SetWriteDeadline(time.Now().Add(writeTimeout)) == nil
}

// from is from where somebody signs in with the request.
func (q *request) from() account.Client {
	return account.Client{Address: q.client, Agent: q.agent, Secure: q.https}
}

// problem is what who asks is told of an error, in their language.
func (q *request) problem(err error) *problem.Problem { return problem.Of(err, q.id).In(q.reads) }

type requestKey struct{}

// requestOf gives the request that ctx belongs to; wrap has put it there.
func requestOf(ctx context.Context) *request {
	q, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		panic("api: a context without its request")
	}
	return q
}

// wrap is around everything: request id, headers, access log, panics.
func (s *Server) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		q := &request{id: rand.Text(), control: http.NewResponseController(rec), reads: problem.Language(r.Header.Get("Accept-Language")), agent: r.UserAgent(), users: s.allowances}
		q.client, q.https = s.clientOf(r)
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
		s.setHeaders(rec.Header(), q)
		defer q.letGo()
		defer func() {
			if v := recover(); v != nil {
				if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					s.access(r, q, rec, began)
					panic(v) // net/http cuts the connection, as was asked
				}
				q.err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
				if !rec.wrote {
					q.problem(q.err).Write(rec)
				}
			}
			s.access(r, q, rec, began)
		}()
		if headerBytes(r) > MaxHeaderBytes {
			q.err = fault.New(fault.TooLarge, "The request's line and headers are larger than %s. Send fewer or shorter ones; in a browser, delete the cookies of this address.", fault.Size(MaxHeaderBytes))
			p := q.problem(q.err)
			p.Status, p.Title = http.StatusRequestHeaderFieldsTooLarge, http.StatusText(http.StatusRequestHeaderFieldsTooLarge)
			p.Write(rec)
			return
		}
		next.ServeHTTP(rec, r)
		if q.timed { // or it would end a later request on the same connection
			_ = q.control.SetWriteDeadline(time.Time{}) // it could be set before
		}
	})
}

// MaxHeaderBytes bounds a request's line and headers. The listener takes twice as much, so that who sends somewhat more
// is told so as a problem document; what is beyond that net/http refuses in its own words.
const MaxHeaderBytes = 64 << 10

// headerBytes is about what a request's line and headers took on the wire.
func headerBytes(r *http.Request) (n int) {
	n = len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// setHeaders sets what every answer has. The page's own policy replaces the strict one.
func (s *Server) setHeaders(h http.Header, q *request) {
	h.Set("X-Request-Id", q.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if q.https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// access writes the request's one log line. A query is not in it: it may hold a path or a secret.
func (s *Server) access(r *http.Request, q *request, rec *recorder, began time.Time) {
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	attrs := []slog.Attr{
		slog.String("request_id", q.id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.Int64("bytes", rec.bytes), slog.Duration("took", time.Since(began)),
		slog.String("client", q.client),
	}
	if q.person != nil {
		attrs = append(attrs, slog.Int64("user_id", q.person.user.ID))
	}
	level := slog.LevelDebug
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		level = slog.LevelInfo
	}
	if q.err != nil {
		attrs = append(attrs, slog.String("code", string(fault.CodeOf(q.err))), slog.Any("err", q.err))
		level = slog.LevelInfo
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.deps.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// fail answers with the problem that err is, and keeps err for the log.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	q := requestOf(r.Context())
	q.err = err
	q.problem(err).Write(w)
}

// failHuma is fail for what huma handles.
func (s *Server) failHuma(ctx huma.Context, err error) {
	q := requestOf(ctx.Context())
	q.err = err
	p := q.problem(err)
	for k, vs := range p.GetHeaders() {
		for _, v := range vs {
			ctx.SetHeader(k, v)
		}
	}
	ctx.SetHeader("Content-Type", problem.ContentType)
	ctx.SetStatus(p.GetStatus())
	_ = jsonFormat.Marshal(ctx.BodyWriter(), p) // the client may be gone
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool
}

func (w *recorder) WriteHeader(status int) {
	if !w.wrote && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if !w.wrote {
		w.status, w.wrote = http.StatusOK, true
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController and a WebSocket reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
