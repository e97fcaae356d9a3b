package api

import (
	"compress/gzip"
	"io"
	"strconv"
	"strings"
	"testing"
)

func TestJSONIsCompressed(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	r.sessions.emit(anas, 50, 200)
	read := func(path, encodings string) reply {
		t.Helper()
		return r.do(call{method: "GET", path: path, as: "ana", header: map[string]string{"Accept-Encoding": encodings}})
	}
	events := "/sessions/" + anas + "/events?before=0"
	plain := read(events, "identity")
	if plain.header.Get("Content-Encoding") != "" || !strings.HasPrefix(plain.body, `{"items":[{"session_id":`) {
		t.Fatalf("to who takes none: %v %.100s", plain.header, plain.body)
	}
	small := read(events, "gzip, deflate, br, zstd")
	if small.header.Get("Content-Encoding") != "gzip" || !strings.Contains(small.header.Get("Vary"), "Accept-Encoding") {
		t.Fatalf("got headers %v; want gzip, and Vary", small.header)
	}
	if len(small.body) > len(plain.body)/4 {
		t.Errorf("%d bytes of %d", len(small.body), len(plain.body))
	}
	z, err := gzip.NewReader(strings.NewReader(small.body))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != plain.body {
		t.Errorf("unpacked: %.100s, %v; want what comes plain", b, err)
	}
	if p := read("/config", "gzip"); p.header.Get("Content-Encoding") != "" {
		t.Errorf("a short answer is compressed: %v", p.header)
	}
	// A file stays as long as it is: it may be read in parts.
	file := `{"words":"` + strings.Repeat("all the same ", 1000) + `"}`
	if p := r.do(call{method: "PUT", path: "/files/content?path=a.json", as: "ana", body: file}); p.status >= 300 {
		t.Fatalf("write: %d %s", p.status, p.body)
	}
	if p := read("/files/content?path=a.json", "gzip"); p.body != file || p.header.Get("Content-Length") != strconv.Itoa(len(file)) {
		t.Errorf("a file: %v %.60s; want it as it is, with its length", p.header, p.body)
	}
}
