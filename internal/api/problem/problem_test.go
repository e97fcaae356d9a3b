package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/rpc"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   fault.Code
		detail string // "": any
	}{
		{fault.New(fault.NotFound, "gone"), 404, fault.NotFound, "gone"},
		{fmt.Errorf("open: %w", fault.Wrap(errors.New("secret"), fault.Conflict, "taken")), 409, fault.Conflict, "taken"},
		{fault.New("brand_new", "x"), 500, "brand_new", "x"},
		{fault.Wrap(errors.New("secret"), fault.Internal, "secret too"), 500, fault.Internal, ""},
		{errors.New("secret"), 500, fault.Internal, ""},
		{fmt.Errorf("call: %w", rpc.ErrUnreachable), 503, fault.InstanceUnavailable, ""},
		{context.DeadlineExceeded, 503, fault.InstanceUnavailable, ""},
		{&http.MaxBytesError{Limit: 7}, 413, fault.TooLarge, ""},
		{Of(fault.New(fault.Forbidden, "no"), "r"), 403, fault.Forbidden, "no"},
	} {
		p := Of(c.err, "req-1")
		if p.Status != c.status || p.Code != c.code || c.detail != "" && p.Detail != c.detail || p.Title == "" {
			t.Errorf("%v: got %+v; want %d %s", c.err, p, c.status, c.code)
		}
		if b, _ := json.Marshal(p); strings.Contains(string(b), "secret") {
			t.Errorf("%v: got %s; want nothing of the cause", c.err, b)
		}
		if (p.RequestID != "") != (p.Code == fault.Internal) {
			t.Errorf("%v: got the request id %q", c.err, p.RequestID)
		}
		if !errors.Is(p, c.err) {
			t.Errorf("%v: the cause is lost", c.err)
		}
	}
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		err   *fault.Error
		retry string
	}{
		{&fault.Error{Code: fault.RateLimited, RetryAfter: 1200 * time.Millisecond}, "2"},
		{&fault.Error{Code: fault.RateLimited}, "1"},
		{&fault.Error{Code: fault.InstanceUnavailable, RetryAfter: 3 * time.Second}, "3"},
		{&fault.Error{Code: fault.InstanceUnavailable}, ""},
	} {
		w := httptest.NewRecorder()
		Of(c.err, "").Write(w)
		if got := w.Header().Get("Retry-After"); got != c.retry || w.Header().Get("Content-Type") != ContentType {
			t.Errorf("%+v: got Retry-After %q; want %q", c.err, got, c.retry)
		}
	}
	w := httptest.NewRecorder()
	Of(fault.New(fault.Unauthenticated, "who?"), "").Write(w)
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
}

func TestIn(t *testing.T) {
	p := Of(Of(fault.New(fault.NotFound, "There is no such session."), "r"), "r").In(words.Chinese)
	if p.Detail != "没有这个会话。" || p.Title != "Not Found" || p.GetHeaders().Get("Content-Language") != "zh-CN" || p.GetHeaders().Get("Vary") != "Accept-Language" {
		t.Errorf("got %+v, %v", p, p.GetHeaders())
	}
	if again := p.In(words.English); again.Detail != "There is no such session." || again.GetHeaders().Get("Content-Language") != "en" {
		t.Errorf("and back: got %+v", again)
	}
}

// TestEveryCodeHasAStatus reads the codes off package fault's source, so that a new one is not forgotten here.
func TestEveryCodeHasAStatus(t *testing.T) {
	src, err := os.ReadFile("../../fault/fault.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllSubmatch(src, -1)
	if len(found) < 10 {
		t.Fatalf("found only %d codes", len(found))
	}
	for _, m := range found {
		if statuses[fault.Code(m[1])] == 0 {
			t.Errorf("%s has no status", m[1])
		}
	}
}
