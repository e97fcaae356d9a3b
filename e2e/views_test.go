package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestViews holds the looks of the main views: what is seen of each, at a desk
// and on a phone, light and dark, is compared with web/dev/views. The page is
// the built one, its server a mock whose data and clock stand still.
func TestViews(t *testing.T) {
	chromium := findChromium(t)
	page, shots := absolute(t, "../internal/webui/dist"), absolute(t, "../build/views")
	if _, err := os.Stat(filepath.Join(page, "index.html")); err != nil {
		t.Fatalf("%v: build the page first, with `make web`", err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "dev/views.mjs")
	cmd.Dir = "../web"
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "PAGE="+page, "SHOTS="+shots)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the views do not look as they did: %v", err)
	}
}
