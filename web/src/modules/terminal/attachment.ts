import { Connection, type Clock, type Link, type Socket } from '@/stream/connection'

export interface Size {
  cols: number
  rows: number
}

/** What an attachment writes to: the window on the screen. Writes are taken in order. */
export interface Window {
  /** Forgets all and begins with what modes set. */
  reset(modes: string): void
  /** `live`: what a program asks of its terminal here is to be answered; else it was answered when it was written. */
  write(data: Uint8Array, live: boolean): void
  resize(size: Size): void
}

export type State =
  | { kind: 'attaching' }
  | { kind: 'attached' }
  | { kind: 'lost'; retryAt: number }
  | { kind: 'exited'; code: number }
  /** There is no such terminal any more. */
  | { kind: 'gone' }
  /** The server does not know us any more. */
  | { kind: 'refused' }

export interface Options {
  /** Opens the WebSocket for what comes after so many bytes. */
  open: (after: number) => Socket
  window: Window
  onChange: (state: State) => void
  /** Something went wrong that leaves the attachment standing. */
  onError: (detail: string) => void
  /** Asks whether the terminal is still there; false only when it certainly is not. A handshake that fails does not say why. */
  exists: () => Promise<boolean>
  clock?: Clock
  random?: () => number
}

/**
 * One terminal as this page is attached to it. It counts the bytes of output it
 * has, so that a new connection brings the rest and nothing twice; and knows the
 * size that the terminal has and the size that this device would give it.
 */
export class Attachment {
  private readonly o: Options
  private readonly connection: Connection
  private have = 0
  /** Up to here the output is history. */
  private history = 0
  private attached = false
  private ended = false
  private size: Size | null = null
  private wish: Size | null = null
  /** Sizes that were asked for and not yet told back. The server may leave out all but the last. */
  private asked: Size[] = []
  private leading = false
  private waiting: Uint8Array<ArrayBuffer>[] = []

  constructor(options: Options) {
    this.o = options
    this.connection = new Connection({
      open: () => options.open(this.have),
      clock: options.clock,
      random: options.random,
      onOpen: () => {},
      onMessage: (data) => this.take(data),
      onChange: (link) => this.changed(link),
    })
  }

  start(): void {
    this.connection.start()
  }
  stop(): void {
    this.ended = true
    this.connection.stop()
  }
  wake(left = false): void {
    this.connection.wake(left)
  }

  /** Whether this device answers what programs ask, and gives the terminal its size. */
  get leads(): boolean {
    return this.leading
  }

  /** What is typed. Before the terminal is attached it waits; after a connection was lost it is not taken. */
  type(data: string): boolean {
    const bytes = new TextEncoder().encode(data) as Uint8Array<ArrayBuffer>
    if (this.attached) return this.connection.send(bytes)
    if (this.have > 0 || this.ended) return false
    this.waiting.push(bytes)
    return true
  }

  /** Somebody is at this device: the terminal takes its size. */
  lead(on: boolean): void {
    this.leading = on
    this.fit()
  }

  /** The room there is on this device. */
  room(size: Size): void {
    this.wish = size
    this.fit()
  }

  private fit(): void {
    const { wish, size } = this
    if (!this.leading || !this.attached || !wish || !size || (wish.cols === size.cols && wish.rows === size.rows)) return
    if (!this.connection.send(JSON.stringify({ type: 'resize', ...wish }))) return
    this.asked.push(wish)
    // At once: what is typed next is drawn at the new size, and the answer only says it again.
    this.resized(wish)
  }

  private resized(size: Size): void {
    this.size = size
    this.o.window.resize(size)
  }

  private take(data: unknown): void {
    if (data instanceof ArrayBuffer) return this.output(new Uint8Array(data))
    const m = parse(data)
    switch (m.type) {
      case 'attached':
        if (m.from !== this.have) {
          this.have = Number(m.from)
          this.o.window.reset(String(m.modes ?? ''))
        }
        this.history = Number(m.to)
        this.asked = []
        this.resized({ cols: Number(m.cols), rows: Number(m.rows) })
        this.attached = true
        this.o.onChange({ kind: 'attached' })
        this.fit()
        for (const bytes of this.waiting.splice(0)) this.connection.send(bytes)
        return
      case 'size':
        return this.sized(m as unknown as Size)
      case 'exit':
        this.end({ kind: 'exited', code: Number(m.exit_code) })
        return
      case 'error':
        this.o.onError(String(m.detail ?? ''))
        return
    }
  }

  /** The terminal has a new size: our own wish come back, or another device has taken it. */
  private sized(size: Size): void {
    const ours = this.asked.findIndex((s) => s.cols === size.cols && s.rows === size.rows)
    if (ours >= 0) {
      this.asked.splice(0, ours + 1)
      return
    }
    this.asked = []
    this.leading = false
    this.resized({ cols: size.cols, rows: size.rows })
  }

  private output(bytes: Uint8Array): void {
    const old = Math.max(0, Math.min(bytes.length, this.history - this.have))
    this.have += bytes.length
    if (old > 0) this.o.window.write(bytes.subarray(0, old), false)
    if (old < bytes.length) this.o.window.write(bytes.subarray(old), true)
  }

  private changed(link: Link): void {
    if (this.ended) return
    switch (link.status) {
      case 'connecting':
        if (link.attempt === 1) this.o.onChange({ kind: 'attaching' })
        return
      case 'lost':
        this.attached = false
        this.o.onChange({ kind: 'lost', retryAt: link.retryAt })
        void this.o.exists().then((there) => {
          if (!there && !this.attached) this.end({ kind: 'gone' })
        })
        return
      case 'refused':
        this.attached = false
        this.end(link.code === 4404 ? { kind: 'gone' } : link.code === 1000 ? { kind: 'exited', code: 0 } : { kind: 'refused' })
        return
      case 'idle':
      case 'open':
        return
    }
  }

  private end(state: State): void {
    if (this.ended) return
    this.ended = true
    this.attached = false
    this.connection.stop()
    this.o.onChange(state)
  }
}

function parse(data: unknown): Record<string, unknown> {
  try {
    const v: unknown = JSON.parse(String(data))
    return typeof v === 'object' && v !== null ? (v as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
