import { describe, expect, it } from 'vitest'
import { brief } from '@/conversation/brief'
import { fixture } from '@/conversation/fixture'
import { FakeClock, FakeSocket } from './fake'
import { Stream } from './stream'
import { decode, encode } from './wire'

class Memory {
  readonly items = new Map<string, string>()
  getItem(k: string) {
    return this.items.get(k) ?? null
  }
  setItem(k: string, v: string) {
    this.items.set(k, v)
  }
  removeItem(k: string) {
    this.items.delete(k)
  }
}

function setup(storage = new Memory()) {
  const clock = new FakeClock()
  const sockets: FakeSocket[] = []
  const frames: (() => void)[] = []
  let id = 0
  const stream = new Stream({
    open: () => {
      const s = new FakeSocket()
      sockets.push(s)
      return s
    },
    storage,
    newId: () => `id${++id}`,
    schedule: (f) => frames.push(f),
    clock,
    random: () => 1,
  })
  const paint = () => frames.splice(0).forEach((f) => f())
  return { stream, clock, paint, storage, frames, server: () => sockets.at(-1)! }
}

const event = (seq: number, e: unknown) => ({ type: 'event', session_id: 's', seq, at: '2026-11-24T00:00:00Z', event: e })
const prompt = (seq: number, id: string, content = 'Hi') => event(seq, { type: 'carrel.prompt', id, uuid: `u-${id}`, author: 'ana', content })

describe('subscribing', () => {
  it('asks for all, and after a lost connection for what comes after the last seen', () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    t.server().accept()
    expect(t.server().sent).toEqual([{ type: 'subscribe', session_id: 's', after: 0 }])
    for (const e of fixture('01-plain-turn').slice(0, 8)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.server().drop()
    t.clock.pass(20_000)
    t.server().accept()
    expect(t.server().sent).toEqual([{ type: 'subscribe', session_id: 's', after: 8 }])
    for (const e of fixture('01-plain-turn').slice(4)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.paint()
    expect(brief(t.stream.view('s').rows)).toEqual(['> [say 8] (started)', 'text: the carrel by the window keeps its reade'])
  })

  it('opens anew where it was, and only while it is connected', () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.reopen()
    expect(t.stream.getLink()).toEqual({ status: 'idle' })
    t.stream.start()
    const first = t.server()
    first.accept()
    for (const e of fixture('01-plain-turn').slice(0, 8)) first.say({ type: 'event', session_id: 's', ...e })
    t.stream.reopen()
    expect(t.server()).not.toBe(first)
    t.server().accept()
    expect(t.server().sent).toEqual([{ type: 'subscribe', session_id: 's', after: 8 }])
  })

  it('tells listeners once a frame, however much came', () => {
    const t = setup()
    let told = 0
    t.stream.subscribe('s', () => told++)
    t.stream.start()
    t.server().accept()
    for (const e of fixture('02-second-turn-kept')) t.server().say({ type: 'event', session_id: 's', ...e })
    expect(told).toBe(0)
    expect(t.frames).toHaveLength(1)
    t.paint()
    expect(told).toBe(1)
  })

  it('ends with the last listener', () => {
    const t = setup()
    t.stream.start()
    t.server().accept()
    const stop = t.stream.subscribe('s', () => {})
    stop()
    expect(t.server().sent.at(-1)).toEqual({ type: 'unsubscribe', session_id: 's' })
  })
})

