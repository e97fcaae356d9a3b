package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// TestContractSetup makes the first administrator: once, with the code, however
// many try.
func TestContractSetup(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t)
	code := s.AwaitSetupCode()
	setup := func(code, name string) request {
		return request{method: "POST", path: "/setup", body: map[string]any{"setup_code": code, "username": name, "password": "a long password"}}
	}
	refused(t, "a login before the setup", request{method: "POST", path: "/auth/login", body: map[string]any{"username": "ada", "password": "a long password"}}.send(t, s.URL), 401, "unauthenticated")
	for _, wrong := range []string{"", "x", code + "x", strings.ToUpper(code) + " "} {
		refused(t, "the code "+wrong, setup(wrong, "eve").send(t, s.URL), 0, "forbidden")
	}
	names(t, "a name that is none", setup(code, "no name").send(t, s.URL), "body.username")
	short := setup(code, "ada")
	short.body.(map[string]any)["password"] = "short"
	names(t, "a short password", short.send(t, s.URL), "body.password")
	var wg sync.WaitGroup
	answers := make([]carrel.Response, 6)
	for i := range answers {
		wg.Go(func() { answers[i] = setup(code, "ada"+string(rune('a'+i))).send(t, s.URL) })
	}
	wg.Wait()
	made := 0
	for _, a := range answers {
		if a.StatusCode/100 == 2 {
			made++
			if !strings.Contains(a.Text, `"role":"admin"`) {
				t.Errorf("the first user is %s; want an administrator", a.Text)
			}
			continue
		}
		refused(t, "at the same time", a, 409, "conflict")
	}
	if made != 1 {
		t.Errorf("%d first administrators; want 1", made)
	}
	refused(t, "again", setup(code, "late").send(t, s.URL), 409, "conflict")
}

// TestContractRegistration asks for an account under each policy, set by the
// environment.
func TestContractRegistration(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"closed", "invite", "open"} {
		t.Run(policy, func(t *testing.T) {
			s := carrel.Start(t, "CARREL_REGISTRATION="+policy)
			ada := s.Setup("ada")
			register := func(name, invitation string) carrel.Response {
				return request{method: "POST", path: "/auth/register", body: map[string]any{
					"username": name, "email": name + "@example.org", "password": "a long password", "invitation": invitation}}.send(t, s.URL)
			}
			var invited struct {
				Secret string `json:"secret"`
			}
			ada.Must(201, "POST", "/invitations", map[string]any{}, &invited)
			switch policy {
			case "closed":
				refused(t, "without an invitation", register("bob", ""), 403, "forbidden")
				refused(t, "with one", register("bob", invited.Secret), 403, "forbidden")
			case "invite":
				refused(t, "without an invitation", register("bob", ""), 403, "forbidden")
				if res := register("bob", "made up"); res.StatusCode/100 != 4 {
					t.Errorf("an invitation that is none: %s %s", res.Status, res.Text)
				}
				welcomed(t, s, register("bob", invited.Secret))
				if res := register("eve", invited.Secret); res.StatusCode/100 != 4 {
					t.Errorf("an invitation used twice: %s %s", res.Status, res.Text)
				}
			case "open":
				welcomed(t, s, register("bob", ""))
				refused(t, "the name again", register("bob", ""), 409, "conflict")
				clash := request{method: "POST", path: "/auth/register", body: map[string]any{"username": "bob2", "email": "BOB@example.org", "password": "a long password"}}
				refused(t, "the address again", clash.send(t, s.URL), 409, "conflict")
			}
		})
	}
}

func welcomed(t *testing.T, s *carrel.Server, res carrel.Response) {
	t.Helper()
	if res.StatusCode/100 != 2 || !strings.Contains(res.Text, `"username":"bob"`) || !strings.Contains(res.Text, `"role":"user"`) {
		t.Errorf("register: %s %s", res.Status, res.Text)
		return
	}
	wellFormed(t, res, "id", "username", "role")
	in := request{method: "POST", path: "/auth/login", body: map[string]any{"username": "bob@example.org", "password": "a long password"}}.send(t, s.URL)
	if in.StatusCode != 200 {
		t.Errorf("login after it: %s %s", in.Status, in.Text)
	}
}

