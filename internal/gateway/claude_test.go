package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// claudePath finds the CLI as every test does.
func claudePath(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CARREL_CLAUDE_PATH")
	if path == "" {
		path = filepath.Join("..", "..", ".cache", "claude", "node_modules", "@anthropic-ai", "claude-code-linux-x64", "claude")
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("the Claude CLI is needed here: run `make test` once, or set CARREL_CLAUDE_PATH (%v)", err)
	}
	return path
}

// The real CLI asks through the gateway's socket: its requests are on the list
// of what passes, its session is in the record, its key is never the real one,
// and a budget that is used up ends it at once.
func TestRealClaude(t *testing.T) {
	var mu sync.Mutex
	var sessions []string
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		sessions = append(sessions, r.Header.Get("X-Claude-Code-Session-Id"))
		mu.Unlock()
		sse(w, messageStart,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, delta("through the gateway"),
			`{"type":"content_block_stop","index":0}`, messageDelta, `{"type":"message_stop"}`)
	})
	h := setup(t, up, testKey)
	ask := func() (result struct {
		Result    string
		IsError   bool   `json:"is_error"`
		Status    int    `json:"api_error_status"`
		SessionID string `json:"session_id"`
	}) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		home := t.TempDir()
		cmd := exec.CommandContext(ctx, claudePath(t), "-p", "hello", "--output-format", "json")
		cmd.Dir = home
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "ANTHROPIC_UNIX_SOCKET=" + h.path, "ANTHROPIC_BASE_URL=http://gateway",
			"ANTHROPIC_API_KEY=placeholder", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "DISABLE_TELEMETRY=1"}
		out, err := cmd.Output()
		if json.Unmarshal(out, &result) != nil {
			t.Fatalf("%v: %s\n%s", err, out, h.log)
		}
		return result
	}
	got := ask()
	if got.IsError || got.Result != "through the gateway" {
		t.Fatalf("got %+v\n%s", got, h.log)
	}
	r := h.record(t, 1)
	mu.Lock()
	defer mu.Unlock()
	if r.SessionID == "" || r.SessionID != got.SessionID || sessions[0] != got.SessionID || r.Output != 99 || !r.Stream {
		t.Fatalf("recorded %+v of session %s", r, got.SessionID)
	}
	if strings.Contains(h.log.String(), "request refused") {
		t.Errorf("the CLI asked for something that does not pass:\n%s", h.log)
	}
	used := int64(0)
	if err := h.client.SetLimits(t.Context(), []Limit{{UserID: 7, RemainingTokens: &used, ExpiresAt: time.Now().Add(time.Hour), ResetsAt: time.Now().Add(time.Hour), Budget: "day"}}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if got := ask(); !got.IsError || got.Status != http.StatusTooManyRequests || !strings.Contains(got.Result, "token budget") {
		t.Errorf("over the budget: %+v", got)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("the CLI tried again for %s", took)
	}
}
