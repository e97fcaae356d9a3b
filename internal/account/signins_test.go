package account

import (
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

func TestSignIns(t *testing.T) {
	b := setup(t)
	ana, ben := b.make(t, "ana", ""), b.make(t, "ben", "")
	login := func(name string, from Client) string {
		t.Helper()
		b.clock.advance(time.Second)
		_, secret, _, err := b.Login(t.Context(), name, password, from)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	list := func(secret string) []SignIn {
		t.Helper()
		all, err := b.SignIns(t.Context(), ana.ID, secret)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	desk := login("ana", Client{Address: "192.0.2.1", Agent: "Firefox"})
	phone := login("ana", Client{Address: "192.0.2.2", Agent: strings.Repeat("x", 500) + "\xff"})
	bens := login("ben", Client{})
	all := list(desk)
	if len(all) != 2 || all[0].Current || !all[1].Current || all[1].Agent != "Firefox" || all[1].Address != "192.0.2.1" || len(all[0].Agent) != maxAgent || all[0].ID == all[1].ID {
		t.Fatalf("got %+v", all)
	}
	if !all[1].ExpiresAt.Equal(all[1].CreatedAt.Add(loginLife)) || !all[1].LastUsedAt.Equal(all[1].CreatedAt) {
		t.Errorf("got the times %+v", all[1])
	}

	b.clock.advance(usedEvery)
	if _, err := b.UserOfCookie(t.Context(), desk, "198.51.100.9"); err != nil {
		t.Fatal(err)
	}
	seen := b.clock.now()
	if u, err := b.User(t.Context(), ana.ID); err != nil || u.LastSeenAt == nil || !u.LastSeenAt.Equal(seen) {
		t.Errorf("ana was last seen at %v, %v; want %v", u.LastSeenAt, err, seen)
	}
	if used := list("")[1]; used.Address != "198.51.100.9" || !used.LastUsedAt.Equal(b.clock.now()) || used.Current {
		t.Errorf("after it was used elsewhere: %+v", used)
	}

	wantFault(t, b.EndSignIn(t.Context(), ben.ID, all[0].ID), fault.NotFound)
	wantFault(t, b.EndSignIn(t.Context(), ana.ID, ""), fault.NotFound)
	if err := b.EndSignIn(t.Context(), ana.ID, all[0].ID); err != nil {
		t.Fatal(err)
	}
	_, err := b.UserOfCookie(t.Context(), phone, "")
	wantFault(t, err, fault.Unauthenticated)

	login("ana", Client{})
	login("ana", Client{})
	if n, err := b.EndOtherSignIns(t.Context(), ana.ID, desk); n != 2 || err != nil {
		t.Errorf("ended %d others, %v", n, err)
	}
	if left := list(desk); len(left) != 1 || !left[0].Current {
		t.Errorf("left are %+v", left)
	}
	if _, err := b.UserOfCookie(t.Context(), bens, ""); err != nil {
		t.Errorf("ben is signed out: %v", err)
	}

	lost := login("ana", Client{})
	for range maxSignIns {
		b.clock.advance(usedEvery)
		if _, err := b.UserOfCookie(t.Context(), desk, ""); err != nil {
			t.Fatalf("the browser that is in use: %v", err)
		}
		if _, _, err := b.OpenLogin(t.Context(), ana.ID, Client{}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.UserOfCookie(t.Context(), lost, "")
	wantFault(t, err, fault.Unauthenticated)
	if got := len(list("")); got != maxSignIns {
		t.Errorf("%d sign-ins are kept", got)
	}
	b.clock.advance(loginLife)
	if got := list(""); len(got) != 0 {
		t.Errorf("after their time: %d", len(got))
	}
}
