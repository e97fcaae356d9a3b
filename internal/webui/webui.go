// Package webui holds the built front end and serves it: hashed assets for
// ever, the page itself never from a cache, and the page for every path that
// is one of its own. Without a build it serves a page that says how to make one.
package webui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// all: because the folder is empty but for .gitkeep until the page is built.
//
//go:embed all:dist
var dist embed.FS

//go:embed missing.html
var missing []byte

// index is the page; every path of the page's own leads to it.
const index = "index.html"

// The manifest has the name and the shortcuts of the installed app; a browser says with the request for it which
// language its person reads.
const (
	manifest          = "manifest.webmanifest"
	manifestInChinese = "manifest.zh-CN.webmanifest"
)

var languages = language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese})

func prefersChinese(accept string) bool {
	_, i := language.MatchStrings(languages, accept)
	return i == 1
}

// policy lets the page run its own files only. Styles may be inline: the
// terminal and the code editor set theirs so.
const policy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; " +
	"connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the page that is built into the program.
func Handler() http.Handler {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is fixed at build time
	}
	return newHandler(built)
}

type handler struct {
	files fs.FS
	built bool
}

func newHandler(files fs.FS) http.Handler {
	_, err := fs.Stat(files, index)
	return &handler{files: files, built: err == nil}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodPost && r.URL.Path == "/share" {
		// What another app shares is taken by the page's worker. Where that is
		// gone, the page can at least say that nothing came.
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, "/share?lost=true", http.StatusSeeOther)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The page is only read.", http.StatusMethodNotAllowed)
		return
	}
	if !h.built {
		h.serve(w, r, index, missing, "no-store")
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name == "" {
		name = index
	}
	if name == manifest {
		w.Header().Add("Vary", "Accept-Language")
		if prefersChinese(r.Header.Get("Accept-Language")) {
			name = manifestInChinese
		}
	}
	content, err := h.read(name)
	switch {
	case err == nil:
	case strings.HasPrefix(name, "assets/") || path.Ext(name) != "" && !strings.Contains(r.Header.Get("Accept"), "text/html"):
		// A file that an older page names, and no address that somebody opens:
		// the page in its place would be run as a script.
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	default:
		name = index
		if content, err = h.read(name); err != nil {
			http.Error(w, "The page could not be read.", http.StatusInternalServerError)
			return
		}
	}
	h.serve(w, r, name, content, caching(name))
}

// read gives a file of the build. Names that begin with a dot are not the page's.
func (h *handler) read(name string) ([]byte, error) {
	if !fs.ValidPath(name) || strings.HasPrefix(path.Base(name), ".") {
		return nil, fs.ErrNotExist
	}
	info, err := fs.Stat(h.files, name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("a folder")
	}
	return fs.ReadFile(h.files, name)
}

// caching is for ever for what has its hash in its name, which is all that the
// build puts under assets/.
func caching(name string) string {
	if strings.HasPrefix(name, "assets/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

// serve answers with a file, or with its compressed twin where the build made
// one and the client takes it.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, name string, content []byte, cache string) {
	header := w.Header()
	header.Set("Cache-Control", cache)
	header.Set("Content-Type", typeOf(name))
	for _, twin := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		small, err := h.read(name + twin.suffix)
		if err != nil {
			continue
		}
		if !slices.Contains(header.Values("Vary"), "Accept-Encoding") {
			header.Add("Vary", "Accept-Encoding")
		}
		if header.Get("Content-Encoding") == "" && accepts(r.Header.Get("Accept-Encoding"), twin.encoding) {
			header.Set("Content-Encoding", twin.encoding)
			content = small
		}
	}
	sum := sha256.Sum256(content)
	header.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// accepts tells whether a client takes an encoding: it is named, and not with q=0.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			q = strings.ReplaceAll(q, " ", "")
			return !strings.HasPrefix(q, "q=0") || strings.Trim(strings.TrimPrefix(q, "q=0"), ".0") != ""
		}
	}
	return false
}

// types are those that a machine's own table may lack or have wrong.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".json": "application/json", ".map": "application/json", ".svg": "image/svg+xml",
	".webmanifest": "application/manifest+json", ".woff2": "font/woff2", ".wasm": "application/wasm", ".ico": "image/x-icon",
	".png": "image/png", ".txt": "text/plain; charset=utf-8",
}

func typeOf(name string) string {
	ext := path.Ext(name)
	if t, ok := types[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}
