package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/audit"
)

func TestSetupLoginLogout(t *testing.T) {
	r := emptyRig(t)
	if p := r.do(call{method: "GET", path: "/config"}); p.status != 200 || !strings.Contains(p.body, `"needs_setup":true`) || !strings.Contains(p.body, `"registration":"invite"`) {
		t.Fatalf("config: got %d %s", p.status, p.body)
	}
	setup := `{"setup_code":%q,"username":"rita","password":%q}`
	if p := r.do(call{method: "POST", path: "/setup", body: fmt.Sprintf(setup, "wrong", password("rita"))}); p.status != 403 {
		t.Fatalf("a wrong code: got %d %s; want 403", p.status, p.body)
	}
	p := r.do(call{method: "POST", path: "/setup", body: fmt.Sprintf(setup, setupCode, password("rita"))})
	if p.status != 201 || decodeTo[account.User](t, p).Role != account.RoleAdmin {
		t.Fatalf("setup: got %d %s; want an administrator", p.status, p.body)
	}
	cookie := cookieOf(t, p)
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Secure {
		t.Errorf("got the cookie %v over http", cookie)
	}
	if p := r.do(call{method: "POST", path: "/setup", body: fmt.Sprintf(setup, setupCode, password("rita"))}); p.status != 409 {
		t.Errorf("a second setup: got %d %s; want 409", p.status, p.body)
	}
	if p := r.do(call{method: "POST", path: "/auth/login", body: `{"username":"rita","password":"wrong"}`}); p.status != 401 || p.code(t) != "unauthenticated" {
		t.Errorf("a wrong password: got %d %s", p.status, p.body)
	}
	other := r.signIn("rita")
	p = r.do(call{method: "POST", path: "/auth/logout", cookie: cookie.Value, origin: "own"})
	if p.status != 204 || cookieOf(t, p).MaxAge >= 0 {
		t.Errorf("logout: got %d and the cookie %v; want 204 and none", p.status, p.header["Set-Cookie"])
	}
	for value, want := range map[string]int{cookie.Value: 401, other: 200} {
		if p := r.do(call{method: "GET", path: "/me", cookie: value}); p.status != want {
			t.Errorf("after the logout: got %d; want %d", p.status, want)
		}
		if p := r.do(call{method: "GET", path: "/config", cookie: value}); decodeTo[PublicConfig](t, p).SignedIn != (want == 200) {
			t.Errorf("config, where GET /me gives %d: %s", want, p.body)
		}
	}
	page, err := r.audit.List(t.Context(), audit.Filter{}, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range page.Items {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); got != "logout login login.fail setup" {
		t.Errorf("got the audit record %q", got)
	}
}

func TestCookieIsSecureOnHTTPS(t *testing.T) {
	secure := func(d *Deps) { d.PublicURL = &url.URL{Scheme: "https", Host: "carrel.example.org"} }
	r := newRig(t, secure)
	p := r.do(call{method: "POST", path: "/auth/login", body: fmt.Sprintf(`{"username":"ana@example.org","password":%q}`, password("ana"))})
	if p.status != 200 || !cookieOf(t, p).Secure || cookieOf(t, p).Name != "__Host-carrel_session" || p.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("got %d, %v; want a secure cookie and HSTS", p.status, p.header)
	}
}

// Who has signed in by https cannot give that sign-in to somebody else's browser by a sibling domain.
func TestCookieOfHTTPSKeepsItsName(t *testing.T) {
	r := newRig(t, func(d *Deps) { d.PublicURL = &url.URL{Scheme: "https", Host: "carrel.example.org"} })
	secret := r.signIn("ana")
	for name, want := range map[string]int{"__Host-carrel_session": 200, "carrel_session": 401} {
		if p := r.do(call{method: "GET", path: "/me", header: map[string]string{"Cookie": name + "=" + secret}}); p.status != want {
			t.Errorf("as %s: got %d %s; want %d", name, p.status, p.body, want)
		}
	}
}

