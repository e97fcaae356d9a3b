import { describe, expect, it } from 'vitest'
import { FakeClock, FakeSocket } from '@/stream/fake'
import { Attachment, type State } from './attachment'

const bytes = (s: string) => new TextEncoder().encode(s).buffer
class Tty extends FakeSocket {
  override send(data: string | Uint8Array<ArrayBuffer>): void {
    this.sent.push(typeof data === 'string' ? JSON.parse(data) : new TextDecoder().decode(data))
  }
  attach(from: number, to: number, o = {}): void {
    this.accept()
    this.say({ type: 'attached', from, to, cols: 80, rows: 24, modes: '', ...o })
  }
  out(s: string): void {
    this.onmessage?.({ data: bytes(s) })
  }
}

function setup(exists = true) {
  const clock = new FakeClock()
  const sockets: Tty[] = []
  const after: number[] = []
  const states: State[] = []
  const errors: string[] = []
  const screen: string[] = []
  const a = new Attachment({
    open: (n) => {
      after.push(n)
      sockets.push(new Tty())
      return sockets.at(-1)!
    },
    clock,
    random: () => 1,
    window: {
      reset: (modes) => screen.push(`reset ${modes}`),
      write: (b, live) => screen.push(`${live ? 'live' : 'old'} ${new TextDecoder().decode(b)}`),
      resize: (s) => screen.push(`${s.cols}x${s.rows}`),
    },
    onChange: (s) => states.push(s),
    onError: (e) => errors.push(e),
    exists: () => Promise.resolve(exists),
  })
  a.start()
  return { a, clock, sockets, after, states, errors, screen, last: () => sockets.at(-1)! }
}

describe('output', () => {
  it('is history up to where it was at the attachment, also within a frame', () => {
    const t = setup()
    t.last().attach(0, 4)
    t.last().out('ab')
    t.last().out('cdef')
    expect(t.screen).toEqual(['80x24', 'old ab', 'old cd', 'live ef'])
  })

  it('goes on where it was after a lost connection, with nothing twice', () => {
    const t = setup()
    t.last().attach(0, 0)
    t.last().out('你好')
    t.last().drop()
    t.clock.pass(1_000)
    t.last().attach(6, 9)
    t.last().out('abc')
    expect(t.after).toEqual([0, 6])
    expect(t.screen.filter((l) => !l.includes('x'))).toEqual(['live 你好', 'old abc'])
  })

  it('begins with an empty window when what lies between is gone', () => {
    const t = setup()
    t.last().attach(0, 0)
    t.last().out('abc')
    t.last().drop()
    t.clock.pass(1_000)
    t.last().attach(500, 600, { modes: '\x1b[?1049h' })
    expect(t.screen.at(-2)).toBe('reset \x1b[?1049h')
    t.last().out('x')
    t.last().drop()
    t.clock.pass(2_000)
    expect(t.after).toEqual([0, 3, 501])
  })
})

describe('typing', () => {
  it('before the terminal is attached is kept, once', () => {
    const t = setup()
    expect(t.a.type('ls\r')).toBe(true)
    t.last().attach(0, 0)
    expect(t.last().sent).toEqual(['ls\r'])
    t.a.type('x')
    expect(t.last().sent).toEqual(['ls\r', 'x'])
  })

  it('without a connection is not taken: a command must not run minutes later', () => {
    const t = setup()
    t.last().attach(0, 0)
    t.last().out('$ ')
    t.last().drop()
    expect(t.a.type('rm x\r')).toBe(false)
    t.clock.pass(1_000)
    t.last().attach(2, 2)
    expect(t.last().sent).toEqual([])
  })
})

describe('the size', () => {
  it('is given by who leads alone', () => {
    const t = setup()
    t.a.room({ cols: 100, rows: 30 })
    t.last().attach(0, 0)
    expect(t.last().sent).toEqual([])
    t.a.lead(true)
    expect(t.last().sent).toEqual([{ type: 'resize', cols: 100, rows: 30 }])
    t.last().say({ type: 'size', cols: 100, rows: 30 })
    expect(t.a.leads).toBe(true)
    t.a.lead(true)
    t.a.room({ cols: 100, rows: 30 })
    expect(t.last().sent).toHaveLength(1)
  })

  it('that was asked for twice in a row comes back twice, and is nobody else’s', () => {
    const t = setup()
    t.a.lead(true)
    t.last().attach(0, 0)
    t.a.room({ cols: 90, rows: 30 })
    t.a.room({ cols: 100, rows: 30 })
    t.last().say({ type: 'size', cols: 90, rows: 30 })
    t.last().say({ type: 'size', cols: 100, rows: 30 })
    expect(t.a.leads).toBe(true)
    expect(t.screen.at(-1)).toBe('100x30')
  })

  it('is another device’s once that has taken it, until somebody is here again', () => {
    const t = setup()
    t.a.room({ cols: 100, rows: 30 })
    t.a.lead(true)
    t.last().attach(0, 0)
    t.last().say({ type: 'size', cols: 40, rows: 20 })
    expect(t.screen.at(-1)).toBe('40x20')
    t.a.room({ cols: 90, rows: 30 })
    expect(t.last().sent).toHaveLength(1)
    t.a.lead(true)
    expect(t.last().sent.at(-1)).toEqual({ type: 'resize', cols: 90, rows: 30 })
  })
})

describe('the end', () => {
  it('of the program is told with its code and ends the attempts', () => {
    const t = setup()
    t.last().attach(0, 0)
    t.last().say({ type: 'exit', exit_code: 3 })
    t.last().drop(1000)
    t.clock.pass(100_000)
    expect(t.states.at(-1)).toEqual({ kind: 'exited', code: 3 })
    expect(t.sockets).toHaveLength(1)
  })

  it('of a terminal that is not there is found out', async () => {
    const t = setup(false)
    t.last().drop()
    await Promise.resolve()
    expect(t.states.at(-1)).toEqual({ kind: 'gone' })
    t.clock.pass(100_000)
    expect(t.sockets).toHaveLength(1)
  })

  it('by the server is told apart: not there, not signed in', () => {
    const one = setup()
    one.last().drop(4404)
    expect(one.states.at(-1)).toEqual({ kind: 'gone' })
    const two = setup()
    two.last().drop(4401)
    expect(two.states.at(-1)).toEqual({ kind: 'refused' })
  })

  it('is no error that the server tells', () => {
    const t = setup()
    t.last().attach(0, 0)
    t.last().say({ type: 'error', code: 'too_large', detail: 'That is too much.' })
    t.last().say('no json')
    expect(t.errors).toEqual(['That is too much.'])
    expect(t.states.at(-1)).toEqual({ kind: 'attached' })
  })
})
