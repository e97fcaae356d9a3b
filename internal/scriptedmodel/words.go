package scriptedmodel

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const vocabulary = `the carrel by the window keeps its reader warm while rain writes slow letters on the glass and somewhere
below a cart of books rolls past a lamp that nobody has put out since the first page was turned each desk holds one
mind at work with its own light its own ink and its own quiet so that no voice from the next desk reaches it`

const vocabularyHan = `窗边的小书桌给读者留着一盏灯雨在玻璃上慢慢写字楼下有人推着书车走过每张桌子都有自己的光自己的墨自己的安静谁也不打扰谁`

// prose is n tokens of text that means nothing, the same each time.
func prose(n int, han bool) []string {
	const most = 200_000 // no order makes the model hold more than this
	n = min(n, most)
	out := make([]string, 0, n)
	if han {
		runes := []rune(vocabularyHan)
		for i := range n {
			token := string(runes[i%len(runes)])
			if i == n-1 {
				token += "。"
			} else if i%24 == 23 {
				token += "。"
			} else if i%8 == 7 {
				token += "，"
			}
			out = append(out, token)
		}
		return out
	}
	list := strings.Fields(vocabulary)
	for i := range n {
		token := list[i%len(list)]
		if i%12 == 0 {
			r, size := utf8.DecodeRuneInString(token)
			token = string(unicode.ToUpper(r)) + token[size:]
		}
		switch {
		case i == n-1:
			token += "."
		case i%96 == 95:
			token += ".\n\n"
		case i%12 == 11:
			token += ". "
		default:
			token += " "
		}
		out = append(out, token)
	}
	return out
}

// words cuts a text into tokens about as a model would: words with the space
// behind them, Chinese by two characters, nothing longer than 24 bytes. Joined
// they are the text.
func words(text string) []string {
	var out []string
	start, han, space := 0, 0, false
	cut := func(at int) {
		if at > start {
			out = append(out, text[start:at])
		}
		start, han, space = at, 0, false
	}
	for i, r := range text {
		isSpace := unicode.IsSpace(r)
		if space && !isSpace || han == 2 || i-start >= 24 {
			cut(i)
		}
		space = isSpace
		if unicode.Is(unicode.Han, r) {
			han++
		}
	}
	cut(len(text))
	return out
}

