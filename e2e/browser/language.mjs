// The tests ask for things in English. On a page in Chinese the same words ask
// for what the catalogues have for them, so that one flow serves both.
import { readFileSync } from 'node:fs'

const catalogue = (language) => JSON.parse(readFileSync(new URL(`../../web/messages/${language}.json`, import.meta.url)))
const forms = (message) => (typeof message === 'string' ? [message] : message.flatMap((m) => Object.values(m.match)))
const chinese = catalogue('zh-CN')
const messages = Object.entries(catalogue('en')).flatMap(([key, message]) => forms(message).map((en) => ({ en, zh: forms(chinese[key]) })))

export const literal = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
/** A message as a pattern; what stands for a parameter may be known. */
const pattern = (message, values = {}) => message.split(/(\{\w+\})/).map((part) => (/^\{\w+\}$/.test(part) ? (values[part.slice(1, -1)] ?? '.*?') : literal(part))).join('')
/** A message that says its parameters when it meets a text. */
function template({ en, zh }) {
  const names = en.match(/\{\w+\}/g) ?? []
  // Without words of its own it is met by anything.
  if (names.length === 0 || new Set(names).size < names.length || !/[A-Za-z]{2}/.test(en.replace(/\{\w+\}/g, ''))) return []
  const takes = Object.fromEntries(names.map((n) => [n.slice(1, -1), `(?<${n.slice(1, -1)}>.+)`]))
  return [{ takes: new RegExp(`^${pattern(en, takes)}$`, 's'), zh }]
}
const templates = messages.flatMap(template)

const either = (all) => `(?:${[...new Set(all)].join('|')})`

const saying = (text) => messages.filter(({ en }) => en === text).flatMap(({ zh }) => zh)
/** The templates that a text fills, with what they are filled with. */
const filled = (text, known) =>
  templates.flatMap(({ takes, zh }) => {
    const values = takes.exec(text)?.groups
    return values ? zh.map((form) => pattern(form, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, known(value)])))) : []
  })

/** The source of a pattern for what an English text is in Chinese. What is no message, as people's own words, stays. */
export function inChinese(text) {
  const whole = saying(text).map((zh) => pattern(zh))
  if (whole.length > 0) return either(whole)
  const full = filled(text, inChinese)
  if (full.length > 0) return either(full)
  // A piece of a longer message stands for the whole of it.
  const around = / /.test(text.trim()) ? messages.filter(({ en }) => en.includes(text)).flatMap(({ zh }) => zh.map((form) => pattern(form))) : []
  return either([literal(text), ...around])
}

/** The same of a pattern: what it finds among the messages, and those that it fills with patterns. */
function patternInChinese({ source, flags }) {
  const finds = new RegExp(source, flags)
  const [, start, body, end] = /^(\^?)(.*?)(\$?)$/s.exec(source)
  const found = messages.filter(({ en }) => finds.test(en)).flatMap(({ zh }) => zh.map((form) => pattern(form)))
  const full = filled(body, (value) => (saying(value).length > 0 ? inChinese(value) : value))
  return new RegExp([source, ...[...found, ...full].map((one) => start + one + end)].join('|'), flags)
}

/** What is asked for, as Playwright takes it: a text is looked for anywhere, a name from its beginning on. */
function asked(text, exact, name = false) {
  if (text instanceof RegExp) return patternInChinese(text)
  return new RegExp(`${exact || name ? '^\\s*' : ''}${inChinese(text)}${exact ? '\\s*$' : ''}`, 'i')
}

const pages = new WeakSet()
let taught = false

/** From now on what is looked for on this page is looked for in Chinese. */
export function speakChinese(page) {
  pages.add(page)
  if (taught) return
  taught = true
  const pageOf = (it) => (it.page ? it.page() : it)
  for (const proto of [page, page.locator('html')].map(Object.getPrototypeOf)) {
    const teach = (method, translate) => {
      const inEnglish = proto[method]
      if (!inEnglish) return
      proto[method] = function (...args) {
        return inEnglish.apply(this, pages.has(pageOf(this)) ? translate(...args) : args)
      }
    }
    teach('getByRole', (role, { name, exact, ...rest } = {}) => [role, name === undefined ? rest : { ...rest, name: asked(name, exact, true) }])
    for (const method of ['getByLabel', 'getByPlaceholder', 'getByTitle', 'getByAltText']) teach(method, (text, o) => [asked(text, o?.exact, true)])
    teach('getByText', (text, o) => [asked(text, o?.exact)])
    for (const method of ['filter', 'locator']) teach(method, (...args) => args.map((o) => (o?.hasText === undefined ? o : { ...o, hasText: asked(o.hasText) })))
  }
}
