package account

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

func TestSetup(t *testing.T) {
	b := setup(t)
	needs := func() bool {
		t.Helper()
		is, err := b.NeedsSetup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if !needs() {
		t.Fatal("an empty store needs no setup")
	}
	for _, code := range []string{"", "wrong", "the-code "} {
		_, err := b.Setup(t.Context(), code, NewUser{Username: "ana", Password: password})
		wantFault(t, err, fault.Forbidden, "body.setup_code")
	}
	_, err := b.Setup(t.Context(), "the-code", NewUser{Username: "root", Password: "short"})
	wantFault(t, err, fault.Invalid, "body.username", "body.password")
	if !needs() {
		t.Fatal("a refused setup made an account")
	}
	u, err := b.Setup(t.Context(), b.SetupCode(), NewUser{Username: "admin", Password: password, Role: RoleUser})
	if err != nil || u.Role != RoleAdmin || needs() {
		t.Fatalf("Setup = %+v, %v", u, err)
	}
	_, err = b.Setup(t.Context(), "the-code", NewUser{Username: "ben", Password: password})
	wantFault(t, err, fault.Conflict)
	_, err = b.Setup(t.Context(), "wrong", NewUser{Username: "ben", Password: password})
	wantFault(t, err, fault.Conflict)
	if one, two := New(Options{}).SetupCode(), New(Options{}).SetupCode(); one == two || len(one) != 23 {
		t.Errorf("setup codes %q and %q", one, two)
	}
}

func TestSetupsAtOnceMakeOne(t *testing.T) {
	b := setup(t)
	const n = 8
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, errs[i] = b.Setup(t.Context(), "the-code", NewUser{Username: fmt.Sprintf("admin%d", i), Password: password})
		})
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			wantFault(t, err, fault.Conflict)
		}
	}
	page, err := b.Users(t.Context(), 0, "")
	if made != 1 || err != nil || len(page.Items) != 1 {
		t.Errorf("%d setups succeeded and %d users exist (%v), want 1 and 1", made, len(page.Items), err)
	}
}

