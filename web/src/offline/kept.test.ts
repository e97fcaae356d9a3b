import { describe, expect, it } from 'vitest'
import type { Me, Project, Session } from '@/api/wire'
import type { Event } from '@/conversation/reduce'
import { Kept, maxConversationChars, mostConversations, type Shelf } from './kept'
import { lean } from './lean'

function shelf() {
  const held = new Map<string, unknown>()
  const s: Shelf = {
    get: (k) => Promise.resolve(held.get(k)),
    set: (k, v) => Promise.resolve(void held.set(k, structuredClone(v))),
    del: (k) => Promise.resolve(void held.delete(k)),
    clear: () => Promise.resolve(held.clear()),
    entries: () => Promise.resolve([...held]),
  }
  return { s, held }
}

const me = (id: number) => ({ id }) as Me
const event = (seq: number, event: unknown = { type: 'assistant' }): Event => ({ seq, at: '', event })

describe('what a device keeps', () => {
  it('is kept for the one person it belongs to', async () => {
    const { s, held } = shelf()
    const ada = new Kept(s)
    await ada.keepConversation('a', { at: 1, events: [event(1)] })
    expect(held.size).toBe(0) // nobody is known yet
    await ada.belongTo(1)
    await ada.keepConversation('a', { at: 1, events: [event(1)] })
    await ada.keepLists({ at: 1, me: me(1), sessions: [], projects: [] })
    // The same person comes back: it stays. Another comes: it goes.
    const again = new Kept(s)
    await again.belongTo(1)
    expect((await again.conversation('a'))?.events).toHaveLength(1)
    await new Kept(s).belongTo(2)
    expect([...held.keys()]).toEqual(['owner'])
  })

  it('takes what was not asked for this time for what it was, and never for none', async () => {
    const { s } = shelf()
    const kept = new Kept(s)
    await kept.belongTo(1)
    await kept.keepLists({ at: 1, me: me(1), sessions: [] })
    expect((await kept.lists())?.projects).toBeUndefined()
    await kept.keepLists({ at: 2, me: me(1), sessions: [], projects: [{ name: 'thesis' } as Project] })
    await kept.keepLists({ at: 3, me: me(1), sessions: [] })
    expect(await kept.lists()).toMatchObject({ at: 3, projects: [{ name: 'thesis' }] })
  })

  it('is gone after a sign-out, and a tab that has not heard of it writes nothing', async () => {
    const { s, held } = shelf()
    const [one, other] = [new Kept(s), new Kept(s)]
    await one.belongTo(1)
    await other.belongTo(1)
    await one.keepConversation('a', { at: 1, events: [event(1)] })
    await one.forget()
    await other.keepConversation('b', { at: 2, events: [event(1)] })
    await other.keepLists({ at: 2, me: me(1), sessions: [], projects: [] })
    expect(held.size).toBe(0)
    expect(await other.lists()).toBeUndefined()
  })

  it('is bounded: the conversations that were last read, and the ends of long ones', async () => {
    const { s, held } = shelf()
    const kept = new Kept(s)
    await kept.belongTo(1)
    for (let i = 0; i < mostConversations + 3; i++) await kept.keepConversation(`s${i}`, { at: i, events: [event(1)] })
    await kept.keepConversation('s5', { at: 99, events: [event(1)] }) // read again
    await kept.keepConversation('new', { at: 100, events: [event(1)] })
    const ids = [...held.keys()].filter((k) => k.startsWith('c:'))
    expect(ids).toHaveLength(mostConversations)
    expect(ids).toContain('c:s5')
    expect(ids).not.toContain('c:s3')
    const long = 'x'.repeat(maxConversationChars / 4)
    await kept.keepConversation('long', { at: 1, events: Array.from({ length: 9 }, (_, i) => event(i + 1, { type: 'user', text: long })) })
    expect((await kept.conversation('long'))?.events.map((e) => e.seq)).toEqual([7, 8, 9])
    await kept.keepLists({ at: 1, me: me(1), sessions: Array.from({ length: 500 }, (_, i) => ({ id: String(i) }) as Session), projects: [] })
    expect((await kept.lists())?.sessions).toHaveLength(200)
  })

  it('has the uploads that were not finished, of one person', async () => {
    const { s, held } = shelf()
    const ada = new Kept(s)
    const upload = (id: string) => ({ id, tab: 't', path: id, size: 9, modified: 1, exists: 'refuse', sent: 3 }) as const
    await ada.keepUploads([upload('early')])
    expect(held.size).toBe(0)
    await ada.belongTo(1)
    await ada.keepUploads([upload('a'), upload('b')])
    await ada.keepConversation('c', { at: 1, events: [event(1)] })
    await ada.dropUploads(['a'])
    expect((await ada.uploads()).map((u) => u.id)).toEqual(['b'])
    const bob = new Kept(s)
    expect(await bob.uploads()).toEqual([]) // nobody is known yet
    await bob.belongTo(2)
    expect(await bob.uploads()).toEqual([])
    await ada.keepUploads([upload('late')])
    expect([...held.keys()]).toEqual(['owner'])
  })

  it('costs nothing where the browser keeps nothing', async () => {
    const refused = () => Promise.reject(new Error('refused'))
    for (const s of [null, { get: refused, set: refused, del: refused, clear: refused, entries: refused }]) {
      const kept = new Kept(s)
      await kept.belongTo(1)
      await kept.keepLists({ at: 1, me: me(1), sessions: [], projects: [] })
      expect(await kept.lists()).toBeUndefined()
    }
  })
})

describe('a lean conversation', () => {
  it('has what was said, and no contents of files', () => {
    const secret = 'PASSWORD=hunter2'
    const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: secret } }
    const events = [
      event(1, { type: 'carrel.prompt', content: [picture, { type: 'text', text: 'look at .env' }] }),
      event(2, { type: 'stream_event', event: { delta: secret } }),
      event(3, { type: 'assistant', message: { content: [{ type: 'text', text: 'I read it' }, { type: 'tool_use', id: 't1', name: 'Read', input: { file_path: '/home/.env' } }] } }),
      event(4, { type: 'user', tool_use_result: { file: { content: secret } }, message: { content: [{ type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: secret }] }] } }),
      event(5, { type: 'assistant', message: { content: [{ type: 'tool_use', id: 't2', name: 'Edit', input: { file_path: '/home/.env', old_string: secret, new_string: secret, edits: [{ old_string: secret }], command: `${secret} `.repeat(99) } }] } }),
      event(6, { type: 'control_request', request: { input: { content: secret } } }),
      event(7, { type: 'carrel.history', left_out: 3 }),
    ]
    const kept = lean(events, 'not kept')
    const text = JSON.stringify(kept)
    expect(text).not.toContain(secret)
    for (const said of ['look at .env', 'I read it', '/home/.env', 'not kept', 'left_out']) expect(text).toContain(said)
    expect(kept.map((e) => e.seq)).toEqual([1, 3, 4, 5, 7])
    expect(JSON.stringify(events)).toContain(secret) // what is shown with a server is untouched
  })
})