func contractLogin(t *testing.T, ada *carrel.Person) {
	base := ada.Server().URL
	ada.Must(201, "POST", "/users", map[string]any{"username": "login-bob", "email": "Bob@Example.org", "password": "the password of bob"}, nil)
	login := func(name, password string) carrel.Response {
		return request{method: "POST", path: "/auth/login", body: map[string]any{"username": name, "password": password}}.send(t, base)
	}
	for _, name := range []string{"login-bob", "Bob@Example.org", "bob@example.org"} {
		res := login(name, "the password of bob")
		if res.StatusCode != 200 || !strings.Contains(res.Text, `"username":"login-bob"`) {
			t.Fatalf("login as %s: %s %s; want the user", name, res.Status, res.Text)
		}
		wellFormed(t, res, "id", "username", "email", "role", "quota", "created_at")
		if strings.Contains(res.Text, "password") {
			t.Errorf("the answer speaks of a password: %s", res.Text)
		}
		c := res.Cookies()
		if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Secure || c[0].Path != "/" || c[0].Domain != "" {
			t.Errorf("cookies %v; want one, HttpOnly, SameSite=Lax, not Secure on http", c)
		}
	}
	wrong, unknown := login("login-bob", "wrong password"), login("login-nobody", "wrong password")
	refused(t, "a wrong password", wrong, 401, "unauthenticated")
	if wrong.Text != unknown.Text {
		t.Errorf("a wrong password: %s; an unknown name: %s", wrong.Text, unknown.Text)
	}
	if len(wrong.Cookies()) != 0 {
		t.Error("a refused login sets a cookie")
	}
	refused(t, "an empty name", login("", ""), 0, "unauthenticated")
	// Who guesses is slowed, and told for how long.
	var slowed carrel.Response
	for range 8 {
		if slowed = login("login-guessed", "wrong password"); slowed.StatusCode != 401 {
			break
		}
	}
	refused(t, "many guesses", slowed, 429, "rate_limited")
	if slowed.Header.Get("Retry-After") == "" {
		t.Error("a 429 without Retry-After")
	}

	cookie := cookieIn(t, base, "login-bob", "the password of bob")
	own := map[string]string{"Cookie": cookie, "Origin": base}
	if res := (request{method: "GET", path: "/me", header: own}).send(t, base); res.StatusCode != 200 {
		t.Errorf("me: %s", res.Status)
	}
	out := request{method: "POST", path: "/auth/logout", header: own}.send(t, base)
	if c := out.Cookies(); out.StatusCode/100 != 2 || len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("logout: %s %v; want a cookie that goes", out.Status, c)
	}
	refused(t, "me after the logout", request{method: "GET", path: "/me", header: own}.send(t, base), 401, "unauthenticated")
}

