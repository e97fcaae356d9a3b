package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"go.uber.org/goleak"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct horse"

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type bench struct {
	*Service
	clock *clock
}

func setup(t testing.TB, change ...func(*Options)) *bench {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "carrel.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	c := &clock{t: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	o := Options{
		DB: db.Bun(), Policy: RegistrationInvite, DefaultQuota: quota.Default(), SetupCode: "the-code", Now: c.now,
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)),
		Hash: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	}
	for _, f := range change {
		f(&o)
	}
	return &bench{New(o), c}
}

func (b *bench) make(t testing.TB, name, role string) User {
	t.Helper()
	u, err := b.Create(t.Context(), NewUser{Username: name, Email: name + "@example.org", Password: password, Role: role})
	if err != nil {
		t.Fatalf("Create(%s): %v", name, err)
	}
	return u
}

// wantFault checks the code and, when there is one, the field at fault.
func wantFault(t testing.TB, err error, code fault.Code, locations ...string) *fault.Error {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("error = %v, want a fault %s", err, code)
	}
	var got []string
	for _, field := range f.Fields {
		got = append(got, field.Location)
	}
	if f.Code != code || !slices.Equal(got, locations) {
		t.Fatalf("fault = %s about %v (%s), want %s about %v", f.Code, got, f.Detail, code, locations)
	}
	if !strings.HasSuffix(f.Detail, ".") {
		t.Errorf("detail %q is no sentence", f.Detail)
	}
	return f
}

func ptr[T any](v T) *T { return &v }

func TestCreateAndRead(t *testing.T) {
	b := setup(t)
	own := quota.Default()
	own.TokensPerDay = ptr(int64(1000))
	own.CPU = 0.5
	made, err := b.Create(t.Context(), NewUser{Username: "ana", Email: "Ana@Example.org", Password: password, Role: RoleModerator, Language: LanguageChinese, Quota: &own})
	if err != nil {
		t.Fatal(err)
	}
	want := User{ID: 1, Username: "ana", Email: "Ana@Example.org", Role: RoleModerator, Language: LanguageChinese, Active: true, CreatedAt: b.clock.t, Quota: own}
	byID, err1 := b.User(t.Context(), 1)
	byName, err2 := b.UserByName(t.Context(), "ana")
	for _, got := range []User{made, byID, byName} {
		if got.Quota.TokensPerDay == nil || *got.Quota.TokensPerDay != 1000 {
			t.Errorf("tokens_per_day = %v", got.Quota.TokensPerDay)
		}
		got.Quota.TokensPerDay = own.TokensPerDay // a pointer; its value is compared above
		if got != want {
			t.Errorf("got  %+v (%v, %v)\nwant %+v", got, err1, err2, want)
		}
	}
	defaults := b.make(t, "ben", "")
	if defaults.Role != RoleUser || defaults.Language != LanguageEnglish || defaults.Quota != quota.Default() {
		t.Errorf("defaults = %+v", defaults)
	}
	_, err = b.User(t.Context(), 99)
	wantFault(t, err, fault.NotFound)
	_, err = b.UserByName(t.Context(), "nobody-here")
	wantFault(t, err, fault.NotFound)
}

