package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCut(t *testing.T) {
	for in, want := range map[string]string{
		"short":                        "short",
		strings.Repeat("a", 300):       strings.Repeat("a", 300),
		strings.Repeat("a", 301):       strings.Repeat("a", 300) + "…",
		"a" + strings.Repeat("图", 100): "a" + strings.Repeat("图", 99) + "…",
	} {
		if got := cut(in); got != want || !utf8.ValidString(got) {
			t.Errorf("cut(%.20q…) = %q; want %q", in, got, want)
		}
	}
}

func TestCodeIsFoundInWhatServePrints(t *testing.T) {
	for line, want := range map[string]string{
		"  Set-up code: ABCD-EFGH-1234":           "ABCD-EFGH-1234",
		"setup code abc":                          "abc",
		"Carrel dev serves http://127.0.0.1:8420": "",
	} {
		got := ""
		if m := codePattern.FindStringSubmatch(line); m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("%q: code %q; want %q", line, got, want)
		}
	}
}

// A step that does not hold ends the walk with an error that names it.
func TestExpect(t *testing.T) {
	if err := expect(true, "x"); err != nil {
		t.Error(err)
	}
	if err := expect(false, "got %d", 7); err == nil || err.Error() != "got 7" {
		t.Error(err)
	}
	if err := contains("abc", "b"); err != nil {
		t.Error(err)
	}
	if err := contains("abc", "x"); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Error(err)
	}
}

func personAt(t *testing.T, h http.HandlerFunc) *person {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := &server{url: srv.URL}
	p, err := s.person("ada")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

func TestDo(t *testing.T) {
	p := personAt(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/api/v1/echo":
			fmt.Fprintf(w, `{"kind":%q,"body":%q,"origin":%q}`, r.Header.Get("Content-Type"), b, r.Header.Get("Origin"))
		case "/api/v1/refused":
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"status":403,"code":"forbidden","detail":"No."}`)
		case "/api/v1/broken":
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, strings.Repeat("<html>", 100))
		}
	})
	ctx := t.Context()
	var echo struct{ Kind, Body, Origin string }
	if err := p.do(ctx, 200, "POST", "/echo", map[string]int{"a": 1}, &echo); err != nil || echo.Kind != "application/json" || echo.Body != `{"a":1}` || echo.Origin != p.s.url {
		t.Errorf("json: %+v, %v", echo, err)
	}
	if err := p.do(ctx, 200, "PUT", "/echo", "text", &echo); err != nil || echo.Kind != "application/octet-stream" || echo.Body != "text" {
		t.Errorf("text: %+v, %v", echo, err)
	}
	err := p.do(ctx, 200, "GET", "/refused", nil, nil)
	var pr *problem
	if !errors.As(err, &pr) || pr.Code != "forbidden" || !strings.Contains(err.Error(), "GET /refused: want 200: 403 forbidden: No.") {
		t.Errorf("refused: %v", err)
	}
	if pr, err := p.refused(ctx, "GET", "/refused", nil); err != nil || pr.Detail != "No." {
		t.Errorf("refused, as wanted: %v, %v", pr, err)
	}
	if _, err := p.refused(ctx, "GET", "/broken", nil); err == nil || len(err.Error()) > 400 {
		t.Errorf("a broken server counts as a refusal, or says all it has: %v", err)
	}
	if _, err := p.refused(ctx, "GET", "/echo", nil); err == nil {
		t.Error("what was not refused counts as a refusal")
	}
}

func TestUntil(t *testing.T) {
	p := personAt(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("after") {
		case "0":
			io.WriteString(w, `{"items":[{"seq":1,"event":{"type":"a"}},{"seq":2,"event":{"type":"b"}}]}`)
		case "2":
			io.WriteString(w, `{"items":[{"seq":3,"event":{"type":"result","result":"done"}},{"seq":4,"event":{"type":"a"}}]}`)
		default:
			t.Errorf("asked after %s", r.URL.Query().Get("after"))
		}
	})
	events, err := p.until(t.Context(), "s", 0, func(e event) bool { return e.Event.Type == "result" })
	if err != nil || len(events) != 3 || events[2].Event.Result != "done" {
		t.Errorf("got %+v, %v; want the three up to the result", events, err)
	}
}

// What is said to be left must be what is left.
func TestLeft(t *testing.T) {
	dir := t.TempDir()
	s := &server{dataDir: filepath.Join(dir, "data")}
	if left, err := s.left(); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v; want nothing", left, err)
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	cmd.Env = []string{"CARREL_DATA_DIR=" + s.dataDir}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	left, err := s.left()
	if err != nil || len(left) != 1 || left[0] != fmt.Sprintf("process %d (sleep 60)", cmd.Process.Pid) {
		t.Errorf("left %v, %v; want the sleep", left, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// A program that ends at once, or that prints without end, is no server; what
// it printed is in the error.
func TestStartServer(t *testing.T) {
	script := func(text string) string {
		path := filepath.Join(t.TempDir(), "carrel")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := startServer(t.Context(), Options{Binary: script("echo why it ended; exit 1")}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "why it ended") {
		t.Errorf("a server that ends at once: %v", err)
	}
	if _, err := startServer(t.Context(), Options{Binary: filepath.Join(t.TempDir(), "none")}, t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
	// A line longer than a scanner takes must not stop the program.
	s, err := startServer(t.Context(), Options{Binary: script("echo Set-up code: A-1; head -c 300000 /dev/zero | tr '\\0' x; exit 0")}, t.TempDir())
	if err != nil || s.code != "A-1" {
		t.Fatalf("%+v, %v", s, err)
	}
	<-s.done
}

// Each step says what it claims, once.
func TestSteps(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range steps {
		if s.title == "" || s.run == nil || seen[s.title] {
			t.Errorf("step %+v", s.title)
		}
		seen[s.title] = true
	}
	var out bytes.Buffer
	w := &walk{ctx: context.Background(), out: &out}
	w.say("a %d", 1)
	w.held("b")
	if out.String() != "    a 1\n    ✓ b\n" {
		t.Errorf("printed %q", out.String())
	}
}
