package files

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a helper that serves a fresh workspace over a real connection, and a secret beside it.
type bench struct {
	t       *testing.T
	home    string
	outside string // a folder next to the workspace; "secret" in it is what nobody may see or change
	client  *client.Client
}

const secret = "not for you"

func setup(t *testing.T) *bench {
	t.Helper()
	base := t.TempDir()
	b := &bench{t: t, home: filepath.Join(base, "home"), outside: filepath.Join(base, "outside")}
	for _, dir := range []string{b.home, b.outside} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.write(b.outside, "secret", secret)
	root, err := os.OpenRoot(b.home)
	if err != nil {
		t.Fatal(err)
	}
	if err := workspace.Ensure(root, "ana", "en"); err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if ends[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	served := make(chan error, 1)
	go func() {
		served <- serve(context.Background(), ends[0], New(root, "/home/ana", slog.New(slog.DiscardHandler)))
	}()
	b.client = client.New(rpc.Once(ends[1]))
	t.Cleanup(func() {
		b.client.Close()
		ends[1].Close()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		root.Close()
		if got, err := os.ReadFile(filepath.Join(b.outside, "secret")); err != nil || string(got) != secret {
			t.Errorf("what lies outside was changed: %q, %v", got, err)
		}
		if entries, _ := os.ReadDir(b.outside); len(entries) != 1 {
			t.Errorf("something was made outside: %v", entries)
		}
	})
	return b
}

func (b *bench) write(dir, name, text string) {
	b.t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// A helper that ends in the midst of a body leaves nothing: what has no end has no name.
func TestUnfinishedContentHasNoName(t *testing.T) {
	b := setup(t)
	b.write(b.home, "temp/d/a", "old")
	body, w := io.Pipe()
	answered := make(chan reply, 1)
	go func() { answered <- b.do("PUT", "/content", at("temp/d/a"), nil, body) }()
	// More than all buffers on the way hold: the helper has begun.
	if _, err := io.Copy(w, io.LimitReader(zeros{}, 16<<20)); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(filepath.Join(b.home, "temp/d")); err != nil || len(names) != 1 {
		t.Errorf("in the midst there are %v, %v", names, err)
	}
	w.Close()
	b.wantOK(<-answered, 200, "put")
	if info, err := os.Stat(filepath.Join(b.home, "temp/d/a")); err != nil || info.Size() != 16<<20 {
		t.Errorf("got %v, %v", info, err)
	}
	b.clean("temp/d")
}

// Names that programs left may hold anything: whoever has them can see, rename and remove them.
func TestNamesThatAreNotUTF8(t *testing.T) {
	b := setup(t)
	for _, name := range []string{"caf\xe9 +%41", "two\xff", "three\xff", "ok"} {
		b.write(b.home, "temp/n/"+name, name)
	}
	encoded := map[string]string{}
	var folder Folder
	if err := json.Unmarshal([]byte(b.do("GET", "", at("temp/n"), nil, nil).body), &folder); err != nil {
		t.Fatal(err)
	}
	for _, e := range folder.Items {
		encoded[e.Name] = e.EncodedPath
	}
	first := "temp%2Fn%2Fcaf%E9%20%2B%2541"
	if encoded["caf\ufffd +%41"] != first || encoded["ok"] != "" || len(encoded) != 4 {
		t.Fatalf("got %q", encoded)
	}
	raw, err := url.ParseQuery("path=" + first)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.do("GET", "/content", raw, nil, nil).body; got != "caf\xe9 +%41" {
		t.Errorf("got %q", got)
	}
	b.wantCode(b.put("temp/n/new\xff", "x"), fault.Invalid, "a new one")
	b.wantOK(b.do("DELETE", "", at("temp/n/three\xff"), nil, nil), 204, "remove")
	b.wantOK(b.do("POST", "/move", nil, nil, map[string]any{"from": first, "encoded": true, "to": "temp/n/café"}), 200, "rename")
	if got := b.get("temp/n/café").body; got != "caf\xe9 +%41" {
		t.Errorf("renamed: %q", got)
	}
	r := b.do("POST", "/trash", nil, nil, map[string]any{"path": encoded["two\ufffd"], "encoded": true})
	b.wantOK(r, 200, "trash")
	var e Entry
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Fatal(err)
	}
	b.wantOK(b.do("POST", "/move", nil, nil, map[string]any{"from": e.EncodedPath, "encoded": true, "to": "temp/n/two"}), 200, "undo")
	for _, bad := range []string{"%", "..%2F..%2Foutside%2Fsecret", "%00"} {
		b.wantCode(b.do("POST", "/move", nil, nil, map[string]any{"from": bad, "encoded": true, "to": "temp/got"}), fault.Invalid, bad)
	}
}

type reply struct {
	status int
	header http.Header
	body   string
	err    error // the fault, for a bad status
}

func (b *bench) do(method, path string, query url.Values, header http.Header, body any) reply {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var r io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(v)
	case io.Reader:
		r = v
	default:
		j, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		r = bytes.NewReader(j)
	}
	res, err := b.client.HTTP(ctx, method, path, query, header, r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	return reply{res.StatusCode, res.Header, string(text), client.Problem(res)}
}

func at(path string) url.Values { return url.Values{"path": {path}} }

func (b *bench) get(path string) reply {
	b.t.Helper()
	return b.do("GET", "/content", at(path), nil, nil)
}
func (b *bench) put(path, text string, header ...string) reply {
	b.t.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return b.do("PUT", "/content", at(path), h, text)
}

func (b *bench) wantCode(r reply, code fault.Code, what string) {
	b.t.Helper()
	if r.err == nil || fault.CodeOf(r.err) != code {
		b.t.Errorf("%s: got %d %v, want %s", what, r.status, r.err, code)
	}
}

func (b *bench) wantOK(r reply, status int, what string) {
	b.t.Helper()
	if r.status != status {
		b.t.Fatalf("%s: got %d %s, want %d", what, r.status, r.body, status)
	}
}

// TestWhereIsWhatIsWrong: an error names the field of the request that it is about.
func TestWhereIsWhatIsWrong(t *testing.T) {
	b := setup(t)
	for want, r := range map[string]reply{
		"body.path": b.do("POST", "/folder", nil, nil, map[string]string{"path": "temp/a\nb"}),
		"body.to":   b.do("POST", "/move", nil, nil, map[string]string{"from": "README.md", "to": "temp/a\nb"}),
		"body.from": b.do("POST", "/move", nil, nil, map[string]string{"from": "../x", "to": "temp/x"}),

		"query.path":             b.put("temp/a\nb", "x"),
		"header.Upload-Metadata": b.begin("temp/a\nb", 1, "refuse", ""),
	} {
		var f *fault.Error
		if !errors.As(r.err, &f) || len(f.Fields) != 1 || f.Fields[0].Location != want {
			t.Errorf("%s: got %d %s", want, r.status, r.body)
		}
	}
	var f *fault.Error
	if r := b.do("POST", "/move", nil, nil, map[string]string{"from": "README.md", "to": "/"}); !errors.As(r.err, &f) || f.Fields[0].Location != "body.to" {
		t.Errorf("got %d %s", r.status, r.body)
	}
}

func TestContentRoundTrip(t *testing.T) {
	b := setup(t)
	b.wantOK(b.put("projects/demo/src/a.txt", "one"), 201, "put")
	r := b.get("/home/ana/projects/demo/src/a.txt")
	b.wantOK(r, 200, "get")
	if r.body != "one" || r.header.Get("ETag") == "" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %q %v", r.body, r.header)
	}
	again := b.do("GET", "/content", at("projects/demo/src/a.txt"), http.Header{"If-None-Match": {r.header.Get("ETag")}}, nil)
	b.wantOK(again, 304, "get again")
	part := b.do("GET", "/content", at("projects/demo/src/a.txt"), http.Header{"Range": {"bytes=1-"}}, nil)
	if part.status != 206 || part.body != "ne" {
		t.Errorf("range: got %d %q", part.status, part.body)
	}
	b.wantOK(b.put("empty", ""), 201, "put nothing")
	if r := b.get("empty"); r.status != 200 || r.body != "" {
		t.Errorf("got %d %q", r.status, r.body)
	}
	part = b.do("GET", "/content", at("empty"), http.Header{"Range": {"bytes=-10"}}, nil)
	if part.status != 200 || part.header.Get("Content-Range") != "" {
		t.Errorf("a part of nothing: got %d %v", part.status, part.header)
	}
	b.wantCode(b.get("nothing"), fault.NotFound, "missing file")
	b.wantCode(b.get("README.md/x"), fault.NotFound, "below a file")
	b.wantCode(b.get("projects"), fault.Conflict, "a folder")
	b.wantCode(b.put("projects", "x"), fault.Conflict, "over a folder")
	b.wantCode(b.put("a\nb", "x"), fault.Invalid, "a name with a line break")
	b.wantCode(b.get("../outside/secret"), fault.Invalid, "above")
	b.wantCode(b.put("../outside/new", "x"), fault.Invalid, "above")
}

