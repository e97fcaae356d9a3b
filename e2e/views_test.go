package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestViews holds the looks of the main views: what is seen of each, at a desk
// and on a phone, light and dark, is compared with web/dev/views. The page is
// the built one, its server a mock whose data and clock stand still.
func TestViews(t *testing.T) {
	t.Parallel()
	if out, err := onMock(t, "views"); err != nil {
		t.Errorf("the views do not look as they did: %v\n%s", err, out)
	}
}

// TestFlow walks through the page as a user does, beside the same mock: what needs no real Claude.
func TestFlow(t *testing.T) { walkPage(t, "flow") }

// TestCounted looks at a conversation of 10,000 events: how much of it is drawn, what a token changes, and whether what is read stays where it is.
func TestCounted(t *testing.T) {
	t.Parallel()
	walkPage(t, "counted")
}

// walkPage runs what scrolls and types against the clock: a busy machine has a second chance.
func walkPage(t *testing.T, script string) {
	out, err := onMock(t, script)
	if err != nil {
		t.Logf("once more: %v\n%s", err, out)
		out, err = onMock(t, script)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// onMock runs a script of web/dev with the built page.
func onMock(t *testing.T, script string) ([]byte, error) {
	chromium := findChromium(t)
	page, shots := absolute(t, "../internal/webui/dist"), absolute(t, "../build/views")
	if _, err := os.Stat(filepath.Join(page, "index.html")); err != nil {
		t.Fatalf("%v: build the page first, with `make web`", err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "dev/"+script+".mjs")
	cmd.Dir = "../web"
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "PAGE="+page, "SHOTS="+shots)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err == nil {
		t.Logf("%s%s", out, complaints.Bytes())
	}
	return append(complaints.Bytes(), out...), err // what is wrong first
}
