package session

import (
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// TestSeen: what was seen on one device is seen on all; it goes forward alone, and not past the present.
func TestSeen(t *testing.T) {
	t.Parallel()
	b := start(t)
	ss := b.create(t, ana)
	if !ss.SeenAt.Equal(ss.LastActivityAt) {
		t.Errorf("a new one was seen at %v, and is of %v", ss.SeenAt, ss.LastActivityAt)
	}
	b.prompt(t, ana, ss.ID, "one")
	ss = b.until(t, ana, ss.ID, "the turn", func(s Session) bool { return s.LastSeq == 3 && s.State == protocol.StateReady })
	if !ss.LastActivityAt.After(ss.SeenAt) {
		t.Errorf("seen at %v already, and of %v", ss.SeenAt, ss.LastActivityAt)
	}
	note := func(at time.Time) Session {
		t.Helper()
		if _, err := b.Change(t.Context(), ana.ID, ss.ID, Change{SeenAt: &at}); err != nil {
			t.Fatal(err)
		}
		found, err := b.Get(t.Context(), ana.ID, ss.ID)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if now := note(ss.LastActivityAt); !now.SeenAt.Equal(ss.LastActivityAt) || now.LastActivityAt != ss.LastActivityAt {
		t.Errorf("seen at %v, of %v; want both %v", now.SeenAt, now.LastActivityAt, ss.LastActivityAt)
	}
	if now := note(ss.CreatedAt); !now.SeenAt.Equal(ss.LastActivityAt) {
		t.Errorf("it went back to %v", now.SeenAt)
	}
	if now := note(time.Now().Add(time.Hour)); now.SeenAt.After(time.Now()) {
		t.Errorf("seen at %v, which is yet to come", now.SeenAt)
	}
}
