import { describe, expect, it } from 'vitest'
import { FakeClock } from './fake'
import { onWake } from './wake'

function setup() {
  const clock = new FakeClock()
  const document = Object.assign(new EventTarget(), { hidden: false })
  const window = new EventTarget()
  const network = new EventTarget()
  const woken: boolean[] = []
  const off = onWake((left) => woken.push(left), { document, window, network, clock })
  return { clock, document, window, network, off, taken: () => woken.splice(0) }
}

describe('a page that was away', () => {
  it('wakes when it is looked at again, and when the network may be another', () => {
    const t = setup()
    for (const [target, type] of [[t.document, 'visibilitychange'], [t.document, 'resume'], [t.window, 'focus'], [t.window, 'pageshow'], [t.window, 'offline'], [t.network, 'change']] as const) {
      target.dispatchEvent(new Event(type))
      expect(t.taken(), type).toEqual([false])
    }
  })

  it('has left its network when the browser was offline', () => {
    const t = setup()
    t.document.hidden = true
    t.window.dispatchEvent(new Event('online'))
    expect(t.taken()).toEqual([true])
  })

  it('wakes when the clock leapt, though nothing else says so', () => {
    const t = setup()
    t.clock.pass(100_000)
    expect(t.taken()).toEqual([])
    t.clock.sleep(600_000)
    t.clock.pass(1_000)
    expect(t.taken()).toEqual([false])
    t.clock.pass(100_000)
    expect(t.taken()).toEqual([])
  })

  it('sleeps on while nobody sees it, and where it is not told any more', () => {
    const t = setup()
    t.document.hidden = true
    t.document.dispatchEvent(new Event('visibilitychange'))
    t.clock.sleep(600_000)
    t.clock.pass(1_000)
    t.document.hidden = false
    t.off()
    t.window.dispatchEvent(new Event('focus'))
    t.window.dispatchEvent(new Event('online'))
    t.clock.sleep(600_000)
    t.clock.pass(1_000)
    expect(t.taken()).toEqual([])
  })
})