// contractOrigin changes something with a cookie, and opens a WebSocket, from
// pages of every kind.
func contractOrigin(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "origin-bob")
	base := ada.Server().URL
	cookie, token := cookieOf(t, bob), tokenOf(bob)
	host := strings.TrimPrefix(base, "http://")
	name, port, _ := strings.Cut(host, ":")
	for _, c := range []struct {
		origin       string
		ours, nobody bool // nobody: there is no Origin, as from a program
	}{
		{origin: base, ours: true},
		{nobody: true},
		{origin: "null"},
		{origin: "http://evil.example"},
		{origin: "http://sub." + host},
		{origin: "http://" + name + ":1"},
		{origin: "http://" + name},
		{origin: "http://localhost:" + port},
		{origin: base + ".evil.example"},
		{origin: "http://evil.example:" + port},
		{origin: "http://" + host + "@evil.example"},
		{origin: "file://"},
		{origin: "ws://" + host},
	} {
		for _, credential := range []string{"cookie", "token"} {
			h := map[string]string{"Cookie": cookie}
			if credential == "token" {
				h = map[string]string{"Authorization": "Bearer " + token}
			}
			if !c.nobody {
				h["Origin"] = c.origin
			}
			may := c.ours || c.nobody && credential == "token"
			what := credential + " from " + c.origin
			conn, res := dial(t, base, "/ws", h)
			if got := conn != nil; got != may {
				t.Errorf("a WebSocket with the %s: %s; want it opened: %v", what, res.Status, may)
			}
			if conn != nil {
				_ = conn.CloseNow()
			} else if res.StatusCode != 403 {
				t.Errorf("a WebSocket with the %s: %s; want 403", what, res.Status)
			}
			if credential == "token" && !may {
				continue // no browser sends a token by itself: the contract leaves it open
			}
			change := request{method: "PATCH", path: "/me", body: map[string]any{"language": "en"}, header: h}.send(t, base)
			if may && change.StatusCode != 200 {
				t.Errorf("a change with the %s: %s %s; want 200", what, change.Status, change.Text)
			}
			if !may {
				refused(t, "a change with the "+what, change, 403, "forbidden")
			}
			if res := (request{method: "GET", path: "/me", header: h}).send(t, base); res.StatusCode != 200 {
				t.Errorf("a look with the %s: %s; want 200", what, res.Status)
			}
		}
	}
	// Where an old browser sends no Origin, it says where from in another way.
	h := map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}
	refused(t, "a cross-site change", request{method: "PATCH", path: "/me", body: map[string]any{"language": "en"}, header: h}.send(t, base), 403, "forbidden")
}

func contractTokens(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "token-bob")
	base := ada.Server().URL
	var made struct{ ID, Secret, Name string }
	res := bob.Must(201, "POST", "/me/tokens", map[string]any{"name": "nightly"}, &made)
	wellFormed(t, res, "id", "name", "secret", "created_at", "last_used_at", "expires_at")
	if !strings.HasPrefix(made.Secret, "carrel_") || len(made.Secret) < 30 || made.Name != "nightly" {
		t.Errorf("got %s", res.Text)
	}
	as := func(value string) carrel.Response {
		return request{method: "GET", path: "/me", header: map[string]string{"Authorization": value}}.send(t, base)
	}
	for _, good := range []string{"Bearer " + made.Secret, "bearer " + made.Secret} {
		if res := as(good); res.StatusCode != 200 || !strings.Contains(res.Text, `"username":"token-bob"`) {
			t.Errorf("%.8s…: %s %s", good, res.Status, res.Text)
		}
	}
	for _, bad := range []string{"Bearer carrel_", "Bearer " + made.Secret + "x", "Bearer x", "Bearer", "Basic " + made.Secret, made.Secret} {
		refused(t, "Authorization: "+bad, as(bad), 401, "unauthenticated")
	}
	if list := bob.Must(200, "GET", "/me/tokens", nil, nil); strings.Contains(list.Text, made.Secret) || strings.Contains(list.Text, "secret") || !strings.Contains(list.Text, made.ID) {
		t.Errorf("the list is %s; want the token without its secret", list.Text)
	}
	names(t, "a token without a name", bob.Do("POST", "/me/tokens", map[string]any{"name": ""}, nil), "body.name")
	names(t, "a token of yesterday", bob.Do("POST", "/me/tokens", map[string]any{"name": "old", "expires_at": time.Now().Add(-time.Hour)}, nil), "body.expires_at")
	bob.Must(204, "DELETE", "/me/tokens/"+made.ID, nil, nil)
	refused(t, "a deleted token", as("Bearer "+made.Secret), 401, "unauthenticated")
	refused(t, "deleting it again", bob.Do("DELETE", "/me/tokens/"+made.ID, nil, nil), 404, "not_found")
}

