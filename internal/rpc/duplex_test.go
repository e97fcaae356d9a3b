package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

func TestDuplex(t *testing.T) {
	mux := http.NewServeMux()
	ended := make(chan struct{})
	Duplex(mux, "/t/Talk", func(ctx context.Context, receive func() (*question, error), send func(*answer) error) error {
		for {
			q, err := receive()
			if errors.Is(err, io.EOF) || ctx.Err() != nil {
				close(ended)
				return nil
			}
			if err != nil {
				return err
			}
			if q.N < 0 {
				return fault.New(fault.SlowConsumer, "太慢")
			}
			if err := send(&answer{N: q.N + 1}); err != nil {
				return err
			}
		}
	})
	c := serve(t, mux)
	call := OpenDuplex[question, answer](t.Context(), c, "/t/Talk")
	for i := range 3 {
		if err := call.Send(&question{N: i}); err != nil {
			t.Fatal(err)
		}
		if a, err := call.Receive(); err != nil || a.N != i+1 {
			t.Fatalf("got %v, %v; want %d", a, err, i+1)
		}
	}
	if err := call.Send(&question{N: -1}); err != nil {
		t.Fatal(err)
	}
	_, err := call.Receive()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.SlowConsumer || f.Detail != "太慢" {
		t.Errorf("got %v; want the whole fault", err)
	}
	call.Close()
	call.Close() // twice is harmless

	// Closing ends a call that nobody answers.
	call = OpenDuplex[question, answer](t.Context(), c, "/t/Talk")
	if err := call.Send(&question{N: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := call.Receive(); err != nil {
		t.Fatal(err)
	}
	call.Close()
	<-ended
	if _, err := call.Receive(); err == nil {
		t.Error("received after the close")
	}
}
