import type { Clock, Socket } from './connection'
import type { Storage } from './outbox'

/** The device's storage, with what tabs of a test share. */
export class FakeStorage implements Storage {
  readonly items = new Map<string, string>()
  get length(): number {
    return this.items.size
  }
  key(i: number): string | null {
    return [...this.items.keys()][i] ?? null
  }
  getItem(k: string): string | null {
    return this.items.get(k) ?? null
  }
  setItem(k: string, v: string): void {
    this.items.set(k, v)
  }
  removeItem(k: string): void {
    this.items.delete(k)
  }
}

/** A clock that tests turn by hand. */
export class FakeClock implements Clock {
  private time = 0
  private next = 1
  private readonly timers = new Map<number, { at: number; f: () => void }>()

  now(): number {
    return this.time
  }
  set(f: () => void, ms: number): number {
    this.timers.set(this.next, { at: this.time + ms, f })
    return this.next++
  }
  clear(timer: unknown): void {
    this.timers.delete(timer as number)
  }
  /** Time passes while timers stand still, as in a page that sleeps. */
  sleep(ms: number): void {
    this.time += ms
    for (const t of this.timers.values()) t.at += ms
  }
  /** Lets time pass and runs what falls due, in order. */
  pass(ms: number): void {
    const end = this.time + ms
    for (;;) {
      const due = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0]
      if (!due) break
      this.timers.delete(due[0])
      this.time = due[1].at
      due[1].f()
    }
    this.time = end
  }
}

/** The server's end of a WebSocket, for tests. */
export class FakeSocket implements Socket {
  onopen: (() => void) | null = null
  onmessage: ((e: { data: unknown }) => void) | null = null
  onclose: ((e: { code: number; reason: string }) => void) | null = null
  closed = false
  readyState = 0
  readonly sent: any[] = []

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.sent.push(JSON.parse(String(data)))
  }
  close(): void {
    this.closed = true
    this.readyState = 2
  }
  accept(): void {
    this.readyState = 1
    this.onopen?.()
  }
  say(frame: unknown): void {
    this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) })
  }
  drop(code = 1006): void {
    this.readyState = 3
    this.onclose?.({ code, reason: '' })
  }
}
