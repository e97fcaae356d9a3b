package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

const (
	anas   = "11111111-1111-4111-8111-111111111111"
	nobody = "99999999-9999-4999-8999-999999999999"
)

// TestRoutes asks every route as a stranger, as somebody who may not, and in the right way.
func TestRoutes(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	id := func(name string) string { return fmt.Sprint(r.users[name].ID) }
	for _, c := range []struct {
		method, path, body string
		least              string // the least role: user, moderator, admin
		want               int
	}{
		{"GET", "/me", "", "user", 200},
		{"PATCH", "/me", `{"language":"zh-CN"}`, "user", 200},
		{"GET", "/me/tokens", "", "user", 200},
		{"POST", "/me/tokens", `{"name":"ci"}`, "user", 201},
		{"DELETE", "/me/tokens/tok_none", "", "user", 404},
		{"GET", "/me/sign-ins", "", "user", 200},
		{"DELETE", "/me/sign-ins/none", "", "user", 404},
		{"DELETE", "/me/sign-ins", "", "user", 204},
		{"GET", "/me/push", "", "user", 200},
		{"POST", "/me/push/test", "", "user", 409},
		{"POST", "/me/push", `{"endpoint":"https://push.example.org/a","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"},"device":"a phone"}`, "user", 201},
		{"POST", "/me/push", `{"endpoint":"http://push.example.org/a","keys":{"p256dh":"x","auth":"y"}}`, "user", 400},
		{"PATCH", "/me/push", `{"finished":false,"quiet":{"from":"22:00","to":"07:00","zone":"Asia/Shanghai"}}`, "user", 200},
		{"PATCH", "/me/push", `{"quiet":{"from":"25:00","to":"07:00","zone":"Asia/Shanghai"}}`, "user", 400},
		{"PATCH", "/me/push", `{"nonsense":true}`, "user", 400},
		{"DELETE", "/me/push/none", "", "user", 404},
		{"GET", "/users?limit=1", "", "admin", 200},
		{"POST", "/users", `{"username":"carl","password":"a long enough one","quota":{"live_sessions":1,"tokens_per_day":null}}`, "admin", 201},
		{"GET", "/users/" + id("ana"), "", "admin", 200},
		{"GET", "/users/4711", "", "admin", 404},
		{"PATCH", "/users/" + id("ana"), `{"email":"ana@example.net"}`, "admin", 200},
		{"DELETE", "/users/4711", "", "admin", 404},
		{"PUT", "/users/" + id("ana") + "/quota", `{"live_sessions":2}`, "admin", 200},
		{"GET", "/instance", "", "user", 404},
		{"PUT", "/instance", "", "user", 201},
		{"PUT", "/instance", "", "user", 200},
		{"GET", "/instance", "", "user", 200},
		{"GET", "/instances", "", "admin", 200},
		{"POST", "/instances/" + id("ana") + "/restart", "", "admin", 404}, // ana has none: as administrator it was rita's above
		{"GET", "/instances/" + id("rita"), "", "admin", 200},
		{"POST", "/instances/" + id("rita") + "/restart", "", "admin", 200},
		{"DELETE", "/instance", "", "user", 204},
		{"DELETE", "/instance", "", "user", 404},
		{"DELETE", "/instances/" + id("rita"), "", "admin", 404},
		{"GET", "/server", "", "admin", 200},
		{"GET", "/server/history?range=7d", "", "admin", 200},
		{"GET", "/server/history?range=2h", "", "admin", 400},
		{"GET", "/instances/" + id("ana") + "/history?range=12h", "", "admin", 200}, // without an instance there are figures of before
		{"GET", "/instances/" + id("ana") + "/history?range=1H", "", "admin", 400},
		{"GET", "/instances/4711/history", "", "admin", 404},
		{"GET", "/instances/history", "", "admin", 200},
		{"GET", "/instance/history", "", "user", 200},
		{"GET", "/instance/history?range=1y", "", "user", 400},
		{"GET", "/projects", "", "user", 200},
		{"POST", "/projects", `{"name":"new","template":"sample"}`, "user", 201},
		{"GET", "/projects/thesis", "", "user", 200},
		{"GET", "/projects/none", "", "user", 404},
		{"PATCH", "/projects/thesis", `{"name":"new"}`, "user", 200},
		{"DELETE", "/projects/thesis", "", "user", 204},
		{"GET", "/sessions?project=thesis", "", "user", 200},
		{"POST", "/sessions", `{"project":"thesis"}`, "user", 201},
		{"GET", "/sessions/" + nobody, "", "user", 404},
		{"PATCH", "/sessions/" + nobody, `{"title":"x"}`, "user", 404},
		{"DELETE", "/sessions/" + nobody, "", "user", 404},
		{"GET", "/sessions/" + nobody + "/events", "", "user", 404},
		{"POST", "/sessions/" + nobody + "/prompts", `{"id":"1","content":"hi"}`, "user", 404},
		{"DELETE", "/sessions/" + nobody + "/prompts/1", "", "user", 404},
		{"POST", "/sessions/" + nobody + "/interrupt", "", "user", 404},
		{"POST", "/sessions/" + nobody + "/answers", `{"request_id":"r","behavior":"allow"}`, "user", 404},
		{"POST", "/sessions/" + nobody + "/fork", "", "user", 404},
		{"POST", "/sessions/" + nobody + "/stop", `{"task_id":"t"}`, "user", 404},
		{"GET", "/sessions/" + nobody + "/tasks/t/output", "", "user", 404},
		{"POST", "/sessions/" + nobody + "/rewind", `{"prompt":"p","dry_run":true}`, "user", 404},
		{"GET", "/files", "", "user", 200},
		{"POST", "/files/folder", `{"path":"temp/a"}`, "user", 201},
		{"PUT", "/files/content?path=temp/a/b.txt", `hello`, "user", 201},
		{"GET", "/files/content?path=temp/a/b.txt", "", "user", 200},
		{"POST", "/files/move", `{"from":"temp/a/b.txt","to":"temp/c.txt"}`, "user", 200},
		{"GET", "/files/search?q=c.txt", "", "user", 200},
		{"GET", "/files/search?q=", "", "user", 400},
		{"GET", "/files/search?q=x&project=none", "", "user", 404},
		{"GET", "/files/grep?q=hello", "", "user", 200},
		{"GET", "/files/grep?q=(&regexp=true", "", "user", 400},
		{"GET", "/files/grep?q=x&limit=501", "", "user", 400},
		{"GET", "/files/archive?path=temp", "", "user", 200},
		{"GET", "/files/archive?path=none", "", "user", 404},
		{"POST", "/files/trash", `{"path":"temp/none"}`, "user", 404},
		{"POST", "/files/trash", `{"path":"temp"}`, "user", 403},
		{"GET", "/files/trash", "", "user", 200},
		{"POST", "/files/trash/restore", `{"path":"temp/.trash/none/none"}`, "user", 404},
		{"POST", "/files/uploads", "", "user", 412}, // without the version of the protocol
		{"PATCH", "/files/uploads/none", "", "user", 412},
		{"DELETE", "/files/uploads/none", "", "user", 412},
		{"DELETE", "/files?path=temp/c.txt", "", "user", 204},
		{"DELETE", "/files?path=temp/c.txt", "", "user", 404},
		{"POST", "/commands", `{"argv":["true"]}`, "user", 200},
		{"GET", "/terminals", "", "user", 200},
		{"POST", "/terminals", `{"cols":100,"rows":30}`, "user", 201},
		{"GET", "/terminals/t-1", "", "user", 400}, // it is a WebSocket
		{"PATCH", "/terminals/t-1", `{"title":"watch"}`, "user", 200},
		{"PATCH", "/terminals/t-9", `{"title":"watch"}`, "user", 404},
		{"DELETE", "/terminals/t-1", "", "user", 204},
		{"DELETE", "/terminals/t-1", "", "user", 404},
		{"GET", "/ws", "", "user", 400},
		{"GET", "/invitations", "", "moderator", 200},
		{"POST", "/invitations", `{}`, "moderator", 201},
		{"DELETE", "/invitations/inv_none", "", "moderator", 404},
		{"GET", "/audit", "", "admin", 200},
	} {
		name := c.method + " " + c.path
		p := r.do(call{method: c.method, path: c.path, body: c.body})
		if p.status != 401 || p.code(t) != "unauthenticated" {
			t.Errorf("%s as nobody: got %d %s; want 401", name, p.status, p.body)
		}
		p = r.do(call{method: c.method, path: c.path, body: c.body, header: map[string]string{"Authorization": "Bearer carrel_wrong"}})
		if p.status != 401 {
			t.Errorf("%s with a wrong token: got %d; want 401", name, p.status)
		}
		as := map[string]string{"user": "rita", "moderator": "mo", "admin": "rita"}[c.least]
		for _, lesser := range map[string][]string{"moderator": {"bob"}, "admin": {"bob", "mo"}}[c.least] {
			p = r.do(call{method: c.method, path: c.path, body: c.body, as: lesser})
			if p.status != 403 || p.code(t) != "forbidden" {
				t.Errorf("%s as %s: got %d %s; want 403", name, lesser, p.status, p.body)
			}
		}
		p = r.do(call{method: c.method, path: c.path, body: c.body, as: as})
		if p.status != c.want {
			t.Errorf("%s: got %d %s; want %d", name, p.status, p.body, c.want)
		}
		if p.status >= 400 {
			p.code(t)
		}
		if p.status == 204 && p.body != "" {
			t.Errorf("%s: got a body %q with 204", name, p.body)
		}
		for _, h := range []string{"X-Request-Id", "X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"} {
			if p.header.Get(h) == "" {
				t.Errorf("%s: the header %s is missing", name, h)
			}
		}
	}
}

