import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

type Message = string | { match: Record<string, string> }[]

const read = (locale: string) => JSON.parse(readFileSync(new URL(`../../messages/${locale}.json`, import.meta.url), 'utf8')) as Record<string, Message>
const catalogues = { en: read('en'), 'zh-CN': read('zh-CN') }

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((f) => {
    const path = join(dir, f.name)
    if (f.isDirectory()) return f.name === 'paraglide' ? [] : sources(path)
    return /\.tsx?$/.test(f.name) && !f.name.includes('.test.') ? [readFileSync(path, 'utf8')] : []
  })
}

const code = sources(new URL('..', import.meta.url).pathname)
const used = new Set(code.flatMap((text) => [...text.matchAll(/(?<![/\w])m\.([a-z_]+)\(/g)].map((x) => x[1]!)))

const texts = (v: Message) => (typeof v === 'string' ? [v] : Object.values(v[0]!.match))
const inputs = (v: Message) => [...new Set(texts(v).flatMap((t) => [...t.matchAll(/\{(\w+)\}/g)].map((x) => x[1]!)))].sort()

describe('the message catalogues', () => {
  it('have what the page says, and nothing else', () => {
    for (const [locale, catalogue] of Object.entries(catalogues)) {
      const have = Object.keys(catalogue)
      expect({ locale, missing: [...used].filter((k) => !have.includes(k)), unused: have.filter((k) => !used.has(k)) }).toEqual({ locale, missing: [], unused: [] })
    }
  })

  it('say each thing once: of two that have the same name only the last would be read', () => {
    for (const locale of Object.keys(catalogues)) {
      const names = [...readFileSync(new URL(`../../messages/${locale}.json`, import.meta.url), 'utf8').matchAll(/^  "(\w+)":/gm)].map((x) => x[1]!)
      expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
    }
  })

  it('take the same inputs in every language', () => {
    for (const [key, message] of Object.entries(catalogues.en)) {
      // A plural may leave its own number out ("You are next").
      expect({ key, inputs: inputs(catalogues['zh-CN'][key]!) }).toEqual({ key, inputs: inputs(message) })
    }
  })

  it('are not empty, and Chinese is Chinese', () => {
    const untranslated = Object.entries(catalogues['zh-CN']).filter(([key, v]) => texts(v).some((t) => t.trim() === '' || (t === texts(catalogues.en[key]!)[0] && /[a-z]{3}/.test(t.replace(/\{\w+\}/g, '')))))
    expect(untranslated.map(([k]) => k)).toEqual([])
  })
})

it('no text stands in the views themselves', () => {
  const found = code.flatMap((text) => [...text.matchAll(/>\s*([A-Z][a-z]+ [a-z]+[^<>{}=;()]*)</g)].map((x) => x[1]!.trim()))
  expect(found).toEqual([])
})
