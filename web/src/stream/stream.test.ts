import { describe, expect, it } from 'vitest'
import { brief } from '@/conversation/brief'
import { fixture, play } from '@/conversation/fixture'
import type { Event } from '@/conversation/reduce'
import { lean } from '@/offline/lean'
import type { Sources } from './held'
import type { EventPage } from './past'
import { FakeClock, FakeSocket, FakeStorage } from './fake'
import { Stream } from './stream'
import { decode, encode } from './wire'

/** A server whose journal is `journal`; what is asked of it is in `asked`. */
function setup(storage = new FakeStorage(), journal: Event[] = [], todos?: EventPage['todos']) {
  const asked: { before: number; limit: number }[] = []
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
    page: async (_, before, limit) => {
      asked.push({ before, limit })
      const all = journal.filter((e) => before === 0 || e.seq < before)
      return { events: all.slice(-limit), more: all.length > limit, ...(before === 0 && { todos }) }
    },
    schedule: (f) => frames.push(f),
    idle: (f) => f(),
    clock,
    random: () => 1,
  })
  stream.belongTo(1)
  const paint = () => frames.splice(0).forEach((f) => f())
  const server = () => sockets.at(-1)!
  const accept = async () => {
    server().accept()
    await settled()
  }
  return { stream, clock, paint, storage, frames, asked, server, accept }
}

/** What was promised has happened: nothing here waits for anything but promises that are kept. */
const settled = () => new Promise((r) => setTimeout(r))

const event = (seq: number, e: unknown) => ({ type: 'event', session_id: 's', seq, at: '2026-11-24T00:00:00Z', event: e })
const prompt = (seq: number, id: string, content = 'Hi') => event(seq, { type: 'carrel.prompt', id, uuid: `u-${id}`, author: 'ana', content })

describe('subscribing', () => {
  it('asks for what comes after the end, and after a lost connection for what comes after the last seen', async () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    await t.accept()
    expect(t.server().sent).toEqual([{ type: 'subscribe', session_id: 's', after: 0 }])
    for (const e of fixture('01-plain-turn').slice(0, 8)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.server().drop()
    t.clock.pass(20_000)
    await t.accept()
    expect(t.server().sent).toEqual([{ type: 'subscribe', session_id: 's', after: 8 }])
    for (const e of fixture('01-plain-turn').slice(4)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.paint()
    expect(brief(t.stream.view('s').rows)).toEqual(['> [say 8] (started)', 'text: the carrel by the window keeps its reade'])
  })

  it('opens anew where it was, and only while it is connected', async () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.reopen()
    expect(t.stream.getLink()).toEqual({ status: 'idle' })
    t.stream.start()
    const first = t.server()
    await t.accept()
    for (const e of fixture('01-plain-turn').slice(0, 8)) first.say({ type: 'event', session_id: 's', ...e })
    t.stream.reopen()
    expect(t.server()).not.toBe(first)
    await t.accept()
    expect(t.server().sent).toEqual([{ type: 'subscribe', session_id: 's', after: 8 }])
  })

  it('tells listeners once a frame, however much came', async () => {
    const t = setup()
    let told = 0
    t.stream.subscribe('s', () => told++)
    t.stream.start()
    await t.accept()
    for (const e of fixture('02-second-turn-kept')) t.server().say({ type: 'event', session_id: 's', ...e })
    expect(told).toBe(0)
    expect(t.frames).toHaveLength(1)
    t.paint()
    expect(told).toBe(1)
  })

  it('ends with the last listener', async () => {
    const t = setup()
    t.stream.start()
    await t.accept()
    const stop = t.stream.subscribe('s', () => {})
    await settled()
    stop()
    expect(t.server().sent.at(-1)).toEqual({ type: 'unsubscribe', session_id: 's' })
  })
})

