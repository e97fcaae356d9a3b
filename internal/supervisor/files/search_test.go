package files

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/carrel-dev/carrel/internal/fault"
)

func answerOf[T any](b *bench, path string, query url.Values) T {
	b.t.Helper()
	r := b.do("GET", path, query, nil, nil)
	b.wantOK(r, 200, path)
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

func TestSearchByName(t *testing.T) {
	b := setup(t)
	for _, p := range []string{
		"projects/p/main.go", "projects/p/cmd/main_test.go", "projects/p/domain/x.txt", "projects/p/node_modules/main.go",
		"projects/p/.git/main.go", "projects/q/my-main.py", "projects/p/unrelated.txt", "temp/报告.md",
	} {
		b.write(b.home, p, "x")
	}
	if err := os.Symlink(b.outside, filepath.Join(b.home, "projects/p/main-out")); err != nil {
		t.Fatal(err)
	}
	find := func(q ...string) []string {
		v := url.Values{}
		for i := 0; i < len(q); i += 2 {
			v.Set(q[i], q[i+1])
		}
		var got []string
		for _, e := range answerOf[Named](b, "/search", v).Items {
			got = append(got, e.Path)
		}
		return got
	}
	if got := find("q", "main", "project", "p"); !slices.Equal(got, []string{"projects/p/main.go", "projects/p/main-out", "projects/p/cmd/main_test.go", "projects/p/domain", "projects/p/domain/x.txt"}) {
		t.Errorf("main: %q", got)
	}
	if got := find("q", "main go", "all", "true"); len(got) < 3 || got[0] != "projects/p/main.go" || !slices.Contains(got, "projects/p/.git/main.go") || !slices.Contains(got, "projects/p/node_modules/main.go") {
		t.Errorf("everywhere: %q", got)
	}
	if got := find("q", "mygo"); slices.Contains(got, "projects/p/main.go") {
		t.Errorf("letters that are not there: %q", got)
	}
	if got := find("q", "mts"); !slices.Contains(got, "projects/p/cmd/main_test.go") {
		t.Errorf("letters in order: %q", got)
	}
	if got := find("q", "报"); !slices.Equal(got, []string{"temp/报告.md"}) {
		t.Errorf("Chinese: %q", got)
	}
	if got := find("q", "main", "limit", "1"); len(got) != 1 {
		t.Errorf("one: %q", got)
	}
	if got := find("q", "secret", "all", "true"); len(got) != 0 {
		t.Errorf("what lies outside is found: %q", got)
	}
	b.wantCode(b.do("GET", "/search", url.Values{"q": {" "}}, nil, nil), fault.Invalid, "nothing")
	b.wantCode(b.do("GET", "/search", url.Values{"q": {"x"}, "path": {"../outside"}}, nil, nil), fault.Invalid, "above")
	b.wantCode(b.do("GET", "/search", url.Values{"q": {"x"}, "path": {"projects/p/main-out"}}, nil, nil), fault.Invalid, "over a link")
}

func TestGrep(t *testing.T) {
	b := setup(t)
	b.write(b.home, "projects/p/a.txt", "one\r\ntwo needle here\nNEEDLE needle\n\nlast needle")
	b.write(b.home, "projects/p/binary", "needle\x00needle")
	b.write(b.home, "projects/p/long.txt", strings.Repeat("长", 500)+"needle"+strings.Repeat("x", 100_000))
	b.write(b.home, "projects/p/node_modules/x.txt", "needle")
	b.write(b.home, "projects/p/large.txt", strings.Repeat("x", grepFileBytes)+"needle")
	for name, target := range map[string]string{"out": filepath.Join(b.outside, "secret"), "in": "a.txt"} {
		if err := os.Symlink(target, filepath.Join(b.home, "projects/p", name)); err != nil {
			t.Fatal(err)
		}
	}
	find := func(q ...string) Lines {
		v := url.Values{"project": {"p"}}
		for i := 0; i < len(q); i += 2 {
			v.Set(q[i], q[i+1])
		}
		return answerOf[Lines](b, "/grep", v)
	}
	got := find("q", "needle")
	var where []string
	for _, l := range got.Items {
		where = append(where, l.Path[len("projects/p/"):]+":"+string(rune('0'+l.Line)))
	}
	if !slices.Equal(where, []string{"a.txt:2", "a.txt:3", "a.txt:5", "long.txt:1"}) || got.Cut != "" || got.Files != 2 {
		t.Fatalf("needle: %q in %d, cut %q", where, got.Files, got.Cut)
	}
	if l := got.Items[0]; l.Before != "two " || l.Match != "needle" || l.After != " here" {
		t.Errorf("a line: %+v", l)
	}
	if l := got.Items[3]; l.Before != strings.Repeat("长", grepContext/3) || len(l.After) != grepContext {
		t.Errorf("a long line: %+v", l)
	}
	if n := len(find("q", "NEEDLE", "case", "true").Items); n != 1 {
		t.Errorf("with case: %d", n)
	}
	if n := len(find("q", "^t.o", "regexp", "true").Items); n != 1 {
		t.Errorf("an expression: %d", n)
	}
	if n := len(find("q", "t.o").Items); n != 0 {
		t.Errorf("letters that are signs: %d", n)
	}
	if n := len(find("q", "$", "regexp", "true").Items); n == 0 {
		t.Error("what matches nothing in particular finds no line")
	}
	if got := find("q", "needle", "limit", "2"); len(got.Items) != 2 || got.Cut != cutResults {
		t.Errorf("two: %d, cut %q", len(got.Items), got.Cut)
	}
	if n := len(find("q", secret).Items); n != 0 {
		t.Error("what lies outside is read")
	}
	b.wantCode(b.do("GET", "/grep", url.Values{"q": {"("}, "regexp": {"true"}}, nil, nil), fault.Invalid, "no expression")
}

func TestGrepOfOtherEncodings(t *testing.T) {
	b := setup(t)
	encoded := func(e encoding.Encoding, text string) string {
		t.Helper()
		out, err := e.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const text = "第一行\r\n图书馆的座位\r\n"
	b.write(b.home, "projects/p/gbk.txt", encoded(simplifiedchinese.GBK, text))
	b.write(b.home, "projects/p/utf16be.txt", encoded(unicode.UTF16(unicode.BigEndian, unicode.UseBOM), text))
	b.write(b.home, "projects/p/utf16le.txt", encoded(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), text))
	b.write(b.home, "projects/p/utf8.txt", text)
	b.write(b.home, "projects/p/utf8-and-a-stray-byte.txt", text+"\xff")
	b.write(b.home, "projects/p/binary", text+"\x00")
	b.write(b.home, "projects/p/cut-utf16.txt", "\xff\xfe\x00\xd8")
	b.write(b.home, "projects/p/latin1.txt", encoded(charmap.ISO8859_1, "les sièges réservés\nà la bibliothèque"))
	got := answerOf[Lines](b, "/grep", url.Values{"q": {"图书馆的"}})
	var where []string
	for _, l := range got.Items {
		where = append(where, path.Base(l.Path))
		if l.Line != 2 || l.Match != "图书馆的" || l.After != "座位" {
			t.Errorf("found %+v", l)
		}
	}
	if want := []string{"gbk.txt", "utf16be.txt", "utf16le.txt", "utf8-and-a-stray-byte.txt", "utf8.txt"}; !slices.Equal(where, want) {
		t.Errorf("found in %q, want %q", where, want)
	}
	// Of what is in no such encoding the letters that can be read are looked at, and shown.
	got = answerOf[Lines](b, "/grep", url.Values{"q": {"biblioth"}})
	if len(got.Items) != 1 || got.Items[0].Before != " la " || got.Items[0].After != "que" {
		t.Errorf("found %+v", got.Items)
	}
}

// What takes an expression long does not take the helper long.
func TestGrepOfHardExpressions(t *testing.T) {
	b := setup(t)
	for i := range 6 {
		b.write(b.home, fmt.Sprintf("projects/p/%d.txt", i), strings.Repeat("a", grepFileBytes))
	}
	got := answerOf[Lines](b, "/grep", url.Values{"q": {"(a?){900}z"}, "regexp": {"true"}})
	if got.Cut != cutTime || len(got.Items) != 0 || got.Files == 0 {
		t.Errorf("cut %q, %d found in %d", got.Cut, len(got.Items), got.Files)
	}
	b.wantCode(b.do("GET", "/grep", url.Values{"q": {strings.Repeat("a{1000}", 11)}, "regexp": {"true"}}, nil, nil), fault.Invalid, "a large expression")
}

func TestGrepIsWatched(t *testing.T) {
	text := []byte(strings.Repeat("a长\xff\n", 1<<20) + "needle")
	re, steps, err := compile("(?mi)^(x{0,99}|need)le$")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g := grepping{ctx: ctx, end: time.Now().Add(time.Hour), re: re, steps: steps}
	if len(text) <= grepSteps/steps {
		t.Fatal("the text is too short to be watched")
	}
	if m, err := g.find(text); err != nil || !slices.Equal(m, re.FindIndex(text)) || m == nil {
		t.Errorf("found at %v, %v; want %v", m, err, re.FindIndex(text))
	}
	w := watchedText{text: text, over: g.over}
	if _, _, err := w.ReadRune(); err != nil {
		t.Fatal(err)
	}
	cancel() // in the midst
	if m := re.FindReaderIndex(&w); m != nil || !errors.Is(w.err, context.Canceled) {
		t.Errorf("found at %v, %v; want an end", m, w.err)
	}
	g.ctx, g.end = t.Context(), time.Now().Add(-time.Second)
	if _, err := g.find(text); !errors.Is(err, errLate) {
		t.Errorf("got %v, want the end of the time", err)
	}
}

func TestArchive(t *testing.T) {
	b := setup(t)
	b.write(b.home, "projects/p/a.txt", "a")
	b.write(b.home, "projects/p/sub/长.txt", "b")
	for name, target := range map[string]string{"out": filepath.Join(b.outside, "secret"), "in": "a.txt", "loop": "."} {
		if err := os.Symlink(target, filepath.Join(b.home, "projects/p", name)); err != nil {
			t.Fatal(err)
		}
	}
	r := b.do("GET", "/archive", at("projects/p"), nil, nil)
	b.wantOK(r, 200, "archive")
	z, err := zip.NewReader(bytes.NewReader([]byte(r.body)), int64(len(r.body)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name] = string(text)
	}
	for name, want := range map[string]string{"p/a.txt": "a", "p/sub/长.txt": "b", "p/in": "a", "p/" + leftOut: "p/loop\np/out\n"} {
		if got[name] != want {
			t.Errorf("%s: got %q; want %q", name, got[name], want)
		}
	}
	if len(got) != 6 {
		t.Errorf("entries: %v", got)
	}
	b.wantCode(b.do("GET", "/archive", at("none"), nil, nil), fault.NotFound, "nothing")
	b.wantCode(b.do("GET", "/archive", at("projects/p/out"), nil, nil), fault.Invalid, "a link out")
}

func TestArchiveSaysHowMuchOfALargeFolderIsMissing(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"d", "b", "e", "a", "c"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := New(root, "/home/ana", slog.New(slog.DiscardHandler))
	s.most = 3
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/files/archive?path=.", nil))
	z, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	if want := []string{"workspace/", "workspace/a", "workspace/b", "workspace/c", "workspace/" + leftOut}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	note, err := z.Open("workspace/" + leftOut)
	if err != nil {
		t.Fatal(err)
	}
	defer note.Close()
	text, err := io.ReadAll(note)
	if want := "workspace: 2 of its 5 entries, which come after c\n"; err != nil || string(text) != want {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
}

func TestTrash(t *testing.T) {
	b := setup(t)
	b.write(b.home, "projects/p/a.txt", "a")
	trash := func(p string) reply { return b.do("POST", "/trash", nil, nil, map[string]string{"path": p}) }
	r := trash("projects/p")
	b.wantOK(r, 200, "trash")
	var e Entry
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Fatal(err)
	}
	b.wantCode(b.get("projects/p/a.txt"), fault.NotFound, "what is in the trash")
	if place := filepath.Base(filepath.Dir(e.Path)); !strings.HasPrefix(place, "p-") {
		t.Errorf("it lies in %q, where nobody finds it", place)
	}
	if long := placeFor(strings.Repeat("屋", 85)); len(long) > 200 || !utf8.ValidString(long) {
		t.Errorf("a long name's place is %q", long)
	}
	b.wantOK(b.do("POST", "/move", nil, nil, map[string]string{"from": e.Path, "to": "projects/p"}), 200, "undo")
	if got := b.get("projects/p/a.txt").body; got != "a" {
		t.Errorf("after undo: %q", got)
	}
	if names, err := os.ReadDir(filepath.Join(b.home, trashFolder)); err != nil || len(names) != 0 {
		t.Errorf("an undo leaves %v (%v)", names, err)
	}
	r = trash("projects/p")
	b.wantOK(r, 200, "trash")
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"temp", ".", "projects"} {
		b.wantCode(trash(own), fault.Forbidden, own)
	}
	for _, p := range []string{trashFolder, filepath.Dir(e.Path)} {
		b.wantCode(trash(p), fault.Conflict, p)
	}
	b.wantCode(trash("none"), fault.NotFound, "nothing")
	if names, _ := os.ReadDir(filepath.Join(b.home, trashFolder)); len(names) != 1 {
		t.Errorf("a failed removal leaves %v", names)
	}
	// A week later it is gone with the next removal.
	then := time.Now().Add(-trashAge - time.Minute)
	if err := os.Chtimes(filepath.Join(b.home, filepath.Dir(e.Path)), then, then); err != nil {
		t.Fatal(err)
	}
	b.wantOK(trash("README.md"), 200, "another")
	if _, err := os.Stat(filepath.Join(b.home, filepath.Dir(e.Path))); !os.IsNotExist(err) {
		t.Errorf("the old one is there: %v", err)
	}
}

