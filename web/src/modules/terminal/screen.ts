import { FitAddon } from '@xterm/addon-fit'
import { SearchAddon } from '@xterm/addon-search'
import { Unicode11Addon } from '@xterm/addon-unicode11'
import { WebLinksAddon } from '@xterm/addon-web-links'
import { Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import { copyText } from '@/components/clipboard'
import type { Socket } from '@/stream/connection'
import { onWake } from '@/stream/wake'
import { Attachment, type Size, type State, type Window } from './attachment'
import { onPalette, palette } from './palette'
import { quieten } from './quiet'
import { changeSettings, getSettings, onSettings } from './settings'
import { addressOf, clipFrom, heldFrom, keyFrom, pasteFrom, titleFrom, type Held, type Key } from './text'
import { touch } from './touch'

/** What stands around the terminal, for the views to draw. */
export interface View {
  state: State
  /** What the program calls its window; a claim, shown as text. */
  title: string
  /** The server's word about what it did not take. */
  error: string | null
  /** The terminal has the size of another device. */
  foreign: boolean
  selection: boolean
  held: Held
  /** What waits for the person's word. */
  asks: { what: 'paste' | 'link' | 'clip'; text: string } | null
}

export interface Options {
  open: (after: number) => Socket
  exists: () => Promise<boolean>
  /** Its name for screen readers. */
  label: string
  onLeave: () => void
  onSearch: () => void
}

const historyLines = 5000
const none: Held = { ctrl: false, alt: false }

/** One terminal on the screen: xterm, its attachment, and what lies between them. Outside React. */
export class Screen implements Window {
  readonly attachment: Attachment
  private readonly term: Terminal
  private readonly fitter = new FitAddon()
  private readonly searcher = new SearchAddon()
  private readonly listeners = new Set<() => void>()
  private readonly ends: (() => void)[] = []
  private view: View = { state: { kind: 'attaching' }, title: '', error: null, foreign: false, selection: false, held: none, asks: null }
  /** Writes of history that xterm has not read yet. */
  private old = 0

  constructor(
    private readonly host: HTMLElement,
    private readonly o: Options,
  ) {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    const settings = getSettings()
    this.term = new Terminal({
      allowProposedApi: true, // unicode 11 is one
      scrollback: historyLines,
      fontFamily: getComputedStyle(host).fontFamily,
      fontSize: settings.fontSize,
      screenReaderMode: settings.screenReader,
      lineHeight: 1.2,
      cursorBlink: !still,
      minimumContrastRatio: 4.5,
      macOptionIsMeta: true,
      theme: palette(host),
      linkHandler: { activate: (_, uri) => this.askLink(uri), allowNonHttpProtocols: false },
    })
    this.term.loadAddon(this.fitter)
    this.term.loadAddon(this.searcher)
    this.term.loadAddon(new Unicode11Addon())
    this.term.unicode.activeVersion = '11'
    this.term.loadAddon(new WebLinksAddon((_, uri) => this.askLink(uri)))
    this.attachment = new Attachment({
      open: o.open,
      exists: o.exists,
      window: this,
      onChange: (state) => this.change({ state }),
      onError: (error) => this.change({ error }),
    })
    this.term.open(host)
    this.term.textarea?.setAttribute('aria-label', o.label)
    this.term.textarea?.setAttribute('data-keyboard', '')
    quieten(this.term.parser, () => this.old > 0 || !this.attachment.leads)
    this.term.parser.registerOscHandler(52, (data) => {
      const text = this.old > 0 ? null : clipFrom(data)
      if (text !== null) this.change({ asks: { what: 'clip', text } })
      return true
    })
    this.term.onTitleChange((t) => this.change({ title: titleFrom(t) }))
    this.term.onSelectionChange(() => this.change({ selection: this.term.hasSelection() }))
    this.term.onData((data) => this.type(this.unheld(data)))
    this.term.onBinary((data) => this.type(data))
    this.term.attachCustomKeyEventHandler((e) => this.key(e))
    this.listen()
    this.fit()
    if (!document.hidden) this.attachment.lead(true)
    this.attachment.start()
  }

  private listen(): void {
    const off = new AbortController()
    const on = (target: EventTarget, types: string[], f: (e: Event) => void) => types.forEach((t) => target.addEventListener(t, f, { signal: off.signal, capture: true }))
    on(this.host, ['focusin', 'keydown', 'beforeinput', 'compositionstart', 'pointerdown'], () => this.lead())
    on(this.host, ['paste'], (e) => {
      e.preventDefault()
      e.stopPropagation()
      this.paste((e as ClipboardEvent).clipboardData?.getData('text/plain') ?? '')
    })
    const room = new ResizeObserver(() => this.fit())
    room.observe(this.host)
    this.ends.push(
      () => off.abort(),
      onWake((left) => this.attachment.wake(left)),
      () => room.disconnect(),
      onPalette(() => (this.term.options.theme = palette(this.host))),
      onSettings(() => {
        const s = getSettings()
        this.term.options.fontSize = s.fontSize
        this.term.options.screenReaderMode = s.screenReader
        this.fit()
      }),
      touch(this.host, this.term, {
        arrows: (up, lines) => this.type(keyFrom(up ? 'ArrowUp' : 'ArrowDown', none, this.application()).repeat(lines)),
        zoom: (by) => changeSettings({ fontSize: getSettings().fontSize + by }),
        selected: () => navigator.vibrate?.(10),
      }),
    )
  }

  dispose(): void {
    this.attachment.stop()
    for (const end of this.ends.splice(0)) end()
    this.listeners.clear()
    this.term.dispose()
  }

  // For the views

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  getView = (): View => this.view

  private change(change: Partial<View>): void {
    this.view = { ...this.view, ...change, foreign: this.isForeign() }
    for (const l of this.listeners) l()
  }

  focus(): void {
    this.term.focus()
  }
  dismiss(): void {
    this.change({ asks: null, error: null })
  }
  size(): Size | undefined {
    return this.fitter.proposeDimensions()
  }
  find(text: string, back = false): boolean {
    return back ? this.searcher.findPrevious(text) : this.searcher.findNext(text)
  }
  copy(): void {
    void copyText(this.term.getSelection())
    this.term.clearSelection()
    this.focus()
  }

  /** A key of the bar. */
  press(key: Key | string): void {
    const named = /^[A-Z][A-Za-z]+$/.test(key)
    this.type(named ? keyFrom(key as Key, this.view.held, this.application()) : heldFrom(key, this.view.held))
    if (this.view.held.ctrl || this.view.held.alt) this.change({ held: none })
  }
  hold(key: keyof Held): void {
    this.change({ held: { ...this.view.held, [key]: !this.view.held[key] } })
  }

  /** Somebody is here: the terminal is theirs. */
  lead(): void {
    if (this.attachment.leads) return
    this.attachment.lead(true)
    this.change({})
  }

  paste(text: string): void {
    const p = pasteFrom(text, this.term.modes.bracketedPasteMode)
    if (p.text === '') return
    if (p.asks) this.change({ asks: { what: 'paste', text: p.text } })
    else this.term.paste(p.text)
  }
  pasteNow(text: string): void {
    this.change({ asks: null })
    this.term.paste(text)
  }

  // Window

  reset(modes: string): void {
    this.write(new TextEncoder().encode(`\x1bc${modes}`), false)
  }
  write(data: Uint8Array, live: boolean): void {
    if (live) return this.term.write(data)
    this.old++
    this.term.write(data, () => this.old--)
  }
  resize(size: Size): void {
    if (size.cols !== this.term.cols || size.rows !== this.term.rows) this.term.resize(size.cols, size.rows)
    this.change({})
  }

  private fit(): void {
    const size = this.host.clientHeight > 0 ? this.fitter.proposeDimensions() : undefined
    if (size && size.cols > 1 && size.rows > 1) this.attachment.room({ cols: Math.min(size.cols, 1000), rows: Math.min(size.rows, 1000) })
  }
  private isForeign(): boolean {
    const room = this.fitter.proposeDimensions()
    return this.view.state.kind === 'attached' && !this.attachment.leads && room !== undefined && (room.cols !== this.term.cols || room.rows !== this.term.rows)
  }
  private application(): boolean {
    return this.term.modes.applicationCursorKeysMode
  }
  private unheld(data: string): string {
    const { held } = this.view
    if (!held.ctrl && !held.alt) return data
    this.change({ held: none })
    return heldFrom(data, held)
  }
  private type(data: string): void {
    this.attachment.type(data)
  }
  private askLink(uri: string): void {
    if (addressOf(uri)) this.change({ asks: { what: 'link', text: uri } })
  }

  private key(e: KeyboardEvent): boolean {
    if (e.key === 'F6' && !e.ctrlKey && !e.altKey && !e.metaKey) {
      e.preventDefault()
      if (e.type === 'keydown' && e.shiftKey) this.type('\x1b[17~')
      else if (e.type === 'keydown') this.o.onLeave()
      return false
    }
    if (!e.ctrlKey || !e.shiftKey || e.altKey) return true
    if (e.code === 'KeyV') return false // the browser pastes, and asks nobody
    if (e.code !== 'KeyC' && e.code !== 'KeyF') return true
    e.preventDefault()
    if (e.type === 'keydown' && e.code === 'KeyF') this.o.onSearch()
    if (e.type === 'keydown' && e.code === 'KeyC' && this.term.hasSelection()) this.copy()
    return false
  }
}