describe('prompts', () => {
  it('are shown while they are sent, and once when they are on disk', () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    t.server().accept()
    t.stream.prompt('s', 'Hi')
    t.paint()
    expect(brief(t.stream.view('s').outgoing)).toEqual(['> Hi (sending)'])
    t.server().say(prompt(1, 'id1'))
    t.server().say({ type: 'ack', id: 'id1' })
    t.paint()
    expect(t.stream.view('s').outgoing).toEqual([])
    expect(brief(t.stream.view('s').queue)).toEqual(['> Hi (sent)'])
  })

  it('are sent again with the same id after a lost connection', () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    t.stream.prompt('s', 'Hi')
    t.server().accept()
    t.server().drop()
    t.clock.pass(20_000)
    t.server().accept()
    expect(t.server().sent.filter((f) => f.type === 'prompt')).toEqual([{ type: 'prompt', session_id: 's', id: 'id1', content: 'Hi' }])
  })

  it('survive a reload', () => {
    const first = setup()
    first.stream.prompt('s', 'Hi')
    const second = setup(first.storage)
    second.stream.start()
    second.server().accept()
    expect(second.server().sent).toContainEqual({ type: 'prompt', session_id: 's', id: 'id1', content: 'Hi' })
  })

  it('keep their text when they are refused, and can be tried again', () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    t.server().accept()
    t.stream.prompt('s', 'Hi')
    t.server().say({ type: 'error', id: 'id1', session_id: 's', code: 'budget_exceeded', detail: 'Spent.' })
    t.paint()
    expect(t.stream.view('s').outgoing[0]).toMatchObject({ status: 'failed', problem: { code: 'budget_exceeded' } })
    t.stream.retry('id1')
    expect(t.server().sent.filter((f) => f.type === 'prompt')).toHaveLength(2)
  })

  it('too large for a message are refused here, not sent for ever', () => {
    const t = setup()
    t.stream.start()
    t.server().accept()
    t.stream.prompt('s', 'x'.repeat(13 << 20))
    t.paint()
    expect(t.stream.view('s').outgoing[0]).toMatchObject({ status: 'failed', problem: { code: 'too_large' } })
    expect(t.server().sent).toEqual([])
  })
})

describe('answers', () => {
  const asked = fixture('04a-permission-allow-once')
  const request = asked.findIndex((e) => (e.event as any).type === 'control_request')
  const requestId = (asked[request]!.event as any).request_id

  function waiting() {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    t.server().accept()
    for (const e of asked.slice(0, request + 1)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.paint()
    return t
  }

  it('are under way until the journal has them', () => {
    const t = waiting()
    t.stream.answer('s', requestId, { behavior: 'allow', updated_input: { command: 'x' } })
    t.paint()
    expect(t.server().sent.at(-1)).toEqual({ type: 'answer', id: requestId, session_id: 's', request_id: requestId, behavior: 'allow', updated_input: { command: 'x' } })
    expect(t.stream.view('s').answering.has(requestId)).toBe(true)
    for (const e of asked.slice(request + 1, request + 2)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.paint()
    expect(t.stream.view('s').requests).toEqual([])
    expect(t.stream.view('s').answering.size).toBe(0)
  })

  it('that come too late close the request', () => {
    const t = waiting()
    t.stream.answer('s', requestId, { behavior: 'deny', message: 'no' })
    t.server().say({ type: 'error', session_id: 's', code: 'conflict', detail: 'Answered.' })
    t.paint()
    expect(t.stream.view('s').requests).toEqual([])
    expect(t.stream.view('s').problem).toEqual({ code: 'conflict', detail: 'Answered.' })
  })
})

describe('the wire', () => {
  it('is JSON in the names of the contract', () => {
    expect(encode({ type: 'set', session_id: 's', permission_mode: 'plan' })).toBe('{"type":"set","session_id":"s","permission_mode":"plan"}')
  })

  it.each(['', 'nonsense', '[]', '7', '{"type":"event"}', '{"type":"event","seq":"1","session_id":"s"}', '{"type":"later"}'])('takes %j for nothing it knows', (text) => {
    expect(decode(text)).toEqual({ type: 'other' })
  })

  it('reads every kind of frame', () => {
    expect(decode('{"type":"hello","user":{"id":1},"version":"1"}')).toEqual({ type: 'hello', user: { id: 1 }, version: '1' })
    expect(decode('{"type":"ack","id":"a"}')).toEqual({ type: 'ack', id: 'a' })
    expect(decode('{"type":"error","code":"invalid","detail":"d"}')).toEqual({ type: 'error', id: undefined, session_id: undefined, request_id: undefined, code: 'invalid', detail: 'd' })
    expect(decode('{"type":"notice","kind":"quota"}')).toMatchObject({ type: 'notice', kind: 'quota' })
  })
})
