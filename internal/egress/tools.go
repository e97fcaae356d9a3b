package egress

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// toolTimeout bounds one question to a tool; npm alone takes half a second.
const toolTimeout = 20 * time.Second

// Hosts are entries of an allow-list.
type Hosts []string

// ToolSettings is the environment that the same tools need inside an instance
// to use the registries that they use on this host. It holds only what differs
// from the tools' own defaults, and no credential.
type ToolSettings map[string]string

// Forges are the public hosts of source code, allowed by default.
func Forges() Hosts {
	return Hosts{
		"github.com", "codeload.github.com", "api.github.com", "*.githubusercontent.com",
		"gitlab.com", "*.gitlab.com", "codeberg.org", "bitbucket.org", "*.bitbucket.org",
		"gitee.com", "*.gitee.com", "git.sr.ht", "sourceware.org",
	}
}

// AskTools asks npm, go and apt of this machine which hosts they fetch from. No
// registry is named here: a site with mirrors of its own gets those. env is the
// environment they are asked in (PATH and HOME at least); a tool that is
// missing or fails contributes nothing.
func AskTools(ctx context.Context, env []string) (Hosts, ToolSettings) {
	t := asked{settings: ToolSettings{}, run: func(ctx context.Context, extra []string, name string, args ...string) string {
		ctx, cancel := context.WithTimeout(ctx, toolTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = "/" // a project's own settings are not the machine's
		cmd.Env = append(slices.Clone(env), extra...)
		cmd.WaitDelay = time.Second
		out, err := cmd.Output()
		if err != nil {
			return ""
		}
		return string(out)
	}}
	t.npm(ctx)
	t.golang(ctx)
	t.apt(ctx)
	slices.Sort(t.hosts)
	return slices.Compact(t.hosts), t.settings
}

type asked struct {
	hosts    Hosts
	settings ToolSettings
	run      func(ctx context.Context, extra []string, name string, args ...string) string
}

// site adds the host of a URL and gives the URL without credentials, or "".
func (t *asked) site(raw string) string {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	u.User = nil
	t.host(u.Hostname(), u.Port())
	return u.String()
}

func (t *asked) host(name, port string) {
	name, ok := cleanHost(name)
	if !ok {
		return
	}
	if port != "" {
		name = net.JoinHostPort(name, port)
	}
	t.hosts = append(t.hosts, name)
}

func (t *asked) npm(ctx context.Context) {
	var have map[string]any
	if json.Unmarshal([]byte(t.run(ctx, nil, "npm", "config", "list", "--json")), &have) != nil {
		return
	}
	for key, value := range have {
		s, ok := value.(string)
		if !ok || (key != "registry" && !(strings.HasPrefix(key, "@") && strings.HasSuffix(key, ":registry"))) {
			continue
		}
		registry := t.site(s)
		if registry == "" {
			continue
		}
		// A scope's registry has no default; the main one's is what npm says
		// when it is kept from every file and variable.
		if key != "registry" || registry != t.npmDefault(ctx) {
			t.settings["npm_config_"+key] = registry
		}
	}
}

func (t *asked) npmDefault(ctx context.Context) string {
	const none = "/dev/null"
	return strings.TrimSpace(t.run(ctx,
		[]string{"npm_config_registry=", "NPM_CONFIG_REGISTRY="},
		"npm", "config", "get", "registry", "--userconfig="+none, "--globalconfig="+none))
}

func (t *asked) golang(ctx context.Context) {
	var have struct{ GOPROXY, GOSUMDB, GOPRIVATE string }
	if json.Unmarshal([]byte(t.run(ctx, nil, "go", "env", "-json", "GOPROXY", "GOSUMDB", "GOPRIVATE")), &have) != nil {
		return
	}
	proxies := strings.FieldsFunc(have.GOPROXY, func(r rune) bool { return r == ',' || r == '|' })
	clean := have.GOPROXY
	for _, p := range proxies {
		if site := t.site(p); site != "" {
			clean = strings.Replace(clean, p, site, 1)
		}
	}
	sumdb := strings.Fields(have.GOSUMDB) // name+key, then perhaps a URL; or "off"
	if len(sumdb) > 0 && sumdb[0] != "off" {
		if len(sumdb) > 1 {
			sumdb[1] = t.site(sumdb[1])
		} else {
			name, _, _ := strings.Cut(sumdb[0], "+")
			t.host(name, "")
		}
	}
	// -changed says what is not the default; a go that does not know it is older
	// than what instances have, and is taken at its word.
	var changed map[string]string
	out := t.run(ctx, nil, "go", "env", "-changed", "-json", "GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOSUMDB", "GONOPROXY", "GOINSECURE")
	if json.Unmarshal(bytes.TrimSpace([]byte(out)), &changed) != nil {
		return
	}
	for key, value := range changed {
		switch {
		case value == "":
			continue
		case key == "GOPROXY":
			value = clean
		case key == "GOSUMDB":
			value = strings.TrimSpace(strings.Join(sumdb, " "))
		}
		t.settings[key] = value
	}
}

func (t *asked) apt(ctx context.Context) {
	for line := range strings.Lines(t.run(ctx, nil, "apt-get", "indextargets", "--format", "$(SITE)")) {
		t.site(line)
	}
}

// Environ gives the settings as an environment, sorted.
func (s ToolSettings) Environ() []string {
	out := make([]string, 0, len(s))
	for k, v := range s {
		out = append(out, fmt.Sprintf("%s=%s", k, v))
	}
	slices.Sort(out)
	return out
}
