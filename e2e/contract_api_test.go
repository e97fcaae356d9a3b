package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// contractRoutes are all that the contract's table names.
const contractRoutes = `
GET /healthz
GET /readyz
GET /metrics
POST /setup
POST /auth/login
POST /auth/logout
POST /auth/register
GET /me
PATCH /me
GET /me/tokens
POST /me/tokens
DELETE /me/tokens/{id}
GET /users
POST /users
GET /users/{id}
PATCH /users/{id}
DELETE /users/{id}
PUT /users/{id}/quota
GET /instance
PUT /instance
DELETE /instance
GET /instances
GET /instances/{user_id}
DELETE /instances/{user_id}
POST /instances/{user_id}/restart
GET /projects
POST /projects
GET /projects/{name}
PATCH /projects/{name}
DELETE /projects/{name}
GET /sessions
POST /sessions
GET /sessions/{id}
PATCH /sessions/{id}
DELETE /sessions/{id}
GET /sessions/{id}/events
POST /sessions/{id}/prompts
POST /sessions/{id}/interrupt
POST /sessions/{id}/answers
POST /sessions/{id}/fork
GET /files
DELETE /files
GET /files/content
PUT /files/content
POST /files/folder
POST /files/move
POST /commands
POST /terminals
GET /terminals/{id}
PATCH /terminals/{id}
DELETE /terminals/{id}
GET /snapshots
POST /snapshots
POST /snapshots/{id}/restore
DELETE /snapshots/{id}
GET /ws`

