package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// raw sends bytes to the messages socket and gives all that comes back.
func (h *house) raw(t testing.TB, text string) string {
	t.Helper()
	c, err := net.Dial("unix", h.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, text) // the other side may stop reading early
	out, _ := io.ReadAll(c)        // and may reset
	return string(out)
}

func TestHostileRequests(t *testing.T) {
	asked := make(chan string, 100)
	up := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- r.Method + " " + r.RequestURI
	})
	h := setup(t, up, testKey, func(o *Options) { o.headerTimeout = 200 * time.Millisecond })
	const end = "Host: x\r\nConnection: close\r\n"
	for _, c := range []struct{ name, request, want string }{
		{"CONNECT", "CONNECT evil.test:443 HTTP/1.1\r\n" + end + "\r\n", "404"},
		{"another part of the API", "GET /v1/files HTTP/1.1\r\n" + end + "\r\n", "404"},
		{"batches", "POST /v1/messages/batches HTTP/1.1\r\n" + end + "Content-Length: 0\r\n\r\n", "404"},
		{"administration", "GET /v1/organizations/api_keys HTTP/1.1\r\n" + end + "\r\n", "404"},
		{"dots", "POST /v1/messages/../organizations HTTP/1.1\r\n" + end + "Content-Length: 0\r\n\r\n", "404"},
		{"encoded dots", "GET /v1/models/%2e%2e%2forganizations HTTP/1.1\r\n" + end + "\r\n", "404"},
		{"the folder itself", "GET /v1/models/. HTTP/1.1\r\n" + end + "\r\n", "404"},
		{"the folder above", "GET /v1/models/.. HTTP/1.1\r\n" + end + "\r\n", "404"},
		{"nothing but dots", "GET /v1/models/... HTTP/1.1\r\n" + end + "\r\n", "404"},
		{"dots for a model", "GET /v1/models/../files HTTP/1.1\r\n" + end + "\r\n", "404"},
		{"another host's URL", "POST http://evil.test/v1/x HTTP/1.1\r\n" + end + "Content-Length: 0\r\n\r\n", "404"},
		{"upgrade", "POST /v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n", "404"},
		{"two lengths", "POST /v1/messages HTTP/1.1\r\n" + end + "Content-Length: 4\r\nContent-Length: 5\r\n\r\n{}{}", "400"},
		{"length and chunks", "POST /v1/files HTTP/1.1\r\n" + end + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "404"},
		{"an odd encoding", "POST /v1/messages HTTP/1.1\r\n" + end + "Transfer-Encoding: xchunked\r\n\r\n", "501"},
		{"a space before the colon", "POST /v1/messages HTTP/1.1\r\n" + end + "Content-Length : 4\r\n\r\n{}{}", "400"},
		{"garbage", "\x00\x01\x02\r\n\r\n", "400"},
		{"TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", "400"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "404"},
		{"a huge header", "POST /v1/messages HTTP/1.1\r\n" + end + "A: " + strings.Repeat("a", 2*maxHeaderBytes) + "\r\n\r\n", "431"},
		{"a body that is said to be huge", "POST /v1/messages HTTP/1.1\r\n" + end + "Content-Length: 99999999999\r\n\r\n", "413"},
		{"slow headers", "POST /v1/messages HTTP/1.1\r\nHost", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.raw(t, c.request)
			if c.want != "" && !strings.HasPrefix(got, "HTTP/1.1 "+c.want) {
				t.Fatalf("got %.200q; want %s", got, c.want)
			}
			if c.want == "404" && !strings.Contains(got, `{"type":"error","error":{"type":"not_found_error"`) {
				t.Fatalf("got %q; want the API's error shape", got)
			}
		})
	}
	close(asked)
	for a := range asked {
		t.Errorf("the upstream was asked %s", a)
	}
}

// Lengths and chunks together: whatever net/http makes of it, the upstream sees
// one request.
func TestSmuggling(t *testing.T) {
	var asked []string
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.Path+" "+string(b))
		_, _ = io.WriteString(w, "ok")
	})
	h := setup(t, up, testKey)
	h.raw(t, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/organizations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if len(asked) > 1 || len(asked) == 1 && asked[0] != "POST /v1/messages " {
		t.Fatalf("the upstream was asked %q", asked)
	}
}

func TestEndlessBody(t *testing.T) {
	up := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	h := setup(t, up, testKey)
	r := prompt(t, false)
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, maxBodyBytes+1<<20)), -1
	// A client that is still writing may see the connection cut and no answer.
	if res, err := h.http(t).Do(r); err == nil {
		defer func() { _ = res.Body.Close() }()
		if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusRequestEntityTooLarge || !bytes.Contains(b, []byte("64 MiB")) {
			t.Errorf("got %d %s", res.StatusCode, b)
		}
	}
	if got := h.record(t, 1); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("recorded %+v", got)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestRequestsAtOneTime(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	up := serve(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-finish
	})
	h := setup(t, up, testKey)
	errs := make(chan error, maxAtOneTime)
	for range maxAtOneTime {
		r := prompt(t, false)
		go func() {
			res, err := h.http(t).Do(r)
			if err == nil {
				err = res.Body.Close()
			}
			errs <- err
		}()
		<-arrived
	}
	status, header, body := h.ask(t, prompt(t, false))
	if status != http.StatusTooManyRequests || header.Get("X-Should-Retry") != "true" || header.Get("Retry-After") != "2" {
		t.Errorf("got %d %v %s", status, header, body)
	}
	close(finish)
	for range maxAtOneTime {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	go func() { <-arrived }()
	if status, _, _ := h.ask(t, prompt(t, false)); status != http.StatusOK {
		t.Errorf("got %d when all had ended", status)
	}
}