func TestForeignIsLikeMissing(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/sessions/%s", ""},
		{"PATCH", "/sessions/%s", `{"title":"mine"}`},
		{"DELETE", "/sessions/%s", ""},
		{"GET", "/sessions/%s/events", ""},
		{"POST", "/sessions/%s/prompts", `{"id":"1","content":"hi"}`},
		{"POST", "/sessions/%s/interrupt", ""},
		{"POST", "/sessions/%s/answers", `{"request_id":"r","behavior":"allow"}`},
		{"POST", "/sessions/%s/fork", ""},
		{"POST", "/sessions/%s/stop", `{"task_id":"t"}`},
		{"GET", "/sessions/%s/tasks/t/output", ""},
		{"POST", "/sessions/%s/rewind", `{"prompt":"p"}`},
	} {
		foreign := r.do(call{method: c.method, path: fmt.Sprintf(c.path, anas), body: c.body, as: "bob"})
		missing := r.do(call{method: c.method, path: fmt.Sprintf(c.path, nobody), body: c.body, as: "bob"})
		if foreign.status != 404 || foreign.body != missing.body {
			t.Errorf("%s %s: somebody else's is %d %s, one that is not there %d %s; want the same", c.method, c.path, foreign.status, foreign.body, missing.status, missing.body)
		}
	}
	if _, err := r.sessions.find(r.users["ana"].ID, anas); err != nil {
		t.Error("ana's session is gone")
	}
	if p := r.do(call{method: "GET", path: "/sessions/" + anas, as: "rita"}); p.status != 404 {
		t.Errorf("an administrator got %d; another's conversation is nobody's business", p.status)
	}
}

