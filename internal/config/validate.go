package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Fault is what is wrong with one setting.
type Fault struct {
	Name    string // of the setting, the variable or the file
	Message string // "must be one of: oci, bare"
}

// Error is everything that is wrong with a configuration.
type Error struct{ Faults []Fault }

func (e *Error) Error() string {
	if len(e.Faults) == 1 {
		return "configuration: " + e.Faults[0].Name + " " + e.Faults[0].Message
	}
	var b strings.Builder
	fmt.Fprintf(&b, "configuration: %d faults", len(e.Faults))
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n  %s %s", f.Name, f.Message)
	}
	return b.String()
}

type faults []Fault

func (f *faults) add(name, format string, args ...any) {
	*f = append(*f, Fault{Name: name, Message: fmt.Sprintf(format, args...)})
}

// err reports the first fault of each name, the later ones follow from it; and
// what set the value, where that is known.
func (f faults) err(origin map[string]string) error {
	if len(f) == 0 {
		return nil
	}
	for i := range f {
		if from := origin[f[i].Name]; from != "" {
			f[i].Message += " (set by " + from + ")"
		}
	}
	slices.SortStableFunc(f, func(a, b Fault) int { return strings.Compare(a.Name, b.Name) })
	return &Error{Faults: slices.CompactFunc(f, func(a, b Fault) bool { return a.Name == b.Name })}
}

const (
	longestShutdown = 15 * time.Second    // the contract promises it
	leastRetention  = 30 * 24 * time.Hour // the database keeps entries of the record for as long
	resolveTimeout  = 5 * time.Second
	uidRange        = 1 << 16
	maxUID          = 1<<32 - 2
)

// contactPattern is what push services take for a contact; some refuse every message that has another.
var contactPattern = regexp.MustCompile(`^(https://[^\s/]\S*|[^\s@:/]+@[^\s@:/]+)$`)

type resolver = func(ctx context.Context, host string) ([]netip.Addr, error)

func (c *Config) validate(ctx context.Context, resolve resolver, f *faults) {
	root := reflect.ValueOf(c).Elem()
	for _, s := range settings {
		if len(s.Accept) > 0 && !slices.Contains(s.Accept, root.FieldByIndex(s.index).String()) {
			f.add(s.Name, "must be one of: %s", strings.Join(s.Accept, ", "))
		}
	}
	check := func(ok bool, name, message string) {
		if !ok {
			f.add(name, "%s", message)
		}
	}
	check(c.DataDir != "", "data_dir", "must not be empty")
	check(c.ShutdownTimeout > 0 && c.ShutdownTimeout <= longestShutdown, "shutdown_timeout", "must be more than 0 and at most 15s")
	check(c.PublicURL == nil || c.PublicURL.Path == "", "public_url", "must be a URL without a path: Carrel is served at the root of its host")
	check(c.Pool.HealthInterval > 0, "pool.health_interval", "must be more than 0")
	check(c.Push.Delay >= 0 && c.Push.FinishedAfter >= 0, "push.delay", "and push.finished_after must not be below 0")
	check(c.Push.Contact == "" || contactPattern.MatchString(c.Push.Contact), "push.contact", "must be an e-mail address, without mailto:, or a URL that begins with https://")
	check(c.Snapshot.Interval == 0 || c.Snapshot.Interval >= time.Minute, "snapshot.interval", "must be 0 or at least 1m")
	check(c.Snapshot.Keep >= 2 && c.Snapshot.Keep <= 1000, "snapshot.keep", "must be from 2 to 1000")
	check(c.History.Step >= time.Second && c.History.Step <= time.Minute, "history.step", "must be from 1s to 1m")
	check(c.Audit.Retention == 0 || c.Audit.Retention >= leastRetention, "audit.retention", "must be 0 or at least 720h (30 days)")
	check(c.Pool.MaxInstances >= 0, "pool.max_instances", "must not be negative")
	check(c.Pool.MaxLiveSessions >= 0, "pool.max_live_sessions", "must not be negative")
	check(!strings.ContainsFunc(c.Gateway.APIKey.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }), "gateway.api_key", "must be one word of plain ASCII, as the provider gave it: it holds a space, a line break or another character that no key has")
	check(c.Pool.MaxWaiting >= 0, "pool.max_waiting", "must not be negative")
	check(c.Pool.MemoryShare >= 0.1 && c.Pool.MemoryShare <= 1, "pool.memory_share", "must be from 0.1 to 1")
	check(c.OCI.Command != "", "oci.command", "must not be empty")
	check(c.OCI.UIDBase >= uidRange && c.OCI.UIDBase%uidRange == 0 && c.OCI.UIDBase <= maxUID-uidRange, "oci.uid_base", "must be a multiple of 65536, from 65536 to 4294836224")
	for _, u := range []struct {
		name string
		uid  int
	}{{"server.uid", c.Server.UID}, {"gateway.uid", c.Gateway.UID}} {
		check(u.uid > 0 && int64(u.uid) < c.OCI.UIDBase, u.name, "must be more than 0 (root) and less than oci.uid_base, where people's uids begin")
	}
	check(c.Server.UID != c.Gateway.UID, "gateway.uid", "must differ from server.uid: the server may not read the key")
	for name, list := range map[string][]string{"egress.allow": c.Egress.Allow, "egress.deny": c.Egress.Deny} {
		check(!slices.ContainsFunc(list, func(host string) bool { return strings.ContainsAny(host, " \t\r\n/\x00") }), name, "must be hosts like example.org, *.example.org or example.org:8443, and no URLs")
	}
	var q *fault.Error
	if errors.As(c.Quota.Limits().Validate("quota"), &q) {
		for _, field := range q.Fields {
			f.add(field.Location, "%s", field.Message)
		}
	}
	c.validateListen(ctx, resolve, f)
}

// validateListen also keeps what is not isolated away from the network.
func (c *Config) validateListen(ctx context.Context, resolve resolver, f *faults) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		f.add("listen", "must be host:port with a port number, like 127.0.0.1:8420 or [::1]:8420")
		return
	}
	if c.Runtime != "bare" || host == "localhost" { // which is loopback by RFC 6761, 6.3
		return
	}
	const refused = "must be a loopback address (127.0.0.1, [::1], localhost) while runtime is bare, which isolates nobody: everyone who reaches it has this user's files"
	addresses, err := addressesOf(ctx, host, resolve)
	if err != nil {
		f.add("listen", "%s; %s could not be resolved", refused, host)
		return
	}
	for _, a := range addresses {
		if !a.Unmap().IsLoopback() {
			f.add("listen", "%s", refused)
			return
		}
	}
}

// addressesOf never gives an empty list without an error: no address is not 'all
// of them are loopback'. The empty host means every address of the machine.
func addressesOf(ctx context.Context, host string, resolve resolver) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{netip.IPv6Unspecified()}, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if resolve == nil {
		resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addresses, err := resolve(ctx, host)
	if err == nil && len(addresses) == 0 {
		err = errors.New("the name has no address")
	}
	return addresses, err
}
