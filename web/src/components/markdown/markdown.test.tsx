import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, it } from 'vitest'
import { nothingParsed, parse, safeHref } from './blocks'
import { Markdown } from './Markdown'

const html = (text: string, live = false) => renderToStaticMarkup(<Markdown text={text} live={live} />)

// What is hostile in itself is in src/hostile.test.tsx.
describe('text that asks too much', () => {
  it('never loads a picture from elsewhere', () => {
    expect(html('![chart](https://example.com/a.png)')).toBe('<div class="prose"><p><a href="https://example.com/a.png" target="_blank" rel="noopener noreferrer"><bdi>chart</bdi></a></p></div>')
  })

  it('survives depth and length', () => {
    expect(() => html('>'.repeat(500) + ' x')).not.toThrow()
    expect(() => html('*'.repeat(5000))).not.toThrow()
    expect(() => html('[a]('.repeat(500), true)).not.toThrow()
  })
})

describe('markdown', () => {
  it('knows what models write', () => {
    const out = html('# Title\n\nSome **bold**, *soft*, `code` and [link](https://a.example).\n\n1. one\n2. two\n\n- [x] done\n\n| a | b |\n|--|-:|\n| 1 | 2 |')
    expect(out).toContain('<h3>Title</h3>')
    expect(out).toContain('<strong>bold</strong>')
    expect(out).toContain('<em>soft</em>')
    expect(out).toContain('<code>code</code>')
    expect(out).toContain('href="https://a.example"')
    expect(out).toContain('<ol start="1">')
    expect(out).toContain('type="checkbox"')
    expect(out).toContain('<table>')
  })

  it('shows signs of text as they are meant', () => {
    expect(html('a < b && c > d &amp; e `x<y`')).toBe('<div class="prose"><p>a &lt; b &amp;&amp; c &gt; d &amp; e <code>x&lt;y</code></p></div>')
  })

  it('closes half-written emphasis while it grows', () => {
    expect(html('some **bold wor', true)).toContain('<strong>bold wor</strong>')
  })
})

describe('a growing text', () => {
  const text = '# One\n\nFirst paragraph with `code`.\n\n- a\n- b\n\n```go\nfunc main() {}\n```\n\nThe **end** of it.\n'

  it('gives at its end what parsing it at once gives', () => {
    let parsed = nothingParsed
    for (let i = 1; i <= text.length; i++) parsed = parse(text.slice(0, i), true, parsed)
    expect(parse(text, false, parsed).blocks.map((b) => b.raw)).toEqual(parse(text, false).blocks.map((b) => b.raw))
    expect(parsed.blocks.map((b) => b.raw).join('')).toBe(text)
  })

  it('keeps closed blocks as they are', () => {
    let parsed = nothingParsed
    for (let i = 1; i <= text.length - 5; i++) parsed = parse(text.slice(0, i), true, parsed)
    const next = parse(text, true, parsed)
    expect(next.blocks[0]).toBe(parsed.blocks[0])
    expect(next.blocks[2]).toBe(parsed.blocks[2])
  })
})

it('follows the web and mail only', () => {
  expect(safeHref('https://a.example/x')).toBe('https://a.example/x')
  expect(safeHref('mailto:a@b.c')).toBe('mailto:a@b.c')
  expect(safeHref('file:///etc/passwd')).toBeNull()
  expect(safeHref('/admin')).toBeNull()
})

it('links that say what they do are left alone', () => {
  expect(html('[here](https://a.example/x) <https://a.example/y>')).not.toContain('(a.example)')
})

describe('maths', () => {
  const formulas = (text: string) => [...html(text).matchAll(/<code(?: class="block py-1")?>(.*?)<\/code>/g)].map((x) => x[1])

  it.each([
    ['the sum $a^2 + b^2$ is', ['a^2 + b^2']],
    ['\\(x_1\\) and $x$', ['x_1', 'x']],
    ['$$\n\\int_0^1 x\n$$\n', ['\\int_0^1 x']],
    ['\\[ e = mc^2 \\]', ['e = mc^2']],
    ['so $5 = x$ then', ['5 = x']],
  ])('%j is set', (text, tex) => expect(formulas(text)).toEqual(tex))

  it.each(['It costs $5 and then $10.', 'from $5/$10 to $20', 'between $5 or 6$ each', 'US$ 5 and US$ 6', '$HOME and $PATH', 'a $ b $ c', '\\$5 and \\$6', '$5k for me and $6k for you'])('%s is money or a variable', (text) => {
    if (text.startsWith('$HOME')) expect(html(text)).toContain('PATH')
    else expect(formulas(text)).toEqual([])
  })
})

it('marks footnotes', () => {
  const out = html('A claim.[^1]\n\n[^1]: The *source*.')
  expect(out).toContain('A claim.<sup>1</sup>')
  expect(out).toContain('<sup>1</sup> The <em>source</em>.')
})

it('leaves a drawing that is being written as text, and what it cannot be as well', () => {
  expect(html('```mermaid\ngraph TD; A-->B', true)).toContain('graph TD')
  expect(html('```mermaid\n<script>alert(1)</script>\n```')).not.toContain('<script')
})

it('survives what is very long, very deep or very odd', () => {
  for (const text of ['x'.repeat(200_000), '- '.repeat(300) + 'x', '$'.repeat(3000), '[^'.repeat(3000), '\\['.repeat(2000), '| a '.repeat(2000) + '|\n' + '|-'.repeat(2000) + '|', '`'.repeat(5000), '\u202e\u2066'.repeat(2000), '![a]('.repeat(800)]) expect(() => html(text)).not.toThrow()
})
