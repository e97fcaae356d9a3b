// One person before one browser: what they do on the page, found by role and
// name, and a watch on what must not happen there.
import assert from 'node:assert/strict'
import { inChinese, literal, speakChinese } from './language.mjs'

export const passwordOf = (name) => `a long password of ${name}`

export class Person {
  /** Every message that came over the page's WebSockets, and every answer of the API: what this person was told. */
  told = []
  signedIn = false
  #problems = []
  #excused = []

  constructor(world, name, context, language) {
    Object.assign(this, { world, name, context, language })
    context.setDefaultTimeout(30_000)
  }

  async open(path = 'about:blank') {
    const page = await this.context.newPage()
    this.page ??= page
    if (this.language === 'zh-CN') speakChinese(page)
    this.#watch(page)
    if (path !== 'about:blank') await page.goto(path)
    return page
  }

  #watch(page) {
    page.on('console', (m) => {
      const url = m.location().url
      if (m.type() === 'error' || /content security policy/i.test(m.text())) this.#note(`console: ${m.text()} ${url}`)
    })
    page.on('pageerror', (e) => this.#note(`the page threw: ${e.stack}`))
    page.on('requestfailed', (r) => {
      // Leaving a page ends its requests.
      if (r.failure()?.errorText !== 'net::ERR_ABORTED') this.#note(`request failed: ${r.method()} ${r.url()} ${r.failure()?.errorText}`)
    })
    page.on('response', (r) => {
      if (r.status() >= 400) this.#note(`answer ${r.status()}: ${r.request().method()} ${r.url()}`)
      if (r.url().includes('/api/')) r.text().then((t) => this.told.push(`${r.url()} ${t}`), () => {})
    })
    page.on('websocket', (ws) => ws.on('framereceived', (f) => this.told.push(String(f.payload))))
    page.addInitScript(() => document.addEventListener('securitypolicyviolation', (e) => console.error(`policy broken: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`)))
  }

  #note(problem) {
    if (!this.signedIn && /401/.test(problem) && problem.includes('/api/v1/me')) return // how the page asks whether somebody is signed in
    if (this.#excused.some((pattern) => pattern.test(problem))) return
    this.#problems.push(`${this.name} at ${this.page.url()}: ${problem}`)
  }

  /** Does what has to go wrong in a known way. */
  async excusing(patterns, act) {
    const before = this.#excused
    this.#excused = [...before, ...patterns]
    try {
      return await act()
    } finally {
      this.#excused = before
    }
  }

  takeProblems() {
    return this.#problems.splice(0)
  }

  /** What the page says, as the source of a pattern in this person's language. */
  words(text) {
    return this.language === 'zh-CN' ? inChinese(text) : literal(text)
  }

  // Accounts

  async setUp(code) {
    const { page } = this
    await page.goto('/')
    await page.getByRole('heading', { name: 'Make the first administrator' }).waitFor()
    await page.getByLabel('Set-up code').fill(code)
    await page.getByLabel('User name').fill(this.name)
    await page.getByLabel('Password').fill(passwordOf(this.name))
    await page.getByRole('button', { name: 'Make the account' }).click()
    await page.getByRole('navigation', { name: 'Sessions' }).waitFor()
    this.signedIn = true
  }

  async signIn() {
    const { page } = this
    await page.goto('/')
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.getByLabel('User name or e-mail').fill(this.name)
    await page.getByLabel('Password').fill(passwordOf(this.name))
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('navigation').first().waitFor() // in the language of the account, from here on
    this.signedIn = true
  }

  // Projects and sessions

  /** Makes a project, and the session that the page offers next. */
  async startProject(name) {
    const { page } = this
    await page.goto('/projects')
    await page.getByRole('button', { name: 'New project' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'New project' })
    await dialog.getByLabel('Name', { exact: true }).fill(name)
    await dialog.getByRole('button', { name: 'Make the project' }).click()
    return this.#startSession()
  }

  /** Starts a session with the keyboard, as at a desk. */
  async startSession(project) {
    const { page } = this
    await page.goto('/')
    await page.getByRole('navigation', { name: 'Sessions' }).waitFor()
    await page.getByRole('button', { name: /^New session/ }).first().click()
    await page.getByRole('dialog', { name: 'New session' }).getByLabel('Project').selectOption(project)
    return this.#startSession()
  }

  async #startSession() {
    const { page } = this
    await page.getByRole('dialog', { name: 'New session' }).getByRole('button', { name: 'Start the session' }).click()
    await page.waitForURL(/\/s\/[0-9a-f-]{36}$/)
    await this.composer().waitFor()
    return page.url().split('/').at(-1)
  }

  composer(page = this.page) {
    return page.getByRole('textbox', { name: 'Prompt' })
  }

  log(page = this.page) {
    return page.getByRole('log', { name: 'Conversation' })
  }

  /** What stands above the composer while Claude waits for an answer. */
  request(page = this.page) {
    return page.getByRole('region', { name: 'Claude asks' })
  }

  async prompt(text, page = this.page) {
    await this.composer(page).fill(text)
    await page.getByRole('button', { name: /^Send/ }).click()
  }

  /** Waits until no turn runs any more: the button that would stop it is gone. Only after the turn was seen to run. */
  async untilDone(page = this.page) {
    await page.getByRole('button', { name: 'Stop', exact: true }).waitFor({ state: 'detached', timeout: 60_000 })
  }

  /** What Claude said that contains the text; prompts do not count. */
  answer(text, page = this.page) {
    return this.log(page).locator('.prose').filter({ hasText: text }).last()
  }

  /** A prompt and its whole answer, which ends with the given words. */
  async turn(text, end, page = this.page) {
    await this.prompt(text, page)
    await this.answer(end, page).waitFor({ timeout: 60_000 })
    await this.untilDone(page)
  }

  // The API, with the cookie of this browser

  async api(method, path, { data, status = 200 } = {}) {
    const res = await this.context.request.fetch(`/api/v1${path}`, { method, data, headers: { Origin: this.world.url } })
    assert.equal(res.status(), status, `${method} ${path}: ${await res.text()}`)
    const text = await res.text()
    return res.headers()['content-type']?.includes('json') ? JSON.parse(text) : text
  }

  file(path) {
    return this.api('GET', `/files/content?path=${encodeURIComponent(path)}`)
  }

  async noFile(path) {
    await this.api('GET', `/files/content?path=${encodeURIComponent(path)}`, { status: 404 })
  }

  /** Asks the API until it says what is wanted; says what it said last when it never does. */
  async until(what, path, holds) {
    const deadline = Date.now() + 30_000
    for (let last; ; ) {
      last = await this.api('GET', path)
      if (holds(last)) return last
      if (Date.now() > deadline) throw new Error(`waited 30 s for ${what}; ${path} says ${JSON.stringify(last)}`)
      await new Promise((r) => setTimeout(r, 50))
    }
  }
}
