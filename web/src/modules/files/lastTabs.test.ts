import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => vi.unstubAllGlobals())

it('keeps the tabs of one user over a reload of this browser tab, until there are none or somebody signs out', async () => {
  const stored = new Map<string, string>()
  vi.stubGlobal('sessionStorage', { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => stored.set(k, v), removeItem: (k: string) => stored.delete(k) })
  const anew = () => (vi.resetModules(), import('./lastTabs'))
  const first = await anew()
  expect(first.lastTabs(1)).toEqual([])
  first.keepTabs(1, ['a.txt', 'b.txt'])
  expect(first.lastTabs(1)).toBe(first.lastTabs(1)) // the same until it changes
  const again = await anew()
  expect([again.lastTabs(1), again.lastTabs(2)]).toEqual([['a.txt', 'b.txt'], []])
  again.keepTabs(1, [])
  expect((await anew()).lastTabs(1)).toEqual([])
  again.keepTabs(1, ['c.txt'])
  again.forgetTabs(1)
  expect([again.lastTabs(1), stored.size]).toEqual([[], 0])
  stored.set('carrel.files.tabs.1', '{"nonsense"')
  expect((await anew()).lastTabs(1)).toEqual([])
})
