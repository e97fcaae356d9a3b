package session

import (
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestCosts(t *testing.T) {
	t.Parallel()
	b := start(t)
	for range 2 {
		ss := b.create(t, ana)
		b.prompt(t, ana, ss.ID, "one")
		b.until(t, ana, ss.ID, "the turn", func(s Session) bool { return s.State == protocol.StateReady && s.CostUSD == 0.25 })
	}
	b.create(t, ben)
	// It is written down a moment after it is known.
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if costs, err := b.Costs(t.Context()); err != nil || costs[ana.ID] == 0.5 {
			break
		}
	}
	for _, c := range []struct {
		of   []int64
		want int
	}{{nil, 2}, {[]int64{ana.ID}, 1}, {[]int64{99}, 0}} {
		costs, err := b.Costs(t.Context(), c.of...)
		if err != nil || len(costs) != c.want || costs[ben.ID] != 0 || c.want > 0 && costs[ana.ID] != 0.5 {
			t.Errorf("of %v: %v, %v", c.of, costs, err)
		}
	}
}