// A cookie that a sibling domain tosses in does not make one somebody else.
func TestCookieOfAnotherHost(t *testing.T) {
	r := newRig(t)
	ana, bob := r.signIn("ana"), r.signIn("bob")
	const host, plain = "__Host-carrel_session=", "carrel_session="
	for _, c := range []struct {
		name, cookies, who string
	}{
		{"of this host alone", plain + bob + "; " + host + ana, "ana"},
		{"an ended one first", plain + "bad; " + plain + ana, "ana"},
		{"an ended one of this host", host + "bad; " + plain + ana, "ana"}, // a sign-in from before
		{"an empty one", plain + "; " + plain + ana, "ana"},
		{"none that counts", host + "bad; " + plain + "bad", ""},
		{"too many", strings.Repeat(plain+"bad; ", maxCookies) + plain + ana, ""},
	} {
		p := r.do(call{method: "GET", path: "/me", header: map[string]string{"Cookie": c.cookies}})
		if c.who == "" && p.status != 401 || c.who != "" && (p.status != 200 || !strings.Contains(p.body, `"username":"`+c.who+`"`)) {
			t.Errorf("%s: got %d %s; want %s", c.name, p.status, p.body, c.who)
		}
	}
}

func TestRegister(t *testing.T) {
	r := newRig(t)
	register := func(name, invitation string) reply {
		return r.do(call{method: "POST", path: "/auth/register", body: fmt.Sprintf(
			`{"username":%q,"email":"%s@example.com","password":%q,"invitation":%q}`, name, name, password(name), invitation)})
	}
	if p := register("carl", ""); p.status != 403 {
		t.Errorf("without an invitation: got %d %s; want 403", p.status, p.body)
	}
	p := r.do(call{method: "POST", path: "/invitations", as: "mo", body: `{}`})
	secret := decodeTo[NewInvitationSecret](t, p).Secret
	if p := register("carl", secret); p.status != 201 || r.do(call{method: "GET", path: "/me", cookie: cookieOf(t, p).Value}).status != 200 {
		t.Errorf("with one: got %d %s; want 201 and to be signed in", p.status, p.body)
	}
	if p := register("dora", secret); p.status != 400 {
		t.Errorf("with a used one: got %d %s; want 400", p.status, p.body)
	}
	if p := r.do(call{method: "POST", path: "/invitations", as: "mo", body: `{"role":"admin"}`}); p.status != 403 {
		t.Errorf("a moderator invites an administrator: got %d; want 403", p.status)
	}
}

// TestOrigin holds every kind of request against every kind of origin.
func TestOrigin(t *testing.T) {
	r := newRig(t)
	cookie := r.signIn("ana")
	site := func(v string) map[string]string { return map[string]string{"Sec-Fetch-Site": v} }
	for _, c := range []struct {
		name   string
		call   call
		status int
	}{
		{"cookie, own origin", call{origin: "own", cookie: cookie}, 200},
		{"cookie, foreign origin", call{origin: "https://evil.example", cookie: cookie}, 403},
		{"cookie, null origin", call{origin: "null", cookie: cookie}, 403},
		{"cookie, other port", call{origin: "http://127.0.0.1:1", cookie: cookie}, 403},
		{"cookie, nothing said", call{cookie: cookie}, 403},
		{"cookie, same-origin by the browser's word", call{cookie: cookie, header: site("same-origin")}, 200},
		{"cookie, cross-site", call{cookie: cookie, header: site("cross-site")}, 403},
		{"cookie, same-site", call{cookie: cookie, header: site("same-site")}, 403},
		{"token, nothing said", call{as: "ana"}, 200},
		{"token, own origin", call{as: "ana", origin: "own"}, 200},
		{"token, foreign origin", call{as: "ana", origin: "https://evil.example"}, 403},
		{"bad token beside a good cookie", call{cookie: cookie, origin: "own", header: map[string]string{"Authorization": "Bearer carrel_no"}}, 401},
		{"basic beside a good cookie", call{cookie: cookie, origin: "own", header: map[string]string{"Authorization": "Basic YTpi"}}, 401},
	} {
		c.call.method, c.call.path, c.call.body = "PATCH", "/me", `{"language":"en"}`
		if p := r.do(c.call); p.status != c.status {
			t.Errorf("%s: got %d %s; want %d", c.name, p.status, p.body, c.status)
		}
		// Reading is not changing: no page of another site can see the answer.
		c.call.method, c.call.body = "GET", ""
		if p := r.do(c.call); p.status != 200 && c.status != 401 {
			t.Errorf("%s, reading: got %d; want 200", c.name, p.status)
		}
		if acao := r.do(c.call).header.Get("Access-Control-Allow-Origin"); acao != "" {
			t.Errorf("%s: got Access-Control-Allow-Origin %q", c.name, acao)
		}
	}
	login := call{method: "POST", path: "/auth/login", body: fmt.Sprintf(`{"username":"ana","password":%q}`, password("ana"))}
	for origin, want := range map[string]int{"": 200, "own": 200, "https://evil.example": 403} {
		login.origin = origin
		if p := r.do(login); p.status != want {
			t.Errorf("sign in from %q: got %d; want %d", origin, p.status, want)
		}
	}
}

