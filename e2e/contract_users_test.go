package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

func contractUsers(t *testing.T, ada *carrel.Person) {
	base := ada.Server().URL
	var made struct {
		ID   int64
		Role string
	}
	res := ada.Must(201, "POST", "/users", map[string]any{"username": "user-bob", "email": "user-bob@example.org", "password": "a long password", "role": "user"}, &made)
	wellFormed(t, res, "id", "username", "email", "role", "created_at", "quota")
	if made.ID <= 0 || made.Role != "user" || strings.Contains(res.Text, "password") {
		t.Errorf("got %s", res.Text)
	}
	path := "/users/" + itoa(made.ID)
	refused(t, "the name again", ada.Do("POST", "/users", map[string]any{"username": "user-bob", "password": "a long password"}, nil), 409, "conflict")
	names(t, "a short password", ada.Do("POST", "/users", map[string]any{"username": "user-x", "password": "short"}, nil), "body.password")
	names(t, "a role that is none", ada.Do("POST", "/users", map[string]any{"username": "user-x", "password": "a long password", "role": "king"}, nil), "body.role")
	for _, name := range []string{"", "Bob", "bob smith", "../bob", "root", strings.Repeat("a", 64), "名字"} {
		names(t, "the name "+name, ada.Do("POST", "/users", map[string]any{"username": name, "password": "a long password"}, nil), "body.username")
	}
	wellFormed(t, ada.Must(200, "GET", path, nil, nil), "id", "username", "role", "quota")
	for _, unknown := range []string{"/users/4711", "/users/4711/quota"} {
		method, body := "GET", any(nil)
		if strings.HasSuffix(unknown, "quota") {
			method, body = "PUT", map[string]any{"cpu": 1}
		}
		refused(t, method+" "+unknown, ada.Do(method, unknown, body, nil), 404, "not_found")
	}
	refused(t, "PATCH of nobody", ada.Do("PATCH", "/users/4711", map[string]any{"language": "en"}, nil), 404, "not_found")
	refused(t, "DELETE of nobody", ada.Do("DELETE", "/users/4711", nil, nil), 404, "not_found")
	for _, none := range []string{"x", "0", "-1", "1.5"} {
		if res := ada.Do("GET", "/users/"+none, nil, nil); res.StatusCode/100 != 4 {
			t.Errorf("GET /users/%s: %s", none, res.Status)
		}
	}

	// The roles: a moderator is no administrator, and one who was made one is.
	if res := ada.Must(200, "PATCH", path, map[string]any{"role": "moderator"}, nil); !strings.Contains(res.Text, `"role":"moderator"`) {
		t.Errorf("changed: %s", res.Text)
	}
	h := map[string]string{"Cookie": cookieIn(t, base, "user-bob", "a long password"), "Origin": base}
	refused(t, "users, by a moderator", request{method: "GET", path: "/users", header: h}.send(t, base), 403, "forbidden")
	refused(t, "instances, by a moderator", request{method: "GET", path: "/instances", header: h}.send(t, base), 403, "forbidden")
	refused(t, "a quota, by a moderator", request{method: "PUT", path: path + "/quota", header: h, body: map[string]any{"cpu": 64}}.send(t, base), 403, "forbidden")
	ada.Must(200, "PATCH", path, map[string]any{"role": "admin"}, nil)
	if res := (request{method: "GET", path: "/users", header: h}).send(t, base); res.StatusCode != 200 {
		t.Errorf("users, by a new administrator: %s", res.Status)
	}
	ada.Must(200, "PATCH", path, map[string]any{"role": "user"}, nil)
	refused(t, "users, by one who was an administrator", request{method: "GET", path: "/users", header: h}.send(t, base), 403, "forbidden")

	// The quota.
	var quota map[string]any
	res = ada.Must(200, "PUT", path+"/quota", map[string]any{"cpu": 1.5, "memory_bytes": 1 << 30, "pids": 300, "live_sessions": 2, "tokens_per_day": 1000}, &quota)
	wellFormed(t, res)
	if quota["cpu"] != 1.5 || quota["memory_bytes"] != float64(1<<30) || quota["pids"] != 300.0 || quota["live_sessions"] != 2.0 || quota["tokens_per_day"] != 1000.0 {
		t.Errorf("quota %s", res.Text)
	}
	if got := ada.Must(200, "GET", path, nil, nil).Text; !strings.Contains(got, strings.TrimSpace(res.Text)) {
		t.Errorf("the user is %s; want the quota %s in it", got, res.Text)
	}
	for _, bad := range []map[string]any{{"cpu": -1}, {"memory_bytes": -1}, {"pids": "many"}, {"instances": 7}} {
		names(t, fmt.Sprint(bad), ada.Do("PUT", path+"/quota", bad, nil), "body."+slices.Collect(maps.Keys(bad))[0])
	}

	// The end of a user.
	(request{method: "PUT", path: "/instance", header: h}).send(t, base)
	ada.Must(204, "DELETE", path, nil, nil)
	refused(t, "a deleted user", ada.Do("GET", path, nil, nil), 404, "not_found")
	refused(t, "their cookie", request{method: "GET", path: "/me", header: h}.send(t, base), 401, "unauthenticated")
	refused(t, "their instance", ada.Do("GET", "/instances/"+itoa(made.ID), nil, nil), 404, "not_found")
	var again struct{ ID int64 }
	ada.Must(201, "POST", "/users", map[string]any{"username": "user-bob", "password": "a long password"}, &again)
	if again.ID == made.ID {
		t.Error("an id was given twice: whose workspace would it be?")
	}
}

