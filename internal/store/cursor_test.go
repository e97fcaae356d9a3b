package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/fault"
)

type sessionKey struct {
	At time.Time `json:"at"`
	ID string    `json:"id"`
}

func TestCursorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		if got, err := DecodeCursor[int64](EncodeCursor(n)); err != nil || got != n {
			t.Errorf("cursor of %d reads as %d, %v", n, got, err)
		}
		key := sessionKey{At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 5000).UTC(), ID: rapid.StringMatching(`[a-z0-9-]{0,36}`).Draw(t, "id")}
		if got, err := DecodeCursor[sessionKey](EncodeCursor(key)); err != nil || got != key {
			t.Errorf("cursor of %v reads as %v, %v", key, got, err)
		}
	})
}

func TestDecodeCursorRefuses(t *testing.T) {
	for _, cursor := range []string{"", "?", "MTI=", "MTI ", EncodeCursor("text"), EncodeCursor(1.5), EncodeCursor([]int{1}), EncodeCursor(7) + EncodeCursor(7), strings.Repeat("A", 1000)} {
		_, err := DecodeCursor[int64](cursor)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Location != "query.cursor" {
			t.Errorf("DecodeCursor(%q) = %v, want an invalid query.cursor", cursor, err)
		}
	}
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add(EncodeCursor(12))
	f.Add(EncodeCursor(sessionKey{ID: "x"}))
	f.Add("e30")
	f.Fuzz(func(t *testing.T, cursor string) {
		if n, err := DecodeCursor[int64](cursor); err == nil && EncodeCursor(n) != cursor {
			t.Errorf("%q and %q are one position", cursor, EncodeCursor(n))
		}
		if k, err := DecodeCursor[sessionKey](cursor); err == nil && EncodeCursor(k) != cursor {
			t.Errorf("%q and %q are one position", cursor, EncodeCursor(k))
		}
	})
}

func TestLimit(t *testing.T) {
	for asked, want := range map[int]int{-1: DefaultLimit, 0: DefaultLimit, 1: 1, MaxLimit: MaxLimit, MaxLimit + 1: MaxLimit} {
		if got := Limit(asked); got != want {
			t.Errorf("Limit(%d) = %d, want %d", asked, got, want)
		}
	}
}