func TestBadBodies(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	prompt := "/sessions/" + anas + "/prompts"
	for _, c := range []struct {
		name, method, path, body, contentType string
		status                                int
		code, field                           string
	}{
		{"no body", "POST", "/sessions", "", "", 400, "invalid", ""},
		{"not JSON", "POST", "/sessions", "{", "", 400, "invalid", "body"},
		{"trailing garbage", "POST", "/sessions", `{"project":"p"} x`, "", 400, "invalid", "body"},
		{"two values", "POST", "/sessions", `{"project":"p"}{"project":"q"}`, "", 400, "invalid", "body"},
		{"a list", "POST", "/sessions", `[]`, "", 400, "invalid", "body"},
		{"unknown field", "POST", "/sessions", `{"project":"p","admin":true}`, "", 400, "invalid", "body.admin"},
		{"other case", "POST", "/sessions", `{"Project":"p"}`, "", 400, "invalid", ""},
		{"missing field", "POST", "/sessions", `{"title":"t"}`, "", 400, "invalid", "body"},
		{"wrong type", "POST", "/sessions", `{"project":7}`, "", 400, "invalid", "body.project"},
		{"JSON in other letters", "POST", "/sessions", `{"project":7}`, "Application/JSON; charset=utf-8", 400, "invalid", "body.project"},
		{"null", "POST", "/sessions", `{"project":null}`, "", 400, "invalid", "body.project"},
		{"deep nesting", "POST", "/sessions", deep, "", 400, "invalid", "body"},
		{"a form", "POST", "/sessions", `project=p`, "application/x-www-form-urlencoded", 400, "invalid", "header.Content-Type"},
		{"plain text", "POST", "/sessions", `{"project":"p"}`, "text/plain", 400, "invalid", "header.Content-Type"},
		{"too large", "POST", "/sessions", `{"project":"` + strings.Repeat("x", 2<<20) + `"}`, "", 413, "too_large", ""},
		{"prompt too large", "POST", prompt, `{"id":"1","content":"` + strings.Repeat("x", 17<<20) + `"}`, "", 413, "too_large", ""},
		{"prompt without id", "POST", prompt, `{"content":"x"}`, "", 400, "invalid", "body"},
		{"prompt without content", "POST", prompt, `{"id":"1"}`, "", 400, "invalid", "body"},
		{"prompt with number", "POST", prompt, `{"id":"1","content":7}`, "", 400, "invalid", "body.content"},
		{"empty prompt", "POST", prompt, `{"id":"1","content":""}`, "", 400, "invalid", "body.content"},
		{"prompt with bad block", "POST", prompt, `{"id":"1","content":[{"text":"x"}]}`, "", 400, "invalid", "body.content"},
		{"control character in id", "POST", prompt, `{"id":"a\u0000b","content":"x"}`, "", 400, "invalid", "body.id"},
		{"answer of neither kind", "POST", "/sessions/" + anas + "/answers", `{"request_id":"r","behavior":"perhaps"}`, "", 400, "invalid", "body.behavior"},
		{"input that is no object", "POST", "/sessions/" + anas + "/answers", `{"request_id":"r","behavior":"allow","updated_input":[]}`, "", 400, "invalid", "body.updated_input"},
		{"role in own account", "PATCH", "/me", `{"role":"admin"}`, "", 400, "invalid", "body.role"},
		{"quota in own account", "PATCH", "/me", `{"quota":{}}`, "", 400, "invalid", "body.quota"},
		{"negative after", "GET", "/sessions/" + anas + "/events?after=-1", "", "", 400, "invalid", "query.after"},
		{"after that is no number", "GET", "/sessions/" + anas + "/events?after=x", "", "", 400, "invalid", "query.after"},
		{"limit of zero", "GET", "/sessions?limit=0", "", "", 400, "invalid", "query.limit"},
		{"empty command", "POST", "/commands", `{"argv":[]}`, "", 400, "invalid", "body.argv"},
		{"path that leaves", "GET", "/files?path=../../etc/passwd", "", "", 400, "invalid", "query.path"},
		{"absolute path", "GET", "/files/content?path=/etc/passwd", "", "", 400, "invalid", "query.path"},
		{"zero byte anywhere", "GET", "/sessions?project=%00", "", "", 400, "invalid", "query.project"},
		{"zero byte in a name", "GET", "/sessions?pro%00ject=x", "", "", 400, "invalid", "query"},
		{"bad escape", "GET", "/sessions?project=%u", "", "", 400, "invalid", "query"},
		{"a line too long", "GET", "/me?x=" + strings.Repeat("x", MaxHeaderBytes), "", "", 431, "too_large", ""},
		{"a field twice", "POST", prompt, `{"id":"a","id":"b","content":"x"}`, "", 400, "invalid", "body"},
		{"a field twice, in another case", "POST", prompt, `{"id":"a","ID":"b","content":"x"}`, "", 400, "invalid", "body"},
		{"half a character in an id", "POST", prompt, `{"id":"a\ud800","content":"x"}`, "", 400, "invalid", "body.id"},
		{"not UTF-8 in a body", "POST", prompt, "{\"id\":\"u\xff\",\"content\":\"x\"}", "", 400, "invalid", "body"},
		{"zero byte", "GET", "/files/content?path=a%00b", "", "", 400, "invalid", "query.path"},
		{"not UTF-8", "PUT", "/files/content?path=a%FF", "", "", 400, "invalid", "query.path"},
		{"no path", "PUT", "/files/content", "x", "", 400, "invalid", "query.path"},
		{"two paths", "GET", "/files/content?path=a&path=b", "", "", 400, "invalid", "query.path"},
		{"half a character in a path", "POST", "/files/folder", `{"path":"a\ud800"}`, "", 400, "invalid", "body.path"},
		{"half a character in an old path", "POST", "/files/move", `{"from":"\udc00","to":"b"}`, "", 400, "invalid", "body.from"},
		{"half a character in a new path", "POST", "/files/move", `{"from":"a","to":"b\ud83d/c"}`, "", 400, "invalid", "body.to"},
		{"half a character to put back", "POST", "/files/trash/restore", `{"path":"a","to":"a\udfff"}`, "", 400, "invalid", "body.to"},
		{"half a character in the trash", "POST", "/files/trash", `{"path":"a\udfff"}`, "", 400, "invalid", "body.path"},
		{"folder that leaves", "POST", "/files/folder", `{"path":"temp/../../x"}`, "", 400, "invalid", "body.path"},
		{"move that leaves", "POST", "/files/move", `{"from":"temp","to":"../x"}`, "", 400, "invalid", "body.to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := map[string]string{}
			if c.contentType != "" {
				header["Content-Type"] = c.contentType
			}
			p := r.do(call{method: c.method, path: c.path, body: c.body, as: "ana", header: header})
			if p.status != c.status || p.code(t) != c.code {
				t.Fatalf("got %d %.300s; want %d %s", p.status, p.body, c.status, c.code)
			}
			if c.field != "" && !strings.Contains(p.body, `"location":"`+c.field+`"`) {
				t.Errorf("got %.300s; want %s to be named", p.body, c.field)
			}
		})
	}
	if got := r.sessions.sessions[anas].LastSeq; got != 0 {
		t.Errorf("a bad request left %d events", got)
	}
}

