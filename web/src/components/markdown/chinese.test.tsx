import { Lexer, Marked } from 'marked'
import { renderToStaticMarkup } from 'react-dom/server'
import { expect, it } from 'vitest'
import { nothingParsed, parse } from './blocks'
import { chinese } from './chinese'
import { Markdown } from './Markdown'

const line = (text: string, live = false) => renderToStaticMarkup(<Markdown text={text} live={live} />).replace(/^<div class="prose"><p>|<\/p><\/div>$/g, '')

it.each([
  ['**注意：**请先', '<strong>注意：</strong>请先'],
  ['**完成！**接下来', '<strong>完成！</strong>接下来'],
  ['这是**“重点”**内容', '这是<strong>“重点”</strong>内容'],
  ['使用**`foo()`**来', '使用<strong><code>foo()</code></strong>来'],
  ['**重点**内容', '<strong>重点</strong>内容'],
  ['**（注）**：后文', '<strong>（注）</strong>：后文'],
  ['**「重点」**と', '<strong>「重点」</strong>と'],
  ['**참고:**먼저', '<strong>참고:</strong>먼저'],
  ['这是*“斜体”*字，和~~“旧的”~~了', '这是<em>“斜体”</em>字，和<del>“旧的”</del>了'],
  ['**𠮷。**𠮷', '<strong>𠮷。</strong>𠮷'],
  ['结果是 2*3*4，名为 a_b_c', '结果是 2<em>3</em>4，名为 a_b_c'],
  ['\\*\\*不是：\\*\\*重点', '**不是：**重点'],
])('%s is bold as it is meant', (text, html) => expect(line(text)).toBe(html))

it.each([
  ['https://example.com/a，然后继续', 'https://example.com/a'],
  ['见 https://example.com/docs。下一步', 'https://example.com/docs'],
  ['（https://example.com/x）好的', 'https://example.com/x'],
  ['“https://example.com/x”', 'https://example.com/x'],
  ['打开 www.example.com、登录', 'http://www.example.com'],
  ['访问https://example.com:8080查看', 'https://example.com:8080'],
  ['https://zh.wikipedia.org/wiki/中文 里', 'https://zh.wikipedia.org/wiki/中文'],
  ['https://example.com/a?q=1&b=2#c，d', 'https://example.com/a?q=1&amp;b=2#c'],
  ['https://example.com/a_(b). Next', 'https://example.com/a_(b)'],
  ['**https://example.com/a**，好', 'https://example.com/a'],
  ['[说明](https://example.com/，a)', 'https://example.com/，a'],
  ['写给me@example.com，好', 'mailto:me@example.com'],
])('%s links to where it leads', (text, href) => expect(/href="([^"]*)"/.exec(line(text))?.[1]).toBe(href))

it('reads what has no Chinese as CommonMark does', () => {
  const plain = new Marked({ gfm: true }).defaults
  const ours = new Marked({ gfm: true }, chinese).defaults
  const parts = ['*', '**', '_', '__', '~~', '~', 'a', 'b ', ' ', '.', '"', '(', ')', '`x`', '\\*', '[l](u)', '!', '1', '\n', 'é', 'https://a.example/b_(c)', 'www.a.example', 'me@a.example', '<', '&amp;']
  let seed = 7
  const any = (n: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n
  for (let i = 0; i < 1000; i++) {
    const text = Array.from({ length: 1 + any(12) }, () => parts[any(997) % parts.length]).join('')
    expect(new Lexer(ours).lex(text)).toEqual(new Lexer(plain).lex(text))
  }
})

it('is the same at the end of a growing text, which shows no bare signs', () => {
  const text = '# 一\n\n**注意：**请先看 https://example.com/a，然后继续。\n\n- **文件：**`a.go`\n- 使用**“b”**来\n\n**完成！**接下来'
  let parsed = nothingParsed
  for (let i = 1; i <= text.length; i++) parsed = parse(text.slice(0, i), true, parsed)
  expect(parse(text, false, parsed).blocks).toEqual(parse(text, false).blocks)
  expect(line('**注意：', true)).toBe('<strong>注意：</strong>')
  expect(line('**注意：**请', true)).toBe('<strong>注意：</strong>请')
})
