// What the parts share: the browser, the people who sit before it, and what
// went wrong behind their backs.
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { passwordOf, Person } from './person.mjs'

export const desk = { viewport: { width: 1440, height: 900 } }
export const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }

/** What several people do at a time; where one fails the others still end, not in the middle of the next part. */
export async function together(all) {
  await Promise.allSettled(all)
  await Promise.all(all)
}

export class World {
  people = new Map()

  constructor({ browser, url, code, pictures, say, ask }) {
    Object.assign(this, { browser, url, code, pictures, say, ask })
    mkdirSync(pictures, { recursive: true })
    for (const name of readdirSync(pictures)) rmSync(join(pictures, name)) // of an earlier run
  }

  note(text) {
    this.say({ note: text })
  }

  /** Somebody sits down before a browser of their own, at a screen of some size. */
  async seat(name, screen = desk, { locale = 'en' } = {}) {
    const context = await this.browser.newContext({ baseURL: this.url, locale, ...screen })
    const person = new Person(this, name, context, locale)
    await person.open()
    const seat = this.people.has(name) ? `${name} (${this.people.size})` : name
    this.people.set(seat, person)
    return person
  }

  /** Somebody new, with an account that an administrator made, sits down before the page in their language. */
  async newcomer(name, { locale = 'en', role = 'user' } = {}) {
    await this.person('ada').api('POST', '/users', { data: { username: name, password: passwordOf(name), role, language: locale }, status: 201 })
    const person = await this.seat(name, desk, { locale })
    await person.signIn()
    return person
  }

  person(name) {
    const found = this.people.get(name)
    if (!found) throw new Error(`${name} has no account yet: run the part 'two people' first`)
    return found
  }

  /** What has to go wrong for everybody who sits there. */
  excusing(patterns, act) {
    return [...this.people.values()].reduce((inner, p) => () => p.excusing(patterns, inner), act)()
  }

  /** They close their browser; what went wrong until then is still told. */
  async leave(person) {
    this.late = [...(this.late ?? []), ...person.takeProblems()]
    for (const [seat, p] of this.people) if (p === person) this.people.delete(seat)
    await person.context.close()
  }

  takeProblems() {
    const all = [...(this.late ?? []), ...[...this.people.values()].flatMap((p) => p.takeProblems())]
    this.late = []
    return [...new Set(all)]
  }

  /** For a failure: a picture of every open page, and where they are. */
  async whereabouts(part) {
    const lines = []
    for (const [seat, p] of this.people) {
      for (const [i, page] of p.context.pages().entries()) {
        const path = join(this.pictures, `failed-${part}-${seat}-${i}.png`.replaceAll(' ', '-'))
        await page.screenshot({ path, timeout: 5000 }).catch(() => {})
        lines.push(`${seat} is at ${page.url()}: ${path}`)
      }
    }
    return lines.join('\n')
  }
}
