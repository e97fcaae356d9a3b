package rpc

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/carrel-dev/carrel/internal/fault"
)

type question struct{ N int }
type answer struct{ N int }

// listen serves at a socket, until it is stopped or the test ends.
func listen(t *testing.T, mux *http.ServeMux) (path string, stop func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := NewServer(mux)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	stop = func() { _ = srv.Close(); <-done }
	t.Cleanup(stop)
	return path, stop
}

func serve(t *testing.T, mux *http.ServeMux) *Caller {
	t.Helper()
	path, _ := listen(t, mux)
	c := NewCaller(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	})
	t.Cleanup(c.Close)
	return c
}

func TestFaultCrosses(t *testing.T) {
	mux := http.NewServeMux()
	Unary(mux, "/t/Ask", true, func(_ context.Context, q *question) (*answer, error) {
		if q.N == 0 {
			return nil, &fault.Error{Code: fault.QuotaExceeded, Detail: "三个会话中的三个已打开。", RetryAfter: 2 * time.Second,
				Fields: []fault.Field{{Location: "body.n", Message: "zero"}}}
		}
		return &answer{N: q.N + 1}, nil
	})
	Stream(mux, "/t/Count", func(_ context.Context, q *question, send func(*answer) error) error {
		for i := range q.N {
			if err := send(&answer{N: i}); err != nil {
				return err
			}
		}
		return fault.New(fault.NotFound, "no more")
	})
	c := serve(t, mux)
	ctx := t.Context()
	res, err := Call[question, answer](ctx, c, "/t/Ask", &question{N: 4})
	if err != nil || res.N != 5 {
		t.Fatalf("got %v, %v; want 5", res, err)
	}
	_, err = Call[question, answer](ctx, c, "/t/Ask", &question{})
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.QuotaExceeded || f.Detail != "三个会话中的三个已打开。" || f.RetryAfter != 2*time.Second || len(f.Fields) != 1 {
		t.Fatalf("got %#v; want the whole fault", err)
	}
	n := 0
	err = Subscribe(ctx, c, "/t/Count", &question{N: 3}, func(*answer) error { n++; return nil })
	if n != 3 || fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("got %d messages and %v; want 3 and not_found", n, err)
	}
	stop := errors.New("enough")
	if err := Subscribe(ctx, c, "/t/Count", &question{N: 3}, func(*answer) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("got %v; want the callback's error", err)
	}
}

// TestTextsCross: what lets a fault be said in another language comes along, and garbage in its place harms nobody.
func TestTextsCross(t *testing.T) {
	mux := http.NewServeMux()
	Unary(mux, "/t/Ask", true, func(_ context.Context, q *question) (*answer, error) {
		long := strings.Repeat("长", 20<<10)
		switch q.N {
		case 0:
			return nil, fault.InvalidField("body.n", "The number must be %s.", fault.Say("from %d to %d", 1, 9))
		case 1:
			return nil, fault.New(fault.Conflict, "Too much is said: %s", long)
		}
		return &answer{}, nil
	})
	mux.Handle("/t/Garbage", connect.NewUnaryHandler("/t/Garbage", func(_ context.Context, r *connect.Request[question]) (*connect.Response[answer], error) {
		e := connect.NewError(connect.CodeAborted, errors.New("x"))
		e.Meta().Set(headerCode, "conflict")
		e.Meta().Set(headerDetail, "There+is+%22nothing%22.")
		e.Meta().Set(headerSaid, []string{"%%%", "%5B%5B", "%5B%5B%22%25s%22%5D%5D", "[[\"There is no such user.\"]]", "null", strings.Repeat("x", 30<<10), "[[[[[[[[[]]]]]]]]]"}[r.Msg.N])
		e.Meta().Set(headerFields, "%5B%7B%7D%5D")
		return nil, e
	}, connect.WithCodec(codec{})))
	c := serve(t, mux)
	ask := func(path string, n int) *fault.Error {
		t.Helper()
		_, err := Call[question, answer](t.Context(), c, path, &question{N: n})
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatalf("got %v; want a fault", err)
		}
		return f
	}
	f := ask("/t/Ask", 0)
	if f.Said().Format() != "The number must be %s." || f.Fields[0].Said().Format() != "The number must be %s." || f.Said().String() != "The number must be from 1 to 9." {
		t.Errorf("got %q, %v", f.Said().Format(), f)
	}
	if nested, ok := f.Said().Args()[0].(fault.Text); !ok || nested.Format() != "from %d to %d" {
		t.Errorf("got the arguments %v; want the text that was one", f.Said().Args())
	}
	if f := ask("/t/Ask", 1); !strings.HasSuffix(f.Detail, "长") || f.Said().String() != f.Detail {
		t.Errorf("got %.100s; want all of the long text", f.Detail)
	}
	for n := range 7 {
		if f := ask("/t/Garbage", n); f.Detail != `There is "nothing".` || f.Said().String() != f.Detail || len(f.Fields) != 1 {
			t.Errorf("garbage %d: got %+v", n, f)
		}
	}
}

