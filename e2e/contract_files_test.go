package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// entry is a file or folder.
type entry struct {
	Name, Path, Type string
	SizeBytes        int64   `json:"size_bytes"`
	Items            []entry `json:"items"`
	NextCursor       *string `json:"next_cursor"`
}

func contentPath(p string) string { return "/files/content?path=" + url.QueryEscape(p) }
func filesPath(p string) string   { return "/files?path=" + url.QueryEscape(p) }

func contractFiles(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "file-bob")
	var root entry
	wellFormed(t, bob.Must(200, "GET", "/files", nil, &root), "items", "next_cursor")
	have := map[string]string{}
	for _, i := range root.Items {
		have[i.Path] = i.Type
	}
	for p, typ := range map[string]string{"README.md": "file", "projects": "folder", "temp": "folder", "uploads": "folder"} {
		if have[p] != typ {
			t.Errorf("%s is %q; want %s: %v", p, have[p], typ, have)
		}
	}
	for _, same := range []string{"", ".", "/", "./", "/home/file-bob"} {
		var e entry
		bob.Must(200, "GET", filesPath(same), nil, &e)
		if len(e.Items) != len(root.Items) {
			t.Errorf("path %q: %d entries; want %d", same, len(e.Items), len(root.Items))
		}
	}

	// Content: made, read, replaced, of every kind of byte.
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	var made entry
	wellFormed(t, bob.Must(201, "PUT", contentPath("temp/deep/er/all.bin"), strings.NewReader(string(all)), &made))
	if made.Name != "all.bin" || made.Path != "temp/deep/er/all.bin" || made.Type != "file" || made.SizeBytes != 256 {
		t.Errorf("made %+v", made)
	}
	res := bob.Must(200, "GET", contentPath("temp/deep/er/all.bin"), nil, nil)
	if res.Text != string(all) || res.ContentLength != 256 || res.Header.Get("ETag") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("read: %q %v", res.Text, res.Header)
	}
	bob.Must(200, "PUT", contentPath("temp/deep/er/all.bin"), strings.NewReader(""), nil)
	if res := bob.Must(200, "GET", contentPath("temp/deep/er/all.bin"), nil, nil); res.Text != "" {
		t.Errorf("emptied: %q", res.Text)
	}
	// A page that a person stored is never a page of ours.
	bob.Must(201, "PUT", contentPath("temp/x.html"), strings.NewReader("<script>alert(1)</script>"), nil)
	if res := bob.Must(200, "GET", contentPath("temp/x.html"), nil, nil); strings.Contains(res.Header.Get("Content-Type"), "html") && res.Header.Get("Content-Disposition") == "" {
		t.Errorf("HTML is served as %v", res.Header)
	}

	refused(t, "what is not there", bob.Do("GET", contentPath("temp/none"), nil, nil), 404, "not_found")
	refused(t, "what is not there", bob.Do("GET", filesPath("temp/none"), nil, nil), 404, "not_found")
	refused(t, "removing what is not there", bob.Do("DELETE", filesPath("temp/none"), nil, nil), 404, "not_found")
	if res := bob.Do("GET", contentPath("temp"), nil, nil); res.StatusCode/100 != 4 {
		t.Errorf("a folder's content: %s", res.Status)
	}
	if res := bob.Do("PUT", contentPath("temp"), strings.NewReader("x"), nil); res.StatusCode/100 != 4 {
		t.Errorf("a folder written over: %s", res.Status)
	}
	if res := bob.Do("PUT", contentPath("README.md/x"), strings.NewReader("x"), nil); res.StatusCode/100 != 4 {
		t.Errorf("a file in a file: %s %s", res.Status, res.Text)
	}
	for _, none := range []string{"/files/content", "/files/content?path="} {
		refused(t, none, bob.Do("GET", none, nil, nil), 0, "invalid")
		refused(t, none, bob.Do("PUT", none, strings.NewReader("x"), nil), 0, "invalid")
	}
	refused(t, "removing nothing", bob.Do("DELETE", "/files", nil, nil), 0, "invalid")

	// Folders, and moving.
	wellFormed(t, bob.Must(201, "POST", "/files/folder", map[string]any{"path": "temp/a/b"}, nil))
	refused(t, "the folder again", bob.Do("POST", "/files/folder", map[string]any{"path": "temp/a/b"}, nil), 409, "conflict")
	names(t, "a folder without a path", bob.Do("POST", "/files/folder", map[string]any{}, nil), "body")
	bob.Must(201, "PUT", contentPath("temp/a/b/f.txt"), strings.NewReader("moved"), nil)
	move := func(from, to string) carrel.Response {
		return bob.Do("POST", "/files/move", map[string]any{"from": from, "to": to}, nil)
	}
	if res := move("temp/a", "uploads/moved"); res.StatusCode/100 != 2 {
		t.Errorf("move: %s %s", res.Status, res.Text)
	}
	if got := bob.Must(200, "GET", contentPath("uploads/moved/b/f.txt"), nil, nil).Text; got != "moved" {
		t.Errorf("after the move: %q", got)
	}
	refused(t, "the old place", bob.Do("GET", filesPath("temp/a"), nil, nil), 404, "not_found")
	refused(t, "what is not there", move("temp/none", "temp/x"), 404, "not_found")
	refused(t, "onto something", move("temp/x.html", "README.md"), 409, "conflict")
	refused(t, "into itself", move("uploads/moved", "uploads/moved/b/c"), 0, "invalid")
	for _, own := range []string{"projects", "temp", "uploads", "", "."} {
		if res := bob.Do("DELETE", filesPath(own), nil, nil); res.StatusCode/100 != 4 {
			t.Errorf("DELETE of %q: %s", own, res.Status)
		}
		if res := move(own, "temp/elsewhere"); res.StatusCode/100 != 4 {
			t.Errorf("move of %q: %s", own, res.Status)
		}
	}
	bob.Must(204, "DELETE", filesPath("uploads/moved"), nil, nil)
	refused(t, "a removed folder", bob.Do("GET", filesPath("uploads/moved"), nil, nil), 404, "not_found")

	// A folder larger than a page.
	bob.Must(200, "POST", "/commands", map[string]any{"argv": []string{"sh", "-c", "mkdir temp/many && cd temp/many && seq 1 450 | xargs touch"}}, nil)
	seen := map[string]bool{}
	items := walk(t, bob, filesPath("temp/many"), 100)
	for _, raw := range items {
		var e entry
		_ = json.Unmarshal(raw, &e)
		seen[e.Name] = true
	}
	if len(items) != 450 || len(seen) != 450 {
		t.Errorf("%d entries, %d different; want 450", len(items), len(seen))
	}
}