describe('a long conversation', () => {
  const turns = (n: number): Event[] => {
    const one = fixture('04a-permission-allow-once').map((e) => JSON.stringify(e.event))
    return Array.from({ length: n }, (_, t) => one.map((text) => JSON.parse(text.replace(/([0-9a-f]{8}-[0-9a-f]{4}-|msg_\w{4}|toolu_\w{4})/g, (id) => `${id}${t}-`)))).flat().map((event, i) => ({ seq: i + 1, at: '2026-11-24T00:00:00Z', event }))
  }

  it('opens at its end and is followed from there', async () => {
    const journal = turns(60)
    const t = setup(new FakeStorage(), journal)
    t.stream.start()
    t.stream.subscribe('s', () => {})
    await t.accept()
    expect(t.asked[0]).toEqual({ before: 0, limit: 200 })
    t.paint()
    const view = t.stream.view('s')
    expect(view).toMatchObject({ opened: true, lastSeq: journal.length })
    expect(t.server().sent).toEqual([{ type: 'subscribe', session_id: 's', after: journal.length }])
  })

  it('knows the list of tasks that was made before what it read, and goes on from it', async () => {
    const tasks = fixture('13b-task-tools')
    const journal = [...tasks.map((e) => e.event), ...turns(20).map((e) => e.event), { type: 'carrel.state', state: 'dormant' }].map((event, i) => ({ seq: i + 1, at: '', event }))
    const list = play(journal).s.todos
    const t = setup(new FakeStorage(), journal, { seq: tasks.length, items: list })
    const todos = () => (t.paint(), t.stream.view('s').todos)
    t.stream.start()
    t.stream.subscribe('s', () => {})
    await t.accept()
    expect(todos()).toEqual([{ id: '1', text: 'Write the fix', status: 'in_progress' }])
    expect(t.stream.view('s').first).toBeGreaterThan(tasks.length)
    const say = (e: unknown) => t.server().say(event(journal.length + said++, e))
    let said = 1
    say({ type: 'assistant', message: { id: 'm', content: [{ type: 'tool_use', id: 'u', name: 'TaskUpdate', input: { taskId: '1', status: 'completed' } }] } })
    say({ type: 'user', message: { content: [{ type: 'tool_result', tool_use_id: 'u', content: 'Updated' }] } })
    expect(todos()).toEqual([{ id: '1', text: 'Write the fix', status: 'completed' }])
    // What made the list adds nothing to it once it is read.
    await t.stream.reach('s', 1)
    expect(todos()).toEqual([{ id: '1', text: 'Write the fix', status: 'completed' }])
  })

  it('reads the same whichever pages it came in', async () => {
    const journal = turns(40)
    // It sleeps: a process that is to come will greet.
    journal.push({ seq: journal.length + 1, at: '', event: { type: 'carrel.state', state: 'dormant' } })
    const whole = play(journal).s
    const t = setup(new FakeStorage(), journal)
    t.stream.subscribe('s', () => {})
    await settled()
    t.paint()
    const before = t.stream.view('s')
    expect(before.more).toBe(true)
    expect(whole.rows.map((r) => r.key)).toEqual(expect.arrayContaining(before.rows.slice(3).map((r) => r.key)))
    while (t.stream.view('s').more) {
      await t.stream.earlier('s')
      t.paint()
    }
    const view = t.stream.view('s')
    expect(view.rows).toEqual(whole.rows)
    // What was there before is drawn from the same objects.
    expect(view.rows.slice(-20)).toEqual(before.rows.slice(-20))
    view.rows.slice(-20).forEach((r, i) => expect(r).toBe(before.rows.slice(-20)[i]))
  })

  it('goes back to the greeting of a process that runs, for what can be picked', async () => {
    const greeted = [...fixture('03-initialize-first').slice(0, 3), ...turns(60)].map((e, i) => ({ ...e, seq: i + 1 }))
    const t = setup(new FakeStorage(), greeted)
    t.stream.subscribe('s', () => {})
    await settled()
    t.paint()
    expect(t.stream.view('s').models.length).toBeGreaterThan(0)
  })

  it('reaches a message', async () => {
    const journal = turns(300)
    const t = setup(new FakeStorage(), journal)
    t.stream.subscribe('s', () => {})
    await settled()
    await t.stream.reach('s', 50)
    t.paint()
    expect(t.stream.view('s').first).toBeLessThanOrEqual(50)
  })

  it('loses nothing and says nothing twice when events come while a page is fetched', async () => {
    const journal = turns(60)
    const t = setup(new FakeStorage(), journal.slice(0, -40))
    t.stream.start()
    t.stream.subscribe('s', () => {})
    await t.accept()
    const back = t.stream.earlier('s')
    for (const e of journal.slice(-60)) t.server().say({ type: 'event', session_id: 's', ...e })
    await back
    while (t.stream.view('s').more) {
      await t.stream.earlier('s')
      t.paint()
    }
    t.paint()
    expect(t.stream.view('s').rows).toEqual(play(journal).s.rows)
  })

  it('says why it cannot be opened, and tries again when asked', async () => {
    const t = setup()
    let fail = true
    const stream = new Stream({ open: () => new FakeSocket(), storage: null, newId: () => 'x', schedule: (f) => f(), idle: (f) => f(), page: async () => {
      if (fail) throw Object.assign(new Error('Away.'), { code: 'instance_unavailable' })
      return { events: fixture('01-plain-turn'), more: false }
    }, clock: t.clock })
    stream.subscribe('s', () => {})
    await settled()
    expect(stream.view('s')).toMatchObject({ opened: false, problem: { code: 'instance_unavailable', detail: 'Away.' } })
    fail = false
    stream.reattach('s')
    await settled()
    expect(stream.view('s')).toMatchObject({ opened: true, problem: null })
  })
})

