import { describe, expect, it, vi } from 'vitest'
import type { KeptUpload } from '@/offline/kept'
import type { Listener, Wish } from './send'
import { Uploads, type Desk } from './uploads'

const file = (name: string, size = 9, lastModified = 1) => ({ name, size, lastModified }) as File

/** A browser: what it keeps, which tabs of it live, and what was asked of the server. */
function browser() {
  const held = new Map<string, KeptUpload>()
  const alive = new Set<string>()
  const sent: { wish: Wish; on: Listener; stopped: boolean }[] = []
  const ended: string[] = []
  const gone: { tab: string; done: () => void }[] = []
  const has = new Map<string, number>()
  const there = new Map<string, number>()
  const opens = { answer: 'refused' as File | 'refused' | 'gone', asked: 0 }
  const desk = (mine: string): Desk => ({
    kept: {
      keepUploads: (all) => Promise.resolve(all.forEach((u) => held.set(u.id, u))),
      dropUploads: (ids) => Promise.resolve(ids.forEach((id) => held.delete(id))),
      uploads: () => Promise.resolve([...held.values()]),
    },
    tabs: {
      mine,
      hold: () => Promise.resolve(void alive.add(mine)),
      others: () => Promise.resolve(new Set([...alive].filter((t) => t !== mine))),
      gone: (tab) => new Promise((done) => gone.push({ tab, done })),
      alone: (act) => act(),
    },
    server: {
      send: (wish, on) => {
        const one = { wish, on, stopped: false }
        sent.push(one)
        return () => void (one.stopped = true)
      },
      end: (url) => Promise.resolve(void ended.push(url)),
      reached: (url) => Promise.resolve(has.get(url) ?? 'gone'),
      arrived: (path, size) => Promise.resolve(there.get(path) === size),
    },
    open: (_, ask) => {
      if (ask) opens.asked++
      return Promise.resolve(opens.answer)
    },
  })
  return { held, alive, sent, ended, gone, has, there, opens, tab: (name: string) => new Uploads(desk(name)) }
}

/** A tab that died when the server had three bytes of nine. */
async function cut(b: ReturnType<typeof browser>, origin?: KeptUpload['origin']) {
  const before = b.tab('before')
  await before.add([{ file: file('report.zip'), path: 'uploads/report.zip', origin }])
  b.sent[0]!.on.onUrl('/u/1')
  b.sent[0]!.on.onPiece(2)
  b.alive.delete('before')
  b.has.set('/u/1', 3)
}

async function looked(u: Uploads) {
  await u.look()
  await vi.waitFor(() => expect(u.get()[0]?.sent).toBe(3))
}

