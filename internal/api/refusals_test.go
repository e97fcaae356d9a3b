package api

import (
	"fmt"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/audit"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/store"
)

func TestRefusals(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f := &refusals{}
	count := func(n int, address string, code fault.Code) (taken int) {
		for range n {
			if _, ok := f.take(now, address, code); ok {
				taken++
			}
		}
		return taken
	}
	if n := count(100, "192.0.2.1", fault.RateLimited); n != 1 {
		t.Errorf("%d entries of one that was slowed down, want 1", n)
	}
	if n := count(100, "192.0.2.1", fault.Unauthenticated); n != refusalsOfAddress {
		t.Errorf("%d entries of wrong passwords, want %d", n, refusalsOfAddress)
	}
	if n := count(1, "192.0.2.2", fault.Unauthenticated); n != 1 {
		t.Error("another address got no entry")
	}
	n := 1 + refusalsOfAddress + 1
	for i := range 1000 {
		n += count(1, fmt.Sprintf("2001:db8::%x", i), fault.Unauthenticated)
	}
	if n != refusalsOfAll || len(f.entries) > refusalsOfAll {
		t.Errorf("%d entries in a minute, %d keys, want %d", n, len(f.entries), refusalsOfAll)
	}
	now = now.Add(time.Minute)
	if left, ok := f.take(now, "192.0.2.1", fault.Unauthenticated); !ok || left != 1000-(refusalsOfAll-7) {
		t.Errorf("a minute later: %v, with %d left out", ok, left)
	}
	if left, ok := f.take(now, "192.0.2.1", fault.Unauthenticated); !ok || left != 0 {
		t.Errorf("the next: %v, with %d left out", ok, left)
	}
}

// A stranger's flood leaves a few entries, the first of them of a wrong password.
func TestStrangersDoNotFillTheRecord(t *testing.T) {
	r := newRig(t)
	for range 60 {
		if p := r.do(call{method: "POST", path: "/auth/login", body: `{"username":"ana","password":"wrong password"}`}); p.status != 401 && p.status != 429 {
			t.Fatalf("got %d %s", p.status, p.body)
		}
	}
	page, err := r.audit.List(t.Context(), audit.Filter{Action: "login.fail"}, store.MaxLimit, "")
	if err != nil {
		t.Fatal(err)
	}
	codes := map[any]int{}
	for _, e := range page.Items {
		codes[e.Detail["code"]]++
	}
	// Who looks for what strangers did is not shown what others did, and who does not is shown both.
	r.do(call{method: "POST", path: "/invitations", as: "rita", body: `{}`})
	for query, want := range map[string][2]bool{"": {true, true}, "?actor_id=0": {true, false}} {
		var strangers, people bool
		for _, e := range decodeTo[List[audit.Entry]](t, r.do(call{method: "GET", path: "/audit" + query, as: "rita"})).Items {
			strangers, people = strangers || e.ActorID == 0, people || e.ActorID != 0
		}
		if got := [2]bool{strangers, people}; got != want {
			t.Errorf("asked for %q: strangers and people %v; want %v", query, got, want)
		}
	}
	// Sixty requests lie in two minutes at most.
	if n := len(page.Items); codes["unauthenticated"] < 5 || codes["rate_limited"] < 1 || n > 2*(refusalsOfAddress+1) {
		t.Errorf("got %d entries: %v", n, codes)
	}
}