func contractMe(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "me-bob")
	wellFormed(t, bob.Must(200, "GET", "/me", nil, nil), "id", "username", "role", "quota", "usage", "created_at")
	if res := bob.Must(200, "PATCH", "/me", map[string]any{"email": "me@example.org", "language": "zh-CN"}, nil); !strings.Contains(res.Text, `"email":"me@example.org"`) || !strings.Contains(res.Text, `"language":"zh-CN"`) {
		t.Errorf("changed: %s", res.Text)
	}
	names(t, "an address that is none", bob.Do("PATCH", "/me", map[string]any{"email": "none"}, nil), "body.email")
	// Nobody makes himself more than he is.
	for _, body := range []map[string]any{{"role": "admin"}, {"quota": map[string]any{"cpu": 64}}, {"active": true}, {"id": 1}} {
		if res := bob.Do("PATCH", "/me", body, nil); res.StatusCode/100 != 4 && !strings.Contains(res.Text, `"role":"user"`) {
			t.Errorf("PATCH /me %v: %s %s", body, res.Status, res.Text)
		}
	}
	// A new password needs the old one, and ends every other sign-in.
	other := map[string]string{"Cookie": cookieOf(t, bob)}
	names(t, "a password without the old", bob.Do("PATCH", "/me", map[string]any{"password": "the next password"}, nil), "body.current_password")
	refused(t, "a password with a wrong old one", bob.Do("PATCH", "/me", map[string]any{"password": "the next password", "current_password": "x"}, nil), 403, "forbidden")
	bob.Must(200, "PATCH", "/me", map[string]any{"password": "the next password", "current_password": bob.Password}, nil)
	bob.Must(200, "GET", "/me", nil, nil)
	refused(t, "another device", request{method: "GET", path: "/me", header: other}.send(t, ada.Server().URL), 401, "unauthenticated")
	bob.Password = "the next password"
	bob.Login()
}

// contractDeactivated shuts a user out while a connection of theirs is open.
func contractDeactivated(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "gone-bob")
	token := map[string]string{"Authorization": "Bearer " + tokenOf(bob)}
	bob.Must(201, "PUT", "/instance", nil, nil)
	path := "/users/" + itoa(bob.ID)
	closed := func(what string, conn *websocket.Conn) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				if code := websocket.CloseStatus(err); code != 4401 {
					t.Errorf("%s: the connection ended with %v; want 4401", what, err)
				}
				return
			}
		}
	}
	byToken, _ := dial(t, ada.Server().URL, "/ws", token)
	byCookie, _ := dial(t, ada.Server().URL, "/ws", map[string]string{"Cookie": cookieOf(t, bob), "Origin": ada.Server().URL})
	if res := ada.Must(200, "PATCH", path, map[string]any{"active": false}, nil); !strings.Contains(res.Text, `"active":false`) {
		t.Errorf("got %s", res.Text)
	}
	closed("by token", byToken)
	closed("by cookie", byCookie)
	refused(t, "their token", request{method: "GET", path: "/me", header: token}.send(t, ada.Server().URL), 401, "unauthenticated")
	refused(t, "their login", request{method: "POST", path: "/auth/login", body: map[string]any{"username": bob.Name, "password": bob.Password}}.send(t, ada.Server().URL), 401, "unauthenticated")
	refused(t, "their login with a wrong password", request{method: "POST", path: "/auth/login", body: map[string]any{"username": bob.Name, "password": "wrong " + bob.Password}}.send(t, ada.Server().URL), 401, "unauthenticated")
	refused(t, "their instance", ada.Do("GET", "/instances/"+itoa(bob.ID), nil, nil), 404, "not_found")
	ada.Must(200, "PATCH", path, map[string]any{"active": true}, nil)
	bob.Login()

	// A token that is revoked closes what it opened.
	var made struct{ ID, Secret string }
	bob.Must(201, "POST", "/me/tokens", map[string]any{"name": "short"}, &made)
	conn, _ := dial(t, ada.Server().URL, "/ws", map[string]string{"Authorization": "Bearer " + made.Secret})
	bob.Must(204, "DELETE", "/me/tokens/"+made.ID, nil, nil)
	closed("a revoked token", conn)
}
