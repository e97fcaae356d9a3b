// The looks of the main views: at a desk and on a phone, light and dark, against
// the mock server with its clock stopped. What is seen stands in
// dev/views/NAME.txt and is compared with it; a difference fails. The pictures
// are kept to be looked at.
//   npm run views [NAME…]              compares
//   npm run views -- --accept [NAME…]  writes dev/views anew: read the diff
//   npm run views -- --look [NAME…]    only takes the pictures, in every language
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { compare, parse, write } from './views/compare.mjs'
import { listOf, look, pictureOf } from './views/seen.mjs'

const here = new URL('./views/', import.meta.url).pathname
const shots = process.env.SHOTS ?? new URL('../shots/views/', import.meta.url).pathname
const flag = (name) => process.argv.includes(`--${name}`)
const names = process.argv.slice(2).filter((a) => !a.startsWith('--'))
const now = '2026-03-02T09:30:00Z'
/** So long a view may take to look as it should. */
const patience = 20_000
/** So many differences of a view are told. */
const told = 8

const sizes = {
  desk: { screen: { viewport: { width: 1440, height: 900 } }, cell: 30 },
  phone: { screen: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }, cell: 26 },
}

// Each with what is there last, and what is then done.
const conversation = (p) => p.getByText('All done.').waitFor()
const views = [
  ['sign-in', '/login', (p) => p.getByRole('textbox').nth(1).waitFor()],
  ['home', '/', (p) => p.getByRole('button', { name: /Allow once|允许一次/ }).nth(1).waitFor()],
  ['conversation', '/s/waiting', (p) => p.getByRole('button', { name: /Allow once|允许一次/ }).waitFor()],
  ['answer', '/s/done', conversation, (p) => p.getByRole('table').first().evaluate((t) => t.scrollIntoView({ block: 'end' }))],
  ['work', '/s/done?work=tasks', conversation],
  ['files', '/files/projects/fetcher/fetcher.ts?tabs=["projects/fetcher/README.md"]', (p) => p.locator('.cm-line span').first().waitFor()],
  ['terminal', '/terminal/t1', (p) => p.locator('.xterm-rows').getByText('retry_test.go').waitFor()],
  ['account', '/account', (p) => p.getByText('nightly build').waitFor()],
  ['users', '/admin/users', (p) => p.getByText('chen.wei@example.org').waitFor()],
  ['instances', '/admin/instances', (p) => p.getByText(/3 processes|3 个进程/).waitFor(), (p) => p.getByText(/3 processes|3 个进程/).evaluate((el) => el.click())],
  ['server', '/admin/server', (p) => p.locator('figure, svg[role=img]').last().waitFor()],
  ['palette', '/s/done', conversation, async (p) => {
    await p.keyboard.press('Control+k')
    await p.getByRole('option').first().waitFor()
  }],
]

mkdirSync(shots, { recursive: true })
const mocks = []
async function mock(language) {
  const child = spawn('node', [new URL('./mock-server.mjs', import.meta.url).pathname], { env: { ...process.env, MOCK_LANG: language, MOCK_NOW: now, PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] })
  mocks.push(child)
  return new Promise((done) => child.stdout.once('data', (line) => done(/http\S+/.exec(line)[0])))
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  env: { ...process.env, FONTCONFIG_FILE: join(here, 'fonts.conf') },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--font-render-hinting=none'],
})
const urls = { en: await mock('en'), 'zh-CN': await mock('zh-CN') }
const empty = await browser.newPage()

