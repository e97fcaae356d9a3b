package scriptedmodel

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// claudePath finds the real Claude CLI; without it these tests fail, since
// what they prove cannot be proved otherwise.
func claudePath(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("CARREL_CLAUDE_PATH"); p != "" {
		return p
	}
	p, err := filepath.Abs("../../.cache/claude/node_modules/@anthropic-ai/claude-code-linux-x64/claude")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p); err != nil {
		t.Fatalf("the Claude CLI is not installed (%v): set CARREL_CLAUDE_PATH or run make test", err)
	}
	return p
}

// line is what of the CLI's output the tests read.
type line struct {
	Type      string `json:"type"`
	Subtype   string `json:"subtype"`
	SessionID string `json:"session_id"`
	IsError   bool   `json:"is_error"`
	Result    string `json:"result"`
	APIStatus int    `json:"api_error_status"`
	RequestID string `json:"request_id"`
	Request   struct {
		Subtype  string         `json:"subtype"`
		ToolName string         `json:"tool_name"`
		Input    map[string]any `json:"input"`
	} `json:"request"`
	Response struct {
		RequestID string         `json:"request_id"`
		Response  map[string]any `json:"response"`
	} `json:"response"`
	raw string
}

// claude is one CLI process, in front of a model.
type claude struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    *bufio.Writer
	lines chan line
	done  chan struct{}
	seen  []string // every line since the last prompt
	dir   string
	// answer decides a permission request; by default all is allowed as it is.
	answer func(line) map[string]any

	mu     sync.Mutex
	stderr strings.Builder // guarded by mu
}

func (c *claude) Write(p []byte) (int, error) { // takes stderr
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stderr.Write(p)
}

// world is a model with its address and a home for CLI processes.
type world struct {
	model *Model
	url   string
	home  string
	dir   string
}

func newWorld(t *testing.T, opts Options) *world {
	t.Helper()
	m := New(opts)
	srv := httptest.NewServer(m)
	t.Cleanup(func() { m.Close(); srv.Close() })
	root := t.TempDir()
	w := &world{model: m, url: srv.URL, home: filepath.Join(root, "home"), dir: filepath.Join(root, "demo")}
	for _, d := range []string{w.home, w.dir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// awaitTranscript waits until a session's transcript holds a text.
func (w *world) awaitTranscript(t *testing.T, session, text string) {
	t.Helper()
	pattern := filepath.Join(w.home, ".claude", "projects", "*", session+".jsonl")
	var seen []byte
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if seen, err = os.ReadFile(f); err == nil && strings.Contains(string(seen), text) {
				return
			}
		}
	}
	t.Fatalf("no %s in %s; last seen %d bytes", text, pattern, len(seen))
}

func (w *world) start(t *testing.T, env []string, flags ...string) *claude {
	t.Helper()
	c := &claude{t: t, dir: w.dir, lines: make(chan line, 1), done: make(chan struct{})}
	args := append([]string{
		"-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose", "--include-partial-messages",
		"--permission-prompt-tool", "stdio", "--replay-user-messages",
	}, flags...)
	c.cmd = exec.Command(claudePath(t), args...)
	c.cmd.Dir = w.dir
	c.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.home, "ANTHROPIC_BASE_URL=" + w.url, "ANTHROPIC_API_KEY=placeholder",
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "IS_SANDBOX=1", "CLAUDE_CODE_MAX_RETRIES=3",
	}, env...)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.Stderr = c
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("start claude: %v", err)
	}
	c.in = bufio.NewWriter(in)
	quit := make(chan struct{})
	go func() {
		defer close(c.done)
		defer close(c.lines)
		s := bufio.NewScanner(out)
		s.Buffer(nil, 16<<20)
		for s.Scan() {
			l := line{raw: s.Text()}
			_ = json.Unmarshal(s.Bytes(), &l) // unknown shapes keep their raw text
			select {
			case c.lines <- l:
			case <-quit:
			}
		}
	}()
	t.Cleanup(func() {
		close(quit)
		_ = in.Close()
		timer := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) })
		<-c.done
		_ = c.cmd.Wait() // how it ended is not the question here
		timer.Stop()
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // what tools left running
	})
	return c
}

func (c *claude) write(v any) {
	c.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		c.t.Fatal(err)
	}
	if err := c.in.Flush(); err != nil {
		c.t.Fatalf("write to claude: %v; stderr: %s", err, c.errors())
	}
}

func (c *claude) errors() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stderr.String()
}

func (c *claude) send(prompt string) {
	c.t.Helper()
	c.write(map[string]any{"type": "user", "message": map[string]any{"role": "user", "content": prompt}})
}

// until reads lines, answers permission requests on the way, and returns the
// first line that matches.
func (c *claude) until(what string, match func(line) bool) line {
	c.t.Helper()
	deadline := time.NewTimer(40 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case l, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("claude ended while waiting for %s; stderr: %s\nlines:\n%s", what, c.errors(), strings.Join(tail(c.seen), "\n"))
			}
			c.seen = append(c.seen, l.raw)
			if l.Type == "control_request" && l.Request.Subtype == "can_use_tool" {
				response := map[string]any{"behavior": "allow", "updatedInput": l.Request.Input}
				if c.answer != nil {
					response = c.answer(l)
				}
				c.write(map[string]any{"type": "control_response", "response": map[string]any{
					"subtype": "success", "request_id": l.RequestID, "response": response,
				}})
			}
			if match(l) {
				return l
			}
		case <-deadline.C:
			c.t.Fatalf("no %s in 40 s; stderr: %s\nlines:\n%s", what, c.errors(), strings.Join(tail(c.seen), "\n"))
		}
	}
}

func tail(lines []string) []string {
	var out []string
	for _, l := range lines[max(0, len(lines)-12):] {
		out = append(out, clip(l, 400))
	}
	return out
}

// turn sends a prompt and reads up to its result.
func (c *claude) turn(prompt string) line {
	c.t.Helper()
	c.seen = nil
	c.send(prompt)
	return c.result()
}

func (c *claude) result() line {
	c.t.Helper()
	return c.until("result", func(l line) bool { return l.Type == "result" })
}

func (c *claude) control(request map[string]any) map[string]any {
	c.t.Helper()
	id := fmt.Sprintf("test-%s", request["subtype"])
	c.write(map[string]any{"type": "control_request", "request_id": id, "request": request})
	l := c.until("control_response", func(l line) bool { return l.Type == "control_response" && l.Response.RequestID == id })
	return l.Response.Response
}

func (c *claude) saw(text string) bool {
	return strings.Contains(strings.Join(c.seen, "\n"), text)
}

func (c *claude) file(name string) string {
	b, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		return err.Error()
	}
	return string(b)
}