func TestOriginByPublicURL(t *testing.T) {
	s := &Server{deps: Deps{PublicURL: &url.URL{Scheme: "https", Host: "carrel.example.org"}}}
	for _, c := range []struct {
		origin, host string
		want         origin
	}{
		{"https://carrel.example.org", "127.0.0.1:8420", originOwn},
		{"https://carrel.example.org:443", "127.0.0.1:8420", originOwn},
		{"https://CARREL.example.org", "127.0.0.1:8420", originOwn},
		{"http://carrel.example.org", "127.0.0.1:8420", originForeign},
		{"https://carrel.example.org.evil.com", "127.0.0.1:8420", originForeign},
		{"http://127.0.0.1:8420", "127.0.0.1:8420", originOwn},
		{"http://[::1]:8420", "[::1]:8420", originOwn},
		{"http://[::1]", "[::1]", originOwn},
		{"http://localhost", "localhost:80", originOwn},
		{"http://localhost", "localhost", originOwn},
		{"https://localhost", "localhost", originOwn},
		{"file://localhost", "localhost", originForeign},
		{"", "localhost", originForeign},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = c.host
		r.Header.Set("Origin", c.origin)
		if got := s.originOf(r); got != c.want {
			t.Errorf("%s to %s: got %d; want %d", c.origin, c.host, got, c.want)
		}
	}
}