func TestCreateRefuses(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", "")
	good := NewUser{Username: "ben", Password: password}
	bad := quota.Default()
	bad.PIDs = 1
	for name, test := range map[string]struct {
		change func(*NewUser)
		code   fault.Code
		fields []string
	}{
		"empty":            {func(u *NewUser) { *u = NewUser{} }, fault.Invalid, []string{"body.username", "body.password"}},
		"capital":          {func(u *NewUser) { u.Username = "Ben" }, fault.Invalid, []string{"body.username"}},
		"newline":          {func(u *NewUser) { u.Username = "ben\n" }, fault.Invalid, []string{"body.username"}},
		"traversal":        {func(u *NewUser) { u.Username = "../ben" }, fault.Invalid, []string{"body.username"}},
		"long":             {func(u *NewUser) { u.Username = "b" + strings.Repeat("e", 31) }, fault.Invalid, []string{"body.username"}},
		"reserved":         {func(u *NewUser) { u.Username = "www-data" }, fault.Invalid, []string{"body.username"}},
		"root":             {func(u *NewUser) { u.Username = "root" }, fault.Invalid, []string{"body.username"}},
		"taken":            {func(u *NewUser) { u.Username = "ana" }, fault.Conflict, []string{"body.username"}},
		"short password":   {func(u *NewUser) { u.Password = "1234567" }, fault.Invalid, []string{"body.password"}},
		"long password":    {func(u *NewUser) { u.Password = strings.Repeat("x", 1025) }, fault.Invalid, []string{"body.password"}},
		"role":             {func(u *NewUser) { u.Role = "god" }, fault.Invalid, []string{"body.role"}},
		"language":         {func(u *NewUser) { u.Language = "tlh" }, fault.Invalid, []string{"body.language"}},
		"no address":       {func(u *NewUser) { u.Email = "ben" }, fault.Invalid, []string{"body.email"}},
		"named address":    {func(u *NewUser) { u.Email = "Ben <ben@example.org>" }, fault.Invalid, []string{"body.email"}},
		"two addresses":    {func(u *NewUser) { u.Email = "ben@example.org, c@example.org" }, fault.Invalid, []string{"body.email"}},
		"address's header": {func(u *NewUser) { u.Email = "ben@example.org\r\nBcc: x@example.org" }, fault.Invalid, []string{"body.email"}},
		"address taken":    {func(u *NewUser) { u.Email = "ANA@example.org" }, fault.Conflict, []string{"body.email"}},
		"quota":            {func(u *NewUser) { u.Quota = &bad }, fault.Invalid, []string{"body.quota.pids"}},
	} {
		t.Run(name, func(t *testing.T) {
			u := good
			test.change(&u)
			_, err := b.Create(t.Context(), u)
			wantFault(t, err, test.code, test.fields...)
		})
	}
	page, err := b.Users(t.Context(), 0, "")
	if err != nil || len(page.Items) != 1 {
		t.Errorf("users after refusals: %d (%v), want ana alone", len(page.Items), err)
	}
	for _, name := range []string{"admin", "a", "li-wei_2", "b" + strings.Repeat("e", 30)} {
		u := good
		u.Username, u.Password = name, "密码密码密码密码" // eight characters, one of each word
		if _, err := b.Create(t.Context(), u); err != nil {
			t.Errorf("Create(%s) = %v", name, err)
		}
	}
}

