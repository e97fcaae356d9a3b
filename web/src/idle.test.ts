import { beforeEach, expect, it, vi } from 'vitest'

type Name = 'onBeforeLoad' | 'onResolved'

/** A router that says what it is told to say, and a browser that is idle when it is told so. */
async function setup() {
  const heard: Partial<Record<Name, () => void>> = {}
  const calls: (() => void)[] = []
  vi.stubGlobal('window', { requestIdleCallback: true })
  vi.stubGlobal('requestIdleCallback', (f: () => void) => calls.push(f))
  vi.resetModules()
  const { followViews, whenIdle } = await import('./idle')
  followViews({ subscribe: (name, f) => ((heard[name] = f), () => {}) })
  return { whenIdle, say: (name: Name) => heard[name]!(), idle: () => calls.splice(0).forEach((f) => f()) }
}

beforeEach(() => () => vi.unstubAllGlobals())

it('keeps what nobody waits for until the first view is drawn and the page has nothing to do', async () => {
  const t = await setup()
  const f = vi.fn()
  t.whenIdle(f)
  t.idle()
  expect(f).not.toHaveBeenCalled()
  t.say('onResolved')
  expect(f).not.toHaveBeenCalled()
  t.idle()
  expect(f).toHaveBeenCalledOnce()
  t.say('onResolved')
  t.idle()
  expect(f).toHaveBeenCalledOnce()
})

it('gives way to the next view, even at the last moment', async () => {
  const t = await setup()
  t.say('onResolved')
  const f = vi.fn()
  t.whenIdle(f)
  t.say('onBeforeLoad')
  t.idle()
  expect(f).not.toHaveBeenCalled()
  t.say('onResolved')
  t.idle()
  expect(f).toHaveBeenCalledOnce()
})
