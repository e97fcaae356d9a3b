// A conversation of 10,000 events beside the mock server, by what can be
// counted on any machine: rows that are drawn, rows that a token changes, and
// how far what is read moves when something is put in above it.
import { spawn } from 'node:child_process'
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const mostDrawn = 240 // as useDrawn has it
const step = (name) => console.log('·', name)
const servers = []
async function mock(env) {
  const child = spawn('node', [new URL('./mock-server.mjs', import.meta.url).pathname], { env: { ...process.env, MOCK_LONG: '10000', PORT: '0', ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  servers.push(child)
  const said = await new Promise((up, fail) => {
    child.stdout.once('data', (d) => up(String(d)))
    child.once('exit', () => fail(new Error('the mock server has ended')))
  })
  return /http:\S+/.exec(said)[0]
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'] })
const errors = []

async function open(url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en' })
  await context.addCookies([{ name: 'mock', value: '1', url }])
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  page.on('pageerror', (e) => errors.push(e.message))
  await page.goto(`${url}/s/long`)
  await atEnd(page)
  return page
}

/** Its last row is drawn, and nothing is below it. */
const atEnd = (page) =>
  page.waitForFunction(() => {
    const log = document.querySelector('[role=log]')
    return log?.querySelector('[data-row]') && log.getAttribute('aria-busy') === 'false' && log.scrollHeight - log.scrollTop - log.clientHeight < 40
  })

/**
 * Scrolls until an edge of what is drawn was moved so many times, slowly where
 * that is near. Says how far from where it should be a row came to stand that
 * is read, and what was drawn.
 */
const scroll = (page, way, times) =>
  page.evaluate(
    async ([way, times]) => {
      const log = document.querySelector('[role=log]')
      const frames = async (n) => {
        for (let i = 0; i < n; i++) await new Promise(requestAnimationFrame)
      }
      const edge = () => log.querySelector('[data-row]').dataset.row
      const out = { worst: 0, most: 0, put: 0 }
      for (let i = 0; i < 2000 && out.put < times; i++) {
        const left = way < 0 ? log.scrollTop : log.scrollHeight - log.clientHeight - log.scrollTop
        if (left < 1 && way > 0) break
        const by = way * (left > 1300 ? 600 : 40)
        const box = log.getBoundingClientRect()
        const row = [...log.querySelectorAll('[data-row]')].find((r) => r.getBoundingClientRect().bottom > box.top + box.height / 2)
        const [top, before, from] = [row.getBoundingClientRect().top, edge(), log.scrollTop]
        log.dispatchEvent(new WheelEvent('wheel', { deltaY: by })) // a hand
        log.scrollTop += by
        const moved = log.scrollTop - from
        await frames(2)
        while (log.getAttribute('aria-busy') === 'true') await frames(1)
        if (edge() !== before) {
          await frames(3)
          out.put++
        }
        // After a leap others are read.
        if (Math.abs(by) < 100) out.worst = Math.max(out.worst, row.isConnected ? Math.abs(row.getBoundingClientRect().top - top + moved) : Infinity)
        out.most = Math.max(out.most, log.querySelectorAll('[data-row]').length)
      }
      return out
    },
    [way, times],
  )

let page
try {
  const still = await mock({ MOCK_ASLEEP: '1' })
  step('it opens at its end, with few rows')
  page = await open(still)
  const drawn = () => page.locator('[data-row]').count()
  assert.ok((await drawn()) <= 40, `${await drawn()} rows are drawn of a conversation that was opened`)
  assert.ok(await page.evaluate(() => [...document.querySelectorAll('[data-row]')].at(-1).getBoundingClientRect().top < innerHeight), 'its last row is out of sight')

  step('what is shorter for a moment does not lead away from the end')
  await page.evaluate(() => {
    const log = document.querySelector('[role=log]')
    const last = [...document.querySelectorAll('[data-row]')].slice(-5)
    const after = last.at(-1).nextSibling
    log.style.overflowAnchor = 'none' // it would be moved back, which is not always so
    for (const row of last) row.remove()
    window.shorter = log.scrollHeight // laid out: the browser moves what is above
    for (const row of last) log.querySelector('[data-row]').parentNode.insertBefore(row, after)
  })
  await page.waitForTimeout(300)
  await page.evaluate(() => document.querySelector('[role=log]').style.removeProperty('overflow-anchor'))
  await atEnd(page)
  assert.equal(await page.getByRole('button', { name: /^To the newest/ }).count(), 0, 'the end is followed no more')

  step('who moves a text that changes all the time leaves its end, also without a wheel')
  await page.evaluate(async () => {
    const [log, last] = [document.querySelector('[role=log]'), [...document.querySelectorAll('[data-row]')].at(-1)]
    const from = log.scrollTop
    for (let i = 1; i <= 20; i++) {
      log.scrollTop = from - i * 15
      await new Promise(requestAnimationFrame) // it is told of that first
      last.append(document.createComment('changes'))
      await Promise.resolve() // and of the change, before one moves on
    }
    for (const node of [...last.childNodes].filter((n) => n.nodeType === Node.COMMENT_NODE && n.data === 'changes')) node.remove()
  })
  await page.getByRole('button', { name: /^To the newest/ }).click()
  await atEnd(page)

  step('older parts come in above, and what is read stays where it is')
  const asked = []
  page.on('request', (r) => r.url().includes('/events?') && asked.push(r.url()))
  const up = await scroll(page, -1, 10)
  assert.ok(asked.length >= 2 && up.put >= 10, `too little came in above to tell: ${asked.length} pages, ${up.put} times rows`)
  assert.ok(up.worst <= 2, `a row that was read moved by ${up.worst} px`)
  assert.ok(up.most <= mostDrawn, `${up.most} rows were drawn`)

  step('and on the way back')
  const down = await scroll(page, 1, 3)
  assert.ok(down.put >= 3, 'nothing was taken out above: the way back was not far enough')
  assert.ok(down.worst <= 2, `a row that was read moved by ${down.worst} px`)
  assert.ok(down.most <= mostDrawn, `${down.most} rows were drawn`)
  await page.getByRole('button', { name: /^To the newest/ }).click()
  await atEnd(page)

  step('its first words are found, far above all that is drawn')
  await page.getByRole('log').focus()
  await page.keyboard.press('Control+f')
  await page.getByRole('search').getByRole('textbox').fill('Step 0: look')
  await page.getByRole('search').getByText('1 found').waitFor()
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => {
    const row = document.querySelector('.found')?.getBoundingClientRect()
    return row && row.top >= 0 && row.bottom <= innerHeight
  })
  assert.ok((await drawn()) <= mostDrawn, `${await drawn()} rows are drawn with all of it read`)
  await page.keyboard.press('Escape')

  step('a place is kept while one looks elsewhere, and over a reload')
  const reading = () => page.evaluate(() => {
    const top = document.querySelector('[role=log]').getBoundingClientRect().top
    const row = [...document.querySelectorAll('[data-row]')].find((r) => r.getBoundingClientRect().bottom > top)
    return { row: row?.dataset.row, top: row && Math.round(row.getBoundingClientRect().top) }
  })
  await scroll(page, 1, 1)
  const place = await reading()
  await page.locator('a[href="/s/done"]').first().click()
  await page.getByText('All done.').first().waitFor()
  await page.goBack()
  const there = () => page.waitForFunction(([row, top]) => Math.abs((document.querySelector(`[data-row="${CSS.escape(row)}"]`)?.getBoundingClientRect().top ?? Infinity) - top) < 2, [place.row, place.top])
  await there()
  await page.reload()
  await there()
  assert.ok((await drawn()) <= mostDrawn, `${await drawn()} rows are drawn after a reload`)
  await page.context().close()

  step('a token changes one row, and no other')
  page = await open(await mock({ MOCK_TALKS: '1', MOCK_PACE: '15' }))
  const seen = await page.evaluate(async () => {
    const out = { changes: 0, rows: 0, others: [] }
    const elementOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)
    await new Promise((enough) => {
      new MutationObserver((list, observer) => {
        const nodes = list.flatMap((c) => [...c.addedNodes, ...c.removedNodes])
        // A message that begins is a row of its own; those far above it are drawn no more.
        if (nodes.some((n) => n.dataset?.row)) return void out.rows++
        // Colours of code come from a worker, when they are ready.
        const rows = new Set(list.map((c) => elementOf(c.target)).filter((el) => !el?.closest('code')).map((el) => el?.closest('[data-row]')).filter(Boolean))
        if (rows.size === 0) return
        out.changes++
        if (rows.size > 1 || ![...rows][0].matches('[data-row]:last-of-type')) out.others.push([...rows].map((r) => r.dataset.row))
        if (out.changes < 150 || out.rows < 1) return
        observer.disconnect()
        enough()
      }).observe(document.querySelector('[role=log]'), { subtree: true, childList: true, characterData: true, attributes: true })
    })
    return out
  })
  assert.deepEqual(seen.others, [], 'a token changed other rows')
  assert.ok((await page.locator('[data-row]').count()) <= 40, 'rows pile up while it is written')
} catch (e) {
  await page?.screenshot({ path: join(process.env.SHOTS ?? tmpdir(), 'counted-failure.png') }).catch(() => {})
  console.error(e)
  process.exitCode = 1
} finally {
  await browser.close()
  for (const s of servers) s.kill()
}
if (errors.length > 0) {
  console.error(errors)
  process.exitCode = 1
}
