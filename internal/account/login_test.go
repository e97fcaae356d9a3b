package account

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/store"
)

func TestLogin(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	for _, name := range []string{"ana", " ANA ", "ana@example.org", "Ana@Example.ORG"} {
		u, secret, expires, err := b.Login(t.Context(), name, password, Client{Address: "192.0.2.1"})
		if u.LastSeenAt = nil; err != nil || u != ana {
			t.Fatalf("Login(%q) = %+v, %v", name, u, err)
		}
		got, err := b.UserOfCookie(t.Context(), secret, "")
		if got.LastSeenAt = nil; err != nil || got != ana {
			t.Errorf("UserOfCookie = %+v, %v", got, err)
		}
		if want := b.clock.now().Add(loginLife); !expires.Equal(want) {
			t.Errorf("expires = %v, want %v", expires, want)
		}
	}
}

// A secret is of https by its mark alone, and not by chance.
func TestNoSecretBearsTheMarkByChance(t *testing.T) {
	if _, err := base64.RawURLEncoding.DecodeString(securePrefix + "AA"); err == nil {
		t.Errorf("%q may begin a secret", securePrefix)
	}
	if secret, _ := newSecret(securePrefix); !OfHTTPS(secret) {
		t.Errorf("%q is not of https", secret)
	}
}

func TestLoginsEnd(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	login := func() string {
		t.Helper()
		_, secret, _, err := b.Login(t.Context(), "ana", password, Client{})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	check := func(what, secret string, want bool) {
		t.Helper()
		_, err := b.UserOfCookie(t.Context(), secret, "")
		if want && err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if !want {
			wantFault(t, err, fault.Unauthenticated)
		}
	}
	for _, secret := range []string{"", "x", strings.Repeat("x", 43)} {
		check("nonsense", secret, false)
	}
	out, other := login(), login()
	if err := b.Logout(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if err := b.Logout(t.Context(), out); err != nil {
		t.Errorf("second logout: %v", err)
	}
	check("logged out", out, false)
	check("the other device", other, true)

	b.clock.advance(loginLife - time.Microsecond)
	check("the last moment", other, true)
	b.clock.advance(time.Microsecond)
	check("expired", other, false)

	old := login()
	var rows int
	if err := b.db.NewRaw("SELECT COUNT(*) FROM logins").Scan(t.Context(), &rows); err != nil || rows != 1 {
		t.Errorf("%d login sessions are stored (%v), want the new one alone", rows, err)
	}
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Email: ptr("a@example.org")}); err != nil {
		t.Fatal(err)
	}
	check("after a change of the address", old, true)
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Password: ptr(password)}); err != nil {
		t.Fatal(err)
	}
	check("after a new password", old, false)

	old = login()
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Active: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	check("out of use", old, false)
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Active: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	check("in use again", old, false)

	secret, _, err := b.OpenLogin(t.Context(), ana.ID, Client{})
	if err != nil {
		t.Fatal(err)
	}
	check("opened", secret, true)
	row, _, err := oneUser(t.Context(), selectUsers(b.db).Where("u.id = ?", ana.ID))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Password: ptr("a new password")}); err != nil {
		t.Fatal(err)
	}
	_, _, err = b.openLogin(t.Context(), ana.ID, row.PasswordHash, Client{}) // a login that was under way
	wantFault(t, err, fault.Unauthenticated)
}

