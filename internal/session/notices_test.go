package session

import (
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

func TestConnectionsOfOneUserAreBounded(t *testing.T) {
	var n notices
	n.init()
	var last *watcher
	for i := range maxWatches {
		w, err := n.add(7)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		last = w
	}
	if _, err := n.add(7); fault.CodeOf(err) != fault.RateLimited {
		t.Errorf("one too many: %v; want rate_limited", err)
	}
	if _, err := n.add(8); err != nil {
		t.Errorf("another user: %v", err)
	}
	n.remove(7, last)
	if _, err := n.add(7); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
}