// contractGuardedFiles edits with an ETag, and reads parts.
func contractGuardedFiles(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "guard-bob")
	auth := "Bearer " + tokenOf(bob)
	do := func(method, p, body string, header ...string) carrel.Response {
		r := request{method: method, path: contentPath(p), header: map[string]string{"Authorization": auth, "Content-Type": "application/octet-stream"}}
		if method == "PUT" {
			r.body = body
		}
		for i := 0; i < len(header); i += 2 {
			r.header[header[i]] = header[i+1]
		}
		return r.send(t, bob.Server().URL)
	}
	first := do("PUT", "temp/x", "one")
	e1 := first.Header.Get("ETag")
	if first.StatusCode != 201 || !strings.HasPrefix(e1, `"`) {
		t.Fatalf("PUT: %s ETag %q", first.Status, e1)
	}
	if got := do("GET", "temp/x", "").Header.Get("ETag"); got != e1 {
		t.Errorf("GET's ETag %s; want %s", got, e1)
	}
	second := do("PUT", "temp/x", "two", "If-Match", e1)
	e2 := second.Header.Get("ETag")
	if second.StatusCode != 200 || e2 == e1 || e2 == "" {
		t.Errorf("an edit with the ETag: %s %q", second.Status, e2)
	}
	refused(t, "an edit with an old ETag", do("PUT", "temp/x", "three", "If-Match", e1), 412, "precondition_failed")
	refused(t, "an edit of what is gone", do("PUT", "temp/none", "x", "If-Match", e1), 412, "precondition_failed")
	refused(t, "made only if new", do("PUT", "temp/x", "x", "If-None-Match", "*"), 412, "precondition_failed")
	if res := do("PUT", "temp/new", "x", "If-None-Match", "*"); res.StatusCode != 201 {
		t.Errorf("made only if new: %s", res.Status)
	}
	if res := do("PUT", "temp/x", "four", "If-Match", "*"); res.StatusCode != 200 {
		t.Errorf("If-Match: *: %s %s", res.Status, res.Text)
	}
	e4 := do("GET", "temp/x", "").Header.Get("ETag")
	if res := do("GET", "temp/x", "", "If-None-Match", e4); res.StatusCode != 304 || res.Text != "" {
		t.Errorf("If-None-Match: %s %q; want 304", res.Status, res.Text)
	}
	// Claude or a command changes it behind the page's back.
	bob.Must(200, "POST", "/commands", map[string]any{"argv": []string{"sh", "-c", "printf five > temp/x"}}, nil)
	refused(t, "changed by a command", do("PUT", "temp/x", "six", "If-Match", e4), 412, "precondition_failed")
	if got := do("GET", "temp/x", "").Text; got != "five" {
		t.Errorf("the file is %q; want five", got)
	}

	do("PUT", "temp/r", "0123456789")
	for _, c := range []struct {
		header string
		status int
		text   string
	}{
		{"bytes=2-4", 206, "234"}, {"bytes=7-", 206, "789"}, {"bytes=-2", 206, "89"}, {"bytes=0-99", 206, "0123456789"}, {"bytes=0-0", 206, "0"},
	} {
		res := do("GET", "temp/r", "", "Range", c.header)
		if res.StatusCode != c.status || res.Text != c.text || res.Header.Get("Content-Range") == "" {
			t.Errorf("%s: %s %q %q", c.header, res.Status, res.Text, res.Header.Get("Content-Range"))
		}
	}
	if res := do("GET", "temp/r", "", "Range", "bytes=20-30"); res.StatusCode != 416 {
		t.Errorf("a range beyond the end: %s %s; want 416", res.Status, res.Text)
	}
}

