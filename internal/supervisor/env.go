package supervisor

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// systemPath is where programs are, after those that the person installed and those that the runtime names.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// personEnv is the whole environment of a process of the person's. proxyPort is that of the relay inside; 0: there is
// no way out. What the configuration adds wins, but for PATH, where it stands between the person's own and the system's.
func personEnv(c protocol.Config, proxyPort int) []string {
	env := map[string]string{
		"HOME": c.Home, "USER": c.Name, "LOGNAME": c.Name, "SHELL": shell(), "LANG": "C.UTF-8",
		// Nothing can be installed into the system; what npm calls global goes to the home.
		"npm_config_prefix": filepath.Join(c.Home, ".npm-global"), "npm_config_cache": filepath.Join(c.Home, ".npm"),
		"npm_config_update_notifier": "false",
	}
	if proxyPort != 0 {
		url := "http://127.0.0.1:" + strconv.Itoa(proxyPort)
		for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
			env[name] = url
		}
		env["NO_PROXY"], env["no_proxy"] = "localhost,127.0.0.1,::1", "localhost,127.0.0.1,::1"
	}
	path := []string{filepath.Join(c.Home, ".local/bin"), filepath.Join(c.Home, ".npm-global/bin")}
	if c.Claude != "" { // in a terminal, a person has the CLI itself
		path = append(path, filepath.Dir(c.Claude))
		for _, v := range claude.Variables(c.GatewaySocket) {
			name, value, _ := strings.Cut(v, "=")
			env[name] = value
		}
	}
	for _, v := range c.Env {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			continue
		}
		if name == "PATH" {
			path = append(path, value)
			continue
		}
		env[name] = value
	}
	env["PATH"] = strings.Join(append(path, systemPath), ":")
	return flatten(env)
}

// withEnv adds to an environment; what is added wins.
func withEnv(env []string, add map[string]string) []string {
	all := make(map[string]string, len(env)+len(add))
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		all[name] = value
	}
	maps.Copy(all, add)
	return flatten(all)
}

func flatten(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

func shell() string {
	if _, err := os.Stat("/bin/bash"); err == nil {
		return "/bin/bash"
	}
	return "/bin/sh"
}
