package session

import (
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/pool/pooltest"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestOrderIsWhatIsTold: the last used comes first as soon as its instance says so, before that is written down.
func TestOrderIsWhatIsTold(t *testing.T) {
	t.Parallel()
	b := start(t)
	first, _ := b.create(t, ana), b.create(t, ana)
	b.Stop()
	s := New(Options{DB: b.db.Bun(), Pool: b.pool, Log: b.log}) // not started: it writes nothing down
	t.Cleanup(s.Stop)
	at := time.Now().UTC().Add(time.Hour).Truncate(time.Millisecond)
	b.rt.Supervisor(ana.ID).SetState(first.ID, func(p *protocol.Session) { p.LastActivityAt = at })
	pooltest.Poll(t, "the news", func() (bool, any) {
		got, err := s.Get(t.Context(), ana.ID, first.ID)
		return err == nil && got.LastActivityAt.Equal(at), got
	})
	all, _, err := s.List(t.Context(), ana.ID, "", 0, "")
	if err != nil || len(all) != 2 || all[0].ID != first.ID {
		t.Errorf("got %+v, %v; want %s first", all, err, first.ID)
	}
}
