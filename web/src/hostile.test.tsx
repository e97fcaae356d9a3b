import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, it } from 'vitest'
import { files, markdown, markup, misleading, names, output } from '../dev/hostile.mjs'
import { Markdown } from './components/markdown/Markdown'
import { plain, withoutEscapes } from './components/plain'
import { resolve, shownName } from './modules/files/paths'
import { cells } from './modules/files/preview/notebook'

const own = new Set(['div', 'p', 'a', 'bdi', 'span', 'strong', 'em', 'del', 'code', 'pre', 'button', 'svg', 'path', 'ul', 'ol', 'li', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'blockquote', 'h3', 'h4', 'input', 'sup', 'hr', 'br'])

/** What is wrong with the page's markup: elements that are none of ours, handlers, addresses that lead elsewhere than to the web. */
function wrongs(html: string): string[] {
  const out: string[] = []
  for (const [, name, attributes] of html.matchAll(/<([a-z][a-z0-9-]*)((?:\s+[\w:-]+(?:="[^"]*")?)*)\s*\/?>/gi)) {
    if (!own.has(name!)) out.push(`<${name}>`)
    for (const [, key, value] of attributes!.matchAll(/([\w:-]+)(?:="([^"]*)")?/g)) {
      if (/^on/i.test(key!) || key === 'src' || key === 'srcdoc' || (key === 'style' && /url|expression|position/.test(value ?? ''))) out.push(`${name} ${key}`)
      if (/href|action/.test(key!) && !/^https?:\/\//.test(value ?? '')) out.push(`${name} ${key}=${value}`)
    }
  }
  return out
}

describe('hostile text', () => {
  it('would be seen by this test', () => {
    expect(wrongs('<p><img src=x></p><a href="javascript:1">x</a><b onclick="x">')).not.toEqual([])
    expect(wrongs('<a href="https://a.example">x</a>')).toEqual([])
  })

  it.each([...markup, ...markdown, ...names, files['all.md']])('%s is no markup of the page', (text) => {
    for (const live of [false, true]) {
      expect(wrongs(renderToStaticMarkup(<Markdown text={text} live={live} />))).toEqual([])
      // While it grows, each end of it is looked at.
      if (text.length < 400) for (let n = 1; n < text.length; n += 7) expect(wrongs(renderToStaticMarkup(<Markdown text={text.slice(0, n)} live />))).toEqual([])
    }
  })

  it.each(misleading)('%s says that it leads to %s', (text, host) => {
    const html = renderToStaticMarkup(<Markdown text={text} />)
    expect(html).toMatch(new RegExp(`\\(${host}`))
    expect(html).not.toContain('\u202e')
  })

  it.each(output)('of %j only %j is read', (text, read) => {
    expect(plain(withoutEscapes(text))).toBe(read)
  })

  it('costs no time that grows with its square', () => {
    for (const part of ['\u001b]', '\u001b[', '\u001bP', '\u001b[1;', '\u009d']) expect(withoutEscapes(part.repeat(200_000)).length).toBeLessThan(400_000)
  })
})

it('names show what would turn or hide them, and lead nowhere else', () => {
  expect(shownName('a/report\u202egpj.exe')).toBe('report‹U+202E›gpj.exe')
  expect(shownName('a/b\u001b[31m\n.txt')).toBe('b‹U+001B›[31m\n.txt')
  expect(names.map((n) => resolve('uploads/all.md', n)).filter((to) => to !== null && !to.startsWith('uploads/'))).toEqual([])
})

it('a notebook gives text, and images of bytes', () => {
  const kinds = cells(files['book.ipynb'])!.cells.flatMap((c) => c.outputs.map((o) => o.kind))
  expect(kinds).toEqual(['none', 'text', 'text', 'none'])
})

it('markup is made in one place: of formulas, by KaTeX', () => {
  const makes = /dangerouslySetInnerHTML|\b(?:inner|outer)HTML\b|insertAdjacentHTML|createContextualFragment|srcdoc|document\.write|\beval\(|new Function\b|setHTMLUnsafe/i
  const sources = (readdirSync('src', { recursive: true }) as string[]).filter((f) => /\.tsx?$/.test(f) && !/\.test\.|paraglide/.test(f))
  expect(sources.length).toBeGreaterThan(100)
  expect(sources.filter((f) => makes.test(readFileSync(join('src', f), 'utf8')))).toEqual(['components/markdown/Maths.tsx'])
})
