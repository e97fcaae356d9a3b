package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// contractLanguage makes errors in every part of the program, and reads them in Chinese and in English.
func contractLanguage(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "language-bob")
	bob.Must(200, "PATCH", "/me", map[string]any{"language": "zh-CN"}, nil)
	ada.Must(200, "PUT", "/users/"+itoa(bob.ID)+"/quota", map[string]any{"tokens_per_day": 0}, nil)
	token := tokenOf(bob)
	id := newSession(bob, "demo")
	for _, c := range []struct {
		what   string
		r      request
		detail string
	}{
		{"a path that is none", request{method: "GET", path: "/nothing"}, "没有这个路径。全部路径见 /api/v1/openapi.json。"},
		{"what only administrators may", request{method: "GET", path: "/users"}, "只有管理员可以这样做。"},
		{"a field that lacks", request{method: "POST", path: "/sessions", body: map[string]any{"title": "t"}}, "请求无效：body：缺少必需的字段 project。"},
		{"a file that is not there", request{method: "GET", path: "/files?path=temp/none"}, "没有这个文件或文件夹。"},
		{"a folder of the workspace's own", request{method: "DELETE", path: "/files?path=projects"}, "这个文件夹属于工作区本身，不能删除。请删除其中的内容。"},
		{"a program that is not there", request{method: "POST", path: "/commands", body: map[string]any{"argv": []string{"no-such-program"}}}, "无法运行 no-such-program：没有这个程序或文件夹。"},
		{"a variable that is none", request{method: "POST", path: "/commands", body: map[string]any{"argv": []string{"true"}, "env": map[string]string{"a=b": "c"}}}, "变量名不能为空，也不能包含“=”；变量名和值都不能包含零字节。"},
		{"a terminal in no project", request{method: "POST", path: "/terminals", body: map[string]any{"project": "none"}}, "没有这个名称的项目。"},
		{"a name that is taken", request{method: "POST", path: "/projects", body: map[string]any{"name": "demo"}}, "已有同名项目。请换一个名称。"},
		{"a fork of nothing", request{method: "POST", path: "/sessions/" + id + "/fork"}, "还没有可复制的内容。请先发送第一条提示词。"},
		{"a mode that there is not", request{method: "PATCH", path: "/sessions/" + id, body: map[string]any{"permission_mode": "none"}}, ""},
	} {
		c.r.header = map[string]string{"Authorization": "Bearer " + token}
		english := c.r.send(t, bob.Server().URL)
		c.r.header["Accept-Language"] = "zh-CN,zh;q=0.9,en;q=0.8"
		chinese := c.r.send(t, bob.Server().URL)
		refused(t, c.what, chinese, 0, english.Code())
		if got := detailOf(chinese); c.detail != "" && got != c.detail || !strings.HasSuffix(got, "。") {
			t.Errorf("%s: %q; want %q", c.what, got, c.detail)
		}
		if got := detailOf(english); strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s: %q to who did not ask for Chinese", c.what, got)
		}
		if l, v := chinese.Header.Get("Content-Language"), chinese.Header.Values("Vary"); l != "zh-CN" || !slices.Contains(v, "Accept-Language") {
			t.Errorf("%s: Content-Language %q, Vary %q", c.what, l, v)
		}
	}
	// A connection is in the language that the page says, and else in the account's; what is journaled is in the account's.
	ws := bob.Dial()
	ws.Send(map[string]any{"type": "interrupt", "session_id": "00000000-0000-4000-8000-000000000000"})
	if m := ws.Wait("an error", func(m carrel.Message) bool { return m.Type == "error" }); m.Detail != "没有这个会话。" {
		t.Errorf("an error on a connection: %q", m.Detail)
	}
	bob.Must(202, "POST", "/sessions/"+id+"/prompts", map[string]any{"id": "first", "content": "hi"}, nil)
	told, _ := poll(t, bob, id, 0, func(e carrel.Event) bool { return e.Type == "carrel.error" })
	if told.Code != "budget_exceeded" || !strings.HasPrefix(told.Detail, "今天 0 个 token 的预算已用完") {
		t.Errorf("told as an event: %+v", told)
	}
}

// TestContractLanguageOfTheKeeper: what the keeper refuses is read in Chinese too.
func TestContractLanguageOfTheKeeper(t *testing.T) {
	t.Parallel()
	runtime := filepath.Join(t.TempDir(), "runc")
	const script = "#!/bin/sh\ncase \" $* \" in *\" run \"*) echo no >&2; exit 1;; esac\nexec runc \"$@\"\n"
	if err := os.WriteFile(runtime, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s := carrel.Start(t, "CARREL_OCI_COMMAND="+runtime)
	ada := s.Setup("ada")
	header := map[string]string{"Authorization": "Bearer " + tokenOf(ada), "Accept-Language": "zh-CN"}
	res := request{method: http.MethodPut, path: "/instance", header: header}.send(t, s.URL)
	refused(t, "an instance that cannot be made", res, 503, "runtime_unavailable")
	if got := detailOf(res); got != "此服务器无法创建沙箱。管理员可在日志中查看原因，并用 `carrel doctor` 查看缺少什么。" {
		t.Errorf("got %q", got)
	}
}

func detailOf(res carrel.Response) string {
	var p struct {
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal([]byte(res.Text), &p) // what is no problem has none
	return p.Detail
}