func TestTrashList(t *testing.T) {
	b := setup(t)
	list := func(query url.Values) (items []Deleted, next string) {
		l := answerOf[struct {
			Items      []Deleted
			NextCursor *string `json:"next_cursor"`
		}](b, "/trash", query)
		if l.NextCursor != nil {
			next = *l.NextCursor
		}
		return l.Items, next
	}
	if items, _ := list(nil); len(items) != 0 {
		t.Errorf("the trash before anything was removed: %v", items)
	}
	b.write(b.home, "projects/p/a.txt", "a")
	b.write(b.home, "projects/p/b.txt", "b")
	for _, p := range []string{"projects/p/b.txt", "projects/p"} {
		b.wantOK(b.do("POST", "/trash", nil, nil, map[string]string{"path": p}), 200, p)
	}
	b.write(b.home, trashFolder+"/by-hand.txt", "c")
	b.write(b.home, trashFolder+"/several/one.txt", "d")
	b.write(b.home, trashFolder+"/several/two.txt", "e")
	if err := os.Mkdir(filepath.Join(b.home, trashFolder, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	items, next := list(nil)
	var is []string
	for _, d := range items {
		is = append(is, fmt.Sprintf("%s %s from %q", d.Type, d.Name, d.From))
		if age := time.Since(d.DeletedAt); age < -time.Minute || age > time.Minute {
			t.Errorf("%s was removed at %v", d.Name, d.DeletedAt)
		}
	}
	want := []string{`file b.txt from "projects/p/b.txt"`, `file by-hand.txt from ""`, `folder p from "projects/p"`, `folder several from ""`}
	if !slices.Equal(is, want) || next != "" {
		t.Errorf("the trash has %q (then %q), want %q", is, next, want)
	}
	if first, next := list(url.Values{"limit": {"1"}}); len(first) != 1 || next == "" {
		t.Errorf("a page of one has %v, then %q", first, next)
	} else if second, _ := list(url.Values{"limit": {"1"}, "cursor": {next}}); len(second) != 1 || second[0].Name != "by-hand.txt" {
		t.Errorf("the next has %v", second)
	}
	// The note is the person's own: what leads out of the workspace, or to something else, is no way back.
	place := filepath.Join(b.home, filepath.Dir(items[0].Path))
	for _, note := range []string{"../../etc/b.txt", trashFolder + "/elsewhere/b.txt", "projects/p/other.txt", "projects/\xff/b.txt", ""} {
		if err := unix.Setxattr(place, keptFrom, []byte(note), 0); err != nil {
			t.Fatal(err)
		}
		if items, _ := list(nil); items[0].From != "" {
			t.Errorf("%q leads back to %q", note, items[0].From)
		}
	}
	// Removed for good, its place is gone as well.
	b.wantOK(b.do("DELETE", "", url.Values{"path": {items[0].Path}}, nil, nil), 204, "remove for good")
	if _, err := os.Stat(place); !os.IsNotExist(err) {
		t.Errorf("its place is there: %v", err)
	}
}

func TestRestore(t *testing.T) {
	b := setup(t)
	kept := func(p string) string {
		b.t.Helper()
		r := b.do("POST", "/trash", nil, nil, map[string]string{"path": p})
		b.wantOK(r, 200, p)
		var e Entry
		if err := json.Unmarshal([]byte(r.body), &e); err != nil {
			t.Fatal(err)
		}
		return e.Path
	}
	restore := func(req map[string]string) reply { return b.do("POST", "/trash/restore", nil, nil, req) }
	back := func(want string, req map[string]string) {
		b.t.Helper()
		r := restore(req)
		b.wantOK(r, 200, want)
		var e Entry
		if err := json.Unmarshal([]byte(r.body), &e); err != nil || e.Path != want {
			t.Errorf("%v is back at %q (%v), want %q", req, e.Path, err, want)
		}
	}
	b.write(b.home, "projects/p/sub/a.txt", "a")
	b.write(b.home, "projects/p/b.txt", "b")
	back("projects/p/b.txt", map[string]string{"path": kept("projects/p/b.txt")})

	// Its folder went after it, and its name is taken by then.
	one, other := kept("projects/p/b.txt"), kept("projects/p")
	back("projects/p/b.txt", map[string]string{"path": one})
	back("projects/p (2)", map[string]string{"path": other})
	if got := b.get("projects/p (2)/sub/a.txt").body; got != "a" {
		t.Errorf("the folder came back with %q", got)
	}
	if names, err := os.ReadDir(filepath.Join(b.home, trashFolder)); err != nil || len(names) != 0 {
		t.Errorf("what was put back leaves %v (%v)", names, err)
	}

	// A part of it, and to somewhere else.
	folder := kept("projects/p (2)")
	back("projects/p (2)/sub/a.txt", map[string]string{"path": folder + "/sub/a.txt"})
	back("projects/new/there", map[string]string{"path": folder, "to": "projects/new/there"})

	// A name that no JSON can hold.
	b.write(b.home, "projects/caf\xe9/menu.txt", "d")
	r := b.do("POST", "/trash", nil, nil, map[string]any{"path": "projects/caf%E9", "encoded": true})
	b.wantOK(r, 200, "trash")
	var odd Entry
	if err := json.Unmarshal([]byte(r.body), &odd); err != nil {
		t.Fatal(err)
	}
	b.wantOK(b.do("POST", "/trash/restore", nil, nil, map[string]any{"path": odd.EncodedPath, "encoded": true}), 200, "a name in Latin-1")
	if _, err := os.Stat(filepath.Join(b.home, "projects/caf\xe9/menu.txt")); err != nil {
		t.Error(err)
	}

	// Nobody knows where it was.
	b.write(b.home, trashFolder+"/by-hand.txt", "c")
	back("uploads/by-hand.txt", map[string]string{"path": trashFolder + "/by-hand.txt"})

	one = kept("projects/p/b.txt")
	for _, p := range []string{trashFolder, "projects/p", "temp", ".", trashFolder + "/../../README.md"} {
		b.wantCode(restore(map[string]string{"path": p}), fault.Invalid, p)
	}
	b.wantCode(restore(map[string]string{"path": trashFolder + "/none/none"}), fault.NotFound, "nothing")
	b.wantCode(restore(map[string]string{"path": one, "to": "../out.txt"}), fault.Invalid, "out of the workspace")
	// A file stands where its folder was.
	if err := os.RemoveAll(filepath.Join(b.home, "projects/p")); err != nil {
		t.Fatal(err)
	}
	b.write(b.home, "projects/p", "a file")
	if r := restore(map[string]string{"path": one}); r.status < 400 || r.status >= 500 {
		t.Errorf("through a file: %d %s", r.status, r.body)
	}
	if got := b.get(one).body; got != "b" {
		t.Errorf("what was not put back is %q", got)
	}
	back("projects/q.txt", map[string]string{"path": one, "to": "projects/q.txt"})
}
