import type { Terminal } from '@xterm/xterm'

const longPressMs = 450
const slackPx = 8

/** A finger scrolls by lines, two make the letters larger or smaller, and one that rests takes the word below it. */
export function touch(host: HTMLElement, term: Terminal, o: { arrows: (up: boolean, lines: number) => void; zoom: (by: number) => void; selected: () => void }): () => void {
  const off = new AbortController()
  const lineHeight = () => (host.querySelector('.xterm-screen')?.getBoundingClientRect().height ?? 0) / term.rows || 16
  let last = 0
  let rest = 0
  let span = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const between = (e: TouchEvent) => Math.hypot(e.touches[0]!.clientX - e.touches[1]!.clientX, e.touches[0]!.clientY - e.touches[1]!.clientY)
  const on = (type: 'touchstart' | 'touchmove' | 'touchend' | 'touchcancel', f: (e: TouchEvent) => void) => host.addEventListener(type, f, { signal: off.signal, passive: false })
  on('touchstart', (e) => {
    clearTimeout(timer)
    const [t] = e.touches
    if (e.touches.length === 2) span = between(e)
    if (!t || e.touches.length > 1) return
    last = t.clientY
    rest = 0
    timer = setTimeout(() => {
      selectWord(host, term, t.clientX, t.clientY)
      o.selected()
    }, longPressMs)
  })
  on('touchmove', (e) => {
    if (e.touches.length === 2) {
      clearTimeout(timer)
      e.preventDefault()
      const now = between(e)
      if (Math.abs(now - span) > 24) {
        o.zoom(now > span ? 1 : -1)
        span = now
      }
      return
    }
    const y = e.touches[0]!.clientY
    if (Math.abs(y - last) < slackPx && rest === 0) return
    clearTimeout(timer)
    e.preventDefault()
    rest += last - y
    last = y
    const lines = Math.trunc(rest / lineHeight())
    if (lines === 0) return
    rest -= lines * lineHeight()
    // The other screen has no history: there, lines are the program's own.
    if (term.buffer.active.type === 'alternate') o.arrows(lines < 0, Math.abs(lines))
    else term.scrollLines(lines)
  })
  on('touchend', () => clearTimeout(timer))
  on('touchcancel', () => clearTimeout(timer))
  return () => {
    clearTimeout(timer)
    off.abort()
  }
}

function selectWord(host: HTMLElement, term: Terminal, x: number, y: number): void {
  const box = host.querySelector('.xterm-screen')?.getBoundingClientRect()
  if (!box) return
  const row = Math.floor(((y - box.top) / box.height) * term.rows) + term.buffer.active.viewportY
  const column = Math.floor(((x - box.left) / box.width) * term.cols)
  const line = term.buffer.active.getLine(row)
  const at = (i: number) => line?.getCell(i)?.getChars() ?? ''
  const word = (i: number) => i >= 0 && i < term.cols && (line?.getCell(i)?.getWidth() === 0 || /\S/.test(at(i)))
  if (!word(column)) return
  let from = column
  let to = column
  while (word(from - 1)) from--
  while (word(to + 1)) to++
  term.select(from, row, to - from + 1)
}