var instanceFields = []string{"id", "user_id", "status", "runtime", "workspace", "created_at", "last_activity_at", "active_processes", "processes", "health", "usage", "quota"}

func contractInstance(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "instance-bob")
	refused(t, "none yet", bob.Do("GET", "/instance", nil, nil), 404, "not_found")
	refused(t, "nothing to end", bob.Do("DELETE", "/instance", nil, nil), 404, "not_found")
	var made, reused, looked map[string]any
	wellFormed(t, bob.Must(201, "PUT", "/instance", nil, &made), instanceFields...)
	wellFormed(t, bob.Must(200, "PUT", "/instance", nil, &reused), instanceFields...)
	wellFormed(t, bob.Must(200, "GET", "/instance", nil, &looked), instanceFields...)
	for _, same := range []string{"id", "user_id", "workspace", "runtime", "created_at"} {
		if made[same] != reused[same] || made[same] != looked[same] {
			t.Errorf("%s: %v, %v, %v", same, made[same], reused[same], looked[same])
		}
	}
	for part, fields := range map[string][]string{
		"health": {"status", "consecutive_failures", "last_check_at", "detail"},
		"usage":  {"cpu_seconds", "memory_bytes", "pids", "storage_bytes", "inodes"},
	} {
		m, _ := looked[part].(map[string]any)
		for _, f := range fields {
			if _, ok := m[f]; !ok {
				t.Errorf("%s has no %s: %v", part, f, looked[part])
			}
		}
	}
	// A process has all its fields, of every kind.
	var terminal struct{ ID string }
	bob.Must(201, "POST", "/terminals", map[string]any{}, &terminal)
	ran := make(chan carrel.Response, 1)
	go func() {
		res, _ := bob.Try("POST", "/commands", map[string]any{"argv": []string{"sh", "-c", "while [ ! -e temp/stop ]; do sleep 0.1; done"}}, nil)
		ran <- res
	}()
	ws, id := open(t, bob, "demo")
	carrel.Await(t, "a process of each kind", func() error {
		var i struct {
			ActiveProcesses int              `json:"active_processes"`
			Processes       []map[string]any `json:"processes"`
		}
		bob.Must(200, "GET", "/instance", nil, &i)
		if i.ActiveProcesses != len(i.Processes) {
			t.Errorf("active_processes %d, processes %d", i.ActiveProcesses, len(i.Processes))
		}
		kinds := map[string]bool{}
		for _, p := range i.Processes {
			kinds[p["kind"].(string)] = true
			for _, f := range []string{"pid", "kind", "command", "started_at", "cpu_seconds", "memory_bytes"} {
				if p[f] == nil {
					t.Errorf("a process has no %s: %v", f, p)
				}
			}
			if p["kind"] == "claude" && p["session_id"] != id {
				t.Errorf("claude's session_id is %v; want %s", p["session_id"], id)
			}
		}
		if !kinds["claude"] || !kinds["terminal"] || !kinds["command"] {
			return fmt.Errorf("kinds %v", kinds)
		}
		return nil
	})
	ws.Close()
	bob.Must(201, "PUT", "/files/content?path=temp/stop", strings.NewReader(""), nil)
	if res := <-ran; res.Response == nil || res.StatusCode != http.StatusOK {
		t.Errorf("the command: %s", res.Text)
	}
	bob.Must(204, "DELETE", "/instance", nil, nil)
	refused(t, "after its end", bob.Do("GET", "/instance", nil, nil), 404, "not_found")
	refused(t, "its end again", bob.Do("DELETE", "/instance", nil, nil), 404, "not_found")
	bob.Must(201, "PUT", "/instance", nil, &reused)
	if reused["id"] == made["id"] {
		t.Error("a new instance has the old one's id")
	}
}

// contractInstances is an administrator's hand in another's instance.
func contractInstances(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "instances-bob")
	path := "/instances/" + itoa(bob.ID)
	refused(t, "restart of none", ada.Do("POST", path+"/restart", nil, nil), 404, "not_found")
	var made, seen, next struct {
		ID     string
		UserID int64 `json:"user_id"`
		Status string
	}
	bob.Must(201, "PUT", "/instance", nil, &made)
	wellFormed(t, ada.Must(200, "GET", path, nil, &seen), instanceFields...)
	if seen.ID != made.ID || seen.UserID != bob.ID {
		t.Errorf("got %+v; want %+v", seen, made)
	}
	if all := ada.Must(200, "GET", "/instances?limit=1000", nil, nil); !strings.Contains(all.Text, made.ID) {
		t.Errorf("not among all: %s", all.Text)
	}
	wellFormed(t, ada.Must(200, "POST", path+"/restart", nil, &next), instanceFields...)
	if next.ID == made.ID || next.Status != "active" {
		t.Errorf("restarted: %+v; want another, active", next)
	}
	ada.Must(204, "DELETE", path, nil, nil)
	refused(t, "after its end", bob.Do("GET", "/instance", nil, nil), 404, "not_found")
	refused(t, "its end again", ada.Do("DELETE", path, nil, nil), 404, "not_found")
}