func TestRegisterByPolicy(t *testing.T) {
	ask := NewUser{Username: "cleo", Email: "cleo@example.org", Password: password, Role: RoleAdmin}
	for policy, want := range map[string]fault.Code{RegistrationClosed: fault.Forbidden, "": fault.Forbidden, "nonsense": fault.Forbidden, RegistrationInvite: fault.Forbidden, RegistrationOpen: ""} {
		t.Run(policy, func(t *testing.T) {
			b := setup(t, func(o *Options) { o.Policy = policy })
			if want == "" {
				_, err := b.Register(t.Context(), ask, "")
				wantFault(t, err, fault.Conflict) // not set up yet
			}
			b.make(t, "ana", RoleAdmin)
			u, err := b.Register(t.Context(), ask, "")
			if want != "" {
				if code := fault.CodeOf(err); code != want {
					t.Fatalf("Register = %v, want %s", err, want)
				}
				return
			}
			if err != nil || u.Role != RoleUser {
				t.Fatalf("Register = %+v, %v", u, err)
			}
			_, err = b.Register(t.Context(), ask, "")
			wantFault(t, err, fault.Conflict, "body.username")
			_, err = b.Register(t.Context(), NewUser{Username: "dan", Password: password}, "")
			wantFault(t, err, fault.Invalid, "body.email")
			_, err = b.Register(t.Context(), NewUser{Username: "dan", Email: "d@example.org", Password: password}, "no-invitation")
			wantFault(t, err, fault.Invalid, "body.invitation")
		})
	}
	b := setup(t, func(o *Options) { o.Policy = RegistrationClosed })
	b.make(t, "ana", RoleAdmin)
	_, secret, err := b.Invite(t.Context(), NewInvitation{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Register(t.Context(), ask, secret)
	wantFault(t, err, fault.Forbidden)
}

func TestInvitation(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", RoleAdmin)
	ask := func(name, secret string) (User, error) {
		return b.Register(t.Context(), NewUser{Username: name, Email: name + "@example.org", Password: password}, secret)
	}
	made, secret, err := b.Invite(t.Context(), NewInvitation{By: ana.ID, Role: RoleModerator})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ask("root", secret)
	wantFault(t, err, fault.Invalid, "body.username")
	cleo, err := ask("cleo", secret) // the refused try did not use it up
	if err != nil || cleo.Role != RoleModerator {
		t.Fatalf("Register = %+v, %v", cleo, err)
	}
	_, err = ask("dan", secret)
	wantFault(t, err, fault.Invalid, "body.invitation")
	wantFault(t, b.Revoke(t.Context(), made.ID), fault.NotFound)

	b.clock.advance(time.Second) // the list is by time
	_, expired, err := b.Invite(t.Context(), NewInvitation{By: ana.ID, ExpiresAt: b.clock.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	b.clock.advance(time.Hour)
	_, err = ask("dan", expired)
	wantFault(t, err, fault.Invalid, "body.invitation")

	revoked, secret, err := b.Invite(t.Context(), NewInvitation{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Revoke(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	_, err = ask("dan", secret)
	wantFault(t, err, fault.Invalid, "body.invitation")

	for _, at := range []time.Time{b.clock.now(), b.clock.now().Add(maxInvitationLife + time.Second)} {
		_, _, err = b.Invite(t.Context(), NewInvitation{By: ana.ID, ExpiresAt: at})
		wantFault(t, err, fault.Invalid, "body.expires_at")
	}

	var ids []string
	for cursor, more := "", true; more; more = cursor != "" {
		page, err := b.Invitations(t.Context(), 1, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Items {
			ids = append(ids, i.ID)
			if i.ID == made.ID && (i.UsedBy != cleo.ID || i.UsedAt == nil || i.CreatedBy != ana.ID || i.CreatedByName != "ana" || i.UsedByName != "cleo") {
				t.Errorf("used invitation = %+v", i)
			}
		}
		cursor = page.NextCursor
	}
	if len(ids) != 2 || ids[1] != made.ID {
		t.Errorf("invitations = %v, want the expired one and then %s", ids, made.ID)
	}
}

func TestInvitersRole(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", RoleAdmin)
	by := map[string]User{RoleAdmin: b.make(t, "admin", RoleAdmin), RoleModerator: b.make(t, "moderator", RoleModerator), RoleUser: b.make(t, "person", "")}
	allowed := map[string][]string{RoleAdmin: {RoleAdmin, RoleModerator, RoleUser}, RoleModerator: {RoleModerator, RoleUser}, RoleUser: nil}
	for inviter, u := range by {
		for _, role := range []string{RoleAdmin, RoleModerator, RoleUser} {
			_, _, err := b.Invite(t.Context(), NewInvitation{By: u.ID, Role: role})
			if slices.Contains(allowed[inviter], role) {
				if err != nil {
					t.Errorf("%s invites %s: %v", inviter, role, err)
				}
			} else {
				wantFault(t, err, fault.Forbidden)
			}
		}
	}
	_, _, err := b.Invite(t.Context(), NewInvitation{Role: "god"})
	wantFault(t, err, fault.Invalid, "body.role")

	// Who loses the role, loses what was promised by it.
	_, secret, err := b.Invite(t.Context(), NewInvitation{By: by[RoleAdmin].ID, Role: RoleAdmin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Change(t.Context(), by[RoleAdmin].ID, UserChange{Role: ptr(RoleModerator)}); err != nil {
		t.Fatal(err)
	}
	_, err = b.Register(t.Context(), NewUser{Username: "eve", Email: "e@example.org", Password: password}, secret)
	wantFault(t, err, fault.Invalid, "body.invitation")
}

func TestInvitationServesOnce(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", RoleAdmin)
	_, secret, err := b.Invite(t.Context(), NewInvitation{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("guest%d", i)
			_, err := b.Register(t.Context(), NewUser{Username: name, Email: name + "@example.org", Password: password}, secret)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, &fault.Error{Code: fault.Invalid}) {
				t.Errorf("Register: %v", err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("one invitation made %d accounts", made)
	}
}

func TestTokens(t *testing.T) {
	b := setup(t)
	ana, ben := b.make(t, "ana", ""), b.make(t, "ben", "")
	later := b.clock.now().Add(time.Hour)
	forever, secret, err := b.CreateToken(t.Context(), ana.ID, "laptop", nil)
	if err != nil || secret[:7] != "carrel_" {
		t.Fatalf("CreateToken = %q, %v", secret, err)
	}
	b.clock.advance(time.Second)
	hour, short, err := b.CreateToken(t.Context(), ana.ID, "一小时", &later)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{secret, short} {
		u, err := b.UserOfToken(t.Context(), s)
		if u.LastSeenAt = nil; err != nil || u != ana {
			t.Errorf("UserOfToken = %+v, %v", u, err)
		}
	}
	for _, s := range []string{"", "carrel_", secret[7:], secret + "x", "Bearer " + secret} {
		_, err := b.UserOfToken(t.Context(), s)
		wantFault(t, err, fault.Unauthenticated)
	}

	page, err := b.Tokens(t.Context(), ana.ID, 1, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != hour.ID || page.NextCursor == "" {
		t.Fatalf("first page = %+v, %v", page, err)
	}
	page, err = b.Tokens(t.Context(), ana.ID, 1, page.NextCursor)
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != forever.ID || page.NextCursor != "" {
		t.Fatalf("second page = %+v, %v", page, err)
	}
	if page, err := b.Tokens(t.Context(), ben.ID, 0, ""); err != nil || page.Items == nil || len(page.Items) != 0 {
		t.Errorf("another's list = %+v, %v", page, err)
	}

	// last_used_at is exact to the minute.
	used := func() time.Time {
		t.Helper()
		page, err := b.Tokens(t.Context(), ana.ID, 0, "")
		if err != nil || page.Items[1].LastUsedAt == nil {
			t.Fatalf("tokens = %+v, %v", page, err)
		}
		return *page.Items[1].LastUsedAt
	}
	first := used()
	if !first.Equal(b.clock.now()) {
		t.Errorf("last used at %v, want %v", first, b.clock.now())
	}
	b.clock.advance(usedEvery - time.Millisecond)
	if _, err := b.UserOfToken(t.Context(), secret); err != nil || !used().Equal(first) {
		t.Errorf("last used at %v (%v), want still %v", used(), err, first)
	}
	b.clock.advance(time.Millisecond)
	if _, err := b.UserOfToken(t.Context(), secret); err != nil || !used().Equal(b.clock.now()) {
		t.Errorf("last used at %v (%v), want %v", used(), err, b.clock.now())
	}

	b.clock.advance(time.Hour)
	_, err = b.UserOfToken(t.Context(), short)
	wantFault(t, err, fault.Unauthenticated)
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Active: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	_, err = b.UserOfToken(t.Context(), secret)
	wantFault(t, err, fault.Unauthenticated)
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Active: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.UserOfToken(t.Context(), secret); err != nil {
		t.Errorf("in use again: %v", err)
	}

	wantFault(t, b.DeleteToken(t.Context(), ben.ID, forever.ID), fault.NotFound)
	if err := b.DeleteToken(t.Context(), ana.ID, forever.ID); err != nil {
		t.Fatal(err)
	}
	wantFault(t, b.DeleteToken(t.Context(), ana.ID, forever.ID), fault.NotFound)
	_, err = b.UserOfToken(t.Context(), secret)
	wantFault(t, err, fault.Unauthenticated)
	// She was seen by it, whatever became of it.
	if page, err := b.Users(t.Context(), 0, ""); err != nil || page.Items[0].LastSeenAt == nil || !page.Items[0].LastSeenAt.Equal(b.clock.now()) || page.Items[1].LastSeenAt != nil {
		t.Errorf("users = %+v, %v; want the first seen at %v, the second never", page, err, b.clock.now())
	}

	past := b.clock.now()
	_, _, err = b.CreateToken(t.Context(), ana.ID, " ", &past)
	wantFault(t, err, fault.Invalid, "body.name", "body.expires_at")
	_, _, err = b.CreateToken(t.Context(), 99, "x", nil)
	wantFault(t, err, fault.NotFound)
	for i := 1; i < maxTokens; i++ {
		if _, _, err := b.CreateToken(t.Context(), ana.ID, "x", nil); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = b.CreateToken(t.Context(), ana.ID, "x", nil)
	wantFault(t, err, fault.QuotaExceeded)
}

func TestTokenUnderLoad(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	_, secret, err := b.CreateToken(t.Context(), ana.ID, "cli", nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 20 {
				if _, err := b.UserOfToken(t.Context(), secret); err != nil {
					t.Errorf("UserOfToken: %v", err)
				}
				if i == 0 {
					b.clock.advance(usedEvery) // each round has to note a use
				}
				if i == 1 { // others write too
					if _, err := b.Change(t.Context(), ana.ID, UserChange{Language: ptr(LanguageChinese)}); err != nil {
						t.Errorf("Change: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}
