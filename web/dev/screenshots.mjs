// Takes pictures of every view against the mock server, in both themes,
// languages and sizes; fails when the page logs an error, its policy is broken, something of a
// conversation runs or asks another host, it is
// wider than its window, or axe finds a fault.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { AxeBuilder } from '@axe-core/playwright'
import { chromium } from 'playwright-core'

const out = new URL('../shots/', import.meta.url).pathname
mkdirSync(out, { recursive: true })
const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const sizes = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } }
const only = process.argv[2]

const views = [
  ['setup', '/setup', { MOCK_SETUP: '1', MOCK_SCRIPTED: '1' }],
  ['login', '/login', {}],
  ['home', '/', {}],
  ['home-scripted', '/', { MOCK_SCRIPTED: '1' }],
  ['home-empty', '/', { MOCK_EMPTY: '1' }],
  ['waiting', '/s/waiting', {}],
  ['edit', '/s/edit', {}],
  ['question', '/s/question', {}],
  ['plan', '/s/plan', {}],
  ['done', '/s/done', {}],
  ['running', '/s/running', {}],
  ['hostile', '/s/hostile', {}],
  ['rich', '/s/rich', {}],
  ['rich-at', '/s/rich?at=2', {}],
  ['error', '/s/error', {}],
  ['empty', '/s/empty', {}],
  ['scripted', '/s/done', { MOCK_SCRIPTED: '1' }],
  ['files', '/files', {}],
  ['files-folder', '/files/projects/fetcher', {}],
  ['files-empty', '/files/uploads', {}],
  ['files-left', '/files/uploads', {}],
  ['files-code', '/files/projects/fetcher/fetcher.ts?tabs=["projects/fetcher/README.md"]', {}],
  ['files-markdown', '/files/projects/fetcher/README.md', {}],
  ['files-table', '/files/projects/fetcher/results.csv', {}],
  ['files-notebook', '/files/projects/fetcher/report.ipynb', {}],
  ['files-binary', '/files/projects/fetcher/model.bin', {}],
  ['files-missing', '/files/projects/fetcher/nothing.txt', {}],
  ['files-find', '/files/projects/fetcher?find=ret', {}],
  ['files-lines', '/files/projects/fetcher?find=retry&in="lines"', {}],
  ['projects', '/projects', {}],
  ['projects-new', '/projects?add=true', {}],
  ['terminal', '/terminal', {}],
  ['terminal-ended', '/terminal/t3', {}],
  ['terminal-gone', '/terminal/none', {}],
  ['terminal-empty', '/terminal', { MOCK_EMPTY: '1' }],
  ['more', '/more', {}],
  ['share', '/share', {}],
  ['snapshots', '/snapshots', {}],
  ['snapshots-empty', '/snapshots', { MOCK_EMPTY: '1' }],
  ['account', '/account', {}],
  ['users', '/admin/users', {}],
  ['invitations', '/admin/users/invitations', { MOCK_PAGE: '4' }],
  ['invitations-empty', '/admin/users/invitations', { MOCK_EMPTY: '1' }],
  ['invitations-moderator', '/admin/users/invitations', { MOCK_ROLE: 'moderator' }],
  ['instances', '/admin/instances', {}],
  ['server', '/admin/server', {}],
  ['audit', '/admin/audit', { MOCK_PAGE: '16' }],
  ['audit-some', '/admin/audit?did=user.*&to=user-3', {}],
  ['audit-none', '/admin/audit?by=4', {}],
  ['palette', '/s/done', {}, 'Control+k'],
  ['nowhere', '/nowhere', {}],
]

const variants = [
  ['desk', 'light', 'en'],
  ['phone', 'light', 'en'],
  ['desk', 'dark', 'zh-CN'],
  ['phone', 'dark', 'zh-CN'],
]

/** Uploads that an earlier page did not live to finish, as the page keeps them. */
async function unfinished() {
  const left = (id, o) => [`u:${id}`, { id, tab: 'gone', modified: 1, exists: 'refuse', ...o }]
  const db = await new Promise((yes) => Object.assign(indexedDB.open('carrel-kept'), { onupgradeneeded: (e) => e.target.result.createObjectStore('kept'), onsuccess: (e) => yes(e.target.result) }))
  const shelf = db.transaction('kept', 'readwrite').objectStore('kept')
  for (const [key, value] of [
    ['owner', 1],
    left('a', { path: 'uploads/report.zip', size: 900e6, sent: 340e6 }),
    left('b', { path: 'projects/fetcher/a-name-that-is-too-long-for-a-line-on-a-phone-and-goes-on.parquet', size: 12e6, sent: 0 }),
  ])
    shelf.put(value, key)
  await new Promise((yes) => (shelf.transaction.oncomplete = yes))
  db.close()
}

let port = Number(process.env.PORT ?? 8600)
const servers = new Map()
async function mock(env) {
  const key = JSON.stringify(env)
  if (!servers.has(key)) {
    const p = ++port
    const child = spawn('node', [new URL('./mock-server.mjs', import.meta.url).pathname], { env: { ...process.env, ...env, PORT: String(p) }, stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise((r) => child.stdout.once('data', r))
    servers.set(key, { child, url: `http://127.0.0.1:${p}` })
  }
  return servers.get(key).url
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args })
const problems = []
try {
  for (const [size, theme, lang] of variants) {
    for (const [name, path, env, keys] of views) {
      if (only && !name.startsWith(only)) continue
      const url = await mock({ ...env, MOCK_LANG: lang })
      const context = await browser.newContext({ viewport: sizes[size], deviceScaleFactor: size === 'phone' ? 2 : 1, colorScheme: theme, locale: lang, hasTouch: size === 'phone', isMobile: size === 'phone' })
      if (!['setup', 'login'].includes(name)) await context.addCookies([{ name: 'mock', value: '1', url }])
      const page = await context.newPage()
      page.on('console', (m) => m.type() === 'error' && !m.text().includes('401') && !(name === 'files-missing' && m.text().includes('404')) && problems.push(`${name} ${size}: ${m.text()}`))
      await page.addInitScript(() => (window.pwned = (by) => (window.__ran = by)))
      page.on('pageerror', (e) => problems.push(`${name} ${size}: ${e.message}`))
      page.on('request', (r) => new URL(r.url()).origin !== url && !/^(data|blob):/.test(r.url()) && problems.push(`${name} ${size}: asks ${r.url().slice(0, 80)}`))
      await page.goto(url + path)
      if (name === 'files-left') await page.evaluate(unfinished).then(() => page.reload())
      await page.waitForLoadState('networkidle').catch(() => {})
      await page.waitForTimeout(['running', 'rich', 'hostile'].includes(name) ? 2500 : 700)
      if (keys) await page.keyboard.press(keys)
      if (keys) await page.waitForTimeout(400)
      const ran = await page.evaluate(() => window.__ran)
      if (ran !== undefined) problems.push(`${name} ${size}: something of the conversation ran (${ran})`)
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
      if (wide) problems.push(`${name} ${size}: wider than the window`)
      const axe = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']).analyze()
      for (const v of axe.violations) problems.push(`${name} ${size} ${theme}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`)
      await page.screenshot({ path: `${out}${name}-${size}-${theme}-${lang}.png` })
      await context.close()
    }
  }
} finally {
  await browser.close()
  for (const { child } of servers.values()) child.kill()
}
for (const p of new Set(problems)) console.error(p)
process.exitCode = problems.length > 0 ? 1 : 0
