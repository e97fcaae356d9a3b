package supervisor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/process"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// hostPID finds the process whose settings name a home, or "".
func hostPID(t *testing.T, home string) string {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, p := range all {
		if b, err := os.ReadFile(p); err == nil && strings.Contains(string(b), Variable+"={") && strings.Contains(string(b), home) {
			return filepath.Base(filepath.Dir(p))
		}
	}
	return ""
}

// waitForFile reads a file until it is there; a helper that was just ended may take one request with it.
func waitForFile(b *bench, path, want string) {
	b.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		got, err := readFile(b, path)
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("got %q, %v; want %q", got, err, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func readFile(b *bench, path string) (string, error) {
	res, err := b.HTTP(b.ctx(), "GET", "/content", url.Values{"path": {path}}, nil, nil)
	if err != nil {
		return "", err
	}
	if err := client.Problem(res); err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// eachHelper runs a test with the helper in a process of its own, and within the supervisor's.
func eachHelper(t *testing.T, f func(*testing.T, *bench)) {
	t.Run("process", func(t *testing.T) {
		f(t, setup(t, func(o *Options) { o.Helper = []string{"/proc/self/exe"} }))
	})
	t.Run("within", func(t *testing.T) { f(t, setup(t, nil)) })
}

func TestFiles(t *testing.T) {
	eachHelper(t, func(t *testing.T, b *bench) {
		if _, err := b.Ping(b.ctx()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(b.home, "README.md")); err != nil {
			t.Errorf("the workspace is not made when the supervisor answers: %v", err)
		}
		const size = 8 << 20
		res, err := b.HTTP(b.ctx(), "PUT", "/content", url.Values{"path": {"uploads/big"}}, nil, io.LimitReader(endless{}, size))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Problem(res); err != nil {
			t.Fatal(err)
		}
		etag := res.Header.Get("ETag")
		res.Body.Close()
		got, err := readFile(b, "uploads/big")
		if err != nil || len(got) != size {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		res, err = b.HTTP(b.ctx(), "GET", "/content", url.Values{"path": {"uploads/big"}}, map[string][]string{"If-None-Match": {etag}}, nil)
		if err != nil || res.StatusCode != 304 {
			t.Errorf("got %v, %v; want 304", res, err)
		}
		res.Body.Close()
		res, err = b.HTTP(b.ctx(), "GET", "/projects/no such one", nil, nil, nil)
		if err != nil || res.StatusCode != 404 || client.Problem(res) == nil {
			t.Errorf("got %v, %v; want not_found", res, err)
		}
		list, err := b.Transcripts(b.ctx())
		if err != nil || len(list) != 0 {
			t.Errorf("got %v, %v", list, err)
		}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				path := fmt.Sprintf("temp/%d", i)
				res, err := b.HTTP(b.ctx(), "PUT", "/content", url.Values{"path": {path}}, nil, strings.NewReader(path))
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if got, err := readFile(b, path); err != nil || got != path {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		wg.Wait()
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Idle, the helper is ended; the next request starts another.
func TestHelperEndsWhenIdle(t *testing.T) {
	table := process.New(process.Options{UID: -1})
	home := t.TempDir()
	h, err := newHelper(protocol.Config{Home: home, Name: "ana", PersonUID: -1}, table, []string{"/proc/self/exe"}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.idleFor = 20 * time.Millisecond
	defer func() {
		h.stop()
		if err := table.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := h.Transcripts(t.Context()); !errors.Is(err, process.ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
	}()
	var lives []*running
	for range 3 {
		if _, err := h.Transcripts(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.mu.Lock()
		now := h.now
		h.mu.Unlock()
		if now == nil {
			continue // ended already, on a slow machine
		}
		lives = append(lives, now)
		select {
		case <-now.gone:
		case <-time.After(10 * time.Second):
			t.Fatal("an idle helper was not ended")
		}
	}
	for i, l := range lives {
		if i > 0 && l == lives[i-1] {
			t.Error("one that had ended was used again")
		}
	}
}

func TestHelperMustBeAProcess(t *testing.T) {
	if _, err := newHelper(protocol.Config{PersonUID: 1000}, nil, nil, nil, nil); err == nil {
		t.Error("the supervisor would open the person's files itself")
	}
}