// What cannot sign in looks the same, whatever the reason; only who knows the password is told that the account is out of use.
func TestRefusedLoginsLookAlike(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", "")
	gone := b.make(t, "ben", "")
	if _, err := b.Change(t.Context(), gone.ID, UserChange{Active: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for _, try := range [][2]string{{"ana", "wrong password"}, {"ben", "wrong password"}, {"cleo", password}, {"cleo@example.org", password}, {"", password}, {"ana", strings.Repeat("x", 2000)}, {strings.Repeat("x", 2000), "x"}, {"ana' OR 1=1 --", password}, {"ana\x00", password}, {"ana\xff", password}} {
		_, secret, _, err := b.Login(t.Context(), try[0], try[1], Client{Address: "192.0.2.1"})
		if secret != "" {
			t.Fatalf("Login(%q) gave a cookie", try[0])
		}
		texts[wantFault(t, err, fault.Unauthenticated).Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("the refusals differ: %v", texts)
	}
	_, secret, _, err := b.Login(t.Context(), "ben", password, Client{Address: "192.0.2.2"})
	if wantFault(t, err, fault.Unauthenticated, "body.username"); secret != "" || !strings.Contains(err.Error(), "switched off") {
		t.Errorf("an account out of use gave %q and %v", secret, err)
	}
}

func TestUnknownUserCostsAHash(t *testing.T) {
	b := setup(t, func(o *Options) { o.Hash = nil }) // the real cost, so that the difference shows
	b.make(t, "ana", "")
	took := func(name string) time.Duration {
		least := time.Hour
		for range 3 {
			start := time.Now()
			if _, _, _, err := b.Login(t.Context(), name, "wrong password", Client{}); err == nil {
				t.Fatal("signed in")
			}
			least = min(least, time.Since(start))
		}
		return least
	}
	known, unknown := took("ana"), took("ben")
	if unknown < known/4 || known < unknown/4 { // without a hash it would be a hundredth
		t.Errorf("a wrong password takes %v, an unknown user %v", known, unknown)
	}
}

func TestLoginIsSlowedByPersonAndNetwork(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", "")
	b.make(t, "ben", "")
	names := []string{"ana", "ana@example.org"} // which are one person
	tries := 0
	try := func(name, pw string) error {
		if tries++; name == "ana" {
			name = names[tries%2]
		}
		_, _, _, err := b.Login(t.Context(), name, pw, Client{Address: "192.0.2.1"})
		return err
	}
	for _, name := range []string{"ana", "unknown"} {
		for range freeByPair {
			wantFault(t, try(name, "wrong password"), fault.Unauthenticated)
		}
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute} {
			f := wantFault(t, try(name, password), fault.RateLimited)
			if f.RetryAfter != want {
				t.Errorf("%s: RetryAfter = %v, want %v", name, f.RetryAfter, want)
			}
			b.clock.advance(want - time.Millisecond)
			wantFault(t, try(name, password), fault.RateLimited)
			b.clock.advance(time.Millisecond)
			wantFault(t, try(name, "wrong password"), fault.Unauthenticated)
		}
	}
	if err := try("ben", password); err != nil {
		t.Errorf("another user: %v", err)
	}
	b.clock.advance(time.Minute)
	if err := try("ana", password); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	for range freeByPair { // a success forgave
		wantFault(t, try("ana", "wrong password"), fault.Unauthenticated)
	}
	wantFault(t, try("ana", password), fault.RateLimited)
	b.clock.advance(forgetsPair) // one of them
	if err := try("ana", password); err != nil {
		t.Errorf("after a long time: %v", err)
	}
}

// hammer guesses at a person from n networks as fast as it may, for a time, and says how many guesses that were.
func hammer(g *guesses, c *clock, person string, n int, long time.Duration) (guessed int) {
	elsewhere := func() bool { return false }
	for range long / time.Second {
		for i := range n {
			if network := fmt.Sprint("network ", i); g.wait(person, network, elsewhere) == 0 {
				g.failed(person, network)
				guessed++
			}
		}
		c.advance(time.Second)
	}
	return guessed
}

// Who guesses a person's password does not keep that person out, who sits elsewhere.
func TestGuessingShutsNobodyOut(t *testing.T) {
	for _, networks := range []int{1, 3} {
		b := setup(t)
		ana := b.make(t, "ana", "")
		for i := range 48 { // a day
			guessed := hammer(b.guesses, b.clock, userKey(ana.ID), networks, 30*time.Minute)
			if most := networks * (12 + 30); guessed > most || guessed < networks*25 {
				t.Fatalf("%d guesses in half an hour from %d networks, want at most %d", guessed, networks, most)
			}
			if _, _, _, err := b.Login(t.Context(), "ana", password, Client{Address: fmt.Sprintf("192.0.2.%d", i)}); err != nil {
				t.Fatalf("from another network than the %d: %v", networks, err)
			}
			if err := b.changeOwn(t, ana.ID, password); err != nil {
				t.Fatalf("a new password while they are signed in: %v", err)
			}
		}
	}
}

// The same through the door, with wrong passwords instead of counters.
func TestGuessingFromOneNetworkShutsNobodyOut(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", "")
	guessed := 0
	for range 2 * 60 {
		_, _, _, err := b.Login(t.Context(), "ana", "wrong password", Client{Address: "198.51.100.1"})
		if fault.CodeOf(err) == fault.Unauthenticated {
			guessed++
		} else {
			wantFault(t, err, fault.RateLimited)
		}
		b.clock.advance(time.Second)
	}
	if guessed != 11 { // five, and after 1, 2, 4, 8, 16 and 32 seconds
		t.Errorf("%d guesses in two minutes", guessed)
	}
	if _, _, _, err := b.Login(t.Context(), "ana", password, Client{Address: "192.0.2.1"}); err != nil {
		t.Errorf("from another network: %v", err)
	}
}

// Who has many networks guesses slowly as well, and does not keep out a person who is at home.
func TestManyNetworksGuessSlowly(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	if _, _, _, err := b.Login(t.Context(), "ana", password, Client{Address: "2001:db8::1"}); err != nil {
		t.Fatal(err)
	}
	const minutes = 30
	if n, most := hammer(b.guesses, b.clock, userKey(ana.ID), 200, minutes*time.Minute), freeByPerson+minutes*5; n > most || n < most/2 {
		t.Errorf("%d guesses in %d minutes, want at most %d", n, minutes, most)
	}
	b.guesses.failed(userKey(ana.ID), "another network")
	_, _, _, err := b.Login(t.Context(), "ana", password, Client{Address: "192.0.2.1"})
	wantFault(t, err, fault.RateLimited)
	if _, _, _, err := b.Login(t.Context(), "ana@example.org", password, Client{Address: "2001:db8::3"}); err != nil {
		t.Errorf("at home: %v", err)
	}
}

func TestLoginIsSlowedByAddress(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", "")
	try := func(i int, address string) error {
		_, _, _, err := b.Login(t.Context(), fmt.Sprintf("name%d", i), "wrong password", Client{Address: address})
		return err
	}
	for i := range freeByNetwork {
		wantFault(t, try(i, fmt.Sprintf("2001:db8::%x", i)), fault.Unauthenticated)
	}
	wantFault(t, try(1000, "2001:db8::ffff"), fault.RateLimited)
	wantFault(t, try(1001, "2001:db8:0:1::1"), fault.Unauthenticated)
	if _, _, _, err := b.Login(t.Context(), "ana", password, Client{Address: "192.0.2.1"}); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	// A school's worth of honest mistakes goes on for hours without a wait.
	for i := range 500 {
		b.clock.advance(forgetsNetwork)
		wantFault(t, try(2000+i, "198.51.100.1"), fault.Unauthenticated)
	}
}

// Guesses sent all at once get no more tries than guesses one by one, but for
// those that are being computed when the last free one fails.
func TestParallelGuessesAreSlowed(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", "")
	var mu sync.Mutex
	codes := map[fault.Code]int{}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			_, _, _, err := b.Login(t.Context(), "ana", "wrong password", Client{Address: "192.0.2.1"})
			mu.Lock()
			defer mu.Unlock()
			codes[fault.CodeOf(err)]++
		})
	}
	wg.Wait()
	if n := codes[fault.Unauthenticated]; n > freeByPair+hashesAtOnce-1 || n+codes[fault.RateLimited] != 64 {
		t.Errorf("answers = %v, want at most %d tries", codes, freeByPair+hashesAtOnce-1)
	}
}