func TestClientOf(t *testing.T) {
	s := &Server{deps: Deps{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct {
		remote, forwarded, proto string
		addr                     string
		https                    bool
	}{
		{"192.0.2.1:1234", "", "", "192.0.2.1", false},
		{"192.0.2.1:1234", "198.51.100.7", "https", "192.0.2.1", false}, // nobody we trust
		{"10.0.0.1:1234", "198.51.100.7", "https", "198.51.100.7", true},
		{"10.0.0.1:1234", "6.6.6.6, 198.51.100.7, 10.0.0.2", "http", "198.51.100.7", false},
		{"10.0.0.1:1234", "nonsense", "", "10.0.0.1", false},
		{"[2001:db8::1]:99", "", "", "2001:db8::1", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", c.forwarded)
		r.Header.Set("X-Forwarded-Proto", c.proto)
		if addr, https := s.clientOf(r); addr != c.addr || https != c.https {
			t.Errorf("%+v: got %s, %v", c, addr, https)
		}
	}
}

func TestOwnPassword(t *testing.T) {
	r := newRig(t)
	cookie, other := r.signIn("ana"), r.signIn("ana")
	change := func(body string) reply {
		return r.do(call{method: "PATCH", path: "/me", cookie: cookie, origin: "own", body: body})
	}
	if p := change(`{"password":"an even better one"}`); p.status != 400 {
		t.Errorf("without the present one: got %d; want 400", p.status)
	}
	if p := change(`{"password":"an even better one","current_password":"wrong"}`); p.status != 403 {
		t.Errorf("with a wrong one: got %d; want 403", p.status)
	}
	p := change(fmt.Sprintf(`{"password":"an even better one","current_password":%q}`, password("ana")))
	if p.status != 200 {
		t.Fatalf("got %d %s; want 200", p.status, p.body)
	}
	for value, want := range map[string]int{cookie: 401, other: 401, cookieOf(t, p).Value: 200} {
		if p := r.do(call{method: "GET", path: "/me", cookie: value}); p.status != want {
			t.Errorf("after the change: got %d; want %d", p.status, want)
		}
	}
}

// A token outlives its owner's new password, as scripts do; whoever resets one that was in other hands can revoke them.
func TestTokensAndANewPassword(t *testing.T) {
	r := newRig(t)
	me := func() int { return r.do(call{method: "GET", path: "/me", as: "ana"}).status }
	change := func(body string) reply {
		return r.do(call{method: "PATCH", path: fmt.Sprintf("/users/%d", r.users["ana"].ID), as: "rita", body: body})
	}
	if p := r.do(call{method: "PATCH", path: "/me", as: "ana", body: fmt.Sprintf(`{"password":"an even better one","current_password":%q}`, password("ana"))}); p.status != 200 || me() != 200 {
		t.Errorf("one's own: got %d, then %d; want 200 twice", p.status, me())
	}
	if p := change(`{"password":"a new password"}`); p.status != 200 || me() != 200 {
		t.Errorf("a reset: got %d, then %d; want 200 twice", p.status, me())
	}
	if p := change(`{"password":"a newer password","revoke_tokens":true}`); p.status != 200 || me() != 401 {
		t.Errorf("a reset that revokes: got %d, then %d; want 200 and 401", p.status, me())
	}
	if p := r.do(call{method: "GET", path: "/me", as: "bob"}); p.status != 200 {
		t.Errorf("another's token: got %d", p.status)
	}
	if p := r.do(call{method: "GET", path: "/audit?action=user.change&limit=1", as: "rita"}); !strings.Contains(p.body, `"tokens_revoked":true`) {
		t.Errorf("audit: got %s", p.body)
	}
}

// An administrator resets others' passwords; their own takes the present one.
func TestAdministratorsOwnPassword(t *testing.T) {
	r := newRig(t)
	const body = `{"password":"a new password"}`
	p := r.do(call{method: "PATCH", path: fmt.Sprintf("/users/%d", r.users["rita"].ID), as: "rita", body: body})
	if p.status != 403 || p.code(t) != "forbidden" || !strings.Contains(p.body, "/me") {
		t.Errorf("their own: got %d %s; want 403", p.status, p.body)
	}
	if p := r.do(call{method: "PATCH", path: fmt.Sprintf("/users/%d", r.users["ana"].ID), as: "rita", body: body}); p.status != 200 {
		t.Errorf("somebody's: got %d %s", p.status, p.body)
	}
}

// A change of one's own password that races with a reset does not undo it.
func TestResetWinsOverOwnChange(t *testing.T) {
	r := newRig(t)
	old := password("ana")
	for i := range 10 {
		reset := fmt.Sprintf("reset number %d", i)
		done := make(chan int)
		go func() {
			done <- r.do(call{method: "PATCH", path: "/me", as: "ana", body: fmt.Sprintf(`{"password":"of the thief","current_password":%q}`, old)}).status
		}()
		p := r.do(call{method: "PATCH", path: fmt.Sprintf("/users/%d", r.users["ana"].ID), as: "rita", body: fmt.Sprintf(`{"password":%q}`, reset)})
		if status := <-done; p.status != 200 || status != 200 && status != 409 && status != 403 && status != 429 {
			t.Fatalf("got %d for the reset and %d for the change", p.status, status)
		}
		if p := r.do(call{method: "POST", path: "/auth/login", body: fmt.Sprintf(`{"username":"ana","password":%q}`, reset)}); p.status != 200 {
			t.Fatalf("round %d: what the administrator set does not count: %d %s", i, p.status, p.body)
		}
		old = reset
	}
}

func TestMe(t *testing.T) {
	r := newRig(t)
	me := decodeTo[Account](t, r.do(call{method: "GET", path: "/me", as: "ana"}))
	if me.Username != "ana" || me.Quota.LiveSessions != 3 || me.Usage.TokensThisMonth != 345 {
		t.Errorf("got %+v", me)
	}
}

func TestTokens(t *testing.T) {
	r := newRig(t)
	made := decodeTo[NewTokenSecret](t, r.do(call{method: "POST", path: "/me/tokens", as: "ana", body: `{"name":"ci"}`}))
	if !strings.HasPrefix(made.Secret, "carrel_") {
		t.Fatalf("got the secret %q", made.Secret)
	}
	list := r.do(call{method: "GET", path: "/me/tokens", as: "ana"})
	if strings.Contains(list.body, made.Secret) || len(decodeTo[List[account.Token]](t, list).Items) != 2 {
		t.Errorf("got %s; want both tokens and no secret", list.body)
	}
	r.tokens["ci"] = made.Secret
	if p := r.do(call{method: "DELETE", path: "/me/tokens/" + made.ID, as: "bob"}); p.status != 404 {
		t.Errorf("somebody else's token: got %d; want 404", p.status)
	}
	if p := r.do(call{method: "DELETE", path: "/me/tokens/" + made.ID, as: "ci"}); p.status != 204 {
		t.Errorf("got %d %s; want 204", p.status, p.body)
	}
	if p := r.do(call{method: "GET", path: "/me", as: "ci"}); p.status != 401 {
		t.Errorf("a deleted token: got %d; want 401", p.status)
	}
}

func TestUserAdministration(t *testing.T) {
	r := newRig(t)
	ana, rita := r.users["ana"].ID, r.users["rita"].ID
	put := fmt.Sprintf("/users/%d/quota", ana)
	p := r.do(call{method: "PUT", path: put, as: "rita", body: `{"live_sessions":1,"tokens_per_day":1000}`})
	if p.status != 200 || !strings.Contains(p.body, `"tokens_per_day":1000`) {
		t.Fatalf("quota: got %d %s", p.status, p.body)
	}
	p = r.do(call{method: "PUT", path: put, as: "rita", body: `{"tokens_per_day":null}`})
	if p.status != 200 || !strings.Contains(p.body, `"live_sessions":1`) || !strings.Contains(p.body, `"tokens_per_day":null`) {
		t.Errorf("a part of the quota: got %d %s; want the rest as it was", p.status, p.body)
	}
	if p = r.do(call{method: "PUT", path: put, as: "rita", body: `{"instances":0,"memory_bytes":1}`}); p.status != 400 || !strings.Contains(p.body, "body.memory_bytes") {
		t.Errorf("a bad quota: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "PUT", path: "/users/4711/quota", as: "rita", body: `{}`}); p.status != 404 {
		t.Errorf("of nobody: got %d; want 404", p.status)
	}
	r.do(call{method: "PUT", path: "/instance", as: "ana"})
	p = r.do(call{method: "PATCH", path: fmt.Sprintf("/users/%d", ana), as: "rita", body: `{"active":false}`})
	if p.status != 200 || r.do(call{method: "GET", path: "/me", as: "ana"}).status != 401 {
		t.Errorf("shut out: got %d %s; want 200 and then 401 for ana", p.status, p.body)
	}
	if p = r.do(call{method: "GET", path: fmt.Sprintf("/instances/%d", ana), as: "rita"}); p.status != 404 {
		t.Errorf("the instance of one who is shut out: got %d; want 404", p.status)
	}
	if p = r.do(call{method: "GET", path: "/audit?action=user.change", as: "rita"}); !strings.Contains(p.body, `"password_changed":false`) {
		t.Errorf("the record does not tell whether the password is new: %s", p.body)
	}
	if p = r.do(call{method: "PATCH", path: fmt.Sprintf("/users/%d", rita), as: "rita", body: `{"role":"user"}`}); p.status != 409 {
		t.Errorf("the last administrator: got %d; want 409", p.status)
	}
	if p = r.do(call{method: "DELETE", path: fmt.Sprintf("/users/%d", rita), as: "rita"}); p.status != 409 {
		t.Errorf("oneself: got %d; want 409", p.status)
	}
	if p = r.do(call{method: "DELETE", path: fmt.Sprintf("/users/%d", ana), as: "rita"}); p.status != 204 {
		t.Errorf("delete: got %d %s; want 204", p.status, p.body)
	}
	want := fmt.Sprintf("quota %d 1;quota %d 1;erase %d", ana, ana, ana)
	if got := strings.Join(r.instances.done(), ";"); got != want {
		t.Errorf("the instances were told %q; want %q", got, want)
	}
	if p = r.do(call{method: "GET", path: fmt.Sprintf("/users/%d", ana), as: "rita"}); p.status != 404 {
		t.Errorf("a deleted user: got %d; want 404", p.status)
	}
}

func TestUseOfEach(t *testing.T) {
	r := newRig(t, func(d *Deps) {
		d.UseOfEach = func(context.Context) (map[int64]Use, error) {
			return map[int64]Use{2: {TokensToday: 7, TokensThisMonth: 70, CostUSD: 0.5, StorageBytes: new(int64(4096))}}, nil
		}
	})
	got := map[int64]Use{}
	list := r.do(call{method: "GET", path: "/users", as: "rita"})
	for _, a := range decodeTo[List[Account]](t, list).Items {
		got[a.ID] = a.Usage
	}
	for _, part := range []string{`"usage":{"tokens_today":7,"tokens_this_month":70,"cost_usd":0.5,"storage_bytes":4096}`, `"cost_usd":0,"storage_bytes":null}`, `"last_seen_at":`} {
		if !strings.Contains(list.body, part) {
			t.Errorf("the list lacks %s: %s", part, list.body)
		}
	}
	if len(got) != 4 || got[2].TokensThisMonth != 70 || got[2].TokensToday != 7 || got[1].TokensThisMonth != 0 {
		t.Errorf("in the list: %+v", got)
	}
	if one := decodeTo[Account](t, r.do(call{method: "GET", path: "/users/2", as: "rita"})); one.Usage.TokensThisMonth != 345 {
		t.Errorf("of one: %+v", one.Usage)
	}
}

func TestPages(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"ana", "bob", "mo"} {
		r.do(call{method: "PUT", path: "/instance", as: name})
	}
	for _, path := range []string{"/users", "/instances"} {
		seen, cursor := 0, ""
		for {
			p := decodeTo[List[struct{}]](t, r.do(call{method: "GET", path: path + query("limit", "2", "cursor", cursor), as: "rita"}))
			seen += len(p.Items)
			if p.NextCursor == nil {
				break
			}
			if len(p.Items) != 2 {
				t.Fatalf("%s: got %d entries in the middle; want 2", path, len(p.Items))
			}
			cursor = *p.NextCursor
		}
		if want := map[string]int{"/users": 4, "/instances": 3}[path]; seen != want {
			t.Errorf("%s: got %d entries in all; want %d", path, seen, want)
		}
		if p := r.do(call{method: "GET", path: path + query("cursor", "!"), as: "rita"}); p.status != 400 {
			t.Errorf("%s with a made-up cursor: got %d; want 400", path, p.status)
		}
	}
	if p := r.do(call{method: "GET", path: "/sessions", as: "bob"}); !strings.Contains(p.body, `{"items":[],"next_cursor":null}`) {
		t.Errorf("an empty list: got %s", p.body)
	}
}
