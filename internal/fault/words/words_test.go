package words_test

import (
	"errors"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
)

func TestSay(t *testing.T) {
	for _, c := range []struct {
		text fault.Text
		want string
	}{
		{fault.Say("There is no such session."), "没有这个会话。"},
		{fault.Say("%d of %d terminals are open. Close one to open another.", 5, 5), "已打开 5 个终端（上限 5 个）。请先关闭一个，再打开新的。"},
		{fault.Say("Nobody has said this."), "Nobody has said this."},
		{fault.Quote("100% of nobody's %d business"), "100% of nobody's %d business"},
		{fault.Say("A project's name %s. Use 1 to %d letters, digits, spaces, or . _ -, and begin with a letter or a digit.", fault.Say("cannot begin with %c", '!'), 64),
			"项目名称不能以 ! 开头。请使用 1 到 64 个字母、数字、空格、点、下划线或连字符，并以字母或数字开头。"},
		{fault.Say("Claude could not be started (%s).", fault.Say("%s: %s", fault.Say("exit code %d", 1), "no such file")), "无法启动 Claude（退出码 1: no such file）。"},
		{fault.Quote("expected length >= 3"), "长度应不少于 3"},
		{fault.Quote("expected property a to be present when b is present"), "有字段 b 时，必须有字段 a"},
		{fault.Quote("invalid character '}' looking for beginning of object key string"), "JSON 语法错误：应为字段名，却是字符 '}'"},
		{fault.Say("The prompt's %s %s.", "content[1].text", fault.Quote("is empty")), "提示词的 content[1].text 为空。"},
		{fault.Say("%s", "Today's token budget of 100 tokens is used up. It starts anew at 2030-01-02 00:00 UTC. An administrator can raise it before."),
			"今天 100 个 token 的预算已用完，将于 2030-01-02 00:00 UTC 重新开始。管理员可以提前提高预算。"},
	} {
		if got := words.Say(words.Chinese, c.text); got != c.want {
			t.Errorf("%q: got %q; want %q", c.text, got, c.want)
		}
		if got := words.Say(words.English, c.text); got != c.text.String() {
			t.Errorf("%q in English: got %q", c.text, got)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("cause")
	e := fault.Wrap(cause, fault.Invalid, "The request is not valid: %s: %s.", "body.n", fault.Quote("expected integer"))
	e.Fields = []fault.Field{fault.FieldAt("body.n", "%s", "expected integer")}
	got := words.Error(words.Chinese, e)
	if got.Detail != "请求无效：body.n：应为整数。" || got.Fields[0].Message != "应为整数" || got.Code != e.Code || !errors.Is(got, cause) {
		t.Errorf("got %+v", got)
	}
	if e.Detail != "The request is not valid: body.n: expected integer." || e.Fields[0].Message != "expected integer" {
		t.Errorf("the English one was changed: %+v", e)
	}
}
