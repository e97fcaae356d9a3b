// A view for eyes that need it larger: a window zoomed to 200 % and to 400 %, a
// browser whose default letters are twice as large, text set wider (WCAG 1.4.4,
// 1.4.10, 1.4.12). Nothing is cut off, and what has the focus is seen (2.4.11).
import assert from 'node:assert/strict'

const whole = { width: 1440, height: 900 }
// 200 % of a desk's window, which is also a phone turned sideways; 400 % of 1280.
const zooms = { '200 %': { width: 720, height: 450 }, '400 %': { width: 320, height: 568 } }

/** So long a view may take to be whole again. */
const patience = 3000

export async function reflows(page, where, look = async () => {}) {
  const found = []
  const see = async (how) => {
    // The page has time to take its new form.
    const until = Date.now() + patience
    let wrong
    do wrong = await page.evaluate(faults)
    while (wrong.length > 0 && Date.now() < until)
    found.push(...wrong.map((fault) => `${how}: ${fault}`))
    await look(how)
  }
  await spaced(page, true)
  await see('text set wider')
  await spaced(page, false)
  for (const [zoom, size] of Object.entries(zooms)) {
    await page.setViewportSize(size)
    await see(zoom)
  }
  // The page hears of larger letters with the next change of its window.
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } })
  await page.setViewportSize(whole)
  await see('letters twice as large')
  found.push(...(await page.evaluate(smallLetters)))
  await devtools.send('Page.setFontSizes', { fontSizes: { standard: 16, fixed: 13 } })
  await devtools.detach()
  assert.deepEqual(found, [], where)
}

const spaced = (page, on) =>
  page.evaluate((on) => {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-bottom: 2em !important }')
    document.adoptedStyleSheets = on ? [sheet] : []
  }, on)

/** Runs in the page: what is cut off, lies beneath something, or can be scrolled in two directions. */
function faults() {
  const found = []
  const root = document.scrollingElement
  if (root.scrollWidth > innerWidth) found.push(`${root.scrollWidth} px wide in a window of ${innerWidth} px`)
  const nameOf = (el) => `${el.tagName.toLowerCase()} ${(el.getAttribute('aria-label') ?? el.textContent.trim()).slice(0, 40)}`
  const modal = [...document.querySelectorAll('dialog:modal')].at(-1) ?? document.body
  const seen = [...modal.querySelectorAll('*')].filter((el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !el.closest('[inert], .sr-only'))
  // Code, tables, drawings and terminals have a width of their own.
  const wide = 'pre, table, [role=table], .cm-editor, .xterm, .katex, svg, canvas, img'
  for (const el of seen) {
    const style = getComputedStyle(el)
    const scrolls = (axis) => /auto|scroll/.test(style[`overflow${axis}`])
    if (scrolls('X') && el.scrollWidth > el.clientWidth + 1 && scrolls('Y') && el.scrollHeight > el.clientHeight + 1 && !el.closest(wide) && !el.querySelector(wide)) found.push(`scrolls in two directions: ${nameOf(el)}`)
  }

  for (const el of seen.filter((el) => el.matches('button, a[href], label, [role^=menuitem], [role=tab], h1, h2'))) {
    const box = el.getBoundingClientRect()
    const text = document.createRange()
    text.selectNodeContents(el)
    // An ellipsis says that there is more; a link within text breaks as text does.
    const cut = (el) => getComputedStyle(el).textOverflow === 'ellipsis' || el.classList.contains('sr-only')
    if (getComputedStyle(el).display === 'inline' || cut(el) || [...el.querySelectorAll('*')].some(cut)) continue
    const words = text.getBoundingClientRect()
    if (words.left < box.left - 1 || words.right > box.right + 1 || words.top < box.top - 1 || words.bottom > box.bottom + 1) found.push(`text wider than its control: ${nameOf(el)}`)
  }

  const active = document.activeElement
  for (const el of seen.filter((el) => el.matches('button:enabled, a[href], input:enabled, select:enabled, textarea:enabled, summary, [tabindex="0"]'))) {
    el.focus()
    if (document.activeElement !== el) continue
    const target = /checkbox|radio/.test(el.type) ? (el.closest('label') ?? el) : el
    // A link in a sentence may have a box on each of two lines.
    const shows = (box) => {
      const [left, right, top, bottom] = [Math.max(box.left, 0), Math.min(box.right, innerWidth), Math.max(box.top, 0), Math.min(box.bottom, innerHeight)]
      const points = [0.5, 0.15, 0.85].flatMap((x) => [0.5, 0.15, 0.85].map((y) => [left + (right - left) * x, top + (bottom - top) * y]))
      return left < right && top < bottom && points.some((at) => target.contains(document.elementFromPoint(...at)))
    }
    if (![...target.getClientRects()].some(shows)) found.push(`not seen when it has the focus: ${nameOf(el)}`)
  }
  active?.focus?.()

  const log = modal.querySelector('[role=log]')
  if (log && log.clientHeight < 0.15 * innerHeight) found.push(`${log.clientHeight} px are left to read a conversation in`)
  return found
}

/** Runs in the page, when letters should be twice as large: those that are smaller than the smallest. */
function smallLetters() {
  const found = new Set()
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement
    // A terminal has a size of its own, set in its menu; signs above and below a line are small by nature.
    if (!walker.currentNode.data.trim() || !el.checkVisibility() || el.closest('.sr-only, .xterm, .katex, svg, sub, sup')) continue
    const size = parseFloat(getComputedStyle(el).fontSize)
    if (size < 23.9) found.add(`letters of ${size} px do not grow with the browser's: ${walker.currentNode.data.trim().slice(0, 40)}`)
  }
  return [...found]
}
