import { expect, it } from 'vitest'
import type { Content } from '@/api/wire'
import { FakeStorage } from './fake'
import { Outbox, type Outgoing, type Shelf } from './outbox'

const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'x'.repeat(300_000) } }
const pictured: Content = [picture, { type: 'text', text: 'look at it' }]

/** What one device has; `tab` opens another page on it, of a person. */
function device(shelfWorks = true) {
  const storage = new FakeStorage()
  const shelved = new Map<string, unknown>()
  const shelf: Shelf = {
    get: async (id) => shelved.get(id),
    set: async (id, c) => {
      if (!shelfWorks) throw new Error('full')
      shelved.set(id, c)
    },
    del: async (id) => void shelved.delete(id),
    clear: async () => shelved.clear(),
    keys: async () => [...shelved.keys()],
  }
  const tab = async (owner = 1) => {
    const ready: Outgoing[] = []
    const outbox = new Outbox(storage, shelf, (o) => ready.push(o))
    outbox.belongTo(owner)
    await settled()
    return { outbox, ready, ids: () => outbox.all().map((o) => o.id) }
  }
  return { storage, shelved, tab }
}

const settled = () => new Promise((r) => setTimeout(r))

it('brings back what was written without a connection, pictures too, in its order', async () => {
  const d = device()
  const { outbox } = await d.tab()
  outbox.add('b', 's', pictured)
  outbox.add('a', 's', 'and then?')
  await settled()
  const again = await d.tab()
  expect(again.outbox.all()).toMatchObject([{ id: 'b', content: pictured, status: 'sending', loading: false }, { id: 'a', content: 'and then?' }])
  expect(again.ready.map((o) => o.id).sort()).toEqual(['a', 'b'])
  again.outbox.remove('b')
  again.outbox.change('a', { status: 'sent' })
  await settled()
  expect([...d.storage.items, ...d.shelved]).toEqual([])
})

it('does not send a prompt without its pictures: it says that they are lost, and keeps its text', async () => {
  const d = device(false)
  ;(await d.tab()).outbox.add('a', 's', pictured)
  await settled()
  const again = await d.tab()
  expect(again.ready).toMatchObject([{ content: 'look at it', status: 'failed', problem: { code: 'pictures_lost' } }])
})

it('has a prompt wait while its pictures are brought back', async () => {
  const d = device()
  ;(await d.tab()).outbox.add('a', 's', pictured)
  await settled()
  const outbox = new Outbox(d.storage, { get: () => new Promise(() => {}), set: async () => {}, del: async () => {}, clear: async () => {}, keys: async () => [] }, () => {})
  outbox.belongTo(1)
  expect(outbox.all()).toMatchObject([{ id: 'a', content: 'look at it', loading: true }])
})

it('keeps what one tab has from what another does', async () => {
  const d = device()
  const a = await d.tab()
  const b = await d.tab()
  a.outbox.add('a', 's', 'from a')
  a.outbox.change('a', { status: 'failed', problem: { code: 'budget_exceeded', detail: 'Spent.' } })
  b.outbox.add('b', 's', 'from b')
  b.outbox.change('b', { status: 'sent' })
  expect((await d.tab()).outbox.all()).toMatchObject([{ id: 'a', status: 'failed', problem: { code: 'budget_exceeded', detail: 'Spent.' } }])
})

it('follows what another tab does with the same prompt', async () => {
  const d = device()
  const a = await d.tab()
  a.outbox.add('x', 's', 'one')
  a.outbox.add('y', 's', 'two')
  const b = await d.tab()
  b.outbox.change('x', { written: true })
  const key = [...d.storage.items.keys()][0]!
  expect(a.outbox.follow(key, d.storage.getItem(key))).toMatchObject({ id: 'x', written: true })
  b.outbox.remove('x')
  expect(a.outbox.follow(key, null)).toMatchObject({ id: 'x' })
  expect(a.ids()).toEqual(['y'])
  b.outbox.remove('y') // a slept, and was not told
  a.outbox.refresh()
  expect(a.ids()).toEqual([])
})

it('is one person’s: another one finds and sends nothing, nor does anything stay', async () => {
  const d = device()
  const ada = await d.tab(1)
  ada.outbox.add('a', 's', pictured)
  ada.outbox.add('b', 's', 'secret')
  d.storage.setItem('carrel.outbox', '[{"id":"o","sessionId":"s","content":"secret"}]')
  await settled()
  const bob = await d.tab(2)
  expect(bob.outbox.all()).toEqual([])
  expect([...d.storage.items, ...d.shelved]).toEqual([])
  ada.outbox.refresh() // her tab is still open
  expect(ada.outbox.all()).toEqual([])
})

it('forgets all at a sign-out, and keeps nothing of whom it does not know', async () => {
  const d = device()
  const { outbox } = await d.tab()
  outbox.add('a', 's', pictured)
  outbox.clear()
  await settled()
  outbox.add('late', 's', 'text')
  await settled()
  expect([...d.storage.items, ...d.shelved]).toEqual([])
})

it('holds them while the page is open where the device keeps nothing', () => {
  const refuses = () => {
    throw new Error('no')
  }
  for (const storage of [null, { length: 1, key: refuses, getItem: refuses, setItem: refuses, removeItem: refuses }]) {
    const outbox = new Outbox(storage, null, () => {})
    outbox.belongTo(1)
    outbox.add('a', 's', 'text')
    outbox.refresh()
    expect(outbox.all()).toHaveLength(1)
  }
})
