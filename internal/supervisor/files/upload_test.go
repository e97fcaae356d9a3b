package files

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
)

func tus(kv ...string) http.Header {
	h := http.Header{"Tus-Resumable": {"1.0.0"}}
	for i := 0; i < len(kv); i += 2 {
		h.Set(kv[i], kv[i+1])
	}
	return h
}

func (b *bench) begin(path string, size int, exists, body string) reply {
	b.t.Helper()
	meta := "path " + base64.StdEncoding.EncodeToString([]byte(path))
	if exists != "" {
		meta += ",exists " + base64.StdEncoding.EncodeToString([]byte(exists))
	}
	return b.do("POST", "/uploads", nil, tus("Upload-Length", strconv.Itoa(size), "Upload-Metadata", meta), body)
}

func uploadOf(r reply) string { return strings.TrimPrefix(r.header.Get("Location"), "/files") }

func (b *bench) patch(at string, offset int, body any) reply {
	b.t.Helper()
	return b.do("PATCH", at, nil, tus("Upload-Offset", strconv.Itoa(offset), "Content-Type", tusBytes), body)
}

func (b *bench) unfinished() int {
	names, err := os.ReadDir(filepath.Join(b.home, uploadFolder))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	return len(names)
}

func TestUploadInPieces(t *testing.T) {
	b := setup(t)
	r := b.begin("uploads/new/ä.bin", 10, "", "")
	b.wantOK(r, 201, "begin")
	at := uploadOf(r)
	b.wantOK(b.patch(at, 0, "0123"), 204, "first piece")
	b.wantCode(b.get("uploads/new/ä.bin"), fault.NotFound, "an unfinished upload has no name")
	r = b.do("GET", at, nil, tus(), nil)
	if r.status != 200 || r.header.Get("Upload-Offset") != "4" || r.header.Get("Upload-Length") != "10" {
		t.Errorf("where it stands: %d %v", r.status, r.header)
	}
	b.wantCode(b.patch(at, 3, "x"), fault.Conflict, "at another place")
	b.wantCode(b.patch(at, 4, strings.Repeat("x", 7)), fault.TooLarge, "more than announced")
	said := tus("Upload-Offset", "4", "Content-Type", tusBytes, "Content-Length", "7")
	b.wantCode(b.do("PATCH", at, nil, said, io.MultiReader(strings.NewReader("1234567"))), fault.TooLarge, "more than announced, as the header says")
	more := b.patch(at, 4, io.MultiReader(strings.NewReader("456789"), strings.NewReader("x"))) // of a length that is not said
	b.wantCode(more, fault.TooLarge, "more than announced, in the end")
	r = b.do("GET", at, nil, tus(), nil)
	if got := r.header.Get("Upload-Offset"); got != "4" {
		t.Errorf("after too much it stands at %s", got)
	}
	r = b.patch(at, 4, io.MultiReader(strings.NewReader("4567"), strings.NewReader("89")))
	b.wantOK(r, 204, "last piece")
	if p, _ := url.PathUnescape(r.header.Get("Upload-Path")); p != "uploads/new/ä.bin" {
		t.Errorf("its path: %q", p)
	}
	if got := b.get("uploads/new/ä.bin").body; got != "0123456789" {
		t.Errorf("got %q", got)
	}
	b.wantCode(b.do("GET", at, nil, tus(), nil), fault.NotFound, "a finished upload")
	if n := b.unfinished(); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
	// Too much from the first on, said and not said.
	for _, body := range []io.Reader{strings.NewReader("12345678"), io.MultiReader(strings.NewReader("1234"), strings.NewReader("5678"))} {
		r := b.do("POST", "/uploads", nil, tus("Upload-Length", "4", "Upload-Metadata", "path "+base64.StdEncoding.EncodeToString([]byte("uploads/much"))), body)
		b.wantCode(r, fault.TooLarge, "begun with more than announced")
		if at := r.header.Get("Location"); at != "" {
			t.Errorf("what was refused is at %s", at)
		}
	}
	b.wantCode(b.get("uploads/much"), fault.NotFound, "what was refused")
	if n := b.unfinished(); n != 0 {
		t.Errorf("%d refused uploads are left", n)
	}
	// All at once, and nothing at all.
	b.wantOK(b.begin("uploads/one", 3, "", "one"), 201, "with its bytes")
	b.wantOK(b.begin("uploads/empty", 0, "", ""), 201, "empty")
	if one, empty := b.get("uploads/one"), b.get("uploads/empty"); one.body != "one" || empty.status != 200 || empty.body != "" {
		t.Errorf("got %v %v", one, empty)
	}
}

