package api

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestUploads(t *testing.T) {
	r := newRig(t)
	tus := func(kv ...string) map[string]string {
		h := map[string]string{"Tus-Resumable": "1.0.0"}
		for i := 0; i < len(kv); i += 2 {
			h[kv[i]] = kv[i+1]
		}
		return h
	}
	meta := "path " + base64.StdEncoding.EncodeToString([]byte("uploads/ä.bin"))
	begin := func(size, body string) reply {
		return r.do(call{method: "POST", path: "/files/uploads", as: "ana", body: body, header: tus("Upload-Length", size, "Upload-Metadata", meta, "Content-Type", "application/offset+octet-stream")})
	}
	p := begin("6", "abc")
	at, ours := strings.CutPrefix(p.header.Get("Location"), Base)
	if p.status != 201 || !ours || p.header.Get("Upload-Offset") != "3" || p.header.Get("Upload-Expires") == "" || p.header.Get("Tus-Resumable") != "1.0.0" {
		t.Fatalf("begin: got %d %s %v", p.status, p.body, p.header)
	}
	if p = r.do(call{method: "HEAD", path: at, as: "ana", header: tus()}); p.status != 200 || p.header.Get("Upload-Offset") != "3" || p.header.Get("Upload-Length") != "6" {
		t.Errorf("where it stands: got %d %v", p.status, p.header)
	}
	patch := call{method: "PATCH", path: at, as: "ana", body: "def", header: tus("Upload-Offset", "2", "Content-Type", "application/offset+octet-stream")}
	if p = r.do(patch); p.status != 409 || p.code(t) != "conflict" {
		t.Errorf("at another place: got %d %s", p.status, p.body)
	}
	patch.header["Upload-Offset"] = "3"
	if p = r.do(patch); p.status != 204 || p.header.Get("Upload-Path") != "uploads%2F%C3%A4.bin" {
		t.Errorf("the rest: got %d %s %v", p.status, p.body, p.header)
	}
	if p = r.do(call{method: "GET", path: "/files/content" + query("path", "uploads/ä.bin"), as: "ana"}); p.body != "abcdef" {
		t.Errorf("the file: %q", p.body)
	}
	for _, id := range []string{strings.TrimPrefix(at, "/files/uploads/"), "none", "%2e%2e", "a%2fb", "..%2f..%2fcontent"} {
		if p = r.do(call{method: "HEAD", path: "/files/uploads/" + id, as: "ana", header: tus()}); p.status != 404 {
			t.Errorf("upload %s: got %d; want 404", id, p.status)
		}
	}
	if p = begin("3", ""); p.status != 409 || p.code(t) != "conflict" {
		t.Errorf("a name that is taken: got %d %s", p.status, p.body)
	}
	if p = r.do(call{method: "POST", path: "/files/uploads", as: "ana", header: tus("Upload-Length", "1152921504606846976", "Upload-Metadata", "path "+base64.StdEncoding.EncodeToString([]byte("uploads/big")))}); p.code(t) != "quota_exceeded" {
		t.Errorf("more than fits: got %d %s", p.status, p.body)
	}
	// A browser of another site may not send bytes with the person's cookie.
	p = r.do(call{method: "POST", path: "/files/uploads", as: "ana", header: tus("Origin", "https://evil.example", "Upload-Length", "1", "Upload-Metadata", meta)})
	if p.status != 403 {
		t.Errorf("from another site: got %d %s", p.status, p.body)
	}
}

// What a person stored is never a page of ours, however it is asked for.
func TestStoredPagesDoNotRun(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"x.html", "x.svg", "x.pdf", "x.xhtml", "x.js", "x.xml"} {
		at := "/files/content" + query("path", "temp/"+name)
		r.do(call{method: "PUT", path: at, as: "ana", body: "<script>alert(1)</script>"})
		for _, more := range []string{"", "&inline=1"} {
			p := r.do(call{method: "GET", path: at + more, as: "ana"})
			if p.status != 200 || p.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(p.header.Get("Content-Disposition"), "attachment") ||
				p.header.Get("Content-Security-Policy") != contentPolicy || p.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s%s: got %d %v", name, more, p.status, p.header)
			}
		}
	}
	p := r.do(call{method: "GET", path: "/files/archive?path=temp", as: "ana"})
	if p.header.Get("Content-Type") != "application/zip" || p.header.Get("Content-Security-Policy") != contentPolicy || p.header.Get("Content-Disposition") != "attachment; filename=temp.zip" {
		t.Errorf("archive: got %d %v", p.status, p.header)
	}
}
