package egress

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAddresses(t *testing.T) {
	refused := `0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
		192.0.0.192 192.168.1.1 168.63.129.16 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
		:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1
		64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1:: 2001:0:1::1`
	for _, s := range strings.Fields(refused) {
		if whyRefused(netip.MustParseAddr(s)) == "" {
			t.Errorf("%s is allowed", s)
		}
	}
	for _, s := range strings.Fields(`1.1.1.1 203.0.113.80 192.0.2.1 198.51.100.1 172.32.0.1 100.128.0.1 2606:4700::1111 64:ff9b::101:101 2002:101:101::1 ::ffff:1.1.1.1`) {
		if why := whyRefused(netip.MustParseAddr(s)); why != "" {
			t.Errorf("%s is refused: %s", s, why)
		}
	}
	if whyRefused(netip.Addr{}) == "" {
		t.Error("no address at all is allowed")
	}
}

// However an IPv4 address is wrapped, the answer is the same or a refusal.
func TestWrappedAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4"))
		v4 := netip.AddrFrom4(b)
		var mapped, nat [16]byte
		mapped[10], mapped[11] = 0xff, 0xff
		copy(mapped[12:], b[:])
		nat[1], nat[2], nat[3] = 0x64, 0xff, 0x9b
		copy(nat[12:], b[:])
		for _, w := range [][16]byte{mapped, nat} {
			if got, want := whyRefused(netip.AddrFrom16(w)), whyRefused(v4); got != want {
				t.Fatalf("%v is %q and %v is %q", v4, want, netip.AddrFrom16(w), got)
			}
		}
	})
}

func TestRules(t *testing.T) {
	r, err := NewRules([]string{"example.org", "*.Example.net.", "mirror.test:8081", "192.0.2.7"}, []string{"bad.example.net", "example.org:80"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host string
		port uint16
		want bool
	}{
		{"example.org", 443, true}, {"example.org", 80, false}, {"example.org", 22, false}, {"www.example.org", 443, false},
		{"a.example.net", 443, true}, {"a.b.example.net", 80, true}, {"example.net", 443, false}, {"bad.example.net", 443, false},
		{"notexample.net", 443, false}, {"mirror.test", 8081, true}, {"mirror.test", 443, false}, {"192.0.2.7", 443, true}, {"192.0.2.8", 443, false},
	} {
		if got := r.Allowed(c.host, c.port); got != c.want {
			t.Errorf("%s:%d: got %v; want %v", c.host, c.port, got, c.want)
		}
	}
	all, err := NewRules([]string{"*"}, nil)
	if err != nil || !all.Allowed("anything.test", 443) || all.Allowed("192.0.2.1", 443) {
		t.Errorf("* must be every name and no address: %v", err)
	}
	if got := strings.Join(r.Hosts(), " "); got != "*.example.net 192.0.2.7 example.org mirror.test:8081" {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", "https://example.org", "example.org/x", "a b", "*.1.2.3.4", "x:0", "x:99999", "exämple.org", "*.", "a..b"} {
		if _, err := NewRules([]string{bad}, nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzSplitAddress(f *testing.F) {
	for _, s := range []string{"a.test:443", "[::1]:80", "a:b:c", ":80", "A.Test.:1", "x%00y:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, port, err := splitAddress(s, 0)
		if err != nil {
			return
		}
		if again, ok := cleanHost(host); !ok || again != host || port == 0 && !strings.HasSuffix(s, ":0") {
			t.Fatalf("%q gave %q port %d, which reads as %q", s, host, port, again)
		}
	})
}
