package sessions

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/journal"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

func sessionID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// keep writes a session as it lies on disk; the greater its number, the later it was used.
func keep(t testing.TB, dir string, n int, events ...string) string {
	t.Helper()
	id := sessionID(n)
	f := files{dir: filepath.Join(dir, id)}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.writeMeta(&meta{Project: "demo", LastActivityAt: time.Unix(int64(1_000_000+n), 0)}); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(f.journal())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if _, err := j.Append([]byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return id
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func asked(s string) string {
	return `{"type":"carrel.prompt","id":"x","uuid":"` + sessionID(9) + `","author":"ana","content":` + quoted(s) + `}`
}

func answered(s string) string {
	return `{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":` + quoted(s) + `}]}}`
}

func found(hits []protocol.Hit) string {
	var out []string
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%s:%d %s%s %s", strings.TrimLeft(h.SessionID[24:], "0"), h.Seq, h.Role, h.Tool, h.Snippet))
	}
	return strings.Join(out, "\n")
}

func TestSearch(t *testing.T) {
	w := makeWorld(t, "")
	w.stop()
	keep(t, w.cfg.JournalDir, 1, asked("Mend the Login page"), `{"type":"stream_event","event":{"text":"login"}}`, answered("The login\n\tpage — “Login” — is\x00 mended. "+strings.Repeat("and so on ", 40)),
		`{"type":"assistant","message":{"content":[{"type":"thinking","thinking":"login"},{"type":"tool_use","name":"Bash","input":{"command":"grep -r login .","n":[1,{"b":"x"}]}}]}}`,
		`{"type":"user","message":{"content":[{"type":"tool_result","content":[{"type":"text","text":"a.html: LOGIN"},{"type":"image"}]}]}}`,
		`{"type":"user","isReplay":true,"message":{"content":"Mend the Login page"}}`, `{"type":"user","message":{"content":"[login by the CLI]"}}`, `{"type":"result","result":"login"}`)
	keep(t, w.cfg.JournalDir, 2, `{"type":"carrel.prompt","id":"x","content":"\u8bf7\u4fee\u590d\u767b\u5f55\u9875\u9762"}`, answered("登录页面修好了。Ça va, Éric? <b>\"x\"</b>"),
		`{"type":"assistant","message":{"content":[{"type":"text","text":"`+strings.Repeat("y", maxSearchLine)+` 登录"}]}}`, `{"type":"carrel.history"}`, `{"type":"user","isReplay":true,"message":{"content":"在终端里说的登录"}}`)
	w.start()
	w.Sessions.patience = patience // the machine may be busy
	long := "The login page — “Login” — is mended. " + strings.Repeat("and so on ", 40)
	for q, want := range map[string]string{
		"login page":          "1:3 assistant " + cutRunes(long) + "\n1:1 user Mend the Login page",
		"登录":                  "2:5 user 在终端里说的登录\n2:2 assistant 登录页面修好了。Ça va, Éric? <b>\"x\"</b>\n2:1 user 请修复登录页面",
		"录页 修":                "2:2 assistant 登录页面修好了。Ça va, Éric? <b>\"x\"</b>\n2:1 user 请修复登录页面",
		"éric":                "2:2 assistant 登录页面修好了。Ça va, Éric? <b>\"x\"</b>",
		"<b>":                 "2:2 assistant 登录页面修好了。Ça va, Éric? <b>\"x\"</b>",
		"GREP":                "1:4 toolBash grep -r login . x",
		"a.html":              "1:5 result a.html: LOGIN",
		`"the login page"`:    "1:1 user Mend the Login page",
		"nothing of the kind": "",
	} {
		res, err := w.Search(w.ctx(), &protocol.SearchRequest{Query: q, Limit: 50})
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		if got := found(res.Hits); got != want || res.Next != "" {
			t.Errorf("%s: got\n%s\nwant\n%s", q, got, want)
		}
	}
	// Pages meet without a gap or a repetition.
	var all []protocol.Hit
	cursor := ""
	for {
		res, err := w.Search(w.ctx(), &protocol.SearchRequest{Query: "o", Limit: 1, Cursor: cursor})
		if err != nil || len(res.Hits) > 1 {
			t.Fatalf("got %+v, %v", res, err)
		}
		all = append(all, res.Hits...)
		if cursor = res.Next; cursor == "" {
			break
		}
	}
	res, err := w.Search(w.ctx(), &protocol.SearchRequest{Query: "o", Limit: 50})
	if err != nil || found(res.Hits) != found(all) || len(all) < 4 {
		t.Errorf("by pages\n%s\nat once\n%s, %v", found(all), found(res.Hits), err)
	}
	// Who has no patience gets what there is, and the rest with the next page.
	w.Sessions.patience = 0
	first, err := w.Search(w.ctx(), &protocol.SearchRequest{Query: "mend", Limit: 50})
	if err != nil || len(first.Hits) != 0 || first.Next == "" {
		t.Fatalf("the first page: %+v, %v", first, err)
	}
	if second, err := w.Search(w.ctx(), &protocol.SearchRequest{Query: "mend", Limit: 50, Cursor: first.Next}); err != nil || len(second.Hits) != 2 || second.Next != "" {
		t.Errorf("the second page: %+v, %v", second, err)
	}
	for _, r := range []protocol.SearchRequest{{}, {Query: ` "" `}, {Query: strings.Repeat("x", 201)}, {Query: "a b c d e f g h i j k"}, {Query: "x", Cursor: "!"}, {Query: "x", Cursor: "e30"}} {
		_, err := w.Search(w.ctx(), &r)
		wantCode(t, err, fault.Invalid)
	}
	gone, cancel := context.WithCancel(w.ctx())
	cancel()
	if _, err := w.Search(gone, &protocol.SearchRequest{Query: "x"}); err == nil {
		t.Error("a search that nobody waits for went on")
	}
}

func cutRunes(s string) string {
	r := []rune(s)
	n, i := 0, 0
	for ; n < snippetRunes; i++ {
		if r[i] != ' ' {
			n++
		}
	}
	return string(r[:i]) + "…"
}

func FuzzQuery(f *testing.F) {
	f.Add("Login 页面", "x LOGIN 页面 y")
	f.Add(`"a b"`, "A  B a b")
	f.Add("İ", "i̇İ")
	f.Fuzz(func(t *testing.T, text, in string) {
		q, err := parseQuery(text)
		if err != nil {
			return
		}
		snippet, ok := q.in(in)
		if !utf8.ValidString(in) || strings.ContainsRune(in, utf8.RuneError) {
			return
		}
		if utf8.RuneCountInString(snippet) > 2*snippetRunes+2 || strings.ContainsAny(snippet, "\n\r\x00") {
			t.Errorf("snippet %q", snippet)
		}
		var buf []byte
		if line := answered(in); ok && !q.maybe([]byte(line), &buf) {
			t.Errorf("%q is in %q, and the quick look missed it", text, line)
		}
	})
}

// BenchmarkSearch reads 100 MB of journals: ten sessions of answers and results of 1 to 4 KB.
func BenchmarkSearch(b *testing.B) {
	dir := b.TempDir()
	text := strings.Repeat("The carrel by the window keeps its reader warm while rain writes. ", 15)
	total := 0
	for n := range 10 {
		var events []string
		for size := 0; size < 10<<20; {
			e := answered(text + strings.Repeat("修复登录页面。", len(events)%100))
			events = append(events, e)
			size += len(e)
		}
		if n == 0 {
			events[0] = answered("a needle in the hay 针")
		}
		for _, e := range events {
			total += len(e)
		}
		keep(b, dir, n+1, events...)
	}
	ss := New(Options{Config: protocol.Config{JournalDir: dir}})
	defer func() { _ = ss.Stop(context.Background()) }()
	for _, q := range []string{"needle", "针", "élan", "the"} {
		b.Run(q, func(b *testing.B) {
			b.SetBytes(int64(total))
			b.ReportAllocs()
			for b.Loop() {
				for cursor := ""; ; {
					res, err := ss.Search(context.Background(), &protocol.SearchRequest{Query: q, Limit: 50, Cursor: cursor})
					if err != nil {
						b.Fatal(err)
					}
					if cursor = res.Next; cursor == "" || len(res.Hits) > 0 {
						break
					}
				}
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapSys)/1e6, "heapMB")
		})
	}
}
