package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestContent(t *testing.T) {
	r := newRig(t)
	at := func(path string) string { return "/files/content" + query("path", path) }
	p := r.do(call{method: "PUT", path: at("temp/ä b.txt"), as: "ana", body: "one", header: map[string]string{"Content-Type": "text/plain"}})
	if p.status != 201 || p.header.Get("ETag") == "" || decodeTo[FileEntry](t, p).SizeBytes != 3 {
		t.Fatalf("make: got %d %s %v", p.status, p.body, p.header)
	}
	first := p.header.Get("ETag")
	p = r.do(call{method: "PUT", path: at("temp/ä b.txt"), as: "ana", body: "two!", header: map[string]string{"If-Match": first}})
	if p.status != 200 || p.header.Get("ETag") == first {
		t.Fatalf("replace: got %d %s", p.status, p.body)
	}
	second := p.header.Get("ETag")
	p = r.do(call{method: "PUT", path: at("temp/ä b.txt"), as: "ana", body: "three", header: map[string]string{"If-Match": first}})
	if p.status != 412 || p.code(t) != "precondition_failed" {
		t.Errorf("replace what was changed: got %d %s; want 412", p.status, p.body)
	}
	p = r.do(call{method: "PUT", path: at("temp/ä b.txt"), as: "ana", body: "three", header: map[string]string{"If-None-Match": "*"}})
	if p.status != 412 {
		t.Errorf("make what is there: got %d; want 412", p.status)
	}
	p = r.do(call{method: "GET", path: at("temp/ä b.txt"), as: "ana"})
	if p.status != 200 || p.body != "two!" || p.header.Get("ETag") != second || p.header.Get("Content-Length") != "4" {
		t.Errorf("read: got %d %q %v", p.status, p.body, p.header)
	}
	for k, want := range map[string]string{
		"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": contentPolicy,
		"Content-Disposition": `attachment; filename*=utf-8''%C3%A4%20b.txt`, "Cache-Control": "private, no-cache",
	} {
		if got := p.header.Get(k); got != want {
			t.Errorf("%s: got %q; want %q", k, got, want)
		}
	}
	if p := r.do(call{method: "HEAD", path: at("temp/nothing"), as: "ana"}); p.status != 404 {
		t.Errorf("HEAD of a file that is not there: %d, want 404", p.status)
	}
	if p = r.do(call{method: "HEAD", path: at("temp/ä b.txt"), as: "ana"}); p.status != 200 || p.body != "" || p.header.Get("Content-Length") != "4" {
		t.Errorf("head: got %d %q %v", p.status, p.body, p.header)
	}
	if p = r.do(call{method: "GET", path: at("temp/ä b.txt"), as: "ana", header: map[string]string{"If-None-Match": second}}); p.status != 304 {
		t.Errorf("not changed: got %d; want 304", p.status)
	}
	p = r.do(call{method: "GET", path: at("temp/ä b.txt"), as: "ana", header: map[string]string{"Range": "bytes=1-2"}})
	if p.status != 206 || p.body != "wo" || p.header.Get("Content-Range") != "bytes 1-2/4" {
		t.Errorf("a range: got %d %q %v", p.status, p.body, p.header)
	}
	p = r.do(call{method: "GET", path: at("temp/ä b.txt"), as: "ana", header: map[string]string{"Range": "bytes=0-0,2-2"}})
	if p.status != 200 || p.body != "two!" {
		t.Errorf("two ranges: got %d %q; want the whole", p.status, p.body)
	}
	p = r.do(call{method: "GET", path: at("temp/ä b.txt"), as: "ana", header: map[string]string{"Range": "bytes=9-"}})
	if p.status != 416 || p.code(t) != "range_not_satisfiable" {
		t.Errorf("a range that is not there: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "GET", path: at("temp"), as: "ana"}); p.status != 409 {
		t.Errorf("a folder: got %d %s; want 409", p.status, p.body)
	}
	if p = r.do(call{method: "GET", path: at("temp/none"), as: "ana"}); p.status != 404 {
		t.Errorf("nothing: got %d; want 404", p.status)
	}
}

func TestInline(t *testing.T) {
	r := newRig(t)
	for name, want := range map[string]string{
		"a.png": "inline image/png", "a.JPG": "inline image/jpeg",
		"a.svg": "attachment application/octet-stream", "a.html": "attachment application/octet-stream", "a.pdf": "attachment application/octet-stream",
	} {
		if err := os.WriteFile(filepath.Join(r.desk.dir, name), []byte("<script>alert(1)</script>"), 0o600); err != nil {
			t.Fatal(err)
		}
		p := r.do(call{method: "GET", path: "/files/content" + query("path", name, "inline", "1"), as: "ana"})
		disposition, _, _ := strings.Cut(p.header.Get("Content-Disposition"), ";")
		if got := disposition + " " + p.header.Get("Content-Type"); got != want || p.header.Get("Content-Security-Policy") != contentPolicy {
			t.Errorf("%s: got %s; want %s", name, got, want)
		}
	}
}

func TestContentStreams(t *testing.T) {
	r := newRig(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	p := r.do(call{method: "PUT", path: "/files/content?path=big", as: "ana", body: string(big)})
	if p.status != 201 {
		t.Fatalf("got %d %s; want 201: there is no limit but the person's storage", p.status, p.body)
	}
	if p = r.do(call{method: "GET", path: "/files/content?path=big", as: "ana"}); p.body != string(big) {
		t.Errorf("got %d bytes; want the %d that were stored", len(p.body), len(big))
	}
	// A body that breaks off changes nothing.
	pr, pw := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "PUT", r.http.URL+Base+"/files/content?path=big", pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.tokens["ana"])
	done := make(chan struct{})
	go func() {
		defer close(done)
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	_, _ = pw.Write([]byte("half"))
	cancel()
	_ = pw.CloseWithError(context.Canceled) // the transport waits for its reader
	<-done
	if p = r.do(call{method: "GET", path: "/files/content?path=big", as: "ana"}); p.body != string(big) {
		t.Errorf("after a broken upload: got %d bytes; want the old ones", len(p.body))
	}
}

// TestInsideIsNotBelieved lets the inside of an instance answer nonsense.
func TestInsideIsNotBelieved(t *testing.T) {
	r := newRig(t)
	for name, answer := range map[string]http.HandlerFunc{
		"html error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<h1>no</h1>", 502) },
		"html":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<h1>hello</h1>") },
		"redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://evil.example", 302) },
		"invented code": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, `{"code":"unauthenticated","detail":"type your password"}`)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for range 9 << 4 {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 64<<10)); err != nil {
					return
				}
			}
		},
	} {
		r.desk.answer = answer
		p := r.do(call{method: "GET", path: "/files", as: "ana"})
		if p.status != 503 || p.code(t) != "instance_unavailable" || strings.Contains(p.body, "<h1>") {
			t.Errorf("%s: got %d %.200s; want 503", name, p.status, p.body)
		}
	}
	r.desk.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", CookieName+"=stolen")
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src *")
		w.Header().Set("Location", "http://evil.example")
		_, _ = io.WriteString(w, "<script>alert(1)</script>")
	}
	p := r.do(call{method: "GET", path: "/files/content?path=a.html&inline=1", as: "ana"})
	if got := fmt.Sprint(p.header["Set-Cookie"], p.header["Location"], p.header.Get("Content-Type"), p.header.Get("Content-Security-Policy")); got != "[] []application/octet-stream"+contentPolicy {
		t.Errorf("headers came through: %s", got)
	}
}

func TestFolders(t *testing.T) {
	r := newRig(t)
	l := decodeTo[FileListing](t, r.do(call{method: "GET", path: "/files", as: "ana"}))
	if l.Type != "folder" || len(l.Items) < 3 || l.NextCursor != nil {
		t.Fatalf("got %+v; want the workspace", l)
	}
	l = decodeTo[FileListing](t, r.do(call{method: "GET", path: "/files?limit=1", as: "ana"}))
	if len(l.Items) != 1 || l.NextCursor == nil {
		t.Fatalf("got %+v; want one entry and a cursor", l)
	}
	p := r.do(call{method: "GET", path: "/files?path=README.md", as: "ana"})
	if f := decodeTo[FileListing](t, p); f.Type != "file" || !strings.Contains(p.body, `"items":[]`) {
		t.Errorf("a file: got %s", p.body)
	}
	if p = r.do(call{method: "DELETE", path: "/files?path=projects", as: "ana"}); p.status != 403 {
		t.Errorf("remove a folder of the workspace's own: got %d; want 403", p.status)
	}
}
