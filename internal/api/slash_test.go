package api

import (
	"net/url"
	"slices"
	"testing"
)

// TestWithdrawAnyID: whatever printable name a client gave a prompt, it can be withdrawn by it.
func TestWithdrawAnyID(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	for _, id := range []string{"/", "//", "/a", "a/", "a/b", "a//b", "../../x", "%2F", "%", "?", "#", "a b", "小", "{id}"} {
		p := r.do(call{method: "DELETE", path: "/sessions/" + anas + "/prompts/" + url.PathEscape(id), as: "ana"})
		if p.status != 204 || !slices.Contains(r.sessions.calls, "withdraw "+id) {
			t.Errorf("%s: got %d %s", id, p.status, p.body)
		}
	}
	if p := r.do(call{method: "DELETE", path: "/sessions/" + anas + "/prompts/%2f", as: "ana"}); p.status != 204 {
		t.Errorf("small letters: got %d", p.status)
	}
	if p := r.do(call{method: "GET", path: "/sessions/" + anas + "/prompts/%2F", as: "ana"}); p.status != 405 {
		t.Errorf("another method: got %d", p.status)
	}
}