describe('without a server', () => {
  const kept: Event[] = fixture('01-plain-turn').map((e) => ({ ...e }))
  function away() {
    const t = { fail: 'unreachable', hang: false, written: [] as string[], clock: new FakeClock(), sockets: [] as FakeSocket[] }
    const stream = new Stream({
      open: () => {
        const s = new FakeSocket()
        t.sockets.push(s)
        return s
      },
      storage: null,
      newId: () => 'x',
      schedule: (f) => f(),
      idle: (f) => f(),
      clock: t.clock,
      page: async () => {
        if (t.hang) return new Promise<never>(() => {})
        if (t.fail) throw Object.assign(new Error(''), { code: t.fail })
        return { events: fixture('01-plain-turn'), more: false }
      },
      kept: { read: (id) => Promise.resolve(id === 's' ? { at: 7, events: kept } : undefined), write: (id) => void t.written.push(id) },
    })
    return Object.assign(t, { stream })
  }

  it('shows what the device kept, and whole pages in its place once it is back', async () => {
    const t = away()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    await settled()
    const before = t.stream.view('s')
    expect(before).toMatchObject({ opened: false, asOf: 7, problem: null })
    expect(before.rows.length).toBeGreaterThan(0)
    expect(t.written).toEqual([]) // what was brought back is not written again
    // It is tried again, in vain: what is shown stays.
    t.sockets[0]!.accept()
    await settled()
    expect(t.stream.view('s')).toMatchObject({ asOf: 7, problem: null })
    expect(t.stream.view('s').rows).toHaveLength(before.rows.length)
    t.fail = ''
    t.sockets[0]!.drop()
    t.clock.pass(30_000)
    t.sockets.at(-1)!.accept()
    await settled()
    const after = t.stream.view('s')
    expect(after).toMatchObject({ opened: true, asOf: null })
    expect(after.rows.map((r) => r.key)).toEqual(before.rows.map((r) => r.key)) // nothing twice
    expect(t.sockets.at(-1)!.sent).toContainEqual({ type: 'subscribe', session_id: 's', after: after.lastSeq })
    expect(t.written).toContain('s')
  })

  it('knows the list of tasks, which what the device keeps of the conversation does not tell', async () => {
    const journal = fixture('13b-task-tools')
    const say = (event: Record<string, unknown>) => journal.push({ ...journal.at(-1)!, seq: journal.at(-1)!.seq + 1, event: { ...event, session_id: 's', parent_tool_use_id: null } as unknown as Event['event'] })
    say({ type: 'assistant', message: { id: 'm', role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'TodoWrite', input: { todos: [{ content: 'All of it', status: 'in_progress' }] } }] } })
    say({ type: 'user', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'Written.' }] } })
    const todos = play(journal).s.todos
    const written: Parameters<NonNullable<Sources['kept']>['write']>[] = []
    const stream = (page: Sources['page'], read: NonNullable<Sources['kept']>['read']) =>
      new Stream({ open: () => new FakeSocket(), storage: null, newId: () => 'x', schedule: (f) => f(), idle: (f) => f(), clock: new FakeClock(), page, kept: { read, write: (...args) => void written.push(args) } })
    stream(async () => ({ events: journal, more: false }), async () => undefined).subscribe('s', () => {})
    await settled()
    const [, events, list] = written.at(-1)!
    const offline = stream(
      async () => {
        throw Object.assign(new Error(''), { code: 'unreachable' })
      },
      async () => ({ at: 7, events: lean(events, 'not kept'), todos: list }),
    )
    offline.subscribe('s', () => {})
    await settled()
    expect(todos).toMatchObject([{ text: 'All of it' }])
    expect(offline.view('s')).toMatchObject({ asOf: 7, todos })
  })

  it('does not wait for ever for a network that swallows what is asked', async () => {
    const t = away()
    t.hang = true
    t.stream.subscribe('s', () => {})
    await settled()
    expect(t.stream.view('s').asOf).toBeNull()
    t.clock.pass(4_000)
    await settled()
    expect(t.stream.view('s').asOf).toBe(7)
  })

  it('says so where nothing was kept, and never brings back what the server refuses', async () => {
    const t = away()
    t.stream.subscribe('other', () => {})
    await settled()
    expect(t.stream.view('other')).toMatchObject({ asOf: null, problem: { code: 'unreachable' } })
    t.fail = 'not_found'
    t.stream.subscribe('s', () => {})
    await settled()
    expect(t.stream.view('s')).toMatchObject({ asOf: null, problem: { code: 'not_found' }, rows: [] })
  })
})

