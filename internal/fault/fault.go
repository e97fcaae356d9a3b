// Package fault gives an error what its three readers need: a stable code for
// programs, a sentence for people (what happened, why, what to do) and the
// wrapped cause for the log. Any depth may return one; package api turns it
// into a problem document, and nobody else does.
package fault

import (
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
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
	said     *Text  // what made Message; nil: Message is all
}

// Error is an error with a code and a text that a user may read. Detail never
// holds another user's data, a path of the host, or a secret. It is English,
// as are the messages of Fields; package words says both in other languages.
type Error struct {
	Code       Code
	Detail     string
	Fields     []Field
	RetryAfter time.Duration // 0: unknown or never
	Err        error         // cause, for the log only
	said       *Text         // what made Detail; nil: Detail is all
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
	t := Say(format, args...)
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), said: &t}
}

// Wrap is New with a cause, which only the log shows.
func Wrap(err error, code Code, format string, args ...any) *Error {
	e := New(code, format, args...)
	e.Err = err
	return e
}

// InvalidField is an Invalid error about one field.
func InvalidField(location, format string, args ...any) *Error {
	return Fields(Invalid, FieldAt(location, format, args...))
}

// FieldAt is one field of an error, with what is wrong with it.
func FieldAt(location, format string, args ...any) Field {
	t := Say(format, args...)
	return Field{Location: location, Message: fmt.Sprintf(format, args...), said: &t}
}

// Fields is an error about one field or several; its text is the first one's.
func Fields(code Code, first Field, others ...Field) *Error {
	return &Error{Code: code, Detail: first.Message, Fields: append([]Field{first}, others...), said: first.said}
}

// At is an error about one field that stands elsewhere in the input than who found it knows.
func At(location string, err error) error {
	var f *Error
	if !errors.As(err, &f) || len(f.Fields) != 1 {
		return err
	}
	moved := *f
	moved.Fields = []Field{f.Fields[0]}
	moved.Fields[0].Location = location
	return &moved
}

// Said is the text of the error.
func (e *Error) Said() Text { return said(e.said, e.Detail) }

// Said is the text of the field.
func (f Field) Said() Text { return said(f.said, f.Message) }

// said believes a text only when it says what the English does: somebody may
// have set that, and another process may have sent both.
func said(t *Text, english string) Text {
	if t != nil && t.String() == english {
		return *t
	}
	return Quote(english)
}

// Texts are what the error says: its own text, and then that of each field. A
// process that tells another of an error sends them along, for Told.
func (e *Error) Texts() []Text {
	all := []Text{e.Said()}
	for _, f := range e.Fields {
		all = append(all, f.Said())
	}
	return all
}

// Told is an error that another process told of. Its texts count only as far
// as they say the same as its English.
func Told(code Code, detail string, fields []Field, texts []Text) *Error {
	e := &Error{Code: code, Detail: detail, Fields: fields}
	for i := range texts {
		switch {
		case i == 0:
			e.said = &texts[0]
		case i <= len(fields):
			fields[i-1].said = &texts[i]
		}
	}
	return e
}

// Size says a number of bytes as people read it, in the units that the page has: 100 MiB.
func Size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// CodeOf finds the code in a chain; an error without one is Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