// An upstream that gives the key back, in every way it can.
func TestKeyIsNowhere(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("X-Api-Key")
		if key != testKey {
			t.Errorf("the upstream was given %q", key)
		}
		w.Header().Set("X-Echo", "key="+key)
		switch r.URL.Query().Get("do") {
		case "error":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"type":"error","error":{"message":"invalid x-api-key %s"}}`, key)
		case "stream":
			for _, c := range []byte(key) {
				sse(w, "")
				_, _ = w.Write([]byte{c})
			}
			for _, c := range []byte(key) {
				_, _ = w.Write([]byte{c})
				_ = http.NewResponseController(w).Flush()
			}
		case "redirect":
			http.Redirect(w, r, "http://evil.test/?k="+key, http.StatusFound)
		case "hangup":
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\n\r\n", key) // an error text of net/http would quote it
				_ = c.Close()
			}
		}
	})
	h := setup(t, up, testKey)
	for _, do := range []string{"error", "stream", "redirect", "hangup"} {
		r := prompt(t, true)
		r.URL.RawQuery = "do=" + do
		_, header, body := h.ask(t, r)
		if strings.Contains(body, testKey) || strings.Contains(fmt.Sprint(header), testKey) {
			t.Errorf("%s gave the key to the instance: %v %s", do, header, body)
		}
	}
	st, err := h.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.settings(t, up+"?"+testKey, testKey) // settings that are refused, with the key where it should not be
	p, _ := os.FindProcess(os.Getpid())
	_ = p.Signal(hup)
	deadline := time.Now().Add(patience)
	for !strings.Contains(h.log.String(), "cannot be used") && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	h.stop()
	if b, _ := json.Marshal(st); bytes.Contains(b, []byte(testKey)) {
		t.Errorf("the key is in the status: %s", b)
	}
	if strings.Contains(h.log.String(), testKey) {
		t.Errorf("the key is in the log:\n%s", h.log)
	}
	err = filepath.WalkDir(h.opts.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(testKey)) {
			t.Errorf("the key is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestKeyDoesNotPrint(t *testing.T) {
	k := NewKey(testKey)
	hidden := struct {
		K Key
		k Key
		s Settings
	}{k, k, Settings{APIKey: k}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T"} {
		_, _ = fmt.Fprintf(&out, verb+verb+verb+verb, k, &k, hidden, &hidden)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "k", k, "p", &k, "h", Settings{APIKey: k})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "k", k, "p", &k, "h", Settings{APIKey: k})
	b, err := json.Marshal(Settings{APIKey: k})
	out.Write(b)
	hex := fmt.Sprintf("%x", testKey)
	if err != nil || strings.Contains(out.String(), testKey) || strings.Contains(strings.ToLower(out.String()), hex) || !strings.Contains(out.String(), "[set]") {
		t.Fatalf("%v: %s", err, out.String())
	}
}

func TestSettingsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.json")
	for _, c := range []struct {
		text string
		mode os.FileMode
		ok   bool
	}{
		{`{"api_key":"k","base_url":"https://api.test/x"}`, 0o600, true},
		{`{"api_key":"k"}`, 0o400, true},
		{`{}`, 0o600, true},
		{`{"api_key":"k"}`, 0o640, false},
		{`{"api_key":"k"}`, 0o604, false},
		{`{"api_key":5}`, 0o600, false},
		{`{"api_key":"a b"}`, 0o600, false},
		{"{\"api_key\":\"a\\u0000b\"}", 0o600, false},
		{`{"key":"k"}`, 0o600, false},
		{`{"base_url":"ftp://x"}`, 0o600, false},
		{`{"base_url":"https://u:p@x"}`, 0o600, false},
		{`{"base_url":"https://x?k=v"}`, 0o600, false},
		{`{"base_url":"x"}`, 0o600, false},
		{`not json`, 0o600, false},
	} {
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := loadSettings(path); (err == nil) != c.ok {
			t.Errorf("%s (%#o): got %v", c.text, c.mode, err)
		}
	}
	if s, err := loadSettings(path + ".none"); err != nil || s.APIKey.Set() || s.base() != nil {
		t.Errorf("no file: got %+v, %v", s, err)
	}
	if err := os.Symlink(path, path+".link"); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSettings(path + ".link"); err == nil {
		t.Error("a link was followed")
	}
}

func TestNotDumpable(t *testing.T) {
	setup(t, "", "")
	if b, err := os.ReadFile("/proc/self/limits"); err != nil || !strings.Contains(string(b), "Max core file size        0") {
		t.Errorf("core dumps are on: %v", err)
	}
	if n := dumpable(); n != 0 {
		t.Errorf("PR_GET_DUMPABLE is %d", n)
	}
}

func TestOtherUsersAreRefused(t *testing.T) {
	log := &logBuffer{}
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenFor(path, []int{4242}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			t.Errorf("%v was let in", c)
		}
	}()
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("got an answer")
	}
	_ = c.Close()
	_ = l.Close()
	<-done
	if !strings.Contains(log.String(), "refused a caller") {
		t.Errorf("log: %s", log)
	}
}
