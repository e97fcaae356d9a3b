package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// clientOf says where a request comes from and whether it came by https. What
// a proxy says of that counts only when the proxy is one of the trusted ones.
func (s *Server) clientOf(r *http.Request) (addr string, https bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	https = r.TLS != nil || s.deps.PublicURL != nil && s.deps.PublicURL.Scheme == "https"
	if !s.trusted(host) {
		return host, https
	}
	if r.Header.Get("X-Forwarded-Proto") == "https" {
		https = true
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- { // from the nearest; the first that is no proxy of ours is the client
		hop := strings.TrimSpace(hops[i])
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		host = hop
		if !s.trusted(hop) {
			break
		}
	}
	return host, https
}

func (s *Server) trusted(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range s.deps.TrustedProxies {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// local tells whether a request was made on this machine, not merely passed
// on by a proxy that runs on it, and not by a page whose name was made to mean
// this machine: who is here calls it by a name of its own.
func local(r *http.Request) bool {
	for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && ap.Addr().Unmap().IsLoopback() && loopbackHost(r.Host)
}

// loopbackHost tells whether a Host header is localhost or a loopback address.
func loopbackHost(header string) bool {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = strings.Trim(header, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
