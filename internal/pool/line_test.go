package pool

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLineIsFair compares the line with the plainest model of what it promises: between two places that a user is
// given, or since the user came, every other user is given at most one. And the place that was told is the number of
// turns that it takes when nobody comes or goes.
func TestLineIsFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l line
		now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
		waits := map[int64][]waiter{}      // the model: who waits, first come first
		given := map[int64]map[int64]int{} // for each who waits: what others were given since their turn
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				total := 0
				for u, ws := range waits {
					total += len(ws)
					of := l.of(u)
					if len(of) != len(ws) {
						t.Fatalf("user %d has %v in line; want %v", u, of, ws)
					}
					for i, w := range ws {
						if of[i] != w.session {
							t.Fatalf("user %d has %v in line; want %v", u, of, ws)
						}
					}
				}
				if l.len() != total {
					t.Fatalf("%d in line; want %d", l.len(), total)
				}
				foretell(t, l)
			},
			"come": func(t *rapid.T) {
				u := rapid.Int64Range(1, 5).Draw(t, "user")
				for range rapid.IntRange(1, 20).Draw(t, "sessions") {
					n++
					waits[u] = append(waits[u], waiter{session: fmt.Sprint("s", n), since: now})
				}
				if given[u] == nil {
					given[u] = map[int64]int{}
				}
				l.sync(u, waits[u])
				now = now.Add(time.Duration(rapid.IntRange(-2, 3).Draw(t, "ms")) * time.Millisecond)
			},
			"go": func(t *rapid.T) {
				u := rapid.Int64Range(1, 5).Draw(t, "user")
				if len(waits[u]) == 0 {
					t.Skip("nobody there")
				}
				i := rapid.IntRange(0, len(waits[u])-1).Draw(t, "which")
				waits[u] = slices.Delete(waits[u], i, i+1)
				if len(waits[u]) == 0 {
					delete(given, u)
				}
				l.sync(u, waits[u])
			},
			"next": func(t *rapid.T) {
				u, s, ok := l.next()
				if !ok {
					return
				}
				if waits[u][0].session != s {
					t.Fatalf("user %d got %s; want %s, who came first", u, s, waits[u][0].session)
				}
				waits[u] = waits[u][1:]
				for other, seen := range given {
					if other == u {
						continue
					}
					if seen[u]++; seen[u] > 1 {
						t.Fatalf("user %d was given %d places while %d waited for one", u, seen[u], other)
					}
				}
				given[u] = map[int64]int{}
				if len(waits[u]) == 0 {
					delete(given, u)
				}
			},
		})
	})
}

// foretell plays a copy of the line to its end and compares with the places it tells.
func foretell(t *rapid.T, l line) {
	type who struct {
		user    int64
		session string
	}
	told := map[who]int{}
	var c line
	c.begun = l.begun
	for _, u := range l.users {
		for i, s := range u.sessions {
			told[who{u.userID, s}] = l.place(u.userID, i)
		}
		w := *u
		w.sessions = slices.Clone(u.sessions)
		c.users = append(c.users, &w)
	}
	for i := 1; ; i++ {
		u, s, ok := c.next()
		if !ok {
			return
		}
		if got := told[who{u, s}]; got != i {
			t.Fatalf("%s of user %d was told place %d and came at %d", s, u, got, i)
		}
	}
}

// TestLineAfterARestart: users come back in the order in which they came, whoever is found first.
func TestLineAfterARestart(t *testing.T) {
	t.Parallel()
	var l line
	t0 := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	l.sync(3, []waiter{{"c1", t0.Add(2 * time.Second)}})
	l.sync(1, []waiter{{"a1", t0}, {"a2", t0.Add(time.Millisecond)}})
	l.sync(2, []waiter{{"b1", t0.Add(time.Second)}})
	var got []string
	for {
		_, s, ok := l.next()
		if !ok {
			break
		}
		got = append(got, s)
	}
	if want := []string{"a1", "b1", "c1", "a2"}; !slices.Equal(got, want) {
		t.Fatalf("got %v; want %v", got, want)
	}
}
