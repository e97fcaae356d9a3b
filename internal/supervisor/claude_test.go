package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/scriptedmodel"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func claudePath(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CARREL_CLAUDE_PATH")
	if path == "" {
		path = "../../.cache/claude/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
	}
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		t.Fatalf("the Claude CLI is not installed (%v): run make test, or set CARREL_CLAUDE_PATH", err)
	}
	return path
}

// reachable says whether every user may walk to a file.
func reachable(path string) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&1 == 0 {
			return false
		}
		if dir == "/" {
			return true
		}
	}
}

// madeReachable gives a file another name where every user may walk to it: a link, or on another disk a copy.
func madeReachable(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "carrel-claude-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(dir, "claude")
	if os.Link(path, there) == nil {
		return there
	}
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(there, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	return there
}

// A whole turn of the real CLI, as the person of a sandbox, whose tool leaves a process behind that detaches and
// ignores every request to end.
func TestClaudeInside(t *testing.T) {
	path := claudePath(t)
	if !reachable(path) {
		path = madeReachable(t, path)
	}
	b, _, gateway := inside(t, path)
	t.Cleanup(func() {
		// The CLI's scratch, by the uid that it has inside.
		if info, err := os.Lstat("/tmp/claude-1000"); err == nil && info.Sys().(*syscall.Stat_t).Uid == insideBase+1000 {
			os.RemoveAll("/tmp/claude-1000")
		}
	})
	serveModel(t, gateway)
	const id = "7d1c1f7e-7f0b-4f6e-9f3e-0d9b8f0c6a11"
	res, err := b.HTTP(b.ctx(), "POST", "/projects", nil, nil, strings.NewReader(`{"name":"demo"}`))
	if err != nil || res.StatusCode != 201 {
		t.Fatalf("got %v, %v", res, err)
	}
	res.Body.Close()
	open := protocol.OpenRequest{SessionID: id, Project: "demo", PermissionMode: "bypassPermissions"}
	prompt, err := b.Prompt(b.ctx(), &protocol.PromptRequest{OpenRequest: open, ID: "p1", Author: "ana",
		Content: json.RawMessage(`"[bash (setsid sh -c 'trap : TERM HUP; echo $$ > pid; while :; do sleep 1; done' >/dev/null 2>&1 &) ; sleep 0.3; id -u] [say 3]"`)})
	if err != nil {
		t.Fatal(err)
	}
	if prompt.Seq < 1 || prompt.Duplicate {
		t.Errorf("got %+v", prompt)
	}
	finished := errors.New("finished")
	var last string
	err = b.Events(b.ctx(), &protocol.EventsRequest{SessionID: id}, func(e *protocol.Event) error {
		last = string(e.Event)
		if strings.Contains(last, `"type":"result"`) {
			return finished
		}
		return nil
	})
	if !errors.Is(err, finished) || !strings.Contains(last, `"is_error":false`) {
		t.Fatalf("got %v; the last event is %.2000s", err, last)
	}
	seen := errors.New("seen")
	err = b.Watch(b.ctx(), func(n *protocol.Notice) error {
		for _, p := range n.Processes {
			if p.Kind == protocol.KindClaude && p.SessionID == id && p.MemoryBytes > 1<<20 {
				return seen
			}
		}
		if n.Changed == "ready" {
			return errors.New("no claude among the processes")
		}
		return nil
	})
	if !errors.Is(err, seen) {
		t.Error(err)
	}
	pid := strings.TrimSpace(b.sh(`cat projects/demo/pid`).Stdout)
	if alive := b.sh("ls -d /proc/" + pid + " && ps -o pid,args >&2"); alive.ExitCode != 0 {
		t.Errorf("the tool's process %q is not there: %s", pid, alive.Stderr)
	}
	if err := b.CloseSession(b.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	if b.sh("ls -d /proc/"+pid).ExitCode == 0 {
		t.Errorf("what the tool left, %s, outlived its session's process", pid)
	}
	list, err := b.Transcripts(b.ctx())
	if err != nil || len(list) != 1 || list[0].SessionID != id || list[0].Project != "demo" || !strings.HasPrefix(list[0].Title, "[bash") {
		t.Errorf("transcripts: %+v, %v", list, err)
	}
	if err := b.Delete(b.ctx(), &protocol.SessionRequest{SessionID: id}); err != nil {
		t.Fatal(err)
	}
	if list, err := b.Transcripts(b.ctx()); err != nil || len(list) != 0 {
		t.Errorf("transcripts after delete: %+v, %v", list, err)
	}
	err = b.Events(b.ctx(), &protocol.EventsRequest{SessionID: id, Until: true}, func(*protocol.Event) error { return nil })
	if fault.CodeOf(err) != fault.NotFound {
		t.Errorf("events after delete: %v", err)
	}
}

func serveModel(t *testing.T, l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- scriptedmodel.Serve(ctx, l, scriptedmodel.New(scriptedmodel.Options{})) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("model: %v", err)
		}
	})
}
