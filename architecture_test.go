// Package carrel_test holds what is true of the program as a whole.
package carrel_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/carrel-dev/carrel/"

type pkg struct {
	ImportPath string
	Doc        string
	Imports    []string
	GoFiles    []string
}

func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,GoFiles", "./cmd/...", "./internal/...")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	all := map[string]pkg{}
	for d := json.NewDecoder(out); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(p.ImportPath, module)] = p
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("go list: %v", err)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages; is this run in the repository?", len(all))
	}
	return all
}

// TestImportsRunDownward holds the direction of the house. Each rule names who
// must not import whom, and why.
func TestImportsRunDownward(t *testing.T) {
	rules := []struct{ who, not, why string }{
		{"internal/claude", "internal/", "the CLI's protocol is pure"},
		{"internal/journal", "internal/", "the journal can be read without the rest"},
		{"internal/fault", "internal/", "errors are at the bottom"},
		{"internal/quota", "internal/runtime", "limits are plain values"},
		{"internal/store", "internal/account", "the store knows no domain"},
		{"internal/store", "internal/session", "the store knows no domain"},
		{"internal/pool", "internal/session", "the pool works without conversations"},
		{"internal/pool", "internal/api", "the pool works without HTTP"},
		{"internal/pool", "internal/account", "the pool asks for owners, and need not know accounts"},
		{"internal/session", "internal/api", "conversations work without HTTP"},
		{"internal/push", "internal/api", "devices are told without HTTP"},
		{"internal/account", "internal/api", "accounts work without HTTP"},
		{"internal/account", "internal/pool", "accounts stand beside instances"},
		{"internal/account", "internal/session", "accounts stand beside conversations"},
		{"internal/audit", "internal/api", "the record works without HTTP"},
		{"internal/gateway", "internal/store", "the holder of the key has nothing of people's"},
		{"internal/gateway", "internal/account", "the holder of the key has nothing of people's"},
		{"internal/gateway", "internal/api", "the holder of the key does not speak to browsers"},
		{"internal/egress", "internal/api", "the proxy works alone"},
		{"internal/keeper", "internal/store", "root touches no database"},
		{"internal/keeper", "internal/api", "root speaks to no browser"},
		{"internal/keeper", "internal/account", "root knows no accounts"},
		{"internal/keeper", "internal/pool", "the keeper is asked, it does not decide"},
		{"internal/runtime", "internal/pool", "runtimes are made without a pool"},
		{"internal/runtime/oci", "internal/runtime/bare", "makers do not know each other"},
		{"internal/runtime/bare", "internal/runtime/oci", "makers do not know each other"},
		{"internal/supervisor", "internal/store", "what runs inside knows nothing of the server's"},
		{"internal/supervisor", "internal/api", "what runs inside knows nothing of the server's"},
		{"internal/supervisor", "internal/account", "what runs inside knows nothing of the server's"},
		{"internal/supervisor", "internal/pool", "what runs inside knows nothing of the server's"},
		{"internal/supervisor", "internal/runtime/", "what runs inside does not make instances"},
		{"internal/", "cmd/", "main is the top"},
	}
	within := func(path, prefix string) bool {
		return path == strings.TrimSuffix(prefix, "/") && !strings.HasSuffix(prefix, "/") ||
			strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
	}
	all := packages(t)
	for path, p := range all {
		for _, imported := range p.Imports {
			local, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			for _, r := range rules {
				if within(path, r.who) && within(local, r.not) && !within(local, r.who) {
					t.Errorf("%s imports %s, but %s", path, local, r.why)
				}
			}
			if within(local, "internal/api") && !within(path, "internal/api") && !within(path, "cmd") {
				t.Errorf("%s imports %s, but only cmd may import the API", path, local)
			}
		}
	}
	// A rule about a package that is gone would never fail.
	for _, r := range rules {
		found := false
		for path := range all {
			found = found || within(path, r.who)
		}
		if !found {
			t.Errorf("no package for the rule about %s", r.who)
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	for path, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", path)
		}
	}
}
