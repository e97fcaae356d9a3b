import { describe, expect, it } from 'vitest'
import { Connection, type Link } from './connection'
import { FakeClock, FakeSocket } from './fake'

function setup(random = 1) {
  const clock = new FakeClock()
  const sockets: FakeSocket[] = []
  const links: Link[] = []
  let opens = 0
  const connection = new Connection({
    open: () => {
      const s = new FakeSocket()
      sockets.push(s)
      return s
    },
    clock,
    random: () => random,
    onMessage: () => {},
    onOpen: () => opens++,
    onChange: (l) => links.push(l),
  })
  const link = () => links.at(-1)!
  /** Until the next attempt. */
  const retry = () => {
    const l = link()
    if (l.status !== 'lost') throw new Error(l.status)
    clock.pass(l.retryAt - clock.now())
  }
  return { clock, sockets, links, connection, last: () => sockets.at(-1)!, link, retry, opens: () => opens }
}

describe('sending', () => {
  it('is not done into a socket that closes', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    expect(t.connection.send('{}')).toBe(true)
    t.last().readyState = 2 // the close itself is told a moment later
    expect(t.connection.send('{}')).toBe(false)
    expect(t.last().sent).toEqual([{}])
  })
})

describe('reconnecting', () => {
  it('waits longer each time, up to a limit', () => {
    const t = setup()
    t.connection.start()
    const delays: number[] = []
    for (let i = 0; i < 8; i++) {
      t.last().drop()
      const l = t.link()
      if (l.status !== 'lost') throw new Error(l.status)
      delays.push(l.retryAt - t.clock.now())
      t.retry()
    }
    expect(delays).toEqual([1000, 2000, 4000, 8000, 16000, 20000, 20000, 20000])
  })

  it('spreads the attempts', () => {
    const t = setup(0)
    t.connection.start()
    t.last().drop()
    expect(t.link()).toMatchObject({ retryAt: 500 })
  })

  it('begins with a short delay again only after a connection that lasted', () => {
    const t = setup()
    t.connection.start()
    for (let i = 0; i < 4; i++) {
      t.last().accept()
      t.clock.pass(100)
      t.last().drop() // accepts and drops: no reason to hurry
      t.retry()
    }
    t.last().accept()
    t.last().drop()
    expect(t.link()).toMatchObject({ attempt: 5 })
    t.retry()
    t.last().accept()
    t.clock.pass(11_000)
    t.last().drop()
    expect(t.link()).toMatchObject({ attempt: 0 })
  })

  it('stops when the server says to sign in again', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    t.last().drop(4401)
    t.clock.pass(100_000)
    expect(t.link()).toEqual({ status: 'refused', code: 4401 })
    expect(t.sockets).toHaveLength(1)
  })

  it('does not wait when the page wakes', () => {
    const t = setup()
    t.connection.start()
    t.last().drop()
    t.connection.wake()
    expect(t.sockets).toHaveLength(2)
    t.last().accept()
    t.clock.pass(10_000)
    expect(t.sockets).toHaveLength(2)
  })

  it('gives up a connection that hangs in its making, at once when the page wakes', () => {
    const t = setup()
    t.connection.start()
    t.clock.pass(9_000)
    expect(t.link()).toMatchObject({ status: 'connecting' })
    t.clock.pass(1_000)
    expect(t.link()).toMatchObject({ status: 'lost' })
    t.retry()
    t.clock.pass(1_000)
    t.connection.wake() // a moment old: it may yet come
    expect(t.sockets).toHaveLength(2)
    t.clock.pass(1_000)
    t.connection.wake()
    expect(t.sockets).toHaveLength(3)
    t.last().accept()
    expect(t.link()).toEqual({ status: 'open' })
  })

  it('ignores what a socket that was given up still says', () => {
    const t = setup()
    t.connection.start()
    const old = t.last()
    const opened = old.onopen!
    old.drop()
    t.clock.pass(20_000)
    opened()
    expect(t.opens()).toBe(0)
  })
})

describe('a silent connection', () => {
  it('is asked after a while, and given up when nothing answers', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    t.clock.pass(20_000)
    expect(t.last().sent).toEqual([{ type: 'ping' }])
    t.clock.pass(5_000)
    expect(t.sockets[0]!.closed).toBe(true)
    expect(t.link()).toEqual({ status: 'connecting', attempt: 1, again: true })
  })

  it('lives on when anything comes', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    t.clock.pass(20_000)
    t.last().say({ type: 'error', code: 'invalid', detail: 'There is no such type of message.' })
    t.clock.pass(19_000)
    expect(t.link().status).toBe('open')
  })

  it('is distrusted at once when the page wakes', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    t.connection.wake()
    expect(t.last().sent).toEqual([{ type: 'ping' }])
    t.clock.pass(1_500)
    expect(t.link()).toMatchObject({ status: 'connecting' }) // nobody waits after that
    expect(t.sockets).toHaveLength(2)
    t.last().accept()
    t.connection.wake()
    t.clock.pass(1_000)
    t.last().say({ type: 'pong' })
    t.clock.pass(10_000)
    expect(t.sockets).toHaveLength(2)
  })

  it('is asked soon where something was to come', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    t.connection.expect()
    t.last().say({ type: 'ack' })
    t.clock.pass(10_000)
    expect(t.last().sent).toEqual([])
    t.connection.expect()
    t.clock.pass(3_000)
    expect(t.last().sent).toEqual([{ type: 'ping' }])
    t.connection.expect() // the question stands
    t.clock.pass(5_000)
    expect(t.link().status).toBe('connecting')
  })

  it('has time for what is on its way', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    t.connection.send(JSON.stringify('a picture'.padEnd(640_000)))
    t.connection.wake()
    t.clock.pass(21_000)
    expect(t.link().status).toBe('open')
    t.last().say({ type: 'ack' })
    t.connection.wake()
    t.clock.pass(1_500)
    expect(t.link().status).toBe('connecting')
  })

  it('is not even asked when its network was left', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    t.connection.wake(true)
    expect(t.sockets[0]).toMatchObject({ sent: [], closed: true })
    expect(t.sockets).toHaveLength(2)
    t.connection.wake(true) // nor waited for
    expect(t.sockets).toHaveLength(3)
  })

  it('that stood for a while was no failed attempt, however often the page wakes', () => {
    const t = setup()
    t.connection.start()
    for (let i = 0; i < 5; i++) {
      t.last().accept()
      t.clock.sleep(600_000)
      t.connection.wake()
      expect(t.link()).toEqual({ status: 'connecting', attempt: 1, again: true })
    }
  })

  it('is not even asked after a long sleep', () => {
    const t = setup()
    t.connection.start()
    t.last().accept()
    t.clock.sleep(600_000)
    t.connection.wake()
    expect(t.sockets).toHaveLength(2)
    expect(t.link()).toMatchObject({ status: 'connecting' })
  })
})
