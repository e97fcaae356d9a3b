// What is seen of a page: every landmark, heading, control and text with its
// box, its letters and its colours, and a picture in a few grey levels.
import { ramp } from './compare.mjs'

/** Runs in the page. What can be seen, in the order of the document, with colours as rgba; of the frame around <main> no more than that it is there, unless asked. */
function collect({ frame }) {
  const roles = { a: 'link', button: 'button', summary: 'summary', textarea: 'textbox', select: 'combobox', nav: 'navigation', main: 'main', aside: 'complementary', header: 'header', footer: 'footer', form: 'form', dialog: 'dialog', table: 'table', figure: 'figure' }
  const controls = new Set(['link', 'button', 'summary', 'textbox', 'combobox', 'checkbox', 'radio', 'switch', 'tab', 'menuitem', 'option', 'treeitem'])
  // Of lines of code and of a terminal only the colours are told.
  const code = 'pre, .cm-gutters, .cm-content, .xterm-rows, [role=group].font-mono'

  function roleOf(el) {
    const said = el.matches(code) ? 'code' : el.getAttribute('role')
    if (said) return ['presentation', 'none', 'img'].includes(said) ? '' : said
    if (el.localName === 'input') return { checkbox: 'checkbox', radio: 'radio' }[el.type] ?? 'textbox'
    if (el.localName === 'section' && el.ariaLabel) return 'region'
    return /^h[1-6]$/.test(el.localName) ? 'heading' : (roles[el.localName] ?? '')
  }
  const short = (s) => s.replace(/\s+/g, ' ').trim().slice(0, 40)
  const named = (el, inner) => short(el.ariaLabel ?? (document.getElementById(el.getAttribute('aria-labelledby'))?.innerText || el.labels?.[0]?.innerText || el.placeholder || (inner ? el.innerText : '')))

  /** What of an element, or of the letters in it, its scrollers and the window leave to be seen. */
  function shown(el, letters) {
    const range = document.createRange()
    range.selectNodeContents(el)
    const r = (letters ? range : el).getBoundingClientRect()
    let [left, up, right, down] = [Math.max(r.left, 0), Math.max(r.top, 0), Math.min(r.right, innerWidth), Math.min(r.bottom, innerHeight)]
    for (let p = el; p; p = p === top || getComputedStyle(p).position === 'fixed' ? null : p.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(p)
      if (overflowX === 'visible' && overflowY === 'visible') continue
      const b = p.getBoundingClientRect()
      ;[left, right, up, down] = [Math.max(left, b.left), Math.min(right, b.right), Math.max(up, b.top), Math.min(down, b.bottom)]
    }
    return right - left >= 4 && down - up >= 4 ? [left, up, right - left, down - up].map(Math.round) : null
  }

  const paint = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  const known = new Map()
  function rgba(colour) {
    if (!known.has(colour)) {
      paint.clearRect(0, 0, 1, 1)
      paint.fillStyle = colour
      paint.fillRect(0, 0, 1, 1)
      known.set(colour, [...paint.getImageData(0, 0, 1, 1).data])
    }
    return known.get(colour)
  }
  function style(el, lettered) {
    const s = getComputedStyle(el)
    const side = ['Top', 'Right', 'Bottom', 'Left'].find((d) => Number.parseFloat(s[`border${d}Width`]) > 0)
    return { ...(lettered && { size: `${Number.parseFloat(s.fontSize)}${s.fontWeight >= 600 ? ' strong' : ''}`, ink: rgba(s.color) }), ground: rgba(s.backgroundColor), border: side && rgba(s[`border${side}Color`]) }
  }
  /** Who lies over the middle of it. */
  function over(el, [x, y, w, h]) {
    const there = document.elementFromPoint(x + w / 2, y + h / 2)
    return there && !el.contains(there) && !there.contains(el) && !el.labels?.[0]?.contains(there) ? roleOf(there) || there.localName : undefined
  }

  const icons = (el) => [...el.querySelectorAll('svg')].filter((s) => s.checkVisibility({ visibilityProperty: true, opacityProperty: true })).length

  const out = []
  function walk(el, depth, said) {
    if (!el.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return
    const role = roleOf(el)
    const own = [...el.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim() !== '')
    const control = controls.has(role)
    const box = shown(el, role === 'heading' || (own && !role))
    const name = role ? named(el, control || role === 'heading') : own ? short(el.innerText) : ''
    const listed = box && (role || (own && name !== said))
    if (listed) out.push({ depth, role: role || 'text', name, box, ...style(el, control || own || role === 'heading'), ...((control || own) && { over: over(el, box) }), ...(control && { icons: icons(el) }), ...(role === 'code' && { inks: [...el.querySelectorAll('*')].filter((e) => e.children.length === 0).map((e) => rgba(getComputedStyle(e).color)) }) })
    if (role === 'textbox' || role === 'heading' || role === 'code' || (!frame && role === 'navigation' && !el.closest('main'))) return
    for (const child of el.children) walk(child, depth + (listed ? 1 : 0), listed ? name : said)
  }
  const top = [...document.querySelectorAll('dialog:modal')].at(-1) ?? document.body
  walk(top, 0, '')

  // The tokens, as they are in this theme.
  const probe = document.body.appendChild(document.createElement('i'))
  const tokens = {}
  for (const rule of [...document.styleSheets].flatMap((s) => [...s.cssRules]))
    if (rule.selectorText === ':root')
      for (const name of rule.style) {
        if (!name.startsWith('--') || /^--(ansi|shiki)-/.test(name)) continue
        probe.style.cssText = `color: transparent; color: var(${name})`
        if (CSS.supports('color', rule.style.getPropertyValue(name))) tokens[name.slice(2)] = rgba(getComputedStyle(probe).color)
      }
  probe.remove()
  return { out, tokens }
}

/** Runs in an empty page: the mean brightness of each cell of a picture. */
async function shrink({ png, cell }) {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob())
  const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d', { willReadFrequently: true })
  canvas.drawImage(image, 0, 0)
  const { data, width, height } = canvas.getImageData(0, 0, image.width, image.height)
  const cols = Math.ceil(width / cell)
  const sums = new Float64Array(cols * Math.ceil(height / cell))
  const counts = new Uint32Array(sums.length)
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i += 4) {
      const at = Math.floor(y / cell) * cols + Math.floor(x / cell)
      sums[at] += 0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2]
      counts[at]++
    }
  return { cols, means: [...sums].map((sum, i) => sum / counts[i]) }
}

