package fault_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

func TestIsByCode(t *testing.T) {
	err := fmt.Errorf("open session: %w", fault.Wrap(io.ErrUnexpectedEOF, fault.NotFound, "There is no session %d.", 7))
	for _, c := range []struct {
		target error
		want   bool
	}{
		{fault.NotFoundError, true},
		{fault.ConflictError, false},
		{io.ErrUnexpectedEOF, true},
		{io.EOF, false},
		{fault.New(fault.NotFound, "There is no session 7."), false}, // a text is no kind of error
	} {
		if got := errors.Is(err, c.target); got != c.want {
			t.Errorf("errors.Is(%v, %v) = %v; want %v", err, c.target, got, c.want)
		}
	}
}

func TestCodeOf(t *testing.T) {
	inner := fault.New(fault.QuotaExceeded, "3 of 3 sessions are open.")
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{inner, fault.QuotaExceeded},
		{fmt.Errorf("a: %w", fmt.Errorf("b: %w", inner)), fault.QuotaExceeded},
		{errors.Join(io.EOF, inner), fault.QuotaExceeded},
		{fault.Wrap(inner, fault.RuntimeUnavailable, "It cannot be made now."), fault.RuntimeUnavailable}, // the outer one was chosen later, knowing more
		{io.EOF, fault.Internal},
		{nil, fault.Internal},
	} {
		if got := fault.CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %s; want %s", c.err, got, c.want)
		}
	}
}

// The cause is for the log; what people read must not have it.
func TestDetailHasNoCause(t *testing.T) {
	err := fault.Wrap(errors.New("open /srv/secret: permission denied"), fault.RuntimeUnavailable, "A sandbox could not be made.")
	if strings.Contains(err.Detail, "/srv") || !strings.Contains(err.Error(), "/srv/secret") || !strings.HasPrefix(err.Error(), "runtime_unavailable: A sandbox") {
		t.Errorf("detail %q, error %q", err.Detail, err.Error())
	}
}

func TestInvalidField(t *testing.T) {
	err := fault.InvalidField("body.username", "A name has at most %d letters.", 31)
	want := fault.Field{Location: "body.username", Message: "A name has at most 31 letters."}
	if err.Code != fault.Invalid || err.Detail != want.Message || len(err.Fields) != 1 || err.Fields[0].Location != want.Location || err.Fields[0].Message != want.Message {
		t.Errorf("got %+v", err)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{-1: "0 B", 999: "999 B", 100 << 20: "100 MiB", 5<<30 + 1<<29: "5.5 GiB"} {
		if got := fault.Size(n); got != want {
			t.Errorf("%d: got %q; want %q", n, got, want)
		}
	}
}
