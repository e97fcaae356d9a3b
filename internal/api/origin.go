package api

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/carrel-dev/carrel/internal/fault"
)

// origin is what a request's headers say about the page that made it.
type origin int

const (
	originUnknown origin = iota // they say nothing: not a browser, or a very old one
	originOwn                   // our own page, or the address bar
	originForeign               // another site's page
)

// originOf judges by Origin and, where that is missing, by Sec-Fetch-Site;
// browsers set both, and a page cannot forge them.
func (s *Server) originOf(r *http.Request) origin {
	values := r.Header.Values("Origin")
	if len(values) > 1 {
		return originForeign
	}
	if len(values) == 1 {
		u, err := url.Parse(values[0])
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return originForeign // "null" too
		}
		if s.deps.PublicURL != nil && u.Scheme == s.deps.PublicURL.Scheme && sameHost(u, s.deps.PublicURL.Host) {
			return originOwn
		}
		if sameHost(u, r.Host) {
			return originOwn
		}
		return originForeign
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "":
		return originUnknown
	case "same-origin", "none":
		return originOwn
	}
	return originForeign
}

// sameHost compares host and port; a default port may be left out. The scheme
// is not compared with the request's, which a proxy may have changed.
func sameHost(u *url.URL, host string) bool {
	defaultPort := "80"
	if u.Scheme == "https" {
		defaultPort = "443"
	}
	withPort := func(h string) string {
		h = strings.ToLower(h)
		if _, _, err := net.SplitHostPort(h); err == nil {
			return h
		}
		return net.JoinHostPort(strings.Trim(h, "[]"), defaultPort)
	}
	return withPort(u.Host) == withPort(host)
}

// checkOrigin refuses what another site's page may have sent. A cookie is sent
// by the browser whoever asks, so where it gives the right to change something
// the origin must be known to be ours; a bearer token is sent on purpose only.
func (s *Server) checkOrigin(r *http.Request, byCookie, webSocket bool) error {
	changes := webSocket
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		changes = true
	}
	if !changes {
		return nil
	}
	switch s.originOf(r) {
	case originOwn:
		return nil
	case originUnknown:
		if !byCookie {
			return nil
		}
		return fault.New(fault.Forbidden, "The request does not say that it comes from this site. With a cookie, send the Origin header; a program should use an API token instead.")
	}
	return fault.New(fault.Forbidden, "The request comes from another site, which may not act here. Open %s itself.", r.Host)
}