func TestSlowdownIsBounded(t *testing.T) {
	c := &clock{t: time.Now()}
	s := &slowdown{now: c.now, free: 2, forgets: time.Minute}
	for range 3 {
		s.fail("victim")
	}
	for i := range maxRemembered + 500 {
		s.fail(fmt.Sprint(i))
	}
	if len(s.failed) > maxRemembered {
		t.Errorf("%d keys are remembered, want at most %d", len(s.failed), maxRemembered)
	}
	if s.wait("victim") == 0 {
		t.Error("a flood of other names made the victim's failures forgotten")
	}
	c.advance(3 * time.Minute)
	s.fail("new")
	if len(s.failed) != 1 {
		t.Errorf("%d keys are remembered after a long time, want 1", len(s.failed))
	}
	for range 200 {
		s.fail("new")
	}
	if got := s.wait("new"); got != longestWait {
		t.Errorf("wait after 200 failures = %v, want a minute", got)
	}
}

func TestHashingWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPasswords(production)
		release := make(chan struct{})
		var wg sync.WaitGroup
		for range hashesAtOnce {
			wg.Go(func() {
				if err := p.inTurn(t.Context(), func() error { <-release; return nil }); err != nil {
					t.Errorf("inTurn: %v", err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		err := p.inTurn(t.Context(), func() error { t.Error("three at once"); return nil })
		if f := wantFault(t, err, fault.RateLimited); f.RetryAfter == 0 || time.Since(start) != hashWait {
			t.Errorf("refused after %v with RetryAfter %v, want after %v", time.Since(start), f.RetryAfter, hashWait)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.inTurn(ctx, func() error { t.Error("ran for nobody"); return nil }); fault.CodeOf(err) != fault.Internal {
			t.Errorf("cancelled: %v", err)
		}
		close(release)
		wg.Wait()
		if err := p.inTurn(t.Context(), func() error { return nil }); err != nil {
			t.Errorf("after the others: %v", err)
		}
	})
}

func TestSecretsAreNotStored(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	_, cookie, _, err := b.Login(t.Context(), "ana", password, Client{})
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := b.CreateToken(t.Context(), ana.ID, "cli", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, invitation, err := b.Invite(t.Context(), NewInvitation{})
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string]string{"cookie": cookie, "token": token, "invitation": invitation, "password": password} {
		for _, table := range []string{"users", "logins", "tokens", "invitations"} {
			var rows []map[string]any
			if err := b.db.NewRaw("SELECT * FROM "+table).Scan(t.Context(), &rows); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(fmt.Sprintf("%s", rows), secret) {
				t.Errorf("the %s is in table %s", what, table)
			}
		}
		if what != "password" && len(secret) < 43 {
			t.Errorf("the %s has %d characters, want 256 bits", what, len(secret))
		}
	}
}

// What comes from outside as an id or a cursor is never an internal error.
func TestOddInput(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	for _, odd := range []string{"", "\x00", "tok_\x00", "\xff\xfe", "'; DROP TABLE users; --", strings.Repeat("x", 10_000)} {
		wantFault(t, b.DeleteToken(t.Context(), ana.ID, odd), fault.NotFound)
		wantFault(t, b.Revoke(t.Context(), odd), fault.NotFound)
		_, err := b.UserByName(t.Context(), odd)
		wantFault(t, err, fault.NotFound)
		_, err = b.UserOfCookie(t.Context(), odd, "")
		wantFault(t, err, fault.Unauthenticated)
		_, err = b.UserOfToken(t.Context(), tokenPrefix+odd)
		wantFault(t, err, fault.Unauthenticated)
		_, err = b.Tokens(t.Context(), ana.ID, 0, store.EncodeCursor(listKey{ID: odd}))
		wantFault(t, err, fault.Invalid, "query.cursor")
		_, err = b.Create(t.Context(), NewUser{Username: "ben", Email: odd + "@x", Password: password})
		if odd != "" {
			wantFault(t, err, fault.Invalid, "body.email")
		}
	}
	if _, err := b.User(t.Context(), ana.ID); err != nil {
		t.Error(err)
	}
}

func BenchmarkUserOfToken(b *testing.B) {
	s := setup(b)
	u := s.make(b, "ana", "")
	_, token, err := s.CreateToken(b.Context(), u.ID, "cli", nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.UserOfToken(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUserOfCookie(b *testing.B) {
	s := setup(b)
	s.make(b, "ana", "")
	_, cookie, _, err := s.Login(b.Context(), "ana", password, Client{})
	if err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.UserOfCookie(b.Context(), cookie, ""); err != nil {
				b.Error(err)
			}
		}
	})
}
