package api

import (
	"reflect"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
)

// TestLocationsAreOfTheRequest: an error names a part that the request has, wherever it was found.
func TestLocationsAreOfTheRequest(t *testing.T) {
	for _, c := range []struct {
		in          reflect.Type
		found, want string
	}{
		{reflect.TypeFor[promptInput](), "id", "body.id"},
		{reflect.TypeFor[promptInput](), "content[0].type", "body.content[0].type"},
		{reflect.TypeFor[promptInput](), "session_id", "path.id"},
		{reflect.TypeFor[promptInput](), "project", ""},
		{reflect.TypeFor[promptIDInput](), "id", "path.id"},
		{reflect.TypeFor[answerInput](), "updated_permissions", "body.updated_permissions"},
		{reflect.TypeFor[answerInput](), "body.behavior", "body.behavior"},
		{reflect.TypeFor[quotaInput](), "body.cpu", "body.cpu"},
		{reflect.TypeFor[newUserInput](), "body.quota.cpu", "body.quota.cpu"},
		{reflect.TypeFor[newUserInput](), "body.current_password", ""},
		{reflect.TypeFor[forkInput](), "body.before", "body.before"},
		{reflect.TypeFor[forkInput](), "fork_of", ""},
		{reflect.TypeFor[Page](), "query.cursor", "query.cursor"},
		{reflect.TypeFor[Page](), "after", ""},
		{reflect.TypeFor[nothing](), "body.name", ""},
		{reflect.TypeFor[nothing](), "header.Range", "header.Range"},
	} {
		if got := locationsOf(c.in).find(c.found); got != c.want {
			t.Errorf("%v: %s is %q, want %q", c.in, c.found, got, c.want)
		}
	}
}

// TestLocationsOverHTTP: what an instance says of its own words is put into those of the route, and what the request
// does not have is not named.
func TestLocationsOverHTTP(t *testing.T) {
	r := newRig(t)
	r.instances.fail = fault.Fields(fault.Invalid, fault.FieldAt("live_sessions", "must not be negative"))
	p := r.do(call{method: "PUT", path: "/instance", as: "ana"})
	if p.status != 400 || strings.Contains(p.body, "location") || !strings.Contains(p.body, "must not be negative") {
		t.Errorf("got %d %s", p.status, p.body)
	}
	r.desk.fail = fault.InvalidField("body.timeout_s", "The time limit must be more than 0 and at most %v seconds.", 9)
	if p := r.do(call{method: "POST", path: "/terminals", body: `{}`, as: "ana"}); p.status != 400 || strings.Contains(p.body, "location") {
		t.Errorf("got %d %s", p.status, p.body)
	}
	if p := r.do(call{method: "POST", path: "/commands", body: `{"argv":["x"]}`, as: "ana"}); p.status != 400 || !strings.Contains(p.body, `"location":"body.timeout_s"`) {
		t.Errorf("got %d %s", p.status, p.body)
	}
}
