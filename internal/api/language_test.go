package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api/problem"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/rpc"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// fromAfar is an error as it comes over a socket of ours, from the keeper or from inside of an instance.
func fromAfar(t *testing.T, err error) error {
	t.Helper()
	type nothing struct{}
	mux := http.NewServeMux()
	rpc.Unary(mux, "/t/Fail", true, func(context.Context, *nothing) (*nothing, error) { return nil, err })
	l, lerr := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if lerr != nil {
		t.Fatal(lerr)
	}
	server := rpc.NewServer(mux)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	caller := rpc.NewCaller(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
	})
	defer func() { caller.Close(); _ = server.Close(); <-done }()
	_, err = rpc.Call[nothing, nothing](t.Context(), caller, "/t/Fail", &nothing{})
	return err
}

// TestErrorsInChinese: who asks in Chinese reads Chinese, wherever the error comes from.
func TestErrorsInChinese(t *testing.T) {
	r := newRig(t)
	r.sessions.make(r.users["ana"].ID, anas)
	keeper := fromAfar(t, fmt.Errorf("make: %w", fault.Wrap(errors.New("runc: no"), fault.RuntimeUnavailable,
		"A sandbox could not be made on this server. The administrator finds the reason in the log, and what is missing with `carrel doctor`.")))
	inside := fromAfar(t, fault.InvalidField("argv", "The mode %s works only in an instance that is isolated.", "bypassPermissions"))
	for _, c := range []struct {
		name         string
		call         call
		fail         error // of the instance
		detail       string
		field, about string
	}{
		{name: "nobody", call: call{method: "GET", path: "/me"}, detail: "尚未登录。请登录，或发送 API 令牌。"},
		{name: "no such path", call: call{method: "GET", path: "/nothing"}, detail: "没有这个路径。全部路径见 /api/v1/openapi.json。"},
		{name: "no such method", call: call{method: "POST", path: "/me", as: "ana"}, detail: "此路径不接受 POST，可用的方法是 GET, HEAD, PATCH。"},
		{name: "not allowed", call: call{method: "GET", path: "/users", as: "ana"}, detail: "只有管理员可以这样做。"},
		{name: "not there", call: call{method: "GET", path: "/sessions/" + nobody, as: "ana"}, detail: "没有这个会话。"},
		{name: "not JSON", call: call{method: "POST", path: "/sessions", body: "{", as: "ana"}, detail: "请求无效：body：JSON 不完整。", field: "body", about: "JSON 不完整"},
		{name: "too large", call: call{method: "POST", path: "/sessions", body: `{"project":"` + strings.Repeat("x", 2<<20) + `"}`, as: "ana"}, detail: "请求正文超过 1.0 MiB。"},
		{name: "missing field", call: call{method: "POST", path: "/sessions", body: `{"title":"t"}`, as: "ana"}, detail: "请求无效：body：缺少必需的字段 project。", field: "body", about: "缺少必需的字段 project"},
		{name: "wrong type", call: call{method: "POST", path: "/sessions", body: `{"project":7}`, as: "ana"}, detail: "请求无效：body.project：应为字符串。", field: "body.project", about: "应为字符串"},
		{name: "out of range", call: call{method: "GET", path: "/sessions?limit=0", as: "ana"}, detail: "请求无效：query.limit：应大于或等于 1。", field: "query.limit", about: "应大于或等于 1"},
		{name: "a short password", call: call{method: "POST", path: "/users", body: `{"username":"Carl","password":"short"}`, as: "rita"},
			detail: "用户名须以小写字母开头，只能包含小写字母、数字、- 和 _，最多 31 个字符。", field: "body.password", about: "密码至少要有 8 个字符。"},
		{name: "quota", call: call{method: "PUT", path: "/users/4711/quota", body: `{"cpu":5000}`, as: "rita"}, detail: "没有这个用户。"},
		{name: "a path that leaves", call: call{method: "GET", path: "/files?path=../../etc", as: "ana"}, detail: "路径指向你的工作区之外。", field: "query.path", about: "路径指向你的工作区之外。"},
		{name: "no such file, from inside", call: call{method: "GET", path: "/files?path=temp/none", as: "ana"}, detail: "没有这个文件或文件夹。"},
		{name: "a folder's own, from inside", call: call{method: "DELETE", path: "/files?path=temp", as: "ana"}, detail: "这个文件夹属于工作区本身，不能删除。请删除其中的内容。"},
		{name: "the keeper's", call: call{method: "PUT", path: "/instance", as: "ana"}, fail: keeper, detail: "此服务器无法创建沙箱。管理员可在日志中查看原因，并用 `carrel doctor` 查看缺少什么。"},
		{name: "the supervisor's", call: call{method: "POST", path: "/commands", body: `{"argv":["x"]}`, as: "ana"}, fail: inside, detail: "模式 bypassPermissions 只能在隔离的实例中使用。", field: "body.argv", about: "模式 bypassPermissions 只能在隔离的实例中使用。"},
		{name: "a supervisor that is gone", call: call{method: "PUT", path: "/instance", as: "ana"}, fail: rpc.ErrUnreachable, detail: "你的实例没有响应。请稍后重试；如仍不行，请重启实例。"},
		{name: "ours", call: call{method: "PUT", path: "/instance", as: "ana"}, fail: errors.New("a bug"), detail: "服务器出错。请将请求编号（request id）告知管理员，原因记录在日志中。"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.instances.fail, r.desk.fail = c.fail, c.fail
			english := r.do(c.call)
			if got := english.header.Get("Content-Language"); got != "en" || !slices.Contains(english.header.Values("Vary"), "Accept-Language") {
				t.Errorf("without a wish: Content-Language %q, Vary %q", got, english.header.Values("Vary"))
			}
			c.call.header = map[string]string{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
			p := r.do(c.call)
			if got := p.header.Get("Content-Language"); got != "zh-CN" || !slices.Contains(p.header.Values("Vary"), "Accept-Language") {
				t.Errorf("Content-Language %q, Vary %q", got, p.header.Values("Vary"))
			}
			if p.status != english.status || p.code(t) != english.code(t) {
				t.Errorf("in Chinese it is %d %s; want %d as in English", p.status, p.body, english.status)
			}
			var d, e problem.Problem
			if err := errors.Join(json.Unmarshal([]byte(p.body), &d), json.Unmarshal([]byte(english.body), &e)); err != nil {
				t.Fatal(err)
			}
			if d.Detail != c.detail {
				t.Errorf("got %q; want %q", d.Detail, c.detail)
			}
			if strings.ContainsFunc(e.Detail, func(r rune) bool { return r > 0x2e80 }) {
				t.Errorf("in English it is %q", e.Detail)
			}
			found := c.field == ""
			for _, f := range d.Errors {
				found = found || f.Location == c.field && f.Message == c.about
			}
			if !found {
				t.Errorf("got the fields %v; want %s: %s", d.Errors, c.field, c.about)
			}
		})
	}
}

