package egress

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// relay is what the supervisor does inside an instance: TCP on loopback, on to
// the egress socket.
func relay(t *testing.T, socket string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				u, err := dial(context.Background(), socket)
				if err != nil {
					return
				}
				defer func() { _ = u.Close() }()
				var both sync.WaitGroup
				both.Go(func() { _, _ = io.Copy(u, c); _ = u.(*net.UnixConn).CloseWrite() })
				both.Go(func() { _, _ = io.Copy(c, u); _ = c.(*net.TCPConn).CloseWrite() })
				both.Wait()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return "http://" + l.Addr().String()
}

// The real tools fetch from the registries that they are set up for, through
// the proxy and only through it.
func TestRealRegistries(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	hosts, settings := AskTools(ctx, os.Environ())
	if len(hosts) == 0 {
		t.Fatal("npm, go and apt of this machine name no host: install one of them")
	}
	b := setup(t, "", Options{Allow: hosts, Resolver: net.DefaultResolver})
	proxy := relay(t, b.socket)
	run := func(name string, args ...string) (string, error) {
		dir := t.TempDir()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		cmd.Env = append(append(os.Environ(), settings.Environ()...), "HTTPS_PROXY="+proxy, "HTTP_PROXY="+proxy, "https_proxy="+proxy, "http_proxy="+proxy, "NO_PROXY=", "no_proxy=",
			"npm_config_cache="+filepath.Join(dir, "cache"), "GOMODCACHE="+filepath.Join(dir, "mod"), "GOPATH="+filepath.Join(dir, "go"), "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, c := range []struct{ tool, command, want string }{
		{"npm", "npm view is-number version", "."},
		{"npm", "npm install --no-audit --no-fund --prefix . is-number@7.0.0", "added 1 package"},
		{"go", "go mod download -json github.com/google/uuid@v1.6.0", `"Version": "v1.6.0"`},
	} {
		if _, err := exec.LookPath(c.tool); err != nil {
			t.Logf("%s is not on this machine", c.tool)
			continue
		}
		args := strings.Fields(c.command)
		out, err := run(args[0], args[1:]...)
		if err != nil || !strings.Contains(out, c.want) {
			t.Fatalf("%s: %v\n%s\nproxy: %s", c.command, err, out, b.log)
		}
	}
	if !strings.Contains(b.log.String(), `"decision":"allowed"`) {
		t.Fatal("nothing went through the proxy")
	}
	closed := setup(t, "", Options{Resolver: net.DefaultResolver})
	proxy = relay(t, closed.socket)
	if out, err := run("go", "mod", "download", "-json", "github.com/google/uuid@v1.6.0"); err == nil {
		t.Fatalf("go reached a registry that is not on the list:\n%s", out)
	}
	if !strings.Contains(closed.log.String(), `"decision":"refused"`) {
		t.Fatalf("no refusal in the log: %s", closed.log)
	}
}

// Tools that are set up for mirrors, some with credentials, some on odd ports.
func TestAskTools(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script("npm", `case "$*" in
"config list --json") echo '{"registry":"https://bob:secret@npm.corp.test:8443/r/","@corp:registry":"http://scope.corp.test/","audit":false,"//npm.corp.test/:_authToken":"(protected)"}';;
"config get registry"*) echo https://registry.default.test/;;
esac`)
	script("go", `case "$*" in
*-changed*) echo '{"GOPROXY":"https://bob:secret@go.corp.test/x|https://two.test,direct","GOSUMDB":"sum.corp.test+abc https://bob:secret@sums.test","GOPRIVATE":"corp.test/*"}';;
*) echo '{"GOPROXY":"https://bob:secret@go.corp.test/x|https://two.test,direct","GOSUMDB":"sum.corp.test+abc https://bob:secret@sums.test","GOPRIVATE":"corp.test/*"}';;
esac`)
	script("apt-get", `echo http://apt.test/debian; echo http://apt.test/debian-security; echo file:/mnt/cd`)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	hosts, settings := AskTools(t.Context(), []string{"PATH=" + os.Getenv("PATH")})
	if got, want := strings.Join(hosts, " "), "apt.test go.corp.test npm.corp.test:8443 scope.corp.test sums.test two.test"; got != want {
		t.Errorf("hosts: got %s; want %s", got, want)
	}
	got := strings.Join(settings.Environ(), "\n")
	want := strings.Join([]string{
		"GOPRIVATE=corp.test/*",
		"GOPROXY=https://go.corp.test/x|https://two.test,direct",
		"GOSUMDB=sum.corp.test+abc https://sums.test",
		"npm_config_@corp:registry=http://scope.corp.test/",
		"npm_config_registry=https://npm.corp.test:8443/r/",
	}, "\n")
	if got != want {
		t.Errorf("settings: got\n%s\nwant\n%s", got, want)
	}
	if _, err := NewRules(hosts, nil); err != nil {
		t.Errorf("the hosts are no rules: %v", err)
	}
}

func TestMissingToolsContributeNothing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	hosts, settings := AskTools(t.Context(), nil)
	if len(hosts) != 0 || len(settings) != 0 {
		t.Fatal(fmt.Sprint(hosts, settings))
	}
}

func TestForgesAreRules(t *testing.T) {
	if _, err := NewRules(Forges(), nil); err != nil {
		t.Fatal(err)
	}
}