func TestUploadWhereTheNameIsTaken(t *testing.T) {
	b := setup(t)
	b.wantOK(b.put("uploads/plan.md", "old"), 201, "put")
	b.wantCode(b.begin("uploads/plan.md", 3, "", "new"), fault.Conflict, "refuse")
	b.wantCode(b.begin("projects", 3, "replace", "new"), fault.Conflict, "replace a folder")
	b.wantOK(b.begin("uploads/plan.md", 3, "keep", "new"), 201, "keep")
	if got := b.get("uploads/plan.md").body + b.get("uploads/plan (2).md").body; got != "oldnew" {
		t.Errorf("got %q", got)
	}
	b.wantOK(b.begin("uploads/plan.md", 3, "replace", "two"), 201, "replace")
	if got := b.get("uploads/plan.md").body; got != "two" {
		t.Errorf("got %q", got)
	}
	// Taken between beginning and end: neither is lost.
	r := b.begin("uploads/late", 1, "", "")
	b.wantOK(b.put("uploads/late", "first"), 201, "put")
	r = b.patch(uploadOf(r), 0, "u")
	b.wantOK(r, 204, "end")
	if got := b.get("uploads/late").body + b.get("uploads/late (2)").body; got != "firstu" {
		t.Errorf("got %q", got)
	}
	// Where the number makes the name too long, letters of it give way.
	long := "uploads/" + strings.Repeat("长", 84) + ".md"
	b.wantOK(b.put(long, "old"), 201, "put")
	b.wantOK(b.begin(long, 3, "keep", "new"), 201, "keep")
	if got := b.get("uploads/" + strings.Repeat("长", 82) + " (2).md").body; got != "new" {
		t.Errorf("got %q", got)
	}
}

// A connection that hangs does not keep away the one that comes after it.
func TestUploadGoesOnOverAnotherConnection(t *testing.T) {
	b := setup(t)
	at := uploadOf(b.begin("uploads/x", 6, "", ""))
	hangs, feed := io.Pipe()
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	go func() {
		res, err := b.client.HTTP(ctx, "PATCH", at, nil, tus("Upload-Offset", "0", "Content-Type", tusBytes), hangs)
		if err == nil {
			res.Body.Close()
		}
		ended <- err
	}()
	if _, err := feed.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	for { // until it has come: the transport may hold it for a moment
		if info, err := os.Stat(filepath.Join(b.home, uploadFolder, filepath.Base(at), uploadData)); err == nil && info.Size() == 3 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the first bytes do not come")
		}
	}
	r := b.do("GET", at, nil, tus(), nil)
	b.wantOK(r, 200, "ask")
	if got := r.header.Get("Upload-Offset"); got != "3" {
		t.Errorf("it stands at %s", got)
	}
	b.wantOK(b.patch(at, 3, "def"), 204, "go on")
	feed.Close()
	<-ended
	if got := b.get("uploads/x").body; got != "abcdef" {
		t.Errorf("got %q", got)
	}
}

func TestUploadsAreConfined(t *testing.T) {
	b := setup(t)
	if err := os.Symlink(b.outside, filepath.Join(b.home, "out")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"../outside/new", "/etc/new", "out/new", "out/secret", ".", "a\nb"} {
		b.wantCode(b.begin(p, 1, "replace", "x"), fault.Invalid, "upload to "+p)
	}
	for _, id := range []string{"%2e%2e", "a.b", "none"} {
		b.wantCode(b.do("GET", "/uploads/"+id, nil, tus(), nil), fault.NotFound, "upload "+id)
	}
	b.wantCode(b.do("POST", "/uploads", nil, http.Header{}, nil), fault.PreconditionFailed, "without a version")
	b.wantCode(b.begin("uploads/x", -1, "", ""), fault.Invalid, "no size")
	b.wantCode(b.begin("uploads/x", 1, "maybe", ""), fault.Invalid, "another wish")
	b.wantCode(b.begin("uploads/x", 1<<60, "", ""), fault.QuotaExceeded, "more than there is room for")

	// What the person's own programs do to an unfinished upload leads nowhere.
	place := func(r reply) string { return filepath.Join(b.home, uploadFolder, filepath.Base(uploadOf(r))) }
	r := b.begin("uploads/a", 3, "", "")
	target := filepath.Join(place(r), uploadTarget)
	b.write(place(r), uploadTarget, `{"path":"../outside/got","size":3,"exists":"replace"}`)
	b.wantCode(b.patch(uploadOf(r), 0, "abc"), fault.NotFound, "another target")
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	r = b.begin("uploads/b", 3, "", "")
	data := filepath.Join(place(r), uploadData)
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(b.outside, "secret"), data); err != nil {
		t.Fatal(err)
	}
	b.wantCode(b.patch(uploadOf(r), 0, "abc"), fault.NotFound, "bytes that are a link")
}

func TestOldUploadsGo(t *testing.T) {
	b := setup(t)
	old, young := b.begin("uploads/old", 3, "", ""), b.begin("uploads/young", 3, "", "")
	then := time.Now().Add(-uploadAge - time.Minute)
	if err := os.Chtimes(filepath.Join(b.home, uploadFolder, filepath.Base(uploadOf(old))), then, then); err != nil {
		t.Fatal(err)
	}
	b.wantOK(b.begin("uploads/next", 3, "", "new"), 201, "another")
	b.wantCode(b.patch(uploadOf(old), 0, "abc"), fault.NotFound, "the old one")
	b.wantOK(b.do("DELETE", uploadOf(young), nil, tus(), nil), 204, "cancel")
	if n := b.unfinished(); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}