/** A picture as lines of text: the farther from what is most of it, the denser the sign. */
export async function pictureOf(empty, png, cell) {
  const { cols, means } = await empty.evaluate(shrink, { png: png.toString('base64'), cell })
  const sorted = [...means].sort((a, b) => a - b)
  const ground = sorted[Math.floor(sorted.length / 2)]
  const signs = means.map((v) => ramp[Math.min(9, Math.floor(Math.sqrt(Math.abs(v - ground)) * 0.66))]).join('')
  return Array.from({ length: signs.length / cols }, (_, row) => signs.slice(row * cols, (row + 1) * cols))
}

const hex = (c) => '#' + (c[3] === 255 ? c.slice(0, 3) : c).map((v) => v.toString(16).padStart(2, '0')).join('')
const near = (a, b) => [0, 1, 2].every((i) => Math.abs(a[i] - b[i]) <= 2)

/** The page as it is now. */
export async function look(page, frame) {
  return { ...(await page.evaluate(collect, { frame })), fonts: await fontsOf(page) }
}

/** The faces that letters are really drawn with: some differ in nothing but their shape. */
async function fontsOf(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('DOM.enable')
  await session.send('CSS.enable')
  const { root } = await session.send('DOM.getDocument')
  const { nodeIds } = await session.send('DOM.querySelectorAll', { nodeId: root.nodeId, selector: 'h1, h2, h3, a, button, label, p, pre' })
  const used = await Promise.all(nodeIds.map((nodeId) => session.send('CSS.getPlatformFontsForNode', { nodeId })))
  await session.detach()
  return [...new Set(used.flatMap(({ fonts }) => fonts.map((f) => f.familyName)))].sort().join(', ')
}

/** What is seen in both themes as one list: a colour is named by the token that it is in both. */
export function listOf(light, dark) {
  const used = new Set()
  const colour = (key, l, d) => {
    if (!l[key] || l[key][3] === 0) return ''
    const [a, b] = [l[key], d?.[key] ?? [0, 0, 0, 0]]
    const is = (t, same) => same(light.tokens[t], a) && same(dark.tokens[t], b)
    const names = Object.keys(light.tokens)
    const token = names.find((t) => is(t, (x, y) => hex(x) === hex(y))) ?? names.find((t) => is(t, near))
    if (!token) return `${hex(a)}/${hex(b)}`
    used.add(token)
    return a[3] === light.tokens[token][3] ? token : `${token}/${Math.round((a[3] / 255) * 100)}%`
  }
  const lines = light.out.map((l, i) => {
    const d = dark.out[i]
    const [x, y, w, h] = l.box
    const [ground, border] = [colour('ground', l, d), colour('border', l, d)]
    const inks = new Set(l.inks?.map((ink, k) => colour('ink', { ink }, { ink: d?.inks?.[k] })))
    const style = [inks.size > 0 && `in ${[...inks].join(', ')}`, l.size, colour('ink', l, d), ground && `on ${ground}`, border && `border ${border}`, l.icons > 0 && (l.icons > 1 ? `${l.icons} icons` : 'icon'), l.over && `under ${l.over}`]
    return `${'  '.repeat(l.depth)}${l.role}${l.name && ` ${JSON.stringify(l.name)}`} [${x},${y} ${w}x${h}] ${style.filter(Boolean).join(' ')}`.trimEnd()
  })
  lines.unshift(`letters of ${light.fonts} [0,0 0x0]`)
  if (light.out.length !== dark.out.length) lines.push(`text "in the dark theme ${dark.out.length - light.out.length} more" [0,0 0x0]`)
  return { lines, colours: Object.fromEntries([...used].map((t) => [t, `${hex(light.tokens[t])} ${hex(dark.tokens[t])}`])) }
}