func TestLargeContentStreams(t *testing.T) {
	b := setup(t)
	const size = 20 << 20
	r := b.do("PUT", "/content", at("uploads/big"), nil, io.LimitReader(zeros{}, size))
	b.wantOK(r, 201, "put")
	got := b.get("uploads/big")
	b.wantOK(got, 200, "get")
	if len(got.body) != size || got.header.Get("ETag") != r.header.Get("ETag") {
		t.Errorf("got %d bytes, tag %s, want %s", len(got.body), got.header.Get("ETag"), r.header.Get("ETag"))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestEditGuard(t *testing.T) {
	b := setup(t)
	r := b.put("a", "one", "If-None-Match", "*")
	b.wantOK(r, 201, "new file")
	etag := r.header.Get("ETag")
	b.wantCode(b.put("a", "other", "If-None-Match", "*"), fault.PreconditionFailed, "new where there is one")
	if err := os.Chmod(filepath.Join(b.home, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	r = b.put("a", "two", "If-Match", etag)
	b.wantOK(r, 200, "edit")
	if info, _ := os.Stat(filepath.Join(b.home, "a")); info.Mode().Perm() != 0o755 {
		t.Errorf("mode became %v", info.Mode())
	}
	b.wantCode(b.put("a", "three", "If-Match", etag), fault.PreconditionFailed, "edit of what has changed")
	b.write(b.home, "a", "own") // same size, by somebody else
	b.wantCode(b.put("a", "six", "If-Match", r.header.Get("ETag")), fault.PreconditionFailed, "edit of what a program changed")
	b.wantCode(b.put("gone", "x", "If-Match", "*"), fault.PreconditionFailed, "edit of nothing")
	if got := b.get("a").body; got != "own" {
		t.Errorf("a refused edit changed the file: %q", got)
	}
	b.clean("")
}

// clean says that no temporary file was left.
func (b *bench) clean(dir string) {
	b.t.Helper()
	left, _ := filepath.Glob(filepath.Join(b.home, dir, ".carrel-*"))
	if len(left) > 0 {
		b.t.Errorf("left behind: %v", left)
	}
}

// Of many who save over the same version, one succeeds.
func TestOneEditWins(t *testing.T) {
	b := setup(t)
	etag := b.put("a", "0").header.Get("ETag")
	results := make(chan int)
	const n = 8
	for i := range n {
		go func() {
			r := b.put("a", strconv.Itoa(i+1), "If-Match", etag)
			results <- r.status
		}()
	}
	won := 0
	for range n {
		if <-results == 200 {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of %d succeeded, want 1", won, n)
	}
	b.clean("")
}

type broken struct{ sent bool }

func (r *broken) Read(p []byte) (int, error) {
	if !r.sent {
		r.sent = true
		return copy(p, "half"), nil
	}
	return 0, fmt.Errorf("connection lost")
}

func TestBrokenUploadChangesNothing(t *testing.T) {
	b := setup(t)
	b.wantOK(b.put("a", "whole"), 201, "put")
	if _, err := b.client.HTTP(t.Context(), "PUT", "/content", at("a"), nil, &broken{}); err == nil {
		t.Fatal("the upload went well")
	}
	if got := b.get("a").body; got != "whole" {
		t.Errorf("got %q", got)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		left, _ := filepath.Glob(filepath.Join(b.home, ".carrel-*"))
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %v", left)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestFolderPages(t *testing.T) {
	b := setup(t)
	const n = 25
	for i := range n {
		b.write(b.home, fmt.Sprintf("temp/f%02d", i), strings.Repeat("x", i))
	}
	var seen []Entry
	query := url.Values{"path": {"temp"}, "limit": {"10"}}
	for pages := 0; ; pages++ {
		r := b.do("GET", "", query, nil, nil)
		b.wantOK(r, 200, "page")
		var f Folder
		if err := json.Unmarshal([]byte(r.body), &f); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, f.Items...)
		if f.NextCursor == nil {
			if pages != 2 {
				t.Errorf("got %d pages", pages+1)
			}
			break
		}
		query.Set("cursor", *f.NextCursor)
	}
	if len(seen) != n {
		t.Fatalf("got %d entries, want %d", len(seen), n)
	}
	for i, e := range seen {
		if e.Name != fmt.Sprintf("f%02d", i) || e.Path != "temp/"+e.Name || e.SizeBytes != int64(i) || e.Type != typeFile || e.ModifiedAt.IsZero() {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	b.wantCode(b.do("GET", "", url.Values{"limit": {"0"}}, nil, nil), fault.Invalid, "limit 0")
	b.wantCode(b.do("GET", "", url.Values{"cursor": {"*"}}, nil, nil), fault.Invalid, "bad cursor")
}

func TestFoldersAndMoves(t *testing.T) {
	b := setup(t)
	folder := func(p string) reply { return b.do("POST", "/folder", nil, nil, map[string]string{"path": p}) }
	move := func(from, to string) reply {
		return b.do("POST", "/move", nil, nil, map[string]string{"from": from, "to": to})
	}
	b.wantOK(folder("projects/a/b/c"), 201, "folder")
	b.wantCode(folder("projects/a/b/c"), fault.Conflict, "folder again")
	b.wantCode(folder(""), fault.Invalid, "the workspace itself")
	b.write(b.home, "one", "1")
	b.write(b.home, "two", "2")
	b.wantCode(move("one", "two"), fault.Conflict, "move over a file")
	b.wantCode(move("one", "projects"), fault.Conflict, "move over a folder")
	b.wantCode(move("projects/a", "projects/a/b/x"), fault.Invalid, "move into itself")
	b.wantCode(move("projects", "temp/projects"), fault.Forbidden, "move of an own folder")
	b.wantCode(move("nothing", "three"), fault.NotFound, "move of nothing")
	b.wantCode(move("one", "no/such/folder"), fault.NotFound, "move to nowhere")
	b.wantOK(move("one", "projects/a/three"), 200, "move")
	b.wantOK(move("projects/a", "projects/z"), 200, "move of a folder")
	if got := b.get("projects/z/three").body; got != "1" {
		t.Errorf("got %q", got)
	}
	for _, p := range []string{"", "/", "projects", "/home/ana/uploads", "temp/."} {
		b.wantCode(b.do("DELETE", "", at(p), nil, nil), fault.Forbidden, "remove "+p)
	}
	b.wantOK(b.do("DELETE", "", at("projects/z"), nil, nil), 204, "remove")
	b.wantCode(b.do("DELETE", "", at("projects/z"), nil, nil), fault.NotFound, "remove again")
}

func TestProjects(t *testing.T) {
	b := setup(t)
	name := func(n string) map[string]string { return map[string]string{"name": n} }
	r := b.do("POST", "/projects", nil, nil, name("网页 app"))
	b.wantOK(r, 201, "make")
	var p Project
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || p.Path != "projects/网页 app" || p.CreatedAt.IsZero() {
		t.Errorf("got %+v, %v", p, err)
	}
	b.wantCode(b.do("POST", "/projects", nil, nil, name("网页 app")), fault.Conflict, "make again")
	for _, bad := range []string{"", "..", "a/b", ".hidden", "-rf"} {
		b.wantCode(b.do("POST", "/projects", nil, nil, name(bad)), fault.Invalid, "make "+bad)
	}
	b.wantOK(b.do("GET", "/projects/网页 app", nil, nil, nil), 200, "get")
	b.wantCode(b.do("GET", "/projects/..%2f..", nil, nil, nil), fault.NotFound, "get of a path")
	b.write(b.home, "projects/taken/x", "x")
	b.write(b.home, "projects/a file", "x")
	b.write(b.home, "projects/.hidden/x", "x")
	b.wantCode(b.do("PATCH", "/projects/网页 app", nil, nil, name("taken")), fault.Conflict, "rename over another")
	b.wantOK(b.do("PATCH", "/projects/网页 app", nil, nil, name("site")), 200, "rename")
	var list projectList
	if err := json.Unmarshal([]byte(b.do("GET", "/projects", nil, nil, nil).body), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 2 || list.Items[0].Name != "site" || list.Items[1].Name != "taken" || list.NextCursor != nil {
		t.Errorf("got %+v", list)
	}
	if err := json.Unmarshal([]byte(b.do("GET", "/projects", url.Values{"limit": {"1"}}, nil, nil).body), &list); err != nil || len(list.Items) != 1 || list.NextCursor == nil {
		t.Errorf("got %+v, %v", list, err)
	}
	b.wantOK(b.do("DELETE", "/projects/taken", nil, nil, nil), 204, "remove")
	b.wantCode(b.do("DELETE", "/projects/taken", nil, nil, nil), fault.NotFound, "remove again")
}