// TestInstancesInChinese: what was found of an instance is said in the reader's language, and stays English for others.
func TestInstancesInChinese(t *testing.T) {
	r := newRig(t)
	ana := r.users["ana"].ID
	const why = "Restarted on request."
	r.instances.stats[ana] = pool.Stats{UserID: ana, Health: pool.Health{Detail: "The storage is 96 % full. Delete files, or ask an administrator for more.", Replacements: []pool.Replacement{{Reason: why}}}}
	for _, c := range []struct{ accept, detail, reason string }{
		{"zh-CN", "存储空间已用 96%。请删除一些文件，或联系管理员增加。", "已按要求重启。"},
		{"en", "The storage is 96 % full. Delete files, or ask an administrator for more.", why},
	} {
		for _, path := range []string{"/instances", "/instances/" + strconv.FormatInt(ana, 10)} {
			p := r.do(call{method: "GET", path: path, as: "rita", header: map[string]string{"Accept-Language": c.accept}})
			if !strings.Contains(p.body, c.detail) || !strings.Contains(p.body, c.reason) {
				t.Errorf("%s in %s: %s", path, c.accept, p.body)
			}
		}
	}
}

// TestHostileTextFromInside: what runs as the person may send what it likes, and is shown no more than that.
func TestHostileTextFromInside(t *testing.T) {
	r := newRig(t)
	for _, said := range []string{`[["There is no such user."]]`, `[["%s %s","x"]]`, `{"a":1}`, `"x"`, `null`, `[[["x"]]]`, `[["` + strings.Repeat("x", 20<<10) + `"]]`} {
		r.desk.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":"not_found","detail":"Gone %d%s.","said":`+said+`}`)
		}
		p := r.do(call{method: "GET", path: "/files?path=a", as: "ana", header: map[string]string{"Accept-Language": "zh-CN"}})
		if p.status >= 500 && p.code(t) != "instance_unavailable" || p.status == 404 && !strings.Contains(p.body, `"Gone %d%s."`) {
			t.Errorf("%.60s: got %d %s", said, p.status, p.body)
		}
	}
}

