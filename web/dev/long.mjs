// Measures a long conversation in a real browser against the mock server:
// npm run build && npm run long -- 10000. Prints figures; judges nothing.
import { spawn } from 'node:child_process'
import { chromium } from 'playwright-core'

const events = Number(process.argv[2] ?? 10_000)
const rounds = Number(process.argv[3] ?? 5)
const args = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--enable-precise-memory-info', '--js-flags=--expose-gc']
const median = (all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)]

async function mock(port, env) {
  const child = spawn('node', [new URL('./mock-server.mjs', import.meta.url).pathname], { env: { ...process.env, MOCK_LONG: String(events), PORT: String(port), ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((up, fail) => {
    child.stdout.once('data', up)
    child.once('exit', () => fail(new Error(`no mock server on port ${port}`)))
  })
  return { url: `http://127.0.0.1:${port}`, stop: () => child.kill() }
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args })
const still = await mock(8710, {})
const talking = await mock(8711, { MOCK_TALKS: '1', MOCK_PACE: '30' })

// Shown: the conversation's last row is drawn, and in sight.
function watch() {
  const look = () => {
    const rows = document.querySelectorAll('[data-row]')
    const last = rows[rows.length - 1]
    if (last && last.getBoundingClientRect().top < innerHeight) window.__shown = performance.now()
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

async function shown(page) {
  await page.waitForFunction(() => window.__shown)
  return page.evaluate(() => window.__shown)
}

async function open(url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  await context.addCookies([{ name: 'mock', value: '1', url }])
  const page = await context.newPage()
  await page.addInitScript(() => {
    const long = (window.__long = [])
    new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => ({ at: e.startTime, ms: e.duration })))).observe({ type: 'longtask', buffered: true })
  })
  await page.addInitScript(watch)
  await page.goto(`${url}/s/long`)
  await shown(page)
  return { page, context }
}

try {
  // As a browser meets it that was never here, that has been here, and from the home page.
  const first = []
  const again = []
  const inside = []
  const blocked = []
  for (let i = 0; i < rounds; i++) {
    const { page, context } = await open(still.url)
    first.push(await shown(page))
    await page.waitForFunction(() => document.querySelector('[role=log]')?.getAttribute('aria-busy') === 'false')
    blocked.push(await page.evaluate(() => Math.max(0, ...window.__long.map((l) => l.ms))))
    for (let n = 0; n < 3; n++) {
      await page.waitForTimeout(1000) // the browser keeps what it compiled
      await page.reload()
      const ms = await shown(page)
      if (n > 0) again.push(ms)
    }
    await page.goto(still.url)
    const link = page.locator('a[href="/s/long"]').first()
    await link.waitFor()
    await page.waitForTimeout(1000)
    await page.evaluate(() => {
      window.__shown = 0
      document.addEventListener('click', () => (window.__pressed = performance.now()), { capture: true, once: true })
    })
    await page.evaluate(watch)
    await link.click()
    inside.push((await shown(page)) - (await page.evaluate(() => window.__pressed)))
    await context.close()
  }
  const told = (all) => `median ${median(all).toFixed(0)} ms of ${all.map((t) => t.toFixed(0)).join(', ')}`
  console.log(`${events} events, its end shown after`)
  console.log(`  a first visit: ${told(first)}; longest task ${Math.max(...blocked).toFixed(0)} ms`)
  console.log(`  a reload:      ${told(again)}`)
  console.log(`  a click:       ${told(inside)}`)

  const { page, context } = await open(still.url)
  await page.waitForFunction(() => document.querySelector('[role=log]')?.getAttribute('aria-busy') === 'false')
  const scroll = await page.evaluate(async () => {
    window.__long.length = 0
    const el = document.querySelector('[role=log]')
    const frames = []
    let before = performance.now()
    let most = 0
    for (let i = 0; i < 400; i++) {
      el.scrollBy(0, -120)
      await new Promise(requestAnimationFrame)
      const now = performance.now()
      frames.push(now - before)
      before = now
      most = Math.max(most, document.querySelectorAll('[data-row]').length)
    }
    frames.sort((a, b) => a - b)
    return { p50: frames[200], p95: frames[380], worst: frames[399], long: window.__long.filter((l) => l.ms > 50).length, rows: most }
  })
  console.log(`scrolling up 48,000 px: frames p50 ${scroll.p50.toFixed(1)}, p95 ${scroll.p95.toFixed(1)}, worst ${scroll.worst.toFixed(0)} ms; ${scroll.long} tasks over 50 ms; at most ${scroll.rows} rows drawn`)
  // Its first step, far above all that is drawn: found, drawn, marked and in sight.
  await page.keyboard.press('Control+f')
  const began = Date.now()
  await page.getByRole('search').getByRole('textbox').fill('Step 0: look')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => {
    const row = document.querySelector('.found')?.getBoundingClientRect()
    return row && row.top >= 0 && row.bottom <= innerHeight && CSS.highlights.get('carrel-find')?.size > 0
  })
  console.log(`find: the first of ${events} events is in sight after ${Date.now() - began} ms`)

  const heap = await page.evaluate(() => {
    window.gc?.()
    return performance.memory.usedJSHeapSize
  })
  console.log(`heap ${(heap / 1e6).toFixed(0)} MB with all of it read`)
  await context.close()

  const live = await open(talking.url)
  await live.page.waitForFunction(() => document.querySelector('[role=log]')?.getAttribute('aria-busy') === 'false')
  const tokens = await live.page.evaluate(async () => {
    const counts = []
    let added = 0
    const seen = new MutationObserver((changes) => {
      const rows = new Set(changes.map((c) => (c.target.nodeType === 1 ? c.target : c.target.parentElement)?.closest('[data-row]')).filter(Boolean))
      added += changes.filter((c) => [...c.addedNodes].some((n) => n.dataset?.row)).length
      if (rows.size > 0) counts.push(rows.size)
    })
    seen.observe(document.querySelector('[role=log]'), { subtree: true, childList: true, characterData: true })
    await new Promise((r) => setTimeout(r, 4000))
    return { frames: counts.length, most: Math.max(...counts), mean: counts.reduce((a, b) => a + b, 0) / counts.length, added }
  })
  console.log(`streaming: ${tokens.frames} frames changed rows, ${tokens.mean.toFixed(2)} rows each, at most ${tokens.most}; ${tokens.added} rows began`)
} finally {
  await browser.close()
  still.stop()
  talking.stop()
}