func TestValuesAreNotEchoed(t *testing.T) {
	r := newRig(t)
	p := r.do(call{method: "POST", path: "/users", as: "rita", body: `{"username":"carl","password":"` + strings.Repeat("secret", 300) + `"}`})
	if p.status != 400 || strings.Contains(p.body, "secret") {
		t.Errorf("got %d %.200s; want 400 without the password", p.status, p.body)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/nothing", 404, "not_found"},
		{"GET", "!/api", 404, "not_found"},
		{"GET", "!/api/v2/me", 404, "not_found"},
		{"GET", "!//api/v1/me", 404, "not_found"},
		{"GET", "!/api/v1//me", 404, "not_found"},
		{"GET", "!/api/v1/x/../me", 404, "not_found"},
		{"GET", "!/x/../api/v1/me", 404, "not_found"},
		{"GET", "!/api/../metrics", 404, "not_found"},
		{"DELETE", "/me/push/%00", 404, "not_found"},
		{"DELETE", "/me/sign-ins/%00", 404, "not_found"},
		{"DELETE", "/me/sign-ins/%ff", 404, "not_found"},
		{"POST", "/me", 405, "method_not_allowed"},
		{"DELETE", "/sessions", 405, "method_not_allowed"},
		{"POST", "!/healthz", 405, "method_not_allowed"},
	} {
		p := r.do(call{method: c.method, path: c.path, as: "ana"})
		if p.status != c.status || p.code(t) != c.code {
			t.Errorf("%s %s: got %d %s; want %d", c.method, c.path, p.status, p.body, c.status)
		}
		if allow := p.header.Get("Allow"); (c.status == 405) != (allow != "") {
			t.Errorf("%s %s: got Allow %q", c.method, c.path, allow)
		}
	}
	for _, path := range []string{"!/", "!/projects/thesis", "!/apiary"} {
		if p := r.do(call{method: "GET", path: path}); p.status != 200 || !strings.HasPrefix(p.body, "page /") {
			t.Errorf("%s: got %d %s; want the page", path, p.status, p.body)
		}
	}
}