func contractFileNames(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "name-bob")
	for _, name := range []string{"a b.txt", "报告 最终.txt", "naïve—file.txt", "🙂.txt", "%2e%2e", "a%b", "a?b", "a#b", "a&b=c", "a+b", "'\"<>|*", "-rf", ".hidden", "a\\b", "...", "a;b", strings.Repeat("名", 85)} {
		p := "temp/" + name
		if res := bob.Do("PUT", contentPath(p), strings.NewReader(name), nil); res.StatusCode != 201 {
			t.Errorf("PUT %q: %s %s", name, res.Status, res.Text)
			continue
		}
		res := bob.Must(200, "GET", contentPath(p), nil, nil)
		if res.Text != name {
			t.Errorf("%q holds %q", name, res.Text)
		}
		var e entry
		bob.Must(200, "GET", filesPath(p), nil, &e)
		if e.Name != name || e.Path != p {
			t.Errorf("%q is listed as %+v", name, e)
		}
		if _, err := os.Stat(path.Join(workspaceOf(t, bob), p)); err != nil {
			t.Errorf("%q is not on disk: %v", name, err)
		}
	}
	// New names with a line break are refused; one that a program left can be seen, read and removed.
	refused(t, "a new name with a line break", bob.Do("PUT", contentPath("temp/a\nb"), strings.NewReader("x"), nil), 0, "invalid")
	bob.Must(200, "POST", "/commands", map[string]any{"argv": []string{"sh", "-c", "printf left > 'temp/line\nbreak'"}}, nil)
	if l := bob.Must(200, "GET", filesPath("temp"), nil, nil); !strings.Contains(l.Text, `"temp/line\nbreak"`) {
		t.Errorf("the list has no name with a line break: %s", l.Text)
	}
	if res := bob.Do("GET", contentPath("temp/line\nbreak"), nil, nil); res.StatusCode != 200 || res.Text != "left" {
		t.Errorf("reading it: %s %s", res.Status, res.Text)
	}
	if res := bob.Do("DELETE", filesPath("temp/line\nbreak"), nil, nil); res.StatusCode != 204 {
		t.Errorf("removing it: %s %s", res.Status, res.Text)
	}
	refused(t, "a name that is too long", bob.Do("PUT", contentPath("temp/"+strings.Repeat("a", 256)), strings.NewReader("x"), nil), 0, "invalid")
	refused(t, "a path that is too long", bob.Do("PUT", contentPath("temp"+strings.Repeat("/a", 3000)), strings.NewReader("x"), nil), 0, "invalid")
	refused(t, "a zero byte", bob.Do("GET", contentPath("temp/\x00"), nil, nil), 0, "invalid")
	refused(t, "no UTF-8", bob.Do("PUT", "/files/content?path=temp/%ff%fe", strings.NewReader("x"), nil), 0, "invalid")
}

func workspaceOf(t *testing.T, p *carrel.Person) string {
	t.Helper()
	var i instance
	p.Must(200, "GET", "/instance", nil, &i)
	return i.Workspace
}

