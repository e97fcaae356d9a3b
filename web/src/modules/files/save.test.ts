import { QueryClient } from '@tanstack/react-query'
import { beforeEach, expect, it, vi } from 'vitest'
import { queries } from '@/api/queries'
import { Drafts } from './drafts'
import { moveDrafts } from './save'

const stored = new Map<string, string>()
beforeEach(() => {
  stored.clear()
  Object.assign(globalThis, { localStorage: { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => void stored.set(k, v), removeItem: (k: string) => void stored.delete(k) } })
})

it('takes edits along with their file, also below a folder, and back with an undo', async () => {
  const client = new QueryClient()
  const drafts = new Drafts(1)
  const mine = { text: 'mine', etag: '"1"' }
  for (const p of ['a/b.txt', 'a/c/d.txt', 'ab.txt']) drafts.set(p, mine)
  await moveDrafts(client, drafts, 'a', 'z/y')
  expect(['a/b.txt', 'a/c/d.txt', 'ab.txt', 'z/y/b.txt', 'z/y/c/d.txt'].map((p) => drafts.get(p))).toEqual([undefined, undefined, mine, mine, mine])
  await moveDrafts(client, drafts, 'ab.txt', 'temp/.trash/x/ab.txt')
  expect(drafts.size).toBe(2) // what a sign-out asks about
  drafts.flush()
  expect(stored.get('carrel.edits.1')).not.toContain('.trash')
  await moveDrafts(client, drafts, 'temp/.trash/x/ab.txt', 'ab.txt')
  await moveDrafts(client, drafts, 'ab.txt', 'ab.txt')
  expect(drafts.get('ab.txt')).toEqual(mine)
  drafts.drop('z')
  expect(drafts.size).toBe(1)
})

it('follows the version of a large file, which a move changes, unless its text is another', async () => {
  for (const [text, etag] of [['theirs', '"2"'], ['changed', '"1"']]) {
    const client = new QueryClient()
    const drafts = new Drafts(1)
    client.setQueryData(queries.fileText('a.txt').queryKey, { text: 'theirs', etag: '"1"', crlf: false })
    drafts.set('a.txt', { text: 'mine', etag: '"1"' })
    vi.spyOn(client, 'fetchQuery').mockResolvedValue({ text, etag: '"2"', crlf: false })
    await moveDrafts(client, drafts, 'a.txt', 'b.txt')
    expect(drafts.get('b.txt')).toEqual({ text: 'mine', etag })
  }
})