func TestStrictRefusesUnknownFields(t *testing.T) {
	mux := http.NewServeMux()
	Unary(mux, "/t/Ask", true, func(_ context.Context, q *question) (*answer, error) { return &answer{N: q.N}, nil })
	c := serve(t, mux)
	if _, err := Call[map[string]any, answer](t.Context(), c, "/t/Ask", &map[string]any{"N": 1, "Path": "/etc"}); err == nil {
		t.Fatal("a field that the procedure does not know was taken")
	}
}

func TestUnreachable(t *testing.T) {
	c := NewCaller(func(context.Context) (net.Conn, error) { return nil, errors.New("nobody there") })
	_, err := Call[question, answer](t.Context(), c, "/t/Ask", &question{})
	if !errors.Is(err, ErrUnreachable) {
		t.Fatalf("got %v; want ErrUnreachable", err)
	}
}

// TestNothingIsCompressed: every event would be, for itself, between two processes of one machine.
func TestNothingIsCompressed(t *testing.T) {
	mux := http.NewServeMux()
	Unary(mux, "/t/Ask", false, func(_ context.Context, q *question) (*answer, error) { return &answer{N: q.N}, nil })
	Stream(mux, "/t/Count", func(_ context.Context, q *question, send func(*answer) error) error { return send(&answer{N: q.N}) })
	asked := make(chan http.Header, 2)
	seen := http.NewServeMux()
	seen.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Clone()
		mux.ServeHTTP(w, r)
	})
	c := serve(t, seen)
	if _, err := Call[question, answer](t.Context(), c, "/t/Ask", &question{N: 1}); err != nil {
		t.Fatal(err)
	}
	if err := Subscribe(t.Context(), c, "/t/Count", &question{N: 1}, func(*answer) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h := <-asked
		for _, name := range []string{"Accept-Encoding", "Connect-Accept-Encoding"} {
			if got := h.Get(name); got == "gzip" {
				t.Errorf("%s: %q; want no compression", name, got)
			}
		}
	}
}

// TestOnce: many who ask at one time, before there is a connection, share the only one; and when it is gone, they are told.
func TestOnce(t *testing.T) {
	mux := http.NewServeMux()
	Unary(mux, "/t/Ask", true, func(_ context.Context, q *question) (*answer, error) { return &answer{N: q.N + 1}, nil })
	path, stop := listen(t, mux)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := NewCaller(Once(conn))
	t.Cleanup(c.Close)
	var asking sync.WaitGroup
	for n := range 20 {
		asking.Go(func() {
			if res, err := Call[question, answer](t.Context(), c, "/t/Ask", &question{N: n}); err != nil || res.N != n+1 {
				t.Errorf("%d: got %v, %v", n, res, err)
			}
		})
	}
	asking.Wait()
	stop()
	if _, err := Call[question, answer](t.Context(), c, "/t/Ask", &question{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("once it is gone: got %v", err)
	}
}
