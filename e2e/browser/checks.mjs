// What is checked in many places: growing text, width, targets, access, language.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AxeBuilder } from './playwright.mjs'

/** Watches the conversation's text grow, by the page's own changes and not by time. */
export async function watchGrowth(page) {
  await page.getByRole('log').evaluate((log) => {
    window.growth?.observer.disconnect()
    const growth = { seen: [], observer: null }
    const look = () => {
      const length = log.textContent.length
      if (length > (growth.seen.at(-1)?.length ?? -1)) growth.seen.push({ length, at: Date.now() })
    }
    growth.observer = new MutationObserver(look)
    growth.observer.observe(log, { childList: true, subtree: true, characterData: true })
    window.growth = growth
  })
  return {
    seen: () => page.evaluate(() => window.growth.seen),
    /** Waits until the text has grown so many more times. */
    more: async (times) => {
      const before = await page.evaluate(() => window.growth.seen.length)
      await page.waitForFunction((n) => window.growth.seen.length >= n, before + times)
    },
  }
}

/** No view is wider than its window. */
export async function fits(page, where) {
  const size = await page.evaluate(() => ({ content: document.scrollingElement.scrollWidth, window: innerWidth }))
  assert.ok(size.content <= size.window, `${where}: ${size.content} px wide in a window of ${size.window} px`)
}

/** Nothing that was shown has moved while the view opened, but for what is hardly seen; as browsers count it (CLS). */
export async function steady(page, where) {
  const moves = await page.evaluate(
    () =>
      new Promise((done) => {
        const seen = []
        const nameOf = (node) => (node?.nodeType === 1 ? node : node?.parentElement)?.outerHTML.slice(0, 100) ?? 'what is gone'
        const take = (list) => seen.push(...list.filter((e) => !e.hadRecentInput).map((e) => ({ share: e.value, what: e.sources.map((s) => nameOf(s.node)) })))
        const observer = new PerformanceObserver((list) => take(list.getEntries()))
        observer.observe({ type: 'layout-shift', buffered: true })
        // What was kept from before is told with a task of its own.
        setTimeout(() => {
          take(observer.takeRecords())
          observer.disconnect()
          done(seen)
        }, 50)
      }),
  )
  const share = moves.reduce((sum, m) => sum + m.share, 0)
  assert.ok(share < 0.1, `${where}: ${share.toFixed(3)} of the view moved while it opened: ${JSON.stringify(moves)}`)
}

/** Everything to press is at least 44 px in both directions. */
export async function targets(page, where) {
  const small = await page.evaluate(() => {
    const visible = (el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !el.closest('[inert]')
    return [...document.querySelectorAll('button, a[href], select, textarea, input, [role^=menuitem]')]
      .filter((el) => !el.classList.contains('sr-only') && !el.disabled && visible(el))
      // A link within a sentence is as high as the sentence; a box is as large as its label.
      .filter((el) => getComputedStyle(el).display !== 'inline')
      .map((el) => (/checkbox|radio/.test(el.type) ? (el.closest('label') ?? el) : el))
      .map((el) => ({ el, box: el.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0 && (Math.round(box.height) < 44 || Math.round(box.width) < 44))
      .map(({ el, box }) => `${el.getAttribute('aria-label') ?? el.textContent.trim().slice(0, 40)} (${el.tagName.toLowerCase()}, ${Math.round(box.width)}x${Math.round(box.height)})`)
  })
  assert.deepEqual(small, [], `${where}: targets below 44 px`)
}

/** axe finds nothing serious or critical. */
export async function accessible(page, where) {
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze()
  const bad = violations.filter((v) => ['serious', 'critical'].includes(v.impact))
  assert.deepEqual(bad.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? n.failureSummary}`).join(' | ')}`), [], `${where}: axe`)
}

// Names and units that are the same in every language.
const sameEverywhere = /Carrel|Claude|Git|API|CPU|PID|GiB|MiB|KiB|English|Enter|Shift|Ctrl|Tab|Esc|Haiku|Sonnet|Opus|Fable|Chrome|Linux|\b(?:oci|https|admin)\b|`[^`]*`|token|\b[0-9a-f]{7,}(?:-dirty)?\b/g

/** No English is left in what the page itself says. `content` selects what people and programs said. */
export async function noEnglish(page, where, names = []) {
  const said = await page.evaluate(() => {
    const content = '.prose, .whitespace-pre-wrap, .font-mono, pre, code'
    const out = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const el = node.nodeType === Node.TEXT_NODE ? node.parentElement : node
      if (!el || el.closest(content) || !el.checkVisibility()) continue
      if (node.nodeType === Node.TEXT_NODE) out.push(node.data)
      else for (const name of ['aria-label', 'placeholder', 'title', 'alt']) if (el.hasAttribute(name)) out.push(el.getAttribute(name))
    }
    return [...out, document.title].map((s) => s.trim()).filter(Boolean)
  })
  const left = said.filter((s) => /[A-Za-z]{3,}/.test(names.reduce((rest, name) => rest.replaceAll(name, ''), s).replace(sameEverywhere, '')))
  assert.deepEqual([...new Set(left)], [], `${where}: English in the Chinese page`)
  assert.ok(said.some((s) => /\p{Script=Han}/u.test(s)), `${where}: no Chinese at all`)
}

// The scripted model's text of n words, as a reader compares it: words alone.
const vocabulary = /vocabulary = `([^`]*)`/.exec(readFileSync(new URL('../../internal/scriptedmodel/words.go', import.meta.url), 'utf8'))[1].split(/\s+/)
export const proseOf = (n) => Array.from({ length: n }, (_, i) => vocabulary[i % vocabulary.length])
export const wordsOf = (text) => text.toLowerCase().match(/[a-z]+/g) ?? []

export async function picture(world, page, name) {
  await page.screenshot({ path: join(world.pictures, `${name}.png`), animations: 'disabled' })
}
