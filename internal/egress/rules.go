package egress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// defaultPorts are open on a listed host that names no port. Git over ssh (22)
// is not among them: it cannot be told from any other use of a shell account.
var defaultPorts = []uint16{80, 443}

// Rules decide by name and port. They never look at addresses: see address.go.
type Rules struct {
	allow, deny []pattern
}

type pattern struct {
	host  string // exact name or address; for below, the part after "*."; "" with below: every name
	below bool
	port  uint16 // 0: the default ports (allow), every port (deny)
}

// NewRules reads both lists. Every entry that cannot be read is in the error.
func NewRules(allow, deny []string) (Rules, error) {
	var r Rules
	var bad []string
	read := func(list []string) (out []pattern) {
		for _, s := range list {
			p, err := parsePattern(s)
			if err != nil {
				bad = append(bad, err.Error())
				continue
			}
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
		return out
	}
	r.allow, r.deny = read(allow), read(deny)
	if bad != nil {
		return Rules{}, fmt.Errorf("egress: %s", strings.Join(bad, "; "))
	}
	return r, nil
}

func parsePattern(s string) (pattern, error) {
	var p pattern
	host := strings.TrimSpace(s)
	if h, port, err := net.SplitHostPort(host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return p, fmt.Errorf("%q: the port must be from 1 to 65535", s)
		}
		host, p.port = h, uint16(n)
	}
	if host == "*" {
		p.below = true
		return p, nil
	}
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		host, p.below = rest, true
	}
	name, ok := cleanHost(host)
	if !ok || (p.below && isAddress(name)) {
		return p, fmt.Errorf("%q: must be a host name (example.org, *.example.org, example.org:8443) without scheme or path", s)
	}
	p.host = name
	return p, nil
}

// cleanHost gives the one spelling that names are compared in: lower case, no
// dot at the end, ASCII (names in other scripts come as punycode).
func cleanHost(s string) (string, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String(), a.Zone() == ""
	}
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	if s == "" || len(s) > 253 || strings.HasPrefix(s, ".") || strings.Contains(s, "..") {
		return "", false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return "", false
		}
	}
	return s, true
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func (p pattern) matchesHost(host string) bool {
	switch {
	case !p.below:
		return host == p.host
	case isAddress(host): // an address is below no name
		return false
	default:
		return p.host == "" || strings.HasSuffix(host, "."+p.host)
	}
}

// Allowed decides on a clean host name and a port.
func (r Rules) Allowed(host string, port uint16) bool {
	for _, p := range r.deny {
		if p.matchesHost(host) && (p.port == 0 || p.port == port) {
			return false
		}
	}
	for _, p := range r.allow {
		if p.matchesHost(host) && (p.port == port || p.port == 0 && slices.Contains(defaultPorts, port)) {
			return true
		}
	}
	return false
}

// Hosts lists what is allowed, as it is written in the settings.
func (r Rules) Hosts() []string {
	out := make([]string, 0, len(r.allow))
	for _, p := range r.allow {
		out = append(out, p.String())
	}
	slices.Sort(out)
	return out
}

func (p pattern) String() string {
	s := p.host
	switch {
	case p.below && p.host == "":
		s = "*"
	case p.below:
		s = "*." + p.host
	}
	if p.port != 0 {
		s = net.JoinHostPort(s, strconv.Itoa(int(p.port)))
	}
	return s
}
