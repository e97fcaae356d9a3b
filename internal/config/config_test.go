package config

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/carrel-dev/carrel/internal/quota"
)

var update = flag.Bool("update", false, "write docs/settings.md")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load reads settings in a data folder of its own, with file as its carrel.yaml.
func load(t testing.TB, file string, environ []string, args ...string) (Config, error) {
	t.Helper()
	dir := t.TempDir()
	if file != "" {
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	RegisterFlags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(t.Context(), Sources{Environ: append([]string{"PATH=/bin", "CARREL_DATA_DIR=" + dir}, environ...), Flags: set, Resolve: noResolver})
}

func noResolver(context.Context, string) ([]netip.Addr, error) {
	return nil, errors.New("no resolver")
}

// wantFaults checks which names are at fault, and that each message has its text.
func wantFaults(t testing.TB, err error, want map[string]string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want faults of %v", err, want)
	}
	got := map[string]string{}
	for _, f := range e.Faults {
		got[f.Name] = f.Message
		if !strings.Contains(err.Error(), f.Name+" "+f.Message) {
			t.Errorf("the error does not tell %s %s:\n%v", f.Name, f.Message, err)
		}
	}
	for name, text := range want {
		if message, ok := got[name]; !ok || !strings.Contains(message, text) {
			t.Errorf("fault of %s = %q, want %q", name, message, text)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("other faults: %v", got)
	}
}

func TestDefaults(t *testing.T) {
	c, err := Load(t.Context(), Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8420" || c.Runtime != "oci" || c.Registration != "invite" || c.Pool.IdleTimeout != 30*time.Minute ||
		c.Pool.HealthInterval != 10*time.Second || c.Session.IdleTimeout != 15*time.Minute || c.ShutdownTimeout != 15*time.Second ||
		c.Server.UID != 1<<30-2 || c.Gateway.UID != 1<<30-1 || c.OCI.UIDBase != 1<<30 || c.OCI.Command != "runc" || c.Quota.Limits() != quota.Default() {
		t.Errorf("defaults = %+v", c)
	}
	wd, err := os.Getwd()
	if err != nil || c.DataDir != filepath.Join(wd, "carrel-data") {
		t.Errorf("data_dir = %s", c.DataDir)
	}
}

func TestOneNameInThreePlaces(t *testing.T) {
	file := "pool:\n  idle_timeout: 10m\nsession.idle_timeout: 90\nlisten: 127.0.0.1:1\nquota: {cpu: 1.5, tokens_per_day: 1000, instances: 0}\negress:\n  allow: [a.example, '*.b.example']\npool.max_instances: 7\n"
	c, err := load(t, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Pool.IdleTimeout != 10*time.Minute || c.Session.IdleTimeout != 90*time.Second || c.Listen != "127.0.0.1:1" || c.Quota.CPU != 1.5 || *c.Quota.TokensPerDay != 1000 ||
		c.Quota.Instances != 0 || !slices.Equal(c.Egress.Allow, []string{"a.example", "*.b.example"}) || c.Pool.MaxInstances != 7 || c.Pool.HealthInterval != 10*time.Second {
		t.Errorf("file: %+v", c)
	}
	environ := []string{"CARREL_POOL_IDLE_TIMEOUT=20m", "CARREL_LISTEN=127.0.0.1:2", "CARREL_QUOTA_TOKENS_PER_DAY=none", "CARREL_EGRESS_ALLOW=c.example, d.example", "CARREL_SESSION_IDLE_TIMEOUT=", "CARREL_TREE=x", "CARREL_CLAUDE_PATH=/x/claude"}
	c, err = load(t, file, environ)
	if err != nil {
		t.Fatal(err)
	}
	if c.Pool.IdleTimeout != 20*time.Minute || c.Listen != "127.0.0.1:2" || c.Quota.TokensPerDay != nil || !slices.Equal(c.Egress.Allow, []string{"c.example", "d.example"}) ||
		c.Session.IdleTimeout != 90*time.Second || c.Claude.Path != "/x/claude" {
		t.Errorf("environment over file: %+v", c)
	}
	c, err = load(t, file, environ, "--pool-idle-timeout", "30", "--egress-allow=e.example", "--egress-allow=f.example", "--egress-deny=", "--oci-command=./runc")
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if c.Pool.IdleTimeout != 30*time.Second || c.Listen != "127.0.0.1:2" || !slices.Equal(c.Egress.Allow, []string{"e.example", "f.example"}) || c.OCI.Command != filepath.Join(wd, "runc") {
		t.Errorf("flags over environment: %+v", c)
	}
}

func TestFileByName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "other.yaml")
	if err := os.WriteFile(path, []byte("data_dir: "+dir+"/data\nlog: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(t.Context(), Sources{File: path})
	if err != nil || c.DataDir != dir+"/data" || c.Log.Level != "debug" {
		t.Errorf("Load = %+v, %v", c, err)
	}
	_, err = Load(t.Context(), Sources{File: path + "x"})
	wantFaults(t, err, map[string]string{path + "x": "no such file"})
	_, err = Load(t.Context(), Sources{File: dir})
	wantFaults(t, err, map[string]string{dir: "not a regular file"})
	_, err = load(t, "data_dir: elsewhere\n", nil)
	wantFaults(t, err, map[string]string{"data_dir": "--data-dir"})
}

func TestEveryFaultIsReported(t *testing.T) {
	_, err := load(t, `
listen: 8420
runtime: docker
registration: maybe
public_url: carrel.example.org
trusted_proxies: [10.0.0.0/8, proxy]
pool: {idle_timeout: soon, health_interval: 0, max_instances: -1, idle_time: 5m}
quota: {cpu: 0, pids: many, inodes: 1}
server: {uid: 0}
claude: 5
log:
oci: {uid_base: 1000, command: ""}
egress: {allow: "https://example.org/"}
push: {contact: "mailto:ops@example.org"}
shutdown_timeout: 1m
regsitration: open
`, []string{"CARREL_GATEWAY_APIKEY=sk-secret", "CARREL_LOG_LEVEL=loud", "CARREL_QUITE_ANOTHER_THING=1", "CARREL_GATEWAY_API_KEY=sk-ant two"}, "--session-idle-timeout=-5s")
	wantFaults(t, err, map[string]string{
		"listen":                     "in quotes",
		"runtime":                    "one of: oci, bare",
		"registration":               "one of: closed, invite, open",
		"regsitration":               "did you mean registration?",
		"public_url":                 "https://carrel.example.org",
		"trusted_proxies":            "10.0.0.0/8",
		"pool.idle_timeout":          "30m",
		"pool.idle_time":             "did you mean pool.idle_timeout?",
		"pool.health_interval":       "more than 0",
		"pool.max_instances":         "negative",
		"quota.cpu":                  "from 0.1 to 1024",
		"quota.pids":                 "whole number",
		"quota.inodes":               "from 1000",
		"server.uid":                 "root",
		"gateway.uid":                "people's uids begin",
		"claude":                     "group",
		"oci.uid_base":               "65536",
		"oci.command":                "empty",
		"log.level":                  "(set by CARREL_LOG_LEVEL)",
		"egress.allow":               "no URLs",
		"push.contact":               "without mailto:",
		"shutdown_timeout":           "15s",
		"session.idle_timeout":       "--session-idle-timeout",
		"gateway.api_key":            "a space",
		"CARREL_GATEWAY_APIKEY":      "did you mean CARREL_GATEWAY_API_KEY?",
		"CARREL_QUITE_ANOTHER_THING": "is no setting",
	})
}

func TestBareServesLoopbackOnly(t *testing.T) {
	names := map[string][]string{"inside": {"127.0.0.1", "::1"}, "outside": {"127.0.0.1", "192.0.2.1"}, "empty": nil}
	resolve := func(_ context.Context, host string) ([]netip.Addr, error) {
		texts, ok := names[host]
		if !ok {
			return nil, errors.New("no such host")
		}
		var found []netip.Addr
		for _, text := range texts {
			found = append(found, netip.MustParseAddr(text))
		}
		return found, nil
	}
	for listen, ok := range map[string]bool{
		"127.0.0.1:8420": true, "127.255.0.9:0": true, "[::1]:8420": true, "localhost:8420": true, "inside:8420": true, "[::ffff:127.0.0.1]:8420": true,
		":8420": false, "0.0.0.0:8420": false, "[::]:8420": false, "192.0.2.1:8420": false, "outside:8420": false, "unknown:8420": false, "empty:8420": false,
		"localhost.:8420": false, "127.1:8420": false, "[fe80::1%lo]:8420": false,
	} {
		c := Sources{Environ: []string{"CARREL_RUNTIME=bare", "CARREL_LISTEN=" + listen}, Resolve: resolve}
		_, err := Load(t.Context(), c)
		if ok && err != nil {
			t.Errorf("bare on %s: %v", listen, err)
		}
		if !ok {
			wantFaults(t, err, map[string]string{"listen": "loopback"})
		}
		if _, err := Load(t.Context(), Sources{Environ: []string{"CARREL_LISTEN=" + listen}, Resolve: noResolver}); err != nil {
			t.Errorf("oci on %s: %v", listen, err)
		}
	}
	for _, listen := range []string{"8420", "localhost", "localhost:http", "localhost:65536", "localhost:-1", "::1:8420", "[::1]"} {
		_, err := Load(t.Context(), Sources{Environ: []string{"CARREL_LISTEN=" + listen}})
		wantFaults(t, err, map[string]string{"listen": "host:port"})
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	const key = "sk-ant-hunter2"
	c, err := load(t, "", []string{"CARREL_GATEWAY_API_KEY=" + key})
	if err != nil || c.Gateway.APIKey.Reveal() != key {
		t.Fatalf("key = %q, %v", c.Gateway.APIKey.Reveal(), err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "gateway", c.Gateway, "key", c.Gateway.APIKey)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "gateway", &c.Gateway, "key", c.Gateway.APIKey)
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(b) + fmt.Sprint(c.Environ())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%t"} {
		shown += fmt.Sprintf(verb, c) + fmt.Sprintf(verb, &c.Gateway) + fmt.Sprintf(verb, c.Gateway.APIKey) + fmt.Sprintf(verb, []Secret{c.Gateway.APIKey})
	}
	for _, form := range []string{key, "hunter2", fmt.Sprintf("%x", key), fmt.Sprintf("%X", key)} {
		if strings.Contains(shown, form) {
			at := strings.Index(shown, form)
			t.Errorf("the key is shown as %s in …%s…", form, shown[max(0, at-40):at+len(form)])
		}
	}
	if !strings.Contains(shown, "[set]") {
		t.Error("nothing tells that the key is set")
	}
	if s := fmt.Sprintf("%v%s", Secret{}, NewSecret("")); s != "" {
		t.Errorf("an empty secret prints as %q", s)
	}
	for _, file := range []string{key, "gateway: {api_key: [" + key + "]}", "gateway: {api_key: " + key, "gateway: " + key, "- " + key, "gateway:\n  api_key: " + key + "\n  api_key: " + key} {
		_, err := load(t, file, nil)
		if err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("file %q: %v", file, err)
		}
	}
}

// What Environ gives, Load reads as the same configuration.
func TestEnvironRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Default()
		c.Listen = fmt.Sprintf("127.0.0.1:%d", rapid.IntRange(0, 65535).Draw(t, "port"))
		c.DataDir, c.StateDir = "/srv/carrel data", rapid.SampledFrom([]string{"", "/run/x"}).Draw(t, "state")
		c.Runtime = rapid.SampledFrom([]string{"oci", "bare"}).Draw(t, "runtime")
		c.PublicURL, _ = parseURL(rapid.SampledFrom([]string{"", "https://carrel.example.org", "http://[::1]:8420"}).Draw(t, "url"))
		c.TrustedProxies, _ = parseNetworks(rapid.SampledFrom([]string{"", "10.0.0.1", "10.0.0.0/8,::1"}).Draw(t, "proxies"))
		c.Pool.IdleTimeout = time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "idle"))
		c.Quota.CPU = rapid.Float64Range(0.1, 1024).Draw(t, "cpu")
		if rapid.Bool().Draw(t, "limited") {
			n := rapid.Int64Range(0, 1<<62).Draw(t, "tokens")
			c.Quota.TokensPerMonth = &n
		}
		c.Egress.Allow = splitList(rapid.SampledFrom([]string{"", "*", "a.example,*.b.example:8443"}).Draw(t, "allow"))
		got, err := Load(context.Background(), Sources{Environ: c.Environ(), NoFile: true})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, c) {
			t.Errorf("got  %+v\nwant %+v", got, c)
		}
	})
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"30m": 30 * time.Minute, "90": 90 * time.Second, "0": 0, "1.5": 1500 * time.Millisecond, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "-5s", "soon", "nan", "inf", "1e300", "30 m", "5d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %v", text, got)
		}
	}
	for d, want := range map[time.Duration]string{30 * time.Minute: "30m", time.Hour: "1h", 90 * time.Minute: "1h30m", 10 * time.Second: "10s", 0: "0s", time.Hour + time.Second: "1h0m1s"} {
		if got := showDuration(d); got != want {
			t.Errorf("showDuration(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestReferenceIsCompleteAndFresh(t *testing.T) {
	env, flags := map[string]string{}, map[string]string{}
	for _, s := range Reference() {
		if !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s has no comment that is a sentence: %q", s.Name, s.Doc)
		}
		if other := env[s.Env] + flags[s.Flag]; other != "" {
			t.Errorf("%s and %s have one name in the environment", s.Name, other)
		}
		env[s.Env], flags[s.Flag] = s.Name, s.Name
		if want := "CARREL_" + strings.ToUpper(strings.ReplaceAll(s.Name, ".", "_")); s.Env != want || s.Flag != strings.NewReplacer(".", "-", "_", "-").Replace(s.Name) {
			t.Errorf("names of %s: %s, --%s", s.Name, s.Env, s.Flag)
		}
		if slices.Contains(notSettings, s.Env) {
			t.Errorf("%s is a setting and none", s.Env)
		}
	}
	const path = "../../docs/settings.md"
	if *update {
		if err := os.WriteFile(path, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != Markdown() {
		t.Errorf("docs/settings.md is stale (%v): go test ./internal/config -run Reference -update", err)
	}
}

func TestSomeFlags(t *testing.T) {
	set := pflag.NewFlagSet("user", pflag.ContinueOnError)
	RegisterFlags(set, "data_dir")
	if set.Lookup("data-dir") == nil || set.Lookup("listen") != nil {
		t.Errorf("flags:\n%s", set.FlagUsages())
	}
	defer func() {
		if recover() == nil {
			t.Error("a flag for no setting")
		}
	}()
	RegisterFlags(set, "data_dri")
}

func FuzzLoad(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\npool: {idle_timeout: 5}\n", "CARREL_LISTEN=x")
	f.Add("a: &a [*a]\n1: {2: 3}\n? [x]\n: y\n", "CARREL_")
	f.Add("quota:\n  cpu: .nan\n  pids: 1e3\n", "CARREL_QUOTA_CPU=NaN")
	f.Add("listen: {a: {}}\n\"\": 1\npool..x: 1\n.: 2\n", "CARREL_TRUSTED_PROXIES=1.2.3.4,,")
	f.Add("listen: {1: 2}\negress: {allow: [[a]]}", "=")
	path := filepath.Join(f.TempDir(), "carrel.yaml")
	f.Fuzz(func(t *testing.T, file, variable string) {
		var faults faults
		values := parseFile("carrel.yaml", []byte(file), &faults)
		for name := range values {
			if _, known := settingByName(name); !known {
				t.Errorf("the unknown %q was taken", name)
			}
		}
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(t.Context(), Sources{File: path, Environ: []string{variable}, Resolve: noResolver})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("Load = %v, want faults", err)
			}
			return
		}
		c.Gateway.APIKey = Secret{}
		again, err := Load(t.Context(), Sources{NoFile: true, Environ: c.Environ(), Resolve: noResolver})
		if err != nil || fmt.Sprintf("%+v", again.Environ()) != fmt.Sprintf("%+v", c.Environ()) {
			t.Errorf("the environment of %+v reads as %+v, %v", c, again, err)
		}
	})
}
