// Walks through the page in Firefox against the mock server: npm run build &&
// npm run firefox. Chromium has the whole suite; here is what another engine
// does differently: reading upwards, following the end, typing, drawing.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import puppeteer from 'puppeteer-core'

const port = 8595
const url = `http://127.0.0.1:${port}`
const server = spawn('node', [new URL('./mock-server.mjs', import.meta.url).pathname], { env: { ...process.env, MOCK_LANG: 'en', MOCK_LONG: '1000', PORT: String(port) }, stdio: ['ignore', 'pipe', 'inherit'] })
await new Promise((r) => server.stdout.once('data', r))
const browser = await puppeteer.launch({ browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', headless: true })
const errors = []
try {
  const page = await browser.newPage()
  page.setDefaultTimeout(30_000)
  await page.setViewport({ width: 1440, height: 900 })
  // Who is not signed in yet is told so.
  page.on('console', (m) => m.type() === 'error' && !m.text().includes('401') && errors.push(m.text()))
  page.on('pageerror', (e) => errors.push(e.message))
  const step = (name) => console.log('·', name)
  const button = (name) => page.locator(`::-p-xpath(//button[normalize-space(.)="${name}"])`)
  const read = () => page.waitForFunction(() => document.querySelector('[role=log]')?.getAttribute('aria-busy') === 'false' && document.querySelectorAll('[data-row]').length > 5)

  step('signs in')
  await page.goto(`${url}/login`)
  await page.locator('input').fill('ana')
  await page.locator('input[type=password]').fill('a long password')
  await page.locator('button[type=submit]').click()
  await page.waitForSelector('::-p-text(Waiting for you)')
  await page.waitForNetworkIdle() // a file on its way would fail with the page that is left

  step('a turn from its prompt to its end')
  await page.goto(`${url}/s/done`)
  await page.locator('[data-composer]').fill('Go')
  await page.keyboard.press('Enter')
  await page.waitForSelector('button[aria-label="Stop"]')
  await page.waitForSelector('button[aria-label="Stop"]', { hidden: true })

  step('a request is allowed')
  await page.goto(`${url}/s/waiting`)
  await page.locator('::-p-xpath(//section//button[contains(., "Allow once")])').click()
  await page.waitForSelector('::-p-text(Understood)')

  step('formulas and drawings, which come late and leave the end in sight')
  await page.goto(`${url}/s/rich`)
  await page.waitForSelector('[role=log] .katex')
  await page.waitForSelector('[role=log] img[src^="data:image/svg"], [role=log] img[src^=blob]')
  await page.waitForFunction(() => {
    const log = document.querySelector('[role=log]')
    return log.scrollHeight - log.scrollTop - log.clientHeight < 2
  })

  step('reading upwards, nothing jumps')
  await page.goto(`${url}/s/long`)
  await read()
  const jump = await page.evaluate(async () => {
    const log = document.querySelector('[role=log]')
    const frame = () => new Promise(requestAnimationFrame)
    let most = 0
    for (let i = 0; i < 40; i++) {
      const { top } = log.getBoundingClientRect()
      const row = [...log.querySelectorAll('[data-row]')].find((r) => r.getBoundingClientRect().bottom > top + 200)
      const before = row.getBoundingClientRect().top
      log.scrollBy(0, -120)
      await frame()
      await frame()
      // The first steps leave the end.
      if (i > 1) most = Math.max(most, Math.abs(row.getBoundingClientRect().top - before - 120))
    }
    return most
  })
  assert.ok(jump <= 2, `what is read jumps by ${jump} px`)

  step('a file is edited and saved')
  await page.goto(`${url}/files/projects/fetcher/fetcher.ts`)
  await page.waitForSelector('.cm-line span')
  await page.locator('.cm-content').click()
  await page.keyboard.type('// x')
  await button('Save').click()
  await page.waitForSelector('::-p-text(Saved)')

  step('a terminal shows what was printed')
  await page.goto(`${url}/terminal/t1`)
  await page.waitForSelector('.xterm-rows ::-p-text(retry_test.go)')

  assert.deepEqual(errors, [], 'the page complained')
} finally {
  await browser.close()
  server.kill()
}