/** Opens a view, as whole as it gets. */
async function open([name, path, ready, then], size, language) {
  const url = urls[language]
  const context = await browser.newContext({ ...sizes[size].screen, baseURL: url, locale: language, timezoneId: 'UTC', reducedMotion: 'reduce' })
  context.setDefaultTimeout(patience)
  if (name !== 'sign-in') await context.addCookies([{ name: 'mock', value: '1', url }])
  const page = await context.newPage()
  await page.clock.setFixedTime(now)
  await page.goto(path)
  await ready(page)
  await page.waitForLoadState('networkidle')
  await then?.(page)
  // Code is coloured beside the page, whose network says nothing of that.
  await page.waitForFunction(() => !document.querySelector('[data-uncoloured]'))
  await page.evaluate(() => document.fonts.ready)
  return page
}

/** Runs in the page: until it has drawn twice. */
const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))

/** What is seen of a page in both themes, as sections of text. */
async function see(page, name, size, language) {
  const seen = {}
  const pictures = {}
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme })
    await page.evaluate(drawn) // what follows the theme by itself, as a terminal does, learns of it then
    seen[theme] = await look(page, name === 'home')
    const file = `${[name, size, theme, ...(flag('look') ? [language] : [])].join('-')}.png`
    pictures[theme] = await pictureOf(empty, await page.screenshot({ path: join(shots, file), animations: 'disabled', caret: 'hide' }), sizes[size].cell)
  }
  const { lines, colours } = listOf(seen.light, seen.dark)
  return { colours, sections: [[`${size}, ${language}`, lines], [`${size}, light and dark`, pictures.light.map((line, row) => `|${line}|${pictures.dark[row]}|`)]] }
}

/** Both sizes of a view, as the text of its file. */
async function textOf(name, pages) {
  const seen = await Promise.all(pages.map(([page, size, language]) => see(page, name, size, language)))
  const colours = Object.entries(Object.assign({}, ...seen.map((s) => s.colours))).map(([token, both]) => `${token.padEnd(12)} ${both}`)
  return write(`What is seen of ${name}; made by \`npm run views -- --accept ${name}\`.`, [['colours', colours.sort()], ...seen.flatMap((s) => s.sections)])
}

/** Until two looks are the same. */
async function accept(name, pages) {
  let [last, is] = ['', await textOf(name, pages)]
  while (is !== last) [last, is] = [is, await textOf(name, pages)]
  writeFileSync(join(here, `${name}.txt`), is)
}

/** A view has time to look as it should; what is wrong then fails. */
async function check(name, pages) {
  const file = join(here, `${name}.txt`)
  const was = parse(existsSync(file) ? readFileSync(file, 'utf8') : '')
  const until = Date.now() + patience
  let found
  do found = compare(was, parse(await textOf(name, pages)))
  while (found.length > 0 && Date.now() < until)
  if (found.length === 0) return
  const rest = found.length > told ? `\n  and ${found.length - told} more` : ''
  throw new Error(`${found.slice(0, told).join('\n  ')}${rest}\n  look at ${join(shots, `${name}-*.png`)}; if it is meant: npm run views -- --accept ${name}, and read the diff`)
}

const failures = []
try {
  for (const [n, view] of views.entries()) {
    const [name] = view
    if (names.length > 0 && !names.includes(name)) continue
    const started = Date.now()
    // Each language at one size: the other in the next view.
    const languages = flag('look') ? [['en', 'en'], ['zh-CN', 'zh-CN']] : [n % 2 ? ['zh-CN', 'en'] : ['en', 'zh-CN']]
    try {
      for (const pair of languages) {
        const pages = await Promise.all(Object.keys(sizes).map(async (size, i) => [await open(view, size, pair[i]), size, pair[i]]))
        await (flag('look') ? textOf : flag('accept') ? accept : check)(name, pages)
        await Promise.all(pages.map(([page]) => page.context().close()))
      }
    } catch (e) {
      failures.push(`${name}\n  ${e.message}`)
    }
    console.log(`${name} ${((Date.now() - started) / 1000).toFixed(1)} s`)
  }
} finally {
  await browser.close()
  for (const child of mocks) child.kill()
}
for (const f of failures) console.error(f)
process.exitCode = failures.length > 0 ? 1 : 0
