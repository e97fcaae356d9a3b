// Walks through the page against the mock server as a user does: set-up, a
// project, a session, prompts, answers, a lost connection, both input habits.
import { spawn } from 'node:child_process'
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const port = 20_000 + (process.pid % 20_000) // of its own: others may run beside it
const url = `http://127.0.0.1:${port}`
const start = async (env = {}) => {
  const child = spawn('node', [new URL('./mock-server.mjs', import.meta.url).pathname], { env: { ...process.env, MOCK_EMPTY: '1', PORT: String(port), ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((r) => child.stdout.once('data', r))
  return child
}
let server = await start({ MOCK_SETUP: '1' })
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
const errors = []
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en' })
  const page = await context.newPage()
  page.setDefaultTimeout(8000)
  page.on('console', (m) => m.type() === 'error' && errors.push(m.text()))
  page.on('pageerror', (e) => errors.push(e.message))
  const step = (name) => console.log('·', name)

  step('set-up: a wrong code is said, the right one lets in')
  await page.goto(url)
  await page.getByRole('heading', { name: 'Make the first administrator' }).waitFor()
  if (errors.length > 0) throw new Error(`A first visit is told of errors: ${errors.join()}`)
  await page.getByLabel('Set-up code').fill('9999')
  await page.getByLabel('User name').fill('ana')
  await page.getByLabel('Password').fill('long enough')
  await page.getByRole('button', { name: 'Make the account' }).click()
  await page.getByRole('alert').getByText('Look at what the server printed').waitFor()
  await page.getByLabel('Set-up code').fill('0000')
  await page.getByRole('button', { name: 'Make the account' }).click()

  step('the empty page offers the next step')
  await page.getByText('No sessions yet').waitFor()
  await page.keyboard.press('n')
  await page.getByRole('dialog').getByRole('link', { name: 'New project' }).click()
  await page.waitForFunction(() => document.activeElement?.tagName === 'INPUT') // the first field has the focus
  await page.getByLabel('Git repository').fill('https://example.org/team/fetcher.git')
  assert.equal(await page.getByLabel('Name').inputValue(), 'fetcher')
  await page.getByRole('button', { name: 'Make the project' }).click()
  await page.getByRole('button', { name: 'Start the session' }).click()

  step('a prompt streams; while it runs another is queued and it can be stopped')
  const composer = page.getByLabel('Prompt', { exact: true })
  await composer.fill('Make it retry')
  await composer.press('Enter')
  await page.getByRole('log').getByText('Make it retry').waitFor()
  await page.getByRole('log').getByText('only idempotent requests').waitFor()
  await composer.fill('And test it')
  await composer.press('Enter')
  await page.getByText('Queued: Claude takes it up next').waitFor()
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByRole('log').getByText('Stopped').waitFor()

  step('Shift+Enter is a new line; a composition never sends')
  await composer.fill('one')
  await composer.press('Shift+Enter')
  await composer.press('t')
  assert.equal(await composer.inputValue(), 'one\nt')
  await composer.evaluate((el) => el.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })))
  assert.equal(await composer.inputValue(), 'one\nt')

  step('a draft survives a reload')
  await page.reload()
  await page.getByLabel('Prompt', { exact: true }).waitFor()
  assert.equal(await page.getByLabel('Prompt', { exact: true }).inputValue(), 'one\nt')

  step('a refused prompt keeps its text and can be discarded')
  await composer.fill('fail')
  await composer.press('Enter')
  await page.getByText('The budget is spent').waitFor()
  await page.getByRole('button', { name: 'Discard' }).click()
  await page.getByText('The budget is spent').waitFor({ state: 'detached' })

  step('commands are offered')
  await composer.fill('/co')
  await page.getByRole('option').first().waitFor()
  await composer.press('ArrowDown')
  await composer.press('Tab')
  assert.equal(await composer.inputValue(), '/context ')
  await composer.fill('')

  step('without a server: said, kept, sent again when it is back')
  const lost = page.getByRole('main').getByText(/The connection is lost|Connecting again/)
  server.kill()
  await lost.waitFor()
  await composer.fill('while away')
  await composer.press('Enter')
  await page.getByText('Sending…').waitFor()
  server = await start({ MOCK_EMPTY: '0' })
  await page.getByRole('button', { name: 'Connect now' }).click().catch(() => {})
  await lost.waitFor({ state: 'detached' })

  step('a permission: denied with a word; an open one is there after a reload')
  await page.goto(`${url}/s/waiting`)
  await page.getByRole('region', { name: 'Claude asks' }).waitFor()
  await page.reload()
  const dock = page.getByRole('region', { name: 'Claude asks' })
  await dock.getByRole('button', { name: /Always allow go test/ }).waitFor()
  await dock.getByRole('button', { name: 'Deny…' }).click()
  await dock.getByLabel('What should Claude do instead?').fill('Use make test')
  await dock.getByRole('button', { name: 'Deny', exact: true }).click()
  await dock.waitFor({ state: 'detached' })
  await page.getByRole('log').getByText('Understood, I go on').waitFor()

  step('questions: answered by option and by words')
  await page.goto(`${url}/s/question`)
  await page.getByLabel('SQLite').check()
  await page.getByLabel(/Which extras.*Or in/).fill('logs')
  await page.getByRole('button', { name: 'Answer', exact: true }).click()
  await page.getByRole('region', { name: 'Claude asks' }).waitFor({ state: 'detached' })

  step('following ends when the reader scrolls up, and the button comes back to the end')
  await page.goto(`${url}/s/running`)
  const log = page.getByRole('log')
  await page.waitForFunction(() => (document.querySelector('[role=log]')?.scrollHeight ?? 0) > 1500, null, { timeout: 60_000 })
  await page.waitForFunction(() => {
    const el = document.querySelector('[role=log]')
    return el.scrollHeight - el.scrollTop - el.clientHeight < 40
  })
  await log.hover()
  const newest = page.getByRole('button', { name: /To the newest/ })
  // On a busy machine a turn of the wheel may meet the end of the text on its way down.
  for (let i = 0; i < 20 && !(await newest.isVisible()); i++) {
    await page.mouse.wheel(0, -600)
    await page.waitForTimeout(200)
  }
  await newest.waitFor()
  await page.waitForTimeout(200) // the wheel has come to rest
  const top = await log.evaluate((el) => el.scrollTop)
  await page.waitForTimeout(600)
  assert.ok(Math.abs((await log.evaluate((el) => el.scrollTop)) - top) < 5, 'stays where the reader is')
  await newest.click()
  await page.waitForFunction(() => {
    const el = document.querySelector('[role=log]')
    return el.scrollHeight - el.scrollTop - el.clientHeight < 60
  })

  step("a dialog that a menu opened gives the focus back to the menu's button")
  const menu = page.getByRole('button', { name: 'Session menu' })
  for (const [by, open] of [['keyboard', () => menu.press('Enter')], ['mouse', () => menu.click()]]) {
    await open()
    const rename = page.getByRole('menuitem', { name: 'Rename' })
    await (by === 'mouse' ? rename.click() : rename.press('Enter'))
    await page.getByRole('dialog', { name: 'Rename' }).waitFor()
    await page.getByRole('menu').waitFor({ state: 'detached' }) // while it goes, Escape is still its own
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    if (!(await menu.evaluate((b) => b === document.activeElement))) throw new Error(`by ${by} the focus is lost`)
  }

  step('a wrong address keeps the frame')
  const here = page.url()
  await page.goto(`${url}/nowhere`)
  await page.getByRole('main').getByText('There is nothing here').waitFor()
  await page.getByRole('navigation', { name: 'Sessions' }).waitFor()
  await page.goto(here)

  step('mode and model are picked')
  await page.goto(`${url}/s/done`)
  await page.getByRole('button', { name: /^Mode:/ }).click()
  await page.getByRole('menuitemradio', { name: /Plans only/ }).click()
  await page.getByRole('button', { name: 'Mode: Plans only' }).waitFor()
  await page.getByRole('button', { name: /^Model:/ }).click()
  await page.getByRole('menuitemradio', { name: /Haiku/ }).click()
  await page.getByRole('button', { name: 'Model: Haiku' }).waitFor()

  step('the language changes at once')
  await page.goto(`${url}/account`)
  await page.getByLabel('Language', { exact: true }).selectOption('zh-CN')
  await page.getByRole('heading', { name: '语言与外观' }).waitFor()
  await page.getByRole('radio', { name: '深色' }).check({ force: true })
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).colorScheme), 'dark')
  await page.getByLabel('语言', { exact: true }).selectOption('en')

  step('a token is shown once')
  await page.getByLabel('What it is for').fill('editor')
  await page.getByRole('button', { name: 'Make a token' }).click()
  await page.getByText('Copy the token now').waitFor()

  step('an administrator adds a user and is told of a limit that is no number')
  await page.goto(`${url}/admin/users`)
  await page.getByRole('button', { name: 'Add a user' }).click()
  await page.getByRole('dialog').getByLabel('User name').fill('eve')
  await page.getByRole('dialog').getByLabel('First password').fill('a first password')
  await page.getByRole('dialog').getByRole('button', { name: 'Add a user' }).click()
  await page.getByText('eve@example.org').waitFor()
  await page.getByRole('row').filter({ hasText: 'eve' }).getByRole('button', { name: 'Edit' }).click()
  await page.getByRole('dialog').getByLabel('CPU').fill('none')
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await page.getByText('A number, 0 or more').waitFor()

  step('sign-out')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'ana' }).click()
  const asked = []
  page.on('request', (r) => r.url().endsWith('/api/v1/me') && asked.push(r.url()))
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  assert.deepEqual(asked, [], 'who signs out is not asked who they are')
  assert.equal(new URL(page.url()).search, '', 'the next one is not led to where the one before was')

  step('a sign-in that ended by itself: the same person goes on where they were, and nobody else')
  const signIn = async (name) => {
    await page.getByLabel('User name or e-mail').fill(name)
    await page.getByLabel('Password').fill('long enough')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('navigation', { name: 'Sessions' }).waitFor()
  }
  await signIn('ana')
  for (const name of ['ana', 'eve']) {
    await page.getByRole('link', { name: 'Projects' }).first().click()
    await page.waitForURL('**/projects')
    await context.clearCookies()
    await page.getByRole('link', { name: name === 'ana' ? 'Terminal' : 'Files' }).first().click()
    await page.waitForURL('**/login?next=*')
    const next = new URL(page.url()).searchParams.get('next')
    await signIn(name)
    await page.waitForURL(({ pathname }) => pathname === (name === 'ana' ? next : '/'))
  }
} catch (e) {
  const [page] = browser.contexts()[0]?.pages() ?? []
  await page?.screenshot({ path: join(process.env.SHOTS ?? tmpdir(), 'flow-failure.png') })
  console.error(e)
  process.exitCode = 1
} finally {
  await browser.close()
  server.kill()
}
// What a browser logs of refused requests and the time without a server is expected; the rest is not.
const unexpected = errors.filter((e) => !/Failed to load resource|WebSocket connection/.test(e))
if (unexpected.length > 0) {
  console.error(unexpected)
  process.exitCode = 1
}
