package webui

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func build() fstest.MapFS {
	return fstest.MapFS{
		"index.html":            {Data: []byte("<!doctype html><title>page</title>")},
		"index.html.br":         {Data: []byte("brotli page")},
		"index.html.gz":         {Data: []byte("gzip page")},
		"assets/app-1a2b.js":    {Data: []byte("plain script")},
		"assets/app-1a2b.js.gz": {Data: []byte("gzip script")},
		"assets/style-9f8e.css": {Data: []byte("body{}")},
		"manifest.webmanifest":  {Data: []byte("{}")},

		"manifest.zh-CN.webmanifest":    {Data: []byte(`{"lang":"zh-CN"}`)},
		"manifest.zh-CN.webmanifest.br": {Data: []byte("brotli Chinese")},
		"worker.js":                     {Data: []byte("worker")},
		".gitkeep":                      {Data: nil},
		"assets/font-77aa.woff2":        {Data: []byte("font")},
	}
}

func TestHandler(t *testing.T) {
	const forEver, always = "public, max-age=31536000, immutable", "no-cache"
	for _, c := range []struct {
		name, method, path, accept, encoding string
		status                               int
		body, cache, contentType, encoded    string
	}{
		{"page", "GET", "/", "text/html", "", 200, "<!doctype html><title>page</title>", always, "text/html; charset=utf-8", ""},
		{"page by name", "GET", "/index.html", "", "", 200, "<!doctype html><title>page</title>", always, "text/html; charset=utf-8", ""},
		{"page in brotli", "GET", "/", "", "gzip, deflate, br", 200, "brotli page", always, "text/html; charset=utf-8", "br"},
		{"page in gzip", "GET", "/", "", "gzip, br;q=0", 200, "gzip page", always, "text/html; charset=utf-8", "gzip"},
		{"a path of the page", "GET", "/projects/thesis", "text/html", "", 200, "<!doctype html><title>page</title>", always, "text/html; charset=utf-8", ""},
		{"a path with a dot", "GET", "/projects/main.js", "text/html,*/*", "", 200, "<!doctype html><title>page</title>", always, "text/html; charset=utf-8", ""},
		{"asset", "GET", "/assets/app-1a2b.js", "*/*", "", 200, "plain script", forEver, "text/javascript; charset=utf-8", ""},
		{"asset in gzip", "GET", "/assets/app-1a2b.js", "*/*", "br, gzip", 200, "gzip script", forEver, "text/javascript; charset=utf-8", "gzip"},
		{"asset without twin", "GET", "/assets/style-9f8e.css", "*/*", "br, gzip", 200, "body{}", forEver, "text/css; charset=utf-8", ""},
		{"old asset", "GET", "/assets/app-0000.js", "text/html", "", 404, "", "no-store", "", ""},
		{"missing file", "GET", "/robots.txt", "*/*", "", 404, "", "no-store", "", ""},
		{"hidden file", "GET", "/.gitkeep", "*/*", "", 404, "", "no-store", "", ""},
		{"a folder", "GET", "/assets", "text/html", "", 200, "<!doctype html><title>page</title>", always, "text/html; charset=utf-8", ""},
		{"out of the tree", "GET", "/../../etc/passwd", "*/*", "", 200, "<!doctype html><title>page</title>", always, "text/html; charset=utf-8", ""},
		{"head", "HEAD", "/", "text/html", "", 200, "", always, "text/html; charset=utf-8", ""},
		{"the worker", "GET", "/worker.js", "*/*", "", 200, "worker", always, "text/javascript; charset=utf-8", ""},
		{"a share without a worker", "POST", "/share", "text/html", "", 303, "", "no-store", "", ""},
		{"post", "POST", "/", "text/html", "", 405, "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://localhost/", nil)
			r.URL.Path = c.path
			r.Header.Set("Accept", c.accept)
			r.Header.Set("Accept-Encoding", c.encoding)
			w := httptest.NewRecorder()
			newHandler(build()).ServeHTTP(w, r)
			h := w.Header()
			if w.Code != c.status || h.Get("Cache-Control") != c.cache || h.Get("Content-Encoding") != c.encoded {
				t.Fatalf("got %d, cache %q, encoding %q; want %d, %q, %q", w.Code, h.Get("Cache-Control"), h.Get("Content-Encoding"), c.status, c.cache, c.encoded)
			}
			if c.status == 200 && (w.Body.String() != c.body || h.Get("Content-Type") != c.contentType) {
				t.Errorf("got %q as %s; want %q as %s", w.Body, h.Get("Content-Type"), c.body, c.contentType)
			}
			csp := h.Get("Content-Security-Policy")
			if !strings.Contains(csp, "script-src 'self';") || strings.Contains(csp, "unsafe-eval") {
				t.Errorf("the policy lets foreign or inline scripts run: %s", csp)
			}
		})
	}
}

// TestManifest is in the language of the browser, and no cache gives one reader another's.
func TestManifest(t *testing.T) {
	h := newHandler(build())
	tags := map[string]bool{}
	for _, c := range []struct{ language, encoding, want string }{
		{"", "", "{}"},
		{"en-US,en;q=0.9", "br", "{}"},
		{"de, zh;q=0.5", "", `{"lang":"zh-CN"}`},
		{"zh-CN,zh;q=0.9,en;q=0.8", "br", "brotli Chinese"},
		{"zh-TW", "", `{"lang":"zh-CN"}`},
		{"en, zh-CN;q=0.9", "", "{}"},
		{"\xff;;q", "", "{}"},
	} {
		r := httptest.NewRequest("GET", "/manifest.webmanifest", nil)
		r.Header.Set("Accept-Language", c.language)
		r.Header.Set("Accept-Encoding", c.encoding)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		header := w.Header()
		if w.Code != 200 || w.Body.String() != c.want || header.Get("Content-Type") != "application/manifest+json" || header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%q: got %d %q, %v", c.language, w.Code, w.Body, header)
		}
		if !slices.Contains(header.Values("Vary"), "Accept-Language") {
			t.Errorf("%q: Vary is %q", c.language, header.Values("Vary"))
		}
		tags[header.Get("ETag")] = true
	}
	if len(tags) != 3 {
		t.Errorf("%d tags of three answers", len(tags))
	}
}

func TestNotModified(t *testing.T) {
	h := newHandler(build())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified {
		t.Fatalf("got %d for the page's own tag; want 304", w.Code)
	}
}

func TestWithoutABuild(t *testing.T) {
	for _, path := range []string{"/", "/projects/x", "/assets/app.js"} {
		w := httptest.NewRecorder()
		newHandler(fstest.MapFS{".gitkeep": {}}).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		b, _ := io.ReadAll(w.Body)
		if w.Code != 200 || !strings.Contains(string(b), "make build") {
			t.Errorf("%s: got %d and %.60q; want a page that says how to build it", path, w.Code, b)
		}
	}
	Handler() // what is embedded can be served, built or not
}
