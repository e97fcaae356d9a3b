// Package problem turns an error into what a client is told: a problem
// document (RFC 9457) with our code, in the language of who asked, or the code and text of a WebSocket's
// error message. It is the only place that knows which code has which HTTP
// status; what it does not know is a plain 500 whose text stays in the log.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/rpc"
)

// ContentType is that of every problem document.
const ContentType = "application/problem+json"

// statusClientClosed is for the log alone: the client went away, nobody reads it.
const statusClientClosed = 499

// statuses is the table from code to status. A quota is a refusal that no
// waiting mends, hence 403; 429 is for rate_limited alone and says when to try again.
var statuses = map[fault.Code]int{
	fault.Unauthenticated:     http.StatusUnauthorized,
	fault.Forbidden:           http.StatusForbidden,
	fault.NotFound:            http.StatusNotFound,
	fault.MethodNotAllowed:    http.StatusMethodNotAllowed,
	fault.Invalid:             http.StatusBadRequest,
	fault.Conflict:            http.StatusConflict,
	fault.QuotaExceeded:       http.StatusForbidden,
	fault.BudgetExceeded:      http.StatusForbidden,
	fault.RateLimited:         http.StatusTooManyRequests,
	fault.TooLarge:            http.StatusRequestEntityTooLarge,
	fault.PreconditionFailed:  http.StatusPreconditionFailed,
	fault.RangeNotSatisfiable: http.StatusRequestedRangeNotSatisfiable,
	fault.SlowConsumer:        http.StatusConflict,
	fault.InstanceUnavailable: http.StatusServiceUnavailable,
	fault.RuntimeUnavailable:  http.StatusServiceUnavailable,
	fault.UpstreamUnavailable: http.StatusBadGateway,
	fault.Internal:            http.StatusInternalServerError,
}

// Problem is a problem document. It is an error too, so that huma writes it.
type Problem struct {
	Title     string        `json:"title" example:"Bad Request" doc:"The status in words."`
	Status    int           `json:"status" example:"400" doc:"The HTTP status."`
	Detail    string        `json:"detail" example:"The name is taken. Choose another." doc:"What happened, why, and what to do. For people; programs read code."`
	Code      fault.Code    `json:"code" example:"invalid" doc:"Stable name of the error, for programs."`
	Errors    []fault.Field `json:"errors,omitempty" doc:"The fields at fault."`
	RequestID string        `json:"request_id,omitempty" doc:"With an internal error: the request's id, which is in the server's log too."`

	retryAfter int // seconds; 0: unknown
	fault      *fault.Error
	language   words.Language
	cause      error
}

// Of gives the problem that an error is to a client. Only an internal one
// carries the request's id: 'not yours' and 'not there' must be the same bytes.
func Of(err error, requestID string) *Problem {
	f := faultOf(err)
	status, ok := statuses[f.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	p := &Problem{
		Title: http.StatusText(status), Status: status, Detail: f.Detail, Code: f.Code, Errors: f.Fields,
		fault: f, language: words.English, cause: err,
	}
	if f.RetryAfter > 0 {
		p.retryAfter = int(math.Ceil(f.RetryAfter.Seconds()))
	} else if f.Code == fault.RateLimited {
		p.retryAfter = 1
	}
	if f.Code == fault.Internal {
		p.RequestID = requestID
	}
	return p
}

// In gives the problem in a language. Titles are the statuses' own names and stay as they are.
func (p *Problem) In(l words.Language) *Problem {
	out := *p
	f := words.Error(l, p.fault)
	out.Detail, out.Errors, out.language = f.Detail, f.Fields, l
	return &out
}

// faultOf finds the fault in a chain, or the nearest thing to say about an error that is none.
func faultOf(err error) *fault.Error {
	var p *Problem
	if errors.As(err, &p) {
		return p.fault
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Code != fault.Internal {
		return f
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return fault.New(fault.TooLarge, "The body is larger than %s.", fault.Size(large.Limit))
	case errors.Is(err, rpc.ErrUnreachable):
		return fault.New(fault.InstanceUnavailable, "Your instance does not answer. Try again in a moment; if that does not help, restart it.")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.InstanceUnavailable, "The answer took too long, so the request was given up. Try again in a moment.")
	}
	return fault.New(fault.Internal, "Something went wrong on the server. Tell your administrator the request id; the log has the reason.")
}

// Error is the text for the log.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return string(p.Code) + ": " + p.Detail
}

// Unwrap gives the error that the problem was made of.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus is for huma.
func (p *Problem) GetStatus() int {
	if errors.Is(p.cause, context.Canceled) && p.Code == fault.Internal {
		return statusClientClosed
	}
	return p.Status
}

// GetHeaders is for huma: the language, Retry-After, and how to sign in.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	h.Set("Content-Language", string(p.language))
	h.Set("Vary", "Accept-Language")
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="carrel"`)
	}
	return h
}

// ContentType is for huma.
func (p *Problem) ContentType(string) string { return ContentType }

// Write answers a request that huma does not handle.
func (p *Problem) Write(w http.ResponseWriter) {
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	body, err := json.Marshal(p)
	if err != nil { // strings and numbers only
		panic(err)
	}
	w.Header().Del("ETag")
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.GetStatus())
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}
