package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestFirefox walks through the built page in another engine than the rest of
// the tests use, against a mock server.
func TestFirefox(t *testing.T) {
	t.Parallel()
	firefox := os.Getenv("FIREFOX")
	if firefox == "" {
		var err error
		if firefox, err = exec.LookPath("firefox-esr"); err != nil {
			t.Fatalf("%v: install it with `make setup-test`, or name one in $FIREFOX", err)
		}
	}
	page := absolute(t, "../internal/webui/dist")
	if _, err := os.Stat(filepath.Join(page, "index.html")); err != nil {
		t.Fatalf("%v: build the page first, with `make web`", err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "dev/firefox.mjs")
	cmd.Dir = "../web"
	cmd.Env = append(os.Environ(), "FIREFOX="+firefox, "PAGE="+page)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("Firefox: %v", err)
	}
}