// contractPathsOut tries to get out of the workspace, in every spelling.
func contractPathsOut(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "out-bob")
	bob.Token = tokenOf(bob)
	bob.Must(200, "POST", "/commands", map[string]any{"argv": []string{"sh", "-c",
		"cd temp && ln -s /etc etc && ln -s /etc/passwd passwd && ln -s ../../.. up && ln -s loop loop && ln -s /proc/self/root root && mkfifo pipe"}}, nil)
	out := []string{"..", "../", "../..", "../user-1", "/etc/passwd", "//etc/passwd", "temp/../../x", "temp/../..", "./../x", "/home/out-bob/../ada", "/home", "temp/../../../../../../etc/passwd",
		"temp/etc/passwd", "temp/passwd", "temp/up", "temp/up/etc/passwd", "temp/loop", "temp/root/etc/passwd", "/proc/1/environ", "/run/carrel"}
	ways := []string{}
	for _, p := range out {
		ways = append(ways, url.QueryEscape(p), strings.ReplaceAll(url.QueryEscape(p), ".", "%2e"), p)
	}
	secret := func(text string) bool { return strings.Contains(text, "root:x:") || strings.Contains(text, "CARREL_") }
	for _, w := range ways {
		for _, r := range []struct{ method, path string }{{"GET", "/files?path="}, {"GET", "/files/content?path="}, {"PUT", "/files/content?path="}, {"DELETE", "/files?path="}} {
			if r.method == "DELETE" && (strings.Contains(w, "passwd") || strings.Contains(w, "temp")) && !strings.Contains(w, "..") {
				continue // removing a link of one's own is no way out
			}
			var body io.Reader
			if r.method == "PUT" {
				body = strings.NewReader("x")
			}
			var b any
			if body != nil {
				b = body
			}
			res := bob.Do(r.method, r.path+w, b, nil)
			if res.StatusCode/100 == 2 && r.method == "GET" && r.path == "/files?path=" && strings.Contains(w, "temp") && strings.Contains(res.Text, `"type":"link"`) {
				continue // a link is a thing in the workspace; where it leads is not shown
			}
			if res.StatusCode/100 != 4 || secret(res.Text) {
				t.Errorf("%s %s%s: %s %.300s", r.method, r.path, w, res.Status, res.Text)
			}
		}
	}
	for _, p := range out {
		if res := bob.Do("POST", "/files/folder", map[string]any{"path": p + "/made"}, nil); res.StatusCode/100 != 4 {
			t.Errorf("a folder %s/made: %s %s", p, res.Status, res.Text)
		}
		if res := bob.Do("POST", "/files/move", map[string]any{"from": "README.md", "to": p + "/moved"}, nil); res.StatusCode/100 != 4 {
			t.Errorf("a move to %s/moved: %s %s", p, res.Status, res.Text)
		}
		if strings.HasPrefix(p, "temp/") && !strings.Contains(p[5:], "/") {
			continue // the link itself
		}
		if res := bob.Do("POST", "/files/move", map[string]any{"from": p, "to": "temp/stolen"}, nil); res.StatusCode/100 != 4 {
			t.Errorf("a move of %s: %s %s", p, res.Status, res.Text)
		}
	}
	if res := bob.Do("GET", contentPath("temp/pipe"), nil, nil); res.StatusCode/100 != 4 {
		t.Errorf("a pipe's content: %s", res.Status)
	}
	bob.Must(200, "GET", contentPath("README.md"), nil, nil)
	bob.Must(200, "GET", contentPath("temp/../README.md"), nil, nil)
}

// contractLargeFile sends 100 MB and gets them back; the server holds none of it.
func contractLargeFile(t *testing.T, ada *carrel.Person) {
	const size = 100 << 20
	bob := member(t, ada, "large-bob")
	token := "Bearer " + tokenOf(bob)
	before := peakMemory(t, bob.Server().Pid())
	sum := sha256.New()
	ask := func(method string, body io.Reader) *http.Response {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), carrel.Patience)
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, method, bob.Server().URL+"/api/v1"+contentPath("uploads/large.bin"), body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	random := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
	if res := ask("PUT", io.TeeReader(random, sum)); res.StatusCode != 201 { // no Content-Length
		t.Fatalf("upload: %s", res.Status)
	}
	res := ask("GET", nil)
	back := sha256.New()
	n, err := io.Copy(back, res.Body)
	if err != nil || n != size || res.ContentLength != size || string(back.Sum(nil)) != string(sum.Sum(nil)) {
		t.Errorf("download: %v, %d bytes, Content-Length %d, the same: %v", err, n, res.ContentLength, string(back.Sum(nil)) == string(sum.Sum(nil)))
	}
	if grown := peakMemory(t, bob.Server().Pid()) - before; grown > 64<<20 {
		t.Errorf("the server's memory grew by %d MiB for a file of 100", grown>>20)
	}
	bob.Must(204, "DELETE", filesPath("uploads/large.bin"), nil, nil)

	// An upload that breaks off leaves nothing.
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, "PUT", bob.Server().URL+"/api/v1"+contentPath("uploads/half.bin"), r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token)
	go func() {
		_, _ = w.Write(make([]byte, 4<<20))
		cancel()
		w.CloseWithError(context.Canceled) // the client waits for its body
	}()
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Errorf("half an upload: %s", res.Status)
	}
	carrel.Await(t, "the folder to be empty", func() error {
		var l entry
		if bob.Must(200, "GET", filesPath("uploads"), nil, &l); len(l.Items) > 0 {
			return fmt.Errorf("%+v", l.Items)
		}
		return nil
	})
}

// peakMemory is the most that a process ever held resident.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
