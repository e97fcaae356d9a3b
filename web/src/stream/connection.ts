/** What the connection needs of a WebSocket. */
export interface Socket {
  onopen: (() => void) | null
  onmessage: ((e: { data: unknown }) => void) | null
  onclose: ((e: { code: number; reason: string }) => void) | null
  send(data: string | Uint8Array<ArrayBuffer>): void
  close(): void
  /** 1: what is sent goes out. */
  readonly readyState: number
}

export interface Clock {
  now(): number
  set(f: () => void, ms: number): unknown
  clear(timer: unknown): void
}

export type Link =
  | { status: 'idle' }
  /** `again`: it stood before. */
  | { status: 'connecting'; attempt: number; again: boolean }
  | { status: 'open' }
  /** Lost; the next attempt is made at `retryAt`. */
  | { status: 'lost'; attempt: number; retryAt: number }
  /** The server says that asking again is no use: sign in again, or what was asked for is not there. */
  | { status: 'refused'; code: number }

export interface Options {
  open: () => Socket
  clock?: Clock
  random?: () => number
  /** Takes a message: text, or bytes where the socket gives them. */
  onMessage: (data: unknown) => void
  /** Called when the connection stands; the owner subscribes and sends again what has no answer. */
  onOpen: () => void
  onChange: (link: Link) => void
}

const firstDelayMs = 500
const maxDelayMs = 20_000
// A server that accepts and drops must not be hammered: only a connection that
// lived this long makes the next delay short again.
const steadyMs = 10_000
// The server pings below what a page can see, so silence alone means nothing:
// after this much of it the page asks, sooner where something must come, and
// waits this long for any answer.
const silenceMs = 20_000
const expectMs = 3_000
const probeMs = 5_000
// By the clock a connection that was silent so long should have been found dead.
const sleptMs = 60_000
const wakeProbeMs = 1_500
// So much goes out in a millisecond at least. An answer comes no earlier than what was sent before the question.
const bytesPerMs = 32
// A network that swallows what is sent lets a connection hang in its making for minutes.
const connectMs = 10_000

/** Close codes by which the server says that asking again is no use; 1000 is the end of a terminal. */
const refusals = new Set([1000, 4401, 4403, 4404, 1008])

export const realClock: Clock = {
  now: () => Date.now(),
  set: (f, ms) => setTimeout(f, ms),
  clear: (t) => clearTimeout(t as ReturnType<typeof setTimeout>),
}

/**
 * A WebSocket that stays. It connects, notices when the connection is dead, and
 * connects again with a growing, jittered delay until it is stopped.
 */
export class Connection {
  private readonly o: Options
  private readonly clock: Clock
  private socket: Socket | null = null
  private timer: unknown = null
  private probe: unknown = null
  private asking = false
  private attempt = 0
  private stood = false
  private openedAt = 0
  private begunAt = 0
  private heardAt = 0
  /** How much was sent since. */
  private unheard = 0
  private link: Link = { status: 'idle' }

  constructor(options: Options) {
    this.o = options
    this.clock = options.clock ?? realClock
  }

  start(): void {
    if (this.link.status === 'idle' || this.link.status === 'refused') {
      this.attempt = 0
      this.connect()
    }
  }

  stop(): void {
    this.drop()
    this.clearTimer()
    this.change({ status: 'idle' })
  }

  /** Sends a message if the connection stands, and tells whether it did. */
  send(data: string | Uint8Array<ArrayBuffer>): boolean {
    // A socket that closes says so later: what was put into it would be lost.
    if (this.link.status !== 'open' || this.socket?.readyState !== 1) return false
    this.socket.send(data)
    this.unheard += data.length
    return true
  }

  /** Something must come soon, for it was asked for. Where nothing does the page asks whether anybody hears it. */
  expect(): void {
    if (this.link.status === 'open' && !this.asking) this.askAfter(expectMs)
  }

  /** The page was asleep, or the network changed: distrust what seems to stand, and do not wait. What was connected over a network that was left is not even asked. */
  wake(left = false): void {
    switch (this.link.status) {
      case 'lost':
        this.clearTimer()
        this.connect()
        return
      case 'open':
        // Timers stood still with the page.
        if (left || this.clock.now() - this.heardAt > sleptMs) this.again()
        else this.ask(wakeProbeMs)
        return
      case 'connecting':
        // What was begun before the page slept, or over another network, may never end.
        if (left || this.clock.now() - this.begunAt > wakeProbeMs) this.again()
        return
      case 'idle':
      case 'refused':
        return
    }
  }

  /** What is found dead is replaced at once: finding it out has taken long enough. */
  private again(): void {
    this.settle()
    this.drop()
    this.connect()
  }

  /** A connection that stood for a while was no failed attempt. */
  private settle(): void {
    if (this.link.status === 'open' && this.clock.now() - this.openedAt >= steadyMs) this.attempt = 0
  }

  private connect(): void {
    this.attempt++
    this.begunAt = this.clock.now()
    this.change({ status: 'connecting', attempt: this.attempt, again: this.stood })
    const socket = this.o.open()
    this.socket = socket
    this.probe = this.clock.set(() => this.lost(4000), connectMs)
    socket.onopen = () => {
      if (this.socket !== socket) return
      this.openedAt = this.clock.now()
      this.stood = true
      this.change({ status: 'open' })
      this.heard()
      this.o.onOpen()
    }
    socket.onmessage = (e) => {
      if (this.socket !== socket) return
      this.heard()
      this.o.onMessage(e.data)
    }
    socket.onclose = (e) => {
      if (this.socket !== socket) return
      this.lost(e.code)
    }
  }

  private lost(code: number): void {
    this.settle()
    this.drop()
    if (refusals.has(code)) {
      this.change({ status: 'refused', code })
      return
    }
    const ceiling = Math.min(maxDelayMs, firstDelayMs * 2 ** this.attempt)
    const delay = ceiling / 2 + (this.o.random ?? Math.random)() * (ceiling / 2)
    this.change({ status: 'lost', attempt: this.attempt, retryAt: this.clock.now() + delay })
    this.timer = this.clock.set(() => this.connect(), delay)
  }

  /** Something came: all is well for a while. */
  private heard(): void {
    this.heardAt = this.clock.now()
    this.unheard = 0
    this.askAfter(silenceMs)
  }

  private askAfter(ms: number): void {
    this.asking = false
    this.clock.clear(this.probe)
    this.probe = this.clock.set(() => this.ask(probeMs), ms)
  }

  private ask(patience: number): void {
    this.asking = true
    this.clock.clear(this.probe)
    const onTheWay = this.unheard / bytesPerMs
    this.send('{"type":"ping"}')
    this.probe = this.clock.set(() => this.again(), patience + onTheWay)
  }

  private drop(): void {
    this.clock.clear(this.probe)
    const socket = this.socket
    this.socket = null
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
  }

  private clearTimer(): void {
    this.clock.clear(this.timer)
    this.timer = null
  }

  private change(link: Link): void {
    this.link = link
    this.o.onChange(link)
  }
}
