package account

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// changeOwn sets the password to what it is.
func (b *bench) changeOwn(t *testing.T, id int64, present string) error {
	t.Helper()
	_, _, err := b.ChangePassword(t.Context(), id, present, UserChange{Password: ptr(password)}, nil)
	return err
}

func TestChangePassword(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	u, in, err := b.ChangePassword(t.Context(), ana.ID, password, UserChange{Password: ptr("a new password"), Language: ptr(LanguageChinese)}, &Client{})
	if err != nil || u.Language != LanguageChinese {
		t.Fatalf("got %+v, %v", u, err)
	}
	if _, err := b.UserOfCookie(t.Context(), in.Secret, ""); err != nil {
		t.Errorf("signed in again: %v", err)
	}
	if _, _, _, err := b.Login(t.Context(), "ana", "a new password", Client{}); err != nil {
		t.Error(err)
	}
	_, _, err = b.ChangePassword(t.Context(), ana.ID, "a new password", UserChange{Password: ptr("short")}, nil)
	wantFault(t, err, fault.Invalid, "body.password")
	for range freeByPair {
		wantFault(t, b.changeOwn(t, ana.ID, password), fault.Forbidden, "body.current_password")
	}
	wantFault(t, b.changeOwn(t, ana.ID, "a new password"), fault.RateLimited)
	if _, _, _, err := b.Login(t.Context(), "ana", "a new password", Client{}); err != nil {
		t.Errorf("what fails while one is signed in slows a sign-in: %v", err)
	}
	b.clock.advance(time.Second)
	if err := b.changeOwn(t, ana.ID, "a new password"); err != nil {
		t.Error(err)
	}
	wantFault(t, b.changeOwn(t, 99, password), fault.NotFound)
}

// Who knows the old password does not undo what an administrator has set, and keeps no sign-in.
func TestOwnChangeDoesNotUndoAReset(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	old, overtaken := password, 0
	for i := range 60 {
		reset := password + string(rune('A'+i))
		var in SignedIn
		var own, admin error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, in, own = b.ChangePassword(t.Context(), ana.ID, old, UserChange{Password: ptr("what the thief wants")}, &Client{})
		})
		wg.Go(func() { _, admin = b.Change(t.Context(), ana.ID, UserChange{Password: &reset}) })
		wg.Wait()
		if admin != nil {
			t.Fatal(admin)
		}
		if own != nil {
			if code := fault.CodeOf(own); code != fault.Conflict && code != fault.Forbidden {
				t.Fatalf("own change: %v", own)
			}
			overtaken++
		}
		if _, err := b.UserOfCookie(t.Context(), in.Secret, ""); err == nil {
			t.Fatalf("round %d: the thief is signed in after the reset", i)
		}
		if _, _, _, err := b.Login(t.Context(), "ana", reset, Client{}); err != nil {
			t.Fatalf("round %d: what the administrator set does not count: %v", i, err)
		}
		old = reset
		b.clock.advance(longestWait) // a reset that came first makes the old one wrong
	}
	t.Logf("%d of 60 were overtaken", overtaken)
}

// The rest of a change is decided by the password that was compared, also when that takes long.
func TestChangeComparesWhatWasChecked(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", "")
	row, _, err := oneUser(t.Context(), selectUsers(b.db).Where("u.id = ?", ana.ID))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Password: ptr("of the administrator")}); err != nil {
		t.Fatal(err)
	}
	_, err = b.change(t.Context(), ana.ID, UserChange{}, "hash of the thief", row.PasswordHash)
	wantFault(t, err, fault.Conflict)
	if _, _, _, err := b.Login(t.Context(), "ana", "of the administrator", Client{}); err != nil {
		t.Error(err)
	}
}

// One person's changes are refused while one is under way, and hold up no sign-in and nobody else's change.
func TestOnePersonsChangesHoldUpNobody(t *testing.T) {
	b := setup(t)
	ana, ben := b.make(t, "ana", ""), b.make(t, "ben", "")
	hashing, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // somebody's change is computed for long
		_ = b.passwords.alone(ana.ID, func() error {
			return b.passwords.inLine(context.Background(), func() error { close(hashing); <-release; return nil })
		})
	})
	<-hashing
	for range 100 {
		wantFault(t, b.changeOwn(t, ana.ID, password), fault.RateLimited)
	}
	for range 10 { // others' changes, as long, wait behind it
		wg.Go(func() {
			_ = b.passwords.inLine(context.Background(), func() error { <-release; return nil })
		})
	}
	for range 3 {
		if _, _, _, err := b.Login(t.Context(), "ben", password, Client{}); err != nil {
			t.Errorf("sign-in: %v", err)
		}
	}
	close(release)
	wg.Wait()
	for _, u := range []User{ana, ben} {
		if err := b.changeOwn(t, u.ID, password); err != nil {
			t.Errorf("%s, later: %v", u.Username, err)
		}
	}
}
