package api

import (
	"context"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Limits of a request. Reading a body has a deadline of its own, which ends with the reading.
const (
	maxBodyBytes    = 1 << 20
	strangersBytes  = 64 << 10 // of who has not signed in
	freeBytes       = 64 << 10 // what a body may take without being counted
	bodyReadTimeout = 60 * time.Second
	// callTimeout bounds what a route may take unless it says otherwise; making an instance is the slowest of it.
	callTimeout = 2 * time.Minute
)

// route registers a JSON route: who may use it, what it takes, what it answers.
func route[I, O any](s *Server, who policy, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxBodyBytes
		if who == anyone {
			op.MaxBodyBytes = strangersBytes
		}
	}
	op.BodyReadTimeout = bodyReadTimeout
	op.Middlewares = append(huma.Middlewares{s.guard(who), s.jsonOnly, s.fits}, op.Middlewares...)
	describe(&op, who)
	has := locationsOf(reflect.TypeFor[I]())
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		q := requestOf(ctx)
		// The body is read. Its deadline would end the request's context later on.
		_ = q.control.SetReadDeadline(time.Time{}) // not every writer has one, and then there was none to set
		ctx, cancel := context.WithTimeout(ctx, timeoutOf(&op))
		defer cancel()
		out, err := handle(ctx, in)
		q.limitWriting()
		if err != nil {
			q.err = err
			return nil, q.problem(has.mend(err))
		}
		return out, nil
	})
}

// raw registers a route that reads and writes by itself. Its description is the operation's own.
func (s *Server) raw(who policy, op huma.Operation, handle func(http.ResponseWriter, *http.Request) error) {
	describe(&op, who)
	s.api.OpenAPI().AddOperation(&op)
	s.mux.HandleFunc(op.Method+" "+Base+op.Path, s.rawHandler(who, op.Method == http.MethodGet && isSocket(&op), handle))
}

func (s *Server) rawHandler(who policy, webSocket bool, handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := s.check(r, who, webSocket)
		if err == nil {
			err = handle(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	}
}

// jsonOnly refuses a body that says it is something else.
func (s *Server) jsonOnly(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	if header := r.Header.Get("Content-Type"); header != "" && ctx.Operation().RequestBody != nil {
		if t, _, err := mime.ParseMediaType(header); err != nil || t != "application/json" {
			s.failHuma(ctx, fault.InvalidField("header.Content-Type", "The body must be application/json."))
			return
		}
		r.Header.Set("Content-Type", "application/json") // huma knows it only in these letters
	}
	next(ctx)
}

// fits takes the memory of a body before it is read; of one whose length is not told, while it is read.
func (s *Server) fits(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	n := min(ctx.Operation().MaxBodyBytes, r.ContentLength)
	switch q := requestOf(r.Context()); {
	case q.person == nil || ctx.Operation().RequestBody == nil:
	case n < 0:
		r.Body = &countedBody{ReadCloser: r.Body, request: q, room: freeBytes}
	case n > freeBytes:
		if err := q.hold(int(n)); err != nil {
			s.failHuma(ctx, err)
			return
		}
	}
	next(ctx)
}

// countedBody takes memory as a body comes.
type countedBody struct {
	io.ReadCloser
	request *request
	room    int // for what is still to come
}

func (b *countedBody) Read(p []byte) (int, error) {
	if b.room == 0 {
		if err := b.request.hold(freeBytes); err != nil {
			return 0, err // faultOfHuma finds it again
		}
		b.room = freeBytes
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.room)])
	b.room -= n
	return n, err
}

const (
	metaTimeout = "timeout"
	metaSocket  = "socket"
)

func timeoutOf(op *huma.Operation) time.Duration {
	if d, ok := op.Metadata[metaTimeout].(time.Duration); ok {
		return d
	}
	return callTimeout
}

func isSocket(op *huma.Operation) bool { return op.Metadata[metaSocket] == true }

// describe adds to an operation what all of its kind have.
func describe(op *huma.Operation, who policy) {
	if op.OperationID == "" {
		op.OperationID = operationID(op.Method, op.Path)
	}
	if len(op.Tags) == 0 {
		first, _, _ := strings.Cut(strings.TrimPrefix(op.Path, "/"), "/")
		op.Tags = []string{first}
	}
	switch who {
	case anyone:
		op.Security = []map[string][]string{}
		return
	case moderators:
		op.Description = strings.TrimSpace(op.Description + " For moderators and administrators.")
	case adminsOnly:
		op.Description = strings.TrimSpace(op.Description + " For administrators.")
	}
	op.Security = []map[string][]string{{"cookie": {}}, {"token": {}}}
}

// operationID makes GET /users/{id}/quota into get-users-id-quota.
func operationID(method, path string) string {
	words := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("/{}_", r) })
	return strings.ToLower(method) + "-" + strings.Join(words, "-")
}

// List is a page of a list.
type List[T any] struct {
	Items      []T     `json:"items" doc:"The entries, in order."`
	NextCursor *string `json:"next_cursor" doc:"Send it as cursor for the entries that follow; null at the end."`
}

// listOf makes the answer of a list; an empty one is [] and not null.
func listOf[T any](items []T, next string) *body[List[T]] {
	l := List[T]{Items: items}
	if items == nil {
		l.Items = []T{}
	}
	if next != "" {
		l.NextCursor = &next
	}
	return &body[List[T]]{Body: l}
}

// Page is what every list takes.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many entries at most."`
	Cursor string `query:"cursor" maxLength:"500" doc:"next_cursor of the page before."`
}

// body is an answer that is nothing but a body.
type body[T any] struct{ Body T }

// nothing is an answer without a body (204), or a request without anything.
type nothing struct{}