func TestUsersPages(t *testing.T) {
	b := setup(t)
	var want []string
	for i := range 7 {
		want = append(want, b.make(t, fmt.Sprintf("user%d", i), "").Username)
	}
	var got []string
	for cursor, pages := "", 0; ; pages++ {
		if pages > 4 {
			t.Fatal("the list does not end")
		}
		page, err := b.Users(t.Context(), 3, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Items {
			got = append(got, u.Username)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("users = %v, want %v", got, want)
	}
	_, err := b.Users(t.Context(), 3, "nonsense")
	wantFault(t, err, fault.Invalid, "query.cursor")
}

func TestChange(t *testing.T) {
	b := setup(t)
	b.make(t, "ana", RoleAdmin)
	ben := b.make(t, "ben", "")
	got, err := b.Change(t.Context(), ben.ID, UserChange{Username: ptr("benjamin"), Email: ptr(""), Role: ptr(RoleModerator), Language: ptr(LanguageChinese)})
	if err != nil {
		t.Fatal(err)
	}
	want := ben
	want.Username, want.Email, want.Role, want.Language = "benjamin", "", RoleModerator, LanguageChinese
	if read, err := b.User(t.Context(), ben.ID); got != want || read != want || err != nil {
		t.Errorf("changed to %+v, reads %+v, want %+v (%v)", got, read, want, err)
	}
	_, err = b.Change(t.Context(), ben.ID, UserChange{Username: ptr("ana"), Language: ptr("en")})
	wantFault(t, err, fault.Conflict, "body.username")
	_, err = b.Change(t.Context(), ben.ID, UserChange{Email: ptr("aNa@example.org")})
	wantFault(t, err, fault.Conflict, "body.email")
	_, err = b.Change(t.Context(), ben.ID, UserChange{Username: ptr("X"), Password: ptr("x"), Role: ptr("x")})
	wantFault(t, err, fault.Invalid, "body.username", "body.password", "body.role")
	_, err = b.Change(t.Context(), 99, UserChange{})
	wantFault(t, err, fault.NotFound)
	if read, err := b.User(t.Context(), ben.ID); read != want || err != nil {
		t.Errorf("refused changes left %+v, want %+v (%v)", read, want, err)
	}
	if _, err := b.Change(t.Context(), ben.ID, UserChange{Username: ptr("benjamin")}); err != nil {
		t.Errorf("own name again: %v", err)
	}

	q := quota.Default()
	q.LiveSessions = 9
	if got, err := b.SetQuota(t.Context(), ben.ID, q); err != nil || got.Quota != q {
		t.Errorf("SetQuota = %+v, %v", got.Quota, err)
	}
	q.CPU = 0
	_, err = b.SetQuota(t.Context(), ben.ID, q)
	wantFault(t, err, fault.Invalid, "body.cpu")
	_, err = b.SetQuota(t.Context(), 99, quota.Default())
	wantFault(t, err, fault.NotFound)
}

func TestDelete(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", RoleAdmin)
	ben := b.make(t, "ben", "")
	_, cookie, _, err := b.Login(t.Context(), "ben", password, Client{})
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := b.CreateToken(t.Context(), ben.ID, "cli", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), ben.ID); err != nil {
		t.Fatal(err)
	}
	wantFault(t, b.Delete(t.Context(), ben.ID), fault.NotFound)
	_, err = b.UserOfCookie(t.Context(), cookie, "")
	wantFault(t, err, fault.Unauthenticated)
	_, err = b.UserOfToken(t.Context(), token)
	wantFault(t, err, fault.Unauthenticated)
	wantFault(t, b.Delete(t.Context(), ana.ID), fault.Conflict)
	if again := b.make(t, "ben", ""); again.ID <= ben.ID {
		t.Errorf("the id %d was given again (before: %d)", again.ID, ben.ID)
	}
}

func TestLastAdministratorStays(t *testing.T) {
	b := setup(t)
	ana := b.make(t, "ana", RoleAdmin)
	ben := b.make(t, "ben", RoleAdmin)
	b.make(t, "cleo", RoleModerator)
	if _, err := b.Change(t.Context(), ben.ID, UserChange{Active: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]UserChange{"demote": {Role: ptr(RoleUser)}, "deactivate": {Active: ptr(false)}} {
		_, err := b.Change(t.Context(), ana.ID, c)
		t.Log(name)
		wantFault(t, err, fault.Conflict)
	}
	wantFault(t, b.Delete(t.Context(), ana.ID), fault.Conflict)
	if _, err := b.Change(t.Context(), ana.ID, UserChange{Role: ptr(RoleAdmin), Password: ptr("another password")}); err != nil {
		t.Errorf("other changes: %v", err)
	}
}

func TestAdministratorsLeaveTogether(t *testing.T) {
	b := setup(t)
	const n = 8
	leave := []func(ctx context.Context, id int64) error{
		b.Delete,
		func(ctx context.Context, id int64) error {
			_, err := b.Change(ctx, id, UserChange{Role: ptr(RoleUser)})
			return err
		},
		func(ctx context.Context, id int64) error {
			_, err := b.Change(ctx, id, UserChange{Active: ptr(false)})
			return err
		},
	}
	for i := range n {
		b.make(t, fmt.Sprintf("admin%d", i), RoleAdmin)
	}
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = leave[i%len(leave)](t.Context(), int64(i+1)) })
	}
	wg.Wait()
	refused := 0
	for _, err := range errs {
		if err != nil {
			wantFault(t, err, fault.Conflict)
			refused++
		}
	}
	page, err := b.Users(t.Context(), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, u := range page.Items {
		if u.Active && u.Role == RoleAdmin {
			left++
		}
	}
	if refused != 1 || left != 1 {
		t.Errorf("%d refused, %d administrators left, want 1 and 1", refused, left)
	}
}
