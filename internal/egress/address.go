package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
)

// blocks are refused beside what netip can tell by itself. Ranges for
// documentation are not among them: they lead nowhere inside a network, and
// some sites route them to their own mirrors.
var blocks = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this host"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments"}, // a cloud's metadata service is in it
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved or broadcast"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's metadata service"}, // a public address that only virtual machines reach
	{netip.MustParsePrefix("::/96"), "IPv4-compatible"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a local NAT64 network"},
	{netip.MustParsePrefix("2001::/32"), "Teredo"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
}

var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4  = netip.MustParsePrefix("2002::/16")
	errDeny = errors.New("refused by the egress proxy")
)

// refusal is an address or a name that may not be reached; why is for the log
// and never for the person, who would learn how the host's network looks.
type refusal struct{ why string }

func (r *refusal) Error() string { return errDeny.Error() + ": " + r.why }
func (r *refusal) Unwrap() error { return errDeny }

// whyRefused says why an address may not be dialled, or "" when it may. An IPv6
// address that carries an IPv4 one is judged by that one.
func whyRefused(a netip.Addr) string {
	if a.Zone() != "" {
		return "an address with a zone"
	}
	a = a.Unmap()
	switch {
	case !a.IsValid() || a.IsUnspecified():
		return "unspecified"
	case a.IsLoopback():
		return "loopback"
	case a.IsPrivate():
		return "private"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsMulticast():
		return "multicast"
	}
	for _, b := range blocks {
		if b.prefix.Contains(a) {
			return b.why
		}
	}
	if a.Is6() {
		bytes := a.As16()
		if nat64.Contains(a) {
			return whyRefused(netip.AddrFrom4([4]byte(bytes[12:16])))
		}
		if sixTo4.Contains(a) {
			return whyRefused(netip.AddrFrom4([4]byte(bytes[2:6])))
		}
	}
	return ""
}

// ownAddresses are this host's, asked anew each time: they come and go.
func ownAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				own = append(own, ip.Unmap())
			}
		}
	}
	return own
}

// RefusePrivate is a net.Dialer.Control: the last gate, asked with the address that the kernel is
// about to connect to. It never refuses what open has checked.
func RefusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &refusal{why: "not an address"}
	}
	if why := whyRefused(ap.Addr()); why != "" {
		return &refusal{why: why}
	}
	return nil
}

// open resolves the name once, refuses the addresses that may not be reached
// and dials one of the others by its number, so that a second answer of the
// name server cannot lead elsewhere.
func (p *Proxy) open(ctx context.Context, host string, port uint16) (net.Conn, error) {
	lookup, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	var addrs []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{a}
	} else if addrs, err = p.resolver.LookupNetIP(lookup, "ip", host); err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	why := "no address"
	var errs []error
	own := p.own()
	for _, a := range addrs {
		w := whyRefused(a)
		if slices.Contains(own, a.Unmap()) {
			w = "this host's own" // from here it would be reached past the firewall that keeps others out
		}
		if w != "" {
			why = w
			continue
		}
		if len(errs) == maxAddressesTried {
			break
		}
		dial, cancel := context.WithTimeout(ctx, dialTimeout)
		c, err := p.dial(dial, "tcp", net.JoinHostPort(a.Unmap().String(), strconv.Itoa(int(port))))
		cancel()
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	if errs == nil {
		return nil, &refusal{why: "the name leads to an address that is " + why}
	}
	return nil, fmt.Errorf("connect to %s: %w", host, errors.Join(errs...))
}