// TestLanguageOfASocket: the page's word counts, then its browser's, then the account's.
func TestLanguageOfASocket(t *testing.T) {
	r := newRig(t)
	chinese := account.LanguageChinese
	if _, err := r.accounts.Change(t.Context(), r.users["bob"].ID, account.UserChange{Language: &chinese}); err != nil {
		t.Fatal(err)
	}
	const zh, en = "没有这个会话。", "There is no such session."
	for _, c := range []struct{ as, query, accept, want string }{
		{"ana", "", "", en},
		{"bob", "", "", zh},
		{"bob", "", "en-GB,en;q=0.9", en},
		{"ana", "", "zh-CN", zh},
		{"ana", "?lang=zh-CN", "en", zh},
		{"bob", "?lang=en", "zh-CN", en},
		{"bob", "?lang=../x", "", zh},
	} {
		header := http.Header{"Authorization": {"Bearer " + r.tokens[c.as]}}
		if c.accept != "" {
			header.Set("Accept-Language", c.accept)
		}
		ws := r.connect("/ws"+c.query, header)
		ws.next() // hello
		ws.send(`{"type":"interrupt","session_id":%q}`, nobody)
		if f := ws.fails("not_found"); f.Detail != c.want {
			t.Errorf("%+v: got %q", c, f.Detail)
		}
	}
	terminal := call{method: "POST", path: "/terminals", as: "ana"}
	if p := r.do(terminal); p.status != 201 {
		t.Fatalf("open a terminal: %d %s", p.status, p.body)
	}
	ws := r.connect("/terminals/t-1?lang=zh-CN", http.Header{"Authorization": {"Bearer " + r.tokens["ana"]}})
	ws.send(`{"type":"dance"}`)
	for {
		f, err := ws.read()
		if err != nil {
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) {
				continue // the scrollback is no JSON
			}
			t.Fatal(err)
		}
		if f.Type == "error" {
			if f.Detail != "没有这种控制消息；可用的是 resize。" {
				t.Errorf("got %q", f.Detail)
			}
			break
		}
	}
}

// missing takes snapshots that lack something.
type missing struct{ Snapshots }

func (missing) Take(context.Context, int64) (runtime.Snapshot, error) {
	return runtime.Snapshot{ID: "s-1", Skipped: 1, SkippedFirst: `"home/roots": open x: permission denied`}, nil
}

// TestWhatASnapshotLacksIsSaidInChinese to who reads that.
func TestWhatASnapshotLacksIsSaidInChinese(t *testing.T) {
	r := newRig(t, func(d *Deps) { d.Snapshots = missing{} })
	for language, want := range map[string]string{"": "permission denied", "zh-CN": "没有权限"} {
		p := r.do(call{method: "POST", path: "/snapshots", as: "ana", header: map[string]string{"Accept-Language": language}})
		if got := decodeTo[runtime.Snapshot](t, p).SkippedFirst; !strings.HasPrefix(got, `"home/roots"`) || !strings.HasSuffix(got, want) || strings.Contains(got, "open x") {
			t.Errorf("%q: got %s", language, got)
		}
	}
}