func contractOpenAPI(t *testing.T, ada *carrel.Person) {
	res := request{method: "GET", path: "/openapi.json"}.send(t, ada.Server().URL) // nobody is signed in
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s", res.Status, res.Header)
	}
	var doc struct {
		OpenAPI string                    `json:"openapi"`
		Info    map[string]any            `json:"info"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(res.Text), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") || doc.Info["title"] == "" || doc.Info["version"] == "" {
		t.Errorf("openapi %q, info %v", doc.OpenAPI, doc.Info)
	}
	for _, route := range strings.Fields(strings.ReplaceAll(strings.TrimSpace(contractRoutes), " ", "§")) {
		method, path, _ := strings.Cut(route, "§")
		if doc.Paths[path][strings.ToLower(method)] == nil {
			t.Errorf("%s %s is not in it", method, path)
		}
	}
	var whole map[string]any
	_ = json.Unmarshal([]byte(res.Text), &whole)
	checkOpenAPI(t, whole)
}

var placeholder = regexp.MustCompile(`\{([^}]+)\}`)

// checkOpenAPI checks what a schema of OpenAPI cannot: that what is referred to
// is there, and that every operation says all it must.
func checkOpenAPI(t *testing.T, doc map[string]any) {
	t.Helper()
	var refs func(at string, v any)
	refs = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for i, e := range v {
				refs(fmt.Sprintf("%s/%d", at, i), e)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok && lookUp(doc, ref) == nil {
				t.Errorf("%s refers to %s, which is not there", at, ref)
			}
			for k, e := range v {
				refs(at+"/"+k, e)
			}
		}
	}
	refs("#", doc)
	ids := map[string]bool{}
	schemes, _ := lookUp(doc, "#/components/securitySchemes").(map[string]any)
	for path, item := range doc["paths"].(map[string]any) {
		for method, o := range item.(map[string]any) {
			op, at := o.(map[string]any), method+" "+path
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] {
				t.Errorf("%s: operationId %q is missing or used twice", at, id)
			}
			ids[id] = true
			if r, _ := op["responses"].(map[string]any); len(r) == 0 {
				t.Errorf("%s has no responses", at)
			}
			params := map[string]bool{}
			all, _ := op["parameters"].([]any)
			for _, p := range all {
				if p := p.(map[string]any); p["in"] == "path" {
					params[p["name"].(string)] = p["required"] == true
				}
			}
			for _, m := range placeholder.FindAllStringSubmatch(path, -1) {
				if !params[m[1]] {
					t.Errorf("%s: its parameter %s is not described as required", at, m[1])
				}
				delete(params, m[1])
			}
			for name := range params {
				t.Errorf("%s: parameter %s is not in the path", at, name)
			}
			security, _ := op["security"].([]any)
			for _, s := range security {
				for name := range s.(map[string]any) {
					if schemes[name] == nil {
						t.Errorf("%s: no security scheme %s", at, name)
					}
				}
			}
		}
	}
}

func lookUp(doc any, ref string) any {
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		m, _ := doc.(map[string]any)
		doc = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	return doc
}

// contractProblems asks for what is refused before anything is done.
func contractProblems(t *testing.T, ada *carrel.Person) {
	base := ada.Server().URL
	for _, path := range []string{"/me", "/me/tokens", "/users", "/users/1", "/instance", "/instances", "/instances/1", "/projects", "/projects/x",
		"/sessions", "/sessions/00000000-0000-4000-8000-000000000000", "/files", "/files/content?path=x", "/terminals/x", "/ws"} {
		res := request{method: "GET", path: path}.send(t, base)
		refused(t, "GET "+path+" of nobody", res, 401, "unauthenticated")
		if res.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: a 401 without WWW-Authenticate", path)
		}
	}
	refused(t, "no such path", request{method: "GET", path: "/nothing"}.send(t, base), 404, "not_found")
	res := request{method: "DELETE", path: "/me"}.send(t, base)
	if res.StatusCode != 405 || res.Header.Get("Allow") == "" {
		t.Errorf("DELETE /me: %s %v; want 405 and Allow", res.Status, res.Header)
	}
	bob := member(t, ada, "problem-bob")
	bob.Token = tokenOf(bob)
	bearer := map[string]string{"Authorization": "Bearer " + bob.Token}
	names(t, "no JSON", request{method: "POST", path: "/projects", body: "{", header: bearer}.send(t, base), "body")
	names(t, "a list", request{method: "POST", path: "/projects", body: "[]", header: bearer}.send(t, base), "body")
	names(t, "no name", request{method: "POST", path: "/projects", body: "{}", header: bearer}.send(t, base), "body")
	names(t, "a name that is none", request{method: "POST", path: "/projects", body: `{"name":7}`, header: bearer}.send(t, base), "body.name")
	names(t, "a number that is none", request{method: "GET", path: "/projects?limit=many", header: bearer}.send(t, base), "query.limit")
	refused(t, "a form", request{method: "POST", path: "/projects", body: "name=x",
		header: map[string]string{"Authorization": bearer["Authorization"], "Content-Type": "application/x-www-form-urlencoded"}}.send(t, base), 0, "invalid")
	refused(t, "2 MB of JSON", request{method: "POST", path: "/projects", body: `{"name":"` + strings.Repeat("a", 2<<20) + `"}`, header: bearer}.send(t, base), 413, "too_large")
	// Every change of a user's is refused to one who is not an administrator.
	for _, r := range []request{{method: "GET", path: "/users"}, {method: "POST", path: "/users", body: map[string]any{"username": "x", "password": "a long password"}}, {method: "GET", path: "/users/1"},
		{method: "PATCH", path: "/users/1", body: map[string]any{"role": "user"}}, {method: "DELETE", path: "/users/1"}, {method: "PUT", path: "/users/1/quota", body: map[string]any{"cpu": 1}},
		{method: "GET", path: "/instances"}, {method: "GET", path: "/instances/1"}, {method: "DELETE", path: "/instances/1"}, {method: "POST", path: "/instances/1/restart"}} {
		r.header = bearer
		refused(t, r.method+" "+r.path+" of a user", r.send(t, base), 403, "forbidden")
	}
}

// contractNotYours asks for what is somebody else's: it must read, byte for
// byte, like what is not there.
func contractNotYours(t *testing.T, ada *carrel.Person) {
	bob, eve := member(t, ada, "yours-bob"), member(t, ada, "yours-eve")
	id := newSession(bob, "mine")
	bob.Must(200, "PUT", "/instance", nil, nil)
	var terminal, token struct {
		ID string `json:"id"`
	}
	bob.Must(201, "POST", "/terminals", map[string]any{}, &terminal)
	bob.Must(201, "POST", "/me/tokens", map[string]any{"name": "mine"}, &token)
	const nobodys = "00000000-0000-4000-8000-000000000000"
	prompt := map[string]any{"id": "p", "content": "x"}
	for _, c := range []struct {
		method, path, theirs, none string
		body                       any
	}{
		{"GET", "/sessions/%s", id, nobodys, nil},
		{"PATCH", "/sessions/%s", id, nobodys, map[string]any{"title": "x"}},
		{"DELETE", "/sessions/%s", id, nobodys, nil},
		{"GET", "/sessions/%s/events", id, nobodys, nil},
		{"POST", "/sessions/%s/prompts", id, nobodys, prompt},
		{"POST", "/sessions/%s/interrupt", id, nobodys, nil},
		{"POST", "/sessions/%s/answers", id, nobodys, map[string]any{"request_id": "r", "behavior": "allow"}},
		{"POST", "/sessions/%s/fork", id, nobodys, nil},
		{"GET", "/projects/%s", "mine", "nobodys", nil},
		{"PATCH", "/projects/%s", "mine", "nobodys", map[string]any{"name": "stolen"}},
		{"DELETE", "/projects/%s", "mine", "nobodys", nil},
		{"DELETE", "/terminals/%s", terminal.ID, "T" + terminal.ID[1:], nil},
		{"DELETE", "/me/tokens/%s", token.ID, token.ID[:len(token.ID)-1] + "q", nil},
		{"GET", "/files?path=projects/%s", "mine", "none", nil},
	} {
		theirs := eve.Do(c.method, fmt.Sprintf(c.path, c.theirs), c.body, nil)
		none := eve.Do(c.method, fmt.Sprintf(c.path, c.none), c.body, nil)
		refused(t, c.method+" "+c.path+" of another", theirs, 404, "not_found")
		if theirs.Text != none.Text {
			t.Errorf("%s %s: %s; what is not there: %s", c.method, c.path, theirs.Text, none.Text)
		}
	}
	cookie := map[string]string{"Cookie": cookieOf(t, eve), "Origin": eve.Server().URL}
	if _, res := dial(t, eve.Server().URL, "/terminals/"+terminal.ID, cookie); res.StatusCode != 404 {
		t.Errorf("another's terminal: %s", res.Status)
	}
	bob.Must(200, "GET", "/sessions/"+id, nil, nil)
	bob.Must(200, "GET", "/projects/mine", nil, nil)
	bob.Must(204, "DELETE", "/terminals/"+terminal.ID, nil, nil)
	bob.Must(204, "DELETE", "/me/tokens/"+token.ID, nil, nil)
}

// contractLists walks through every list with one item a page.
func contractLists(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "list-bob")
	member(t, ada, "list-eve").Must(201, "PUT", "/instance", nil, nil)
	for _, name := range []string{"a", "b", "c"} {
		newSession(bob, name)
		bob.Must(201, "POST", "/me/tokens", map[string]any{"name": name}, nil)
		bob.Must(201, "POST", "/terminals", map[string]any{}, nil)
	}
	for path, least := range map[string]int{"/projects": 3, "/sessions": 3, "/me/tokens": 3, "/files?path=projects": 3, "/terminals": 3} {
		seen := map[string]bool{}
		items := walk(t, bob, path, 1)
		for _, i := range items {
			seen[string(i)] = true
		}
		if len(items) != least || len(seen) != least {
			t.Errorf("%s: %d items, %d of them different, one a page; want %d", path, len(items), len(seen), least)
		}
		if two := walk(t, bob, path, 2); len(two) != least {
			t.Errorf("%s: %d items, two a page; want %d", path, len(two), least)
		}
	}
	// Others add to these at the same time.
	for path, least := range map[string]int{"/users": 3, "/instances": 2} {
		if items := walk(t, ada, path, 1); len(items) < least {
			t.Errorf("%s: %d items; want %d or more", path, len(items), least)
		}
	}
	for _, path := range []string{"/projects", "/sessions", "/me/tokens", "/files", "/terminals", "/users", "/instances"} {
		sep := "?"
		for _, bad := range []string{"limit=0", "limit=-1", "limit=x", "limit=1000000000", "cursor=%00", "cursor=nonsense!"} {
			refused(t, path+" with "+bad, ada.Do("GET", path+sep+bad, nil, nil), 0, "invalid")
		}
	}
}
