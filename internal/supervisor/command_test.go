package supervisor

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func TestCommand(t *testing.T) {
	b := setup(t, nil)
	if err := os.MkdirAll(filepath.Join(b.home, "projects/demo"), 0o755); err != nil {
		t.Fatal(err)
	}
	sh := func(script string) []string { return []string{"sh", "-c", script} }
	for name, c := range map[string]struct {
		req  protocol.CommandRequest
		want protocol.CommandResponse
	}{
		"streams":       {protocol.CommandRequest{Argv: sh("echo out; echo err >&2; exit 3")}, protocol.CommandResponse{ExitCode: 3, Stdout: "out\n", Stderr: "err\n"}},
		"stdin":         {protocol.CommandRequest{Argv: []string{"tr", "a-z", "A-Z"}, Stdin: "abc"}, protocol.CommandResponse{Stdout: "ABC"}},
		"unread stdin":  {protocol.CommandRequest{Argv: []string{"true"}, Stdin: strings.Repeat("x", 1<<20)}, protocol.CommandResponse{}},
		"environment":   {protocol.CommandRequest{Argv: sh("echo $X $USER $HOME"), Env: map[string]string{"X": "y", "USER": "me"}}, protocol.CommandResponse{Stdout: "y me " + b.home + "\n"}},
		"home":          {protocol.CommandRequest{Argv: []string{"pwd"}}, protocol.CommandResponse{Stdout: b.home + "\n"}},
		"project":       {protocol.CommandRequest{Argv: []string{"pwd"}, Project: "demo"}, protocol.CommandResponse{Stdout: filepath.Join(b.home, "projects/demo") + "\n"}},
		"signal":        {protocol.CommandRequest{Argv: sh("kill -9 $$")}, protocol.CommandResponse{ExitCode: 137}},
		"cut":           {protocol.CommandRequest{Argv: sh("printf 12345678"), MaxOutputBytes: 5}, protocol.CommandResponse{Stdout: "12345", Truncated: true}},
		"cut character": {protocol.CommandRequest{Argv: []string{"printf", "ab项目"}, MaxOutputBytes: 4}, protocol.CommandResponse{Stdout: "ab", Truncated: true}},
		"not text":      {protocol.CommandRequest{Argv: []string{"printf", `a\377b`}}, protocol.CommandResponse{Stdout: "a\uFFFDb"}},
	} {
		got, err := b.Command(b.ctx(), &c.req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.DurationS <= 0 {
			t.Errorf("%s: took %v", name, got.DurationS)
		}
		got.DurationS = 0
		if *got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		req  protocol.CommandRequest
		want fault.Code
	}{
		"nothing":     {protocol.CommandRequest{}, fault.Invalid},
		"no program":  {protocol.CommandRequest{Argv: []string{"no-such-program"}}, fault.Invalid},
		"no project":  {protocol.CommandRequest{Argv: []string{"true"}, Project: "nothing"}, fault.NotFound},
		"bad project": {protocol.CommandRequest{Argv: []string{"true"}, Project: "../x"}, fault.NotFound},
		"bad env":     {protocol.CommandRequest{Argv: []string{"true"}, Env: map[string]string{"A=B": "c"}}, fault.Invalid},
		"bad time":    {protocol.CommandRequest{Argv: []string{"true"}, TimeoutS: -1}, fault.Invalid},
		"much time":   {protocol.CommandRequest{Argv: []string{"true"}, TimeoutS: math.MaxFloat64}, fault.Invalid},
		"much output": {protocol.CommandRequest{Argv: []string{"true"}, MaxOutputBytes: 1 << 40}, fault.Invalid},
	} {
		if _, err := b.Command(b.ctx(), &c.req); fault.CodeOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// A command that ignores everything and has left children behind is gone at its time limit, children too.
func TestCommandTimesOut(t *testing.T) {
	b := setup(t, nil)
	begin := time.Now()
	got, err := b.Command(b.ctx(), &protocol.CommandRequest{TimeoutS: 0.3,
		Argv: []string{"sh", "-c", `trap '' TERM; setsid sh -c 'echo $$; while :; do sleep 1; done' & while :; do sleep 1; done`}})
	if err != nil {
		t.Fatal(err)
	}
	if !got.TimedOut || got.ExitCode != exitTimedOut || time.Since(begin) > 10*time.Second {
		t.Errorf("got %+v after %v", got, time.Since(begin))
	}
	if living(strings.TrimSpace(got.Stdout)) {
		t.Errorf("the detached child %s is left", got.Stdout)
	}
}

// A flood without a line's end is drained, and neither memory nor the command hangs on it.
func TestCommandFloods(t *testing.T) {
	b := setup(t, nil)
	got, err := b.Command(b.ctx(), &protocol.CommandRequest{Argv: []string{"sh", "-c", "head -c 200000000 /dev/zero | tr '\\0' x; echo done >&2"}, TimeoutS: 15})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Truncated || len(got.Stdout) != defaultOutputBytes || got.Stderr != "done\n" || got.ExitCode != 0 || got.TimedOut {
		t.Errorf("got %d bytes, %q, exit %d, truncated %v", len(got.Stdout), got.Stderr, got.ExitCode, got.Truncated)
	}
}

// A caller that goes away takes its command with it, and gives its place back.
func TestCommandEndsWithItsCaller(t *testing.T) {
	b := setup(t, nil)
	for range 2 * commandsAtOnce {
		ctx, cancel := context.WithTimeout(b.ctx(), 50*time.Millisecond)
		if _, err := b.Command(ctx, &protocol.CommandRequest{Argv: []string{"sleep", "1000"}}); err == nil {
			t.Error("the command ended")
		}
		cancel()
	}
	empty := errors.New("empty")
	err := b.Watch(b.ctx(), func(n *protocol.Notice) error {
		if n.Changed == "processes" && len(n.Processes) == 0 {
			return empty
		}
		return nil
	})
	if !errors.Is(err, empty) {
		t.Errorf("commands are left: %v", err)
	}
}

func FuzzCapped(f *testing.F) {
	f.Add([]byte("ab项目"), 4)
	f.Fuzz(func(t *testing.T, b []byte, most int) {
		c := capped{most: int64(max(0, min(most, 1<<16)))}
		if n, err := c.Write(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
		text := c.text()
		if !utf8.ValidString(text) || int64(len(c.kept)) > c.most || int64(len(c.kept))+c.lost != int64(len(b)) {
			t.Errorf("kept %d, lost %d of %d: %q", len(c.kept), c.lost, len(b), text)
		}
		if utf8.Valid(b) && !strings.HasPrefix(string(b), text) {
			t.Errorf("%q is not the beginning of %q", text, b)
		}
	})
}