describe('prompts', () => {
  it('are shown while they are sent, and once when they are on disk', async () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    await t.accept()
    t.stream.prompt('s', 'Hi')
    t.paint()
    expect(brief(t.stream.view('s').outgoing)).toEqual(['> Hi (sending)'])
    t.server().say(prompt(1, 'id1'))
    t.server().say({ type: 'ack', id: 'id1' })
    t.paint()
    expect(t.stream.view('s').outgoing).toEqual([])
    expect(brief(t.stream.view('s').queue)).toEqual(['> Hi (sent)'])
  })

  it('are sent again with the same id after a lost connection', async () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    t.stream.prompt('s', 'Hi')
    await t.accept()
    t.server().drop()
    t.clock.pass(20_000)
    await t.accept()
    expect(t.server().sent.filter((f) => f.type === 'prompt')).toEqual([{ type: 'prompt', session_id: 's', id: 'id1', content: 'Hi' }])
  })

  it('survive a reload', async () => {
    const first = setup()
    first.stream.prompt('s', 'Hi')
    const second = setup(first.storage)
    second.stream.start()
    await second.accept()
    expect(second.server().sent).toContainEqual({ type: 'prompt', session_id: 's', id: 'id1', content: 'Hi' })
  })

  it('keep their text when they are refused, and can be tried again', async () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    await t.accept()
    t.stream.prompt('s', 'Hi')
    t.server().say({ type: 'error', id: 'id1', session_id: 's', code: 'budget_exceeded', detail: 'Spent.' })
    t.paint()
    expect(t.stream.view('s').outgoing[0]).toMatchObject({ status: 'failed', problem: { code: 'budget_exceeded' } })
    t.stream.retry('id1')
    expect(t.server().sent.filter((f) => f.type === 'prompt')).toHaveLength(2)
  })

  it('are off the device once they are acknowledged, and not said twice where their event lies further back', async () => {
    const t = setup(new FakeStorage(), [{ seq: 9, at: '', event: { type: 'carrel.state', state: 'ready' } }])
    t.stream.subscribe('s', () => {})
    t.stream.start()
    await t.accept()
    t.stream.prompt('s', 'Hi')
    t.server().say({ type: 'ack', id: 'id1', seq: 12 })
    t.paint()
    expect(brief(t.stream.view('s').outgoing)).toEqual(['> Hi (sent)'])
    expect(t.storage.items.size).toBe(0)
    t.server().drop()
    t.clock.pass(20_000)
    await t.accept()
    expect(t.server().sent.filter((f) => f.type === 'prompt')).toEqual([])
    t.server().say(event(13, { type: 'carrel.state', state: 'ready' }))
    t.paint()
    expect(t.stream.view('s').outgoing).toEqual([])
  })

  it('are never sent by the next one at this browser', async () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    t.stream.prompt('s', 'secret')
    t.stream.belongTo(2)
    await t.accept()
    t.paint()
    expect(t.stream.view('s').outgoing).toEqual([])
    expect(t.server().sent.filter((f) => f.type === 'prompt')).toEqual([])
    expect(t.storage.items.size).toBe(0)
  })

  it('can be taken back for sure until they were put into a connection', async () => {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    t.stream.prompt('s', 'not this')
    t.stream.prompt('s', 'this')
    t.paint()
    expect(t.stream.view('s').outgoing.map((p) => p.free)).toEqual([true, true])
    t.stream.discard('id1')
    await t.accept()
    t.paint()
    expect(t.server().sent.filter((f) => f.type === 'prompt')).toMatchObject([{ content: 'this' }])
    t.server().drop()
    t.paint()
    expect(t.stream.view('s').outgoing).toMatchObject([{ status: 'sending', free: false }])
  })

  it('too large for a message are refused here, not sent for ever', async () => {
    const t = setup()
    t.stream.start()
    await t.accept()
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

  async function waiting() {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    await t.accept()
    for (const e of asked.slice(0, request + 1)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.paint()
    return t
  }

  it('are under way until the journal has them', async () => {
    const t = await waiting()
    t.stream.answer('s', requestId, { behavior: 'allow', updated_input: { command: 'x' } })
    t.paint()
    expect(t.server().sent.at(-1)).toEqual({ type: 'answer', id: requestId, session_id: 's', request_id: requestId, behavior: 'allow', updated_input: { command: 'x' } })
    expect(t.stream.view('s').answering.has(requestId)).toBe(true)
    for (const e of asked.slice(request + 1, request + 2)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.paint()
    expect(t.stream.view('s').requests).toEqual([])
    expect(t.stream.view('s').answering.size).toBe(0)
  })

  it('that come too late close the request', async () => {
    const t = await waiting()
    t.stream.answer('s', requestId, { behavior: 'deny', message: 'no' })
    t.server().say({ type: 'error', session_id: 's', code: 'conflict', detail: 'Answered.' })
    t.paint()
    expect(t.stream.view('s').requests).toEqual([])
    expect(t.stream.view('s').problem).toEqual({ code: 'answer_late', detail: 'Answered.' })
    expect(t.stream.answeredHere(requestId)).toBe(false)
  })

  it('that were taken before their connection died are not said to be late', async () => {
    const t = await waiting()
    t.stream.answer('s', requestId, { behavior: 'allow', updated_input: { command: 'x' } })
    t.server().drop()
    t.clock.pass(20_000)
    await t.accept()
    expect(t.server().sent.filter((f) => f.type === 'answer')).toHaveLength(1)
    for (const e of asked.slice(request + 1, request + 2)) t.server().say({ type: 'event', session_id: 's', ...e })
    t.server().say({ type: 'error', id: requestId, session_id: 's', request_id: requestId, code: 'conflict', detail: 'Answered.' })
    t.paint()
    expect(t.stream.view('s')).toMatchObject({ requests: [], problem: null })
    expect(t.stream.answeredHere(requestId)).toBe(true)
  })
})

describe('what was pressed', () => {
  const running = fixture('01-plain-turn')
  const ended = running.findIndex((e) => (e.event as any).type === 'result')

  /** A session in the middle of its turn. */
  async function atWork() {
    const t = setup()
    t.stream.subscribe('s', () => {})
    t.stream.start()
    await t.accept()
    for (const e of running.slice(0, ended)) t.server().say({ type: 'event', session_id: 's', ...e })
    const lose = async () => {
      t.server().drop()
      t.clock.pass(20_000)
      await t.accept()
    }
    const end = () => t.server().say({ type: 'event', session_id: 's', ...running[ended]! })
    const unsure = () => {
      t.paint()
      return t.stream.view('s').stopUnsure
    }
    const sent = (type: string) => t.server().sent.filter((f) => f.type === type)
    return { ...t, lose, end, unsure, sent }
  }

  it('says that Stop was not confirmed before the connection broke, and never sends it to a later turn', async () => {
    const t = await atWork()
    t.stream.interrupt('s')
    expect(t.sent('interrupt')).toEqual([{ type: 'interrupt', id: 'id1', session_id: 's' }])
    expect(t.unsure()).toBe(false)
    await t.lose()
    expect(t.sent('interrupt')).toEqual([])
    expect(t.unsure()).toBe(true)
    t.stream.interrupt('s') // pressed again
    expect(t.sent('interrupt')).toHaveLength(1)
    expect(t.unsure()).toBe(false)
    t.server().say({ type: 'ack', id: 'id2' })
    await t.lose()
    expect(t.unsure()).toBe(false)
  })

  it('says at once that Stop was not sent, until the turn has ended', async () => {
    const t = await atWork()
    t.server().drop()
    t.stream.interrupt('s')
    expect(t.unsure()).toBe(true)
    t.clock.pass(20_000)
    await t.accept()
    expect(t.sent('interrupt')).toEqual([])
    expect(t.unsure()).toBe(true)
    t.end()
    expect(t.unsure()).toBe(false)
  })

  it('does not doubt a Stop whose turn has ended', async () => {
    const t = await atWork()
    t.stream.interrupt('s')
    t.end()
    await t.lose()
    expect(t.unsure()).toBe(false)
  })

  it('sends a choice again until the server has it, before the prompts that follow', async () => {
    const t = await atWork()
    expect(t.stream.set('s', { permission_mode: 'plan' })).toBe(true)
    expect(t.stream.stopTask('s', 'task')).toBe(true)
    t.stream.prompt('s', 'go on')
    await t.lose()
    const again = t.server().sent.filter((f) => f.type !== 'subscribe')
    expect(again).toEqual([
      { type: 'set', id: 'id1', session_id: 's', permission_mode: 'plan' },
      { type: 'stop', id: 'id2', session_id: 's', task_id: 'task' },
      { type: 'prompt', id: 'id3', session_id: 's', content: 'go on' },
    ])
    t.server().say({ type: 'ack', id: 'id1' })
    t.server().say({ type: 'error', id: 'id2', session_id: 's', code: 'instance_unavailable', detail: 'Away.' })
    t.paint()
    expect(t.stream.view('s').problem).toMatchObject({ code: 'instance_unavailable' })
    await t.lose()
    expect(t.server().sent.some((f) => f.type === 'set' || f.type === 'stop')).toBe(false)
  })

  it('keeps the last of two choices of the same kind', async () => {
    const t = await atWork()
    t.stream.set('s', { model: 'a' })
    t.stream.set('s', { model: 'b' })
    t.stream.set('s', { effort: 'low' })
    await t.lose()
    expect(t.sent('set')).toMatchObject([{ model: 'b' }, { effort: 'low' }])
  })

  it('is not sent once the sign-in has ended', async () => {
    const t = await atWork()
    t.stream.set('s', { model: 'opus' })
    t.server().drop(4401)
    t.stream.stop()
    t.stream.start()
    await t.accept()
    expect(t.sent('set')).toEqual([])
  })

  it('is refused without a connection, so that nobody waits for it', async () => {
    const t = await atWork()
    t.server().drop()
    expect(t.stream.set('s', { model: 'opus' })).toBe(false)
    expect(t.stream.stopTask('s', 'task')).toBe(false)
    t.clock.pass(20_000)
    await t.accept()
    expect(t.server().sent.map((f) => f.type)).toEqual(['subscribe'])
  })
})

describe('the wire', () => {
  it('is JSON in the names of the contract', async () => {
    expect(encode({ type: 'set', id: 'i', session_id: 's', permission_mode: 'plan' })).toBe('{"type":"set","id":"i","session_id":"s","permission_mode":"plan"}')
  })

  it.each(['', 'nonsense', '[]', '7', '{"type":"event"}', '{"type":"event","seq":"1","session_id":"s"}', '{"type":"later"}'])('takes %j for nothing it knows', (text) => {
    expect(decode(text)).toEqual({ type: 'other' })
  })

  it('reads every kind of frame', async () => {
    expect(decode('{"type":"hello","user":{"id":1},"version":"1"}')).toEqual({ type: 'hello', user: { id: 1 }, version: '1' })
    expect(decode('{"type":"ack","id":"a"}')).toEqual({ type: 'ack', id: 'a' })
    expect(decode('{"type":"error","code":"invalid","detail":"d"}')).toEqual({ type: 'error', id: undefined, session_id: undefined, request_id: undefined, code: 'invalid', detail: 'd' })
    expect(decode('{"type":"notice","kind":"quota"}')).toMatchObject({ type: 'notice', kind: 'quota' })
  })
})