func isChinese(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// greeting answers a prompt without orders.
func greeting(prompt string) string {
	shown := strings.ReplaceAll(clip(prompt, 600), "\n", "\n> ")
	if isChinese(prompt) {
		return fmt.Sprintf(greetingHan, shown)
	}
	if prompt == "" {
		shown = "…"
	}
	return fmt.Sprintf(greetingEnglish, shown)
}

const greetingEnglish = "Hello! I am Carrel's **scripted model**: I stand in for Claude where there is no credential, and I understand nothing but orders. " +
	"The Claude Code around me is the real one: its tools, permissions and sessions work. You wrote:\n\n> %s\n\n" +
	"Put orders in square brackets, one after another:\n\n" +
	"- `[say 100]` a hundred words · `[think 40]` think first · `[markdown]` show what a page can draw · `[pace 30ms]` slower\n" +
	"- `[bash ls -la]` · `[write notes.txt Hello]` · `[read notes.txt]` · `[edit notes.txt Hello => Goodbye]` use tools\n" +
	"- `[ask Which one? | Red | Blue]` ask you · `[plan Step one]` propose a plan · `[agent [bash date]]` send a subagent\n" +
	"- `[fail 529]` · `[drop 5]` · `[hang 30s]` show how trouble looks\n\n" +
	"All orders are in `docs/scripted-model.md`."

const greetingHan = "你好！我是 Carrel 的**脚本模型**：没有配置凭据时由我代替 Claude，我只认识方括号里的指令。" +
	"我外面的 Claude Code 是真的：工具、权限和会话都能用。你写的是：\n\n> %s\n\n" +
	"把指令写在方括号里，可以一个接一个：\n\n" +
	"- `[say 100]` 说一百个词 · `[think 40]` 先想一想 · `[markdown]` 展示排版 · `[pace 30ms]` 放慢\n" +
	"- `[bash ls -la]` · `[write notes.txt 你好]` · `[read notes.txt]` · `[edit notes.txt 你好 => 再见]` 使用工具\n" +
	"- `[ask 选哪个？ | 红 | 蓝]` 向你提问 · `[plan 第一步]` 提出计划 · `[agent [bash date]]` 派出子代理\n" +
	"- `[fail 529]` · `[drop 5]` · `[hang 30s]` 看看出错的样子\n\n" +
	"全部指令见 `docs/scripted-model.md`。"

// closingSentence ends a turn of tools with what they said, in short.
func closingSentence(t *turn, faults []fault) string {
	han := isChinese(t.prompt)
	var said []string
	for _, c := range t.calls[max(0, len(t.calls)-3):] {
		if c.tool == "ToolSearch" || !c.done {
			continue
		}
		form := "%s said: %s"
		switch {
		case han && c.isError:
			form = "%s 出错：%s"
		case han:
			form = "%s 返回：%s"
		case c.isError:
			form = "%s failed: %s"
		}
		said = append(said, fmt.Sprintf(form, c.tool, brief(plainResult(c.result), 200)))
	}
	switch {
	case len(said) > 0 && han:
		return "完成。" + strings.Join(said, "；") + "。"
	case len(said) > 0:
		return "Done. " + strings.Join(said, " · ")
	case len(faults) > 0 && han:
		return "按指令出过错之后，这里是脚本模型的回答，一共有好几个词。"
	case len(faults) > 0:
		return "After the trouble that was ordered, here is the scripted model's answer."
	case han:
		return "完成。"
	}
	return "Done."
}

// plainResult takes the CLI's frame off a subagent's report.
func plainResult(result string) string {
	if _, report, ok := strings.Cut(result, "The report follows:\n"); ok {
		report, _, _ = strings.Cut(report, "\nagentId:")
		return report
	}
	return result
}

// clip cuts a text to n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

const fence = "```"

// sample shows what an answer can hold.
func sample(han bool) string {
	if han {
		return sampleHan
	}
	return sampleEnglish
}

const sampleEnglish = `# A carrel, in markdown

A **carrel** is a desk of one's own in a *library*; ~~noise~~ stays outside. See [the manual](https://example.com/carrel) or ` + "`carrel doctor`" + `.

## What it holds

| part | count | state |
|:-----|------:|:-----:|
| desk | 1 | kept |
| lamp | 2 | lit |
| books | 1,024 | open |

1. Sit down.
2. Open a book:
   - the left page first,
   - then the right one.
3. Write.

- [x] light the lamp
- [ ] return the books

> Quiet is not the absence of work.
> It is where work is heard.

## Code

` + fence + `go
// Desk returns the reader's own desk, warm if it was used today.
func (l *Library) Desk(ctx context.Context, reader ID) (*Desk, error) {
	if d, ok := l.desks[reader]; ok {
		return d, nil
	}
	return l.open(ctx, reader)
}
` + fence + `

` + fence + `diff
-const lamps = 1
+const lamps = 2
` + fence + `

## Mathematics

Inline $e^{i\pi} + 1 = 0$, and on a line of its own:

$$
\int_{-\infty}^{\infty} e^{-x^2}\,dx = \sqrt{\pi}
$$

---

That is all[^1].

[^1]: Footnotes too.
`

const sampleHan = `# 一张书桌

**书桌**是*图书馆*里属于自己的位置；~~吵闹~~留在外面。参见[手册](https://example.com/carrel)或 ` + "`carrel doctor`" + `。

## 桌上有什么

| 物品 | 数量 | 状态 |
|:-----|-----:|:----:|
| 书桌 | 1 | 保留 |
| 台灯 | 2 | 亮着 |

1. 坐下。
2. 翻开书。
3. 动笔。

- [x] 开灯
- [ ] 还书

> 安静不是没有工作。

` + fence + `python
def desk(reader: str) -> str:
    """返回读者自己的书桌。"""
    return f"{reader} 的书桌"
` + fence + `

行内公式 $e^{i\pi} + 1 = 0$，以及：

$$
\sum_{k=1}^{n} k = \frac{n(n+1)}{2}
$$
`