describe('an upload that a page did not live to finish', () => {
  it('is shown with what the server has, and goes on from there', async () => {
    const b = browser()
    await cut(b)
    const u = b.tab('after')
    await looked(u)
    expect(u.get()).toMatchObject([{ path: 'uploads/report.zip', size: 9, sent: 3, state: 'left', known: false }])
    expect(u.losing).toBe(false)
    await u.choose(u.get()[0]!.id, { file: file('report.zip') })
    expect(b.sent[1]!.wish).toMatchObject({ path: 'uploads/report.zip', url: '/u/1' })
    expect(u.losing).toBe(true)
    b.sent[1]!.on.onDone()
    expect(u.get()).toMatchObject([{ state: 'done', sent: 9 }])
    expect(b.held.size).toBe(0)
  })

  it('takes no other file for its own', async () => {
    const b = browser()
    await cut(b)
    const u = b.tab('after')
    await looked(u)
    const { id } = u.get()[0]!
    for (const [other, wrong] of [[file('other.zip'), 'name'], [file('report.zip', 8), 'size'], [file('report.zip', 9, 2), 'changed']] as const) {
      await u.choose(id, { file: other })
      expect(u.get()).toMatchObject([{ state: 'left', sent: 3, wrong }])
    }
    expect(b.sent).toHaveLength(1)
    expect(b.held.get(id)).toMatchObject({ url: '/u/1', tab: 'before' })
  })

  it('goes on when the same file is added as any other', async () => {
    const b = browser()
    await cut(b)
    const u = b.tab('after')
    await u.add([{ file: file('report.zip'), path: 'uploads/report.zip' }, { file: file('new.txt'), path: 'uploads/new.txt' }])
    expect(b.sent.slice(1).map((s) => [s.wish.path, s.wish.url])).toEqual([['uploads/new.txt', undefined], ['uploads/report.zip', '/u/1']])
  })

  it('is forgotten here and ended on the server', async () => {
    const b = browser()
    await cut(b)
    const u = b.tab('after')
    await looked(u)
    u.cancel(u.get()[0]!.id)
    expect([u.get(), b.ended, b.held.size]).toEqual([[], ['/u/1'], 0])
  })

  it('begins anew, and says so, when the server has it no more', async () => {
    const b = browser()
    await cut(b)
    b.has.clear()
    const u = b.tab('after')
    await u.look()
    await vi.waitFor(() => expect(u.get()).toMatchObject([{ state: 'left', sent: 0, anew: true }]))
    await u.choose(u.get()[0]!.id, { file: file('report.zip') })
    expect(b.sent[1]!.wish.url).toBeUndefined()
  })

  it('begins anew once when it is lost on the way, and not for ever', async () => {
    const b = browser()
    const u = b.tab('one')
    await u.add([{ file: file('a'), path: 'a' }])
    const lose = () => {
      b.sent.at(-1)!.on.onUrl(`/u/${b.sent.length}`)
      b.sent.at(-1)!.on.onTrouble({ kind: 'gone', code: 'not_found', detail: 'no such upload' })
    }
    lose()
    await vi.waitFor(() => expect(b.sent).toHaveLength(2))
    expect(b.sent[1]!.wish.url).toBeUndefined()
    lose()
    await vi.waitFor(() => expect(u.get()).toMatchObject([{ state: 'failed', detail: 'no such upload' }]))
    expect(b.sent).toHaveLength(2)
  })

  it('is done when its last byte came while nobody listened', async () => {
    const b = browser()
    await cut(b)
    b.has.clear()
    b.there.set('uploads/report.zip', 9)
    const u = b.tab('after')
    await u.look()
    await vi.waitFor(() => expect(u.get()).toMatchObject([{ state: 'done' }]))
    expect(b.held.size).toBe(0)
  })

  it('is another tab\'s while that lives', async () => {
    const b = browser()
    await cut(b)
    b.alive.add('before')
    const u = b.tab('after')
    await u.look()
    expect(u.get()).toEqual([])
    b.alive.delete('before')
    b.gone.find((g) => g.tab === 'before')!.done()
    await vi.waitFor(() => expect(u.get()).toHaveLength(1))
    // Two tabs show it; one takes it.
    const other = b.tab('other')
    await other.look()
    const { id } = u.get()[0]!
    await other.choose(id, { file: file('report.zip') })
    await u.choose(id, { file: file('report.zip') })
    expect(u.get()).toEqual([])
    expect(b.sent).toHaveLength(2)
  })

  it('goes on by itself, or after a question, where the browser can open the file', async () => {
    const origin = { handle: {} as FileSystemHandle, within: '' }
    const b = browser()
    await cut(b, origin)
    const u = b.tab('after')
    await looked(u)
    expect(u.get()).toMatchObject([{ state: 'left', known: true }])
    expect(b.opens.asked).toBe(0)
    b.opens.answer = file('report.zip')
    await u.goOn(u.get()[0]!.id)
    expect(b.opens.asked).toBe(1)
    expect(u.get()).toMatchObject([{ state: 'sending' }])
    expect(u.losing).toBe(false) // nobody has to choose anything again
    b.alive.delete('after')
    const later = b.tab('later')
    await later.look()
    await vi.waitFor(() => expect(later.get()).toMatchObject([{ state: 'sending' }]))
    b.alive.delete('later')
    b.opens.answer = 'gone'
    const last = b.tab('last')
    await last.look()
    await vi.waitFor(() => expect(last.get()).toMatchObject([{ state: 'left', known: false, wrong: 'gone' }]))
  })
})

it('goes on with a folder from the folder, and leaves what was done', async () => {
  const b = browser()
  const names = ['box/a.txt', 'box/in/a.txt', 'box/b.txt', 'box/c.txt']
  const before = b.tab('before')
  await before.add(names.map((n) => ({ file: file(n.split('/').at(-1)!), path: `uploads/${n}` })))
  b.sent[0]!.on.onDone()
  b.alive.delete('before')
  const u = b.tab('after')
  await u.look()
  expect(u.get().map((x) => x.path)).toEqual(names.slice(1).map((n) => `uploads/${n}`))
  expect(await u.chooseAll([{ file: file('x'), path: 'x' }])).toBe(0)
  expect(await u.chooseAll(names.map((n) => ({ file: file(n.split('/').at(-1)!), path: n })))).toBe(3)
  expect(u.get().map((x) => x.state)).toEqual(['sending', 'sending', 'sending'])
})

it('stops when nobody is signed in any more', async () => {
  const b = browser()
  const u = b.tab('one')
  await u.add([{ file: file('a'), path: 'a' }])
  u.stop()
  expect([u.get(), b.sent[0]!.stopped, u.losing]).toEqual([[], true, false])
})
