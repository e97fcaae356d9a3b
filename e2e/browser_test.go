package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// TestBrowser is the main job as people do it: a real browser, two people at
// the same time, the real CLI, real sandboxes. The parts share one server and
// run in this order; each leaves the page usable for the next. The first makes
// the accounts, so `-run 'TestBrowser/(two_people|phone)'` runs one part alone.
func TestBrowser(t *testing.T) {
	s := carrel.Start(t, "CARREL_HISTORY_STEP=1s") // charts have figures at once
	b := openBrowser(t, s)
	for _, part := range []string{"two people", "tools", "composer", "files", "lost server", "away", "administrator", "account", "home", "phone", "day", "snapshots", "terminal", "work", "back", "hostile", "pwa", "pictures"} {
		t.Run(part, func(t *testing.T) { b.run(t, part) })
	}
}

// browser is the node process that drives Chromium. It runs a part when it is
// told to and asks for what only this side can do.
type browser struct {
	server *carrel.Server
	in     io.Writer
	out    <-chan message
}

// message is one line of what the node process prints.
type message struct {
	Do     string `json:"do"`     // "kill" or "serve": the server, please
	Note   string `json:"note"`   // what it is at
	Failed string `json:"failed"` // something is wrong; the part goes on
	Done   bool   `json:"done"`   // the part has ended
}

func openBrowser(t *testing.T, s *carrel.Server) *browser {
	chromium, pictures := findChromium(t), absolute(t, "../build/screenshots")
	cmd := exec.Command("node", "browser/main.mjs")
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "CARREL_URL="+s.URL, "CARREL_SETUP_CODE="+s.AwaitSetupCode(), "PICTURES="+pictures)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	messages := make(chan message)
	go func() {
		defer close(messages)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			var m message
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
				m = message{Failed: fmt.Sprintf("not a message: %s", lines.Bytes())}
			}
			messages <- m
		}
	}()
	t.Cleanup(func() {
		in.Close() // it closes the browser and ends
		overdue := time.AfterFunc(carrel.Patience, func() { _ = cmd.Process.Kill() })
		defer overdue.Stop()
		for m := range messages {
			t.Errorf("after the last part: %+v", m)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v", err)
		}
		if complaints.Len() > 0 {
			t.Logf("node printed:\n%s", complaints.String())
		}
	})
	return &browser{server: s, in: in, out: messages}
}

// findChromium says where the browser is, once all is there to drive it.
func findChromium(t *testing.T) string {
	if _, err := os.Stat("../web/node_modules/playwright-core"); err != nil {
		t.Fatalf("%v: install the page's npm packages first, with `npm ci` in web/", err)
	}
	if chromium := os.Getenv("CHROMIUM"); chromium != "" {
		return chromium
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: install it with `make setup-test`, or name one in $CHROMIUM", err)
	}
	return chromium
}

func absolute(t *testing.T, path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func (b *browser) run(t *testing.T, part string) {
	b.say(t, part)
	overdue := time.After(5 * carrel.Patience)
	last := "nothing"
	for {
		select {
		case m, ok := <-b.out:
			switch {
			case !ok:
				t.Fatal("the node process has ended")
			case m.Do == "kill":
				b.server.Signal(syscall.SIGKILL)
				b.say(t, "ok")
			case m.Do == "serve":
				b.server.Serve()
				b.say(t, "ok")
			case m.Failed != "":
				t.Error(m.Failed)
			case m.Done:
				return
			default:
				last = m.Note
				fmt.Fprintln(t.Output(), m.Note)
			}
		case <-overdue:
			t.Fatalf("the part takes too long; it was at: %s", last)
		}
	}
}

func (b *browser) say(t *testing.T, line string) {
	if _, err := fmt.Fprintln(b.in, line); err != nil {
		t.Fatalf("node: %v", err)
	}
}
