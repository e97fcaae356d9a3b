package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// tusOf makes requests of the upload protocol as a person.
func tusOf(t *testing.T, p *carrel.Person) func(method, path, body string, header ...string) carrel.Response {
	auth := "Bearer " + tokenOf(p)
	return func(method, path, body string, header ...string) carrel.Response {
		r := request{method: method, path: path, header: map[string]string{"Authorization": auth, "Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}}
		if method == "POST" || method == "PATCH" {
			r.body = body
		}
		for i := 0; i < len(header); i += 2 {
			r.header[header[i]] = header[i+1]
		}
		return r.send(t, p.Server().URL)
	}
}

func uploadMetadata(path string) string {
	return "path " + base64.StdEncoding.EncodeToString([]byte(path))
}

// contractUploads sends files in pieces, and tries what must not be.
func contractUploads(t *testing.T, ada *carrel.Person) {
	bob, eve := member(t, ada, "upload-bob"), member(t, ada, "upload-eve")
	tus, tusEve := tusOf(t, bob), tusOf(t, eve)
	begun := tus("POST", "/files/uploads", "hello ", "Upload-Length", "11", "Upload-Metadata", uploadMetadata("uploads/a/hello.txt"))
	at, ours := strings.CutPrefix(begun.Header.Get("Location"), "/api/v1")
	if begun.StatusCode != 201 || !ours || begun.Header.Get("Upload-Offset") != "6" {
		t.Fatalf("begin: %s %s %v", begun.Status, begun.Text, begun.Header)
	}
	refused(t, "the file before its end", bob.Do("GET", contentPath("uploads/a/hello.txt"), nil, nil), 404, "not_found")

	// What is another's is like what is not there, and stays as it was.
	for _, method := range []string{"PATCH", "DELETE"} {
		foreign := tusEve(method, at, "world", "Upload-Offset", "6")
		missing := tusEve(method, "/files/uploads/NOSUCHUPLOAD", "world", "Upload-Offset", "6")
		if foreign.StatusCode != 404 || foreign.Text != missing.Text {
			t.Errorf("%s of another's upload: %s %s; one that is not there: %s %s", method, foreign.Status, foreign.Text, missing.Status, missing.Text)
		}
	}
	if res := tusEve("HEAD", at, ""); res.StatusCode != 404 {
		t.Errorf("HEAD of another's upload: %s", res.Status)
	}
	if res := tus("HEAD", at, ""); res.StatusCode != 200 || res.Header.Get("Upload-Offset") != "6" || res.Header.Get("Upload-Length") != "11" {
		t.Errorf("where it stands: %s %v", res.Status, res.Header)
	}
	refused(t, "bytes for another place", tus("PATCH", at, "world", "Upload-Offset", "5"), 409, "conflict")
	if res := tus("PATCH", at, "world", "Upload-Offset", "6"); res.StatusCode != 204 {
		t.Errorf("the rest: %s %s", res.Status, res.Text)
	}
	if got := bob.Must(200, "GET", contentPath("uploads/a/hello.txt"), nil, nil).Text; got != "hello world" {
		t.Errorf("the file: %q", got)
	}

	// Paths and links that lead out, a link in the place of the bytes, and more than there is room for.
	bob.Must(200, "POST", "/commands", map[string]any{"argv": []string{"ln", "-s", "/etc", "out"}}, nil)
	for _, p := range []string{"../x", "/etc/x", "/home/upload-eve/x", "out/x", "."} {
		refused(t, "an upload to "+p, tus("POST", "/files/uploads", "x", "Upload-Length", "1", "Upload-Metadata", uploadMetadata(p)), 0, "invalid")
	}
	begun = tus("POST", "/files/uploads", "", "Upload-Length", "4", "Upload-Metadata", uploadMetadata("uploads/linked"))
	at = strings.TrimPrefix(begun.Header.Get("Location"), "/api/v1")
	id := at[strings.LastIndex(at, "/")+1:]
	bob.Must(200, "POST", "/commands", map[string]any{"argv": []string{"ln", "-sf", "/proc/self/environ", "temp/.uploads/" + id + "/data"}}, nil)
	refused(t, "bytes that are a link", tus("PATCH", at, "evil", "Upload-Offset", "0"), 404, "not_found")
	if res := tus("POST", "/files/uploads", "", "Upload-Length", "1000000000000", "Upload-Metadata", uploadMetadata("uploads/huge")); res.Code() != "quota_exceeded" || !strings.Contains(res.Text, "your storage has") {
		t.Errorf("more than the storage: %s %s", res.Status, res.Text)
	}
	refused(t, "a name that is taken", tus("POST", "/files/uploads", "", "Upload-Length", "1", "Upload-Metadata", uploadMetadata("uploads/a/hello.txt")), 409, "conflict")

	// A file of more than a chunk, broken off in the middle: what came is there.
	const size = 3 << 20
	begun = tus("POST", "/files/uploads", strings.Repeat("x", size/2), "Upload-Length", strconv.Itoa(size), "Upload-Metadata", uploadMetadata("uploads/large"))
	at = strings.TrimPrefix(begun.Header.Get("Location"), "/api/v1")
	if res := tus("PATCH", at, strings.Repeat("y", size/2), "Upload-Offset", strconv.Itoa(size/2)); res.StatusCode != 204 || res.Header.Get("Upload-Offset") != strconv.Itoa(size) {
		t.Errorf("the second half: %s %s", res.Status, res.Text)
	}
	var e entry
	bob.Must(200, "GET", filesPath("uploads/large"), nil, &e)
	if e.SizeBytes != size {
		t.Errorf("it has %d bytes; want %d", e.SizeBytes, size)
	}

	// The storage fills up while an upload is under way: it is told so, what came stays, and it can be cancelled.
	const much = 8 << 20
	begun = tus("POST", "/files/uploads", "", "Upload-Length", strconv.Itoa(much), "Upload-Metadata", uploadMetadata("uploads/much"))
	at = strings.TrimPrefix(begun.Header.Get("Location"), "/api/v1")
	var filled struct {
		ExitCode int    `json:"exit_code"`
		Stderr   string `json:"stderr"`
	}
	fill := `fallocate -l $(($(df -P -B1 . | awk 'NR==2{print $4}') - 1048576)) temp/fill`
	bob.Must(200, "POST", "/commands", map[string]any{"argv": []string{"sh", "-c", fill}}, &filled)
	if filled.ExitCode != 0 {
		t.Fatalf("the storage could not be filled: %s", filled.Stderr)
	}
	if res := tus("PATCH", at, strings.Repeat("z", much), "Upload-Offset", "0"); res.StatusCode/100 == 2 || res.Code() != "quota_exceeded" || !strings.Contains(res.Text, "cancel the upload") {
		t.Errorf("on a full storage: %s %s", res.Status, res.Text)
	}
	refused(t, "the file that did not fit", bob.Do("GET", contentPath("uploads/much"), nil, nil), 404, "not_found")
	if res := tus("HEAD", at, ""); res.StatusCode != 200 || res.Header.Get("Upload-Offset") == strconv.Itoa(much) {
		t.Errorf("after the storage was full: %s %v", res.Status, res.Header)
	}
	if res := tus("DELETE", at, ""); res.StatusCode != 204 {
		t.Errorf("cancel on a full storage: %s %s", res.Status, res.Text)
	}
}

// contractFind searches, archives, and takes a removal back.
func contractFind(t *testing.T, ada *carrel.Person) {
	bob, eve := member(t, ada, "find-bob"), member(t, ada, "find-eve")
	eve.Must(201, "PUT", contentPath("needle.txt"), strings.NewReader("a needle of eve's"), nil)
	bob.Must(201, "PUT", contentPath("projects/p/src/needle.go"), strings.NewReader("one\na needle here\n"), nil)
	bob.Must(201, "PUT", contentPath("projects/p/node_modules/needle.go"), strings.NewReader("a needle there\n"), nil)
	bob.Must(200, "POST", "/commands", map[string]any{"argv": []string{"ln", "-s", "/etc/passwd", "projects/p/out"}}, nil)
	var named struct {
		Items []entry `json:"items"`
		Cut   string  `json:"cut"`
	}
	wellFormed(t, bob.Must(200, "GET", "/files/search?q=nedl&project=p", nil, &named), "items", "cut")
	if len(named.Items) != 1 || named.Items[0].Path != "projects/p/src/needle.go" || named.Cut != "" {
		t.Errorf("by name: %+v", named)
	}
	var lines struct {
		Items []struct {
			Path, Before, Match, After string
			Line                       int
		} `json:"items"`
	}
	wellFormed(t, bob.Must(200, "GET", "/files/grep?regexp=true&path=projects&q="+url.QueryEscape("n.+le"), nil, &lines), "items", "cut", "files")
	if got := fmt.Sprint(lines.Items); got != "[{projects/p/src/needle.go a  needle  here 2}]" {
		t.Errorf("by content: %s", got)
	}
	bob.Must(200, "GET", "/files/grep?all=true&q=root:", nil, &lines)
	if len(lines.Items) != 0 {
		t.Errorf("what lies outside is read: %+v", lines)
	}
	for _, p := range []string{"../..", "/home/find-eve", "/etc"} {
		for _, route := range []string{"/files/search?q=x", "/files/grep?q=x", "/files/archive?"} {
			names(t, route+" of "+p, bob.Do("GET", route+"&path="+url.QueryEscape(p), nil, nil), "query.path")
		}
	}
	names(t, "not an expression", bob.Do("GET", "/files/grep?regexp=true&q=(", nil, nil), "query.q")

	res := bob.Must(200, "GET", "/files/archive?path=projects/p", nil, nil)
	z, err := zip.NewReader(bytes.NewReader([]byte(res.Text)), int64(len(res.Text)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("p/src/needle.go")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(f); err != nil || string(text) != "one\na needle here\n" {
		t.Errorf("from the archive: %q %v", text, err)
	}
	for _, f := range z.File {
		if f.Name == "p/out" {
			t.Error("a link was followed out")
		}
	}

	var kept entry
	wellFormed(t, bob.Must(200, "POST", "/files/trash", map[string]any{"path": "projects/p/src"}, &kept))
	refused(t, "what is in the trash", bob.Do("GET", filesPath("projects/p/src"), nil, nil), 404, "not_found")
	bob.Must(200, "POST", "/files/move", map[string]any{"from": kept.Path, "to": "projects/p/src"}, nil)
	bob.Must(200, "GET", contentPath("projects/p/src/needle.go"), nil, nil)
	bob.Must(200, "POST", "/files/trash", map[string]any{"path": "projects/p/src"}, &kept)
	var trash struct {
		Items []struct {
			entry
			From string `json:"from"`
		} `json:"items"`
	}
	wellFormed(t, bob.Must(200, "GET", "/files/trash", nil, &trash))
	if len(trash.Items) != 1 || trash.Items[0].Path != kept.Path || trash.Items[0].From != "projects/p/src" {
		t.Errorf("the trash has %+v", trash.Items)
	}
	refused(t, "what another put there", eve.Do("POST", "/files/trash/restore", map[string]any{"path": kept.Path}, nil), 404, "not_found")
	wellFormed(t, bob.Must(200, "POST", "/files/trash/restore", map[string]any{"path": kept.Path}, &kept))
	bob.Must(200, "GET", contentPath("projects/p/src/needle.go"), nil, nil)
	refused(t, "the trash of another", eve.Do("POST", "/files/move", map[string]any{"from": kept.Path, "to": "temp/got"}, nil), 404, "not_found")
	for _, own := range []string{"projects", "temp", "."} {
		refused(t, "trash of "+own, bob.Do("POST", "/files/trash", map[string]any{"path": own}, nil), 403, "forbidden")
	}
	names(t, "trash of what is above", bob.Do("POST", "/files/trash", map[string]any{"path": "../x"}, nil), "body.path")
}
