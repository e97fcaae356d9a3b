// Package egress is the only way out of an instance besides the Messages API:
// an HTTP proxy (CONNECT, and plain http for package mirrors) with an allow-list
// of host names. It owns the list, the refusal of private addresses, the caps
// and the log of who went where. It knows a user by the socket that a request
// came through, never by anything the request says.
//
// The HTTP work is elazarl/goproxy's. stripe/smokescreen was looked at and does
// not embed well: it sends a CONNECT on through the proxy that HTTPS_PROXY or
// the client's own X-Upstream-Https-Proxy header names, drops bytes that follow
// the CONNECT in one packet, dials without the request's context and skips TLS
// verification for absolute https URLs. What it would give, the check of
// resolved addresses, is address.go here.
package egress

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Caps of one instance. A program inside that needs more is not a package
// manager.
const (
	maxConnections    = 64
	maxHeaderBytes    = 32 << 10
	headerTimeout     = 10 * time.Second
	keepAliveTimeout  = time.Minute
	resolveTimeout    = 5 * time.Second
	dialTimeout       = 10 * time.Second
	responseTimeout   = 2 * time.Minute  // first byte of a plain http answer
	defaultIdleTime   = 10 * time.Minute // neither side of a tunnel sent anything
	defaultTotalTime  = 4 * time.Hour    // a big clone on a slow line ends within it
	maxAddressesTried = 4
)

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options of a proxy. The zero value refuses every host.
type Options struct {
	Allow []string // "example.org", "*.example.org" (below it, not itself), "example.org:8443", "*" (any name)
	Deny  []string // the same forms; wins over Allow

	IdleTime  time.Duration // 0: 10 minutes
	TotalTime time.Duration // 0: 4 hours

	Resolver Resolver // nil: the system's
	// Dial connects to an address that has been resolved and checked; nil: the system's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  *slog.Logger

	own        func() []netip.Addr // nil: ownAddresses; tests have others
	headerTime time.Duration       // 0: headerTimeout; tests have less
}

// Owner says whose socket it is.
type Owner struct {
	InstanceID string
	UserID     int64
}

// Proxy makes one Outlet per instance, all with the same rules.
type Proxy struct {
	rules    atomic.Pointer[Rules]
	resolver Resolver
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	idle     time.Duration
	total    time.Duration
	header   time.Duration
	own      func() []netip.Addr
	log      *slog.Logger
}

// New checks the rules and returns a proxy. It holds nothing open.
func New(o Options) (*Proxy, error) {
	rules, err := NewRules(o.Allow, o.Deny)
	if err != nil {
		return nil, err
	}
	p := &Proxy{resolver: o.Resolver, dial: o.Dial, idle: o.IdleTime, total: o.TotalTime, header: o.headerTime, own: o.own, log: o.Log}
	p.rules.Store(&rules)
	if p.own == nil {
		p.own = ownAddresses
	}
	if p.resolver == nil {
		p.resolver = net.DefaultResolver
	}
	if p.dial == nil {
		p.dial = (&net.Dialer{Timeout: dialTimeout, Control: RefusePrivate}).DialContext
	}
	if p.idle == 0 {
		p.idle = defaultIdleTime
	}
	if p.total == 0 {
		p.total = defaultTotalTime
	}
	if p.header == 0 {
		p.header = headerTimeout
	}
	return p, nil
}

// Rules gives the rules, for those who show them.
func (p *Proxy) Rules() Rules { return *p.rules.Load() }

// SetRules has all further requests judged by other rules.
func (p *Proxy) SetRules(r Rules) { p.rules.Store(&r) }
