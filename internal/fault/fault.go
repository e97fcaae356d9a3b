// Package fault gives an error what its three readers need: a stable code for
// programs, a sentence for people (what happened, why, what to do) and the
// wrapped cause for the log. Any depth may return one; package api turns it
// into a problem document, and nobody else does.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code is part of the public contract: never renamed, listed in the docs.
type Code string

// The codes of the public contract.
const (
	Unauthenticated     Code = "unauthenticated"
	Forbidden           Code = "forbidden"
	NotFound            Code = "not_found"
	MethodNotAllowed    Code = "method_not_allowed"
	Invalid             Code = "invalid"
	Conflict            Code = "conflict"
	QuotaExceeded       Code = "quota_exceeded"
	BudgetExceeded      Code = "budget_exceeded"
	RateLimited         Code = "rate_limited"
	TooLarge            Code = "too_large"
	PreconditionFailed  Code = "precondition_failed"
	RangeNotSatisfiable Code = "range_not_satisfiable"
	SlowConsumer        Code = "slow_consumer"
	InstanceUnavailable Code = "instance_unavailable"
	RuntimeUnavailable  Code = "runtime_unavailable"
	UpstreamUnavailable Code = "upstream_unavailable"
	Internal            Code = "internal"
)

// Field names one part of the input that is at fault.
type Field struct {
	Location string `json:"location"` // e.g. "body.username", "query.after"
	Message  string `json:"message"`
}

// Error is an error with a code and a text that a user may read. Detail never
// holds another user's data, a path of the host, or a secret.
type Error struct {
	Code       Code
	Detail     string
	Fields     []Field
	RetryAfter time.Duration // 0: unknown or never
	Err        error         // cause, for the log only
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, fault.NotFoundError) true for every error of that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Detail == "" && t.Err == nil && t.Code == e.Code
}

// Sentinels for errors.Is; not for returning.
var (
	NotFoundError = &Error{Code: NotFound}
	ConflictError = &Error{Code: Conflict}
)

// New returns an error of a code, with a text for people.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap is New with a cause, which only the log shows.
func Wrap(err error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), Err: err}
}

// InvalidField is an Invalid error about one field.
func InvalidField(location, format string, args ...any) *Error {
	msg := fmt.Sprintf(format, args...)
	return &Error{Code: Invalid, Detail: msg, Fields: []Field{{Location: location, Message: msg}}}
}

// CodeOf finds the code in a chain; an error without one is Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
