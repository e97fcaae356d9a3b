import { expect, it, vi } from 'vitest'

it('lets single keys act until they are turned off, on this device', async () => {
  const stored = new Map<string, string>()
  vi.stubGlobal('localStorage', { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => stored.set(k, v), removeItem: (k: string) => stored.delete(k) })
  const anew = () => (vi.resetModules(), import('./singleKeys'))
  const press = { ctrlKey: false, metaKey: false, altKey: false, isComposing: false, defaultPrevented: false }
  const { actsAlone, setSingleKeys } = await anew()
  expect([actsAlone(press), actsAlone({ ...press, ctrlKey: true }), actsAlone({ ...press, isComposing: true })]).toEqual([true, false, false])
  setSingleKeys(false)
  expect(actsAlone(press)).toBe(false)
  const reloaded = await anew()
  expect(reloaded.actsAlone(press)).toBe(false)
  reloaded.setSingleKeys(true)
  expect([reloaded.actsAlone(press), stored.size]).toEqual([true, 0])
  vi.unstubAllGlobals()
})
