package socket

import (
	"log/slog"
	"testing"

	"github.com/carrel-dev/carrel/internal/api/allowance"
	"github.com/carrel-dev/carrel/internal/fault"
)

func TestConnectionsOfOneUserAreBounded(t *testing.T) {
	h := NewHub(Config{Log: slog.New(slog.DiscardHandler), Sent: allowance.NewUsers(1)})
	var lines []*line
	for range maxPerUser {
		l := &line{user: 1}
		if err := h.enter(l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if err := h.enter(&line{user: 1}); fault.CodeOf(err) != fault.RateLimited {
		t.Errorf("one more: got %v; want rate_limited", err)
	}
	if err := h.enter(&line{user: 2}); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	h.leave(lines[0])
	if err := h.enter(&line{user: 1}); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}