func TestHealth(t *testing.T) {
	r := newRig(t)
	for _, base := range []string{"!", ""} {
		if p := r.do(call{method: "GET", path: base + "/healthz"}); p.status != 200 || !strings.Contains(p.body, `"status":"ok"`) {
			t.Errorf("healthz: got %d %s", p.status, p.body)
		}
		if p := r.do(call{method: "GET", path: base + "/readyz"}); p.status != 200 || !strings.Contains(p.body, `"name":"store","state":"ok","detail"`) {
			t.Errorf("readyz from this machine: got %d %s; want the check with its detail", p.status, p.body)
		}
		far := map[string]string{"X-Forwarded-For": "192.0.2.1"} // a proxy on this machine asks for somebody
		if p := r.do(call{method: "GET", path: base + "/readyz", header: far}); p.status != 200 || strings.Contains(p.body, "/srv") {
			t.Errorf("readyz from elsewhere: got %d %s; want no path of the host", p.status, p.body)
		}
		if p := r.do(call{method: "GET", path: base + "/metrics"}); p.status != 200 || p.body != "carrel_up 1\n" {
			t.Errorf("metrics from this machine: got %d %s", p.status, p.body)
		}
		for _, header := range []map[string]string{{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example:80"}, {"Via": "1.1 proxy"}, {"X-Forwarded-Proto": "https"}} {
			if p := r.do(call{method: "GET", path: base + "/metrics", header: header}); p.status != 401 {
				t.Errorf("metrics from a page of another name, %v: got %d; want 401", header, p.status)
			}
			if p := r.do(call{method: "GET", path: base + "/readyz", header: header}); p.status != 200 || strings.Contains(p.body, "/srv") {
				t.Errorf("readyz from a page of another name, %v: got %d %s; want no path of the host", header, p.status, p.body)
			}
		}
		for _, host := range []string{"localhost", "localhost:8420", "LOCALHOST:1", "[::1]:8420", "[::1]", "127.0.0.2"} {
			if p := r.do(call{method: "GET", path: base + "/metrics", header: map[string]string{"Host": host}}); p.status != 200 {
				t.Errorf("metrics of %s: got %d; want 200", host, p.status)
			}
		}
		for as, want := range map[string]int{"": 401, "ana": 403, "rita": 200} {
			if p := r.do(call{method: "GET", path: base + "/metrics", as: as, header: far}); p.status != want {
				t.Errorf("metrics from elsewhere as %q: got %d; want %d", as, p.status, want)
			}
		}
	}
}

func TestErrorsBecomeProblems(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		err    error
		status int
		code   fault.Code
	}{
		{fault.New(fault.QuotaExceeded, "no instances"), 403, fault.QuotaExceeded},
		{&fault.Error{Code: fault.RateLimited, Detail: "slow down", RetryAfter: 1500e6}, 429, fault.RateLimited},
		{fmt.Errorf("make: %w", fault.New(fault.RuntimeUnavailable, "no runc")), 503, fault.RuntimeUnavailable},
		{fault.New(fault.InstanceUnavailable, "gone"), 503, fault.InstanceUnavailable},
		{fault.New(fault.UpstreamUnavailable, "gone"), 502, fault.UpstreamUnavailable},
		{fmt.Errorf("open /var/secret: no"), 500, fault.Internal},
	} {
		r.instances.fail = c.err
		p := r.do(call{method: "PUT", path: "/instance", as: "ana"})
		if p.status != c.status || p.code(t) != string(c.code) {
			t.Errorf("%v: got %d %s; want %d", c.err, p.status, p.body, c.status)
		}
		if c.status == 429 && p.header.Get("Retry-After") != "2" {
			t.Errorf("got Retry-After %q; want 2", p.header.Get("Retry-After"))
		}
		if c.status == 500 && (strings.Contains(p.body, "secret") || !strings.Contains(p.body, p.header.Get("X-Request-Id"))) {
			t.Errorf("got %s; want the request's id and nothing of the error", p.body)
		}
	}
	r.sessions.panics = true
	p := r.do(call{method: "GET", path: "/sessions/" + anas, as: "ana"})
	if p.status != 500 || p.code(t) != "internal" || strings.Contains(p.body, "a bug") {
		t.Errorf("a panic: got %d %s", p.status, p.body)
	}
}
