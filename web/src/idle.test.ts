import { beforeEach, expect, it, vi } from 'vitest'

type Name = 'onBeforeLoad' | 'onResolved'

/** A router that says what it is told to say, and a browser that is idle when it is told so. */
async function setup() {
  const heard: Partial<Record<Name, () => void>> = {}
  const calls: (() => void)[] = []
  const frames: (() => void)[] = []
  const page = { hidden: false }
  vi.stubGlobal('document', page)
  vi.stubGlobal('window', { requestIdleCallback: true })
  vi.stubGlobal('requestAnimationFrame', (f: () => void) => frames.push(f))
  vi.stubGlobal('requestIdleCallback', (f: () => void) => calls.push(f))
  vi.resetModules()
  const { followViews, whenIdle } = await import('./idle')
  followViews({ subscribe: (name, f) => ((heard[name] = f), () => {}) })
  return { whenIdle, say: (name: Name) => heard[name]!(), frame: () => frames.splice(0).forEach((f) => f()), idle: () => calls.splice(0).forEach((f) => f()), page }
}

beforeEach(() => () => vi.unstubAllGlobals())

it('keeps what nobody waits for until the first view is drawn and the page has nothing to do', async () => {
  const t = await setup()
  const f = vi.fn()
  t.whenIdle(f)
  t.idle()
  expect(f).not.toHaveBeenCalled()
  t.say('onResolved')
  t.frame()
  t.idle()
  expect(f).not.toHaveBeenCalled() // drawn, not yet on the screen
  t.frame()
  expect(f).not.toHaveBeenCalled()
  t.idle()
  expect(f).toHaveBeenCalledOnce()
  t.say('onResolved')
  t.frame()
  t.frame()
  t.idle()
  expect(f).toHaveBeenCalledOnce()
})

it('waits for no frames in a page that nobody sees', async () => {
  const t = await setup()
  t.page.hidden = true
  t.say('onResolved')
  const f = vi.fn()
  t.whenIdle(f)
  t.idle()
  expect(f).toHaveBeenCalledOnce()
})

it('gives way to the next view, even at the last moment', async () => {
  const t = await setup()
  t.say('onResolved')
  const f = vi.fn()
  t.whenIdle(f)
  t.frame()
  t.frame()
  t.say('onBeforeLoad')
  t.idle()
  expect(f).not.toHaveBeenCalled()
  t.say('onResolved')
  t.frame()
  t.frame()
  t.idle()
  expect(f).toHaveBeenCalledOnce()
})
