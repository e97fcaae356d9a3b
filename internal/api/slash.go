package api

import (
	"net/http"
	"strings"
)

// loneSlash stands for a slash that is all of a segment of a path. The mux takes one for the end of the path, however
// it is escaped. Nothing from outside is like it: dispatch has refused zero bytes.
const loneSlash = "/\x00"

// withLoneSlash lets the mux see a prompt's id that is a slash: the one name in a path that clients make up.
func withLoneSlash(r *http.Request) *http.Request {
	const prompts = "/prompts/"
	escaped := r.URL.EscapedPath()
	if last := strings.LastIndex(escaped, prompts) + len(prompts); last < len(prompts) || !strings.EqualFold(escaped[last:], "%2F") {
		return r
	}
	u := *r.URL
	u.Path, u.RawPath = u.Path+"\x00", escaped+"%00"
	r = r.WithContext(r.Context()) // a copy
	r.URL = &u
	return r
}

// ofLoneSlash is the name that somebody gave.
func ofLoneSlash(name string) string {
	if name == loneSlash {
		return "/"
	}
	return name
}
