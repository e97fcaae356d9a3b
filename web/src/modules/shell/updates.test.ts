import { describe, expect, it } from 'vitest'
import { Updates, type Container, type Registration, type Worker } from './updates'

class FakeWorker extends EventTarget implements Worker {
  state = 'installing'
  readonly said: unknown[] = []
  postMessage(m: unknown) {
    this.said.push(m)
  }
  become(state: string) {
    this.state = state
    this.dispatchEvent(new Event('statechange'))
  }
}

class FakeRegistration extends EventTarget implements Registration {
  installing: FakeWorker | null = null
  waiting: FakeWorker | null = null
  updates = 0
  update() {
    this.updates++
    return Promise.resolve()
  }
  /** A new version is found and fetched. */
  arrive(): FakeWorker {
    const worker = (this.installing = new FakeWorker())
    this.dispatchEvent(new Event('updatefound'))
    this.installing = null
    this.waiting = worker
    worker.become('installed')
    return worker
  }
}

class FakeContainer extends EventTarget implements Container {
  constructor(public controller: unknown, readonly registration: FakeRegistration) {
    super()
  }
  register() {
    return Promise.resolve(this.registration)
  }
  change() {
    this.controller = {}
    this.dispatchEvent(new Event('controllerchange'))
  }
}

async function setup(controller: unknown = {}) {
  const registration = new FakeRegistration()
  const container = new FakeContainer(controller, registration)
  const t = { reloads: 0, now: 0, told: 0, container, registration }
  const updates = new Updates(container, () => t.reloads++, () => t.now)
  updates.subscribe(() => t.told++)
  await updates.start('/worker.js')
  return Object.assign(t, { updates })
}

describe('a new version of the page', () => {
  it('waits until somebody takes it, and then reloads once', async () => {
    const t = await setup()
    const worker = t.registration.arrive()
    expect(t.updates.get()).toBe(true)
    expect(t.told).toBe(1)
    expect([t.reloads, worker.said]).toEqual([0, []])
    t.updates.take()
    expect([t.reloads, worker.said]).toEqual([0, [{ type: 'activate' }]]) // not before it is there
    t.container.change()
    t.container.change()
    expect(t.reloads).toBe(1)
  })

  it('that another tab takes reloads this one too', async () => {
    const t = await setup()
    t.registration.arrive()
    t.container.change()
    expect(t.reloads).toBe(1)
  })

  it('is told that was there before the page', async () => {
    const registration = new FakeRegistration()
    registration.waiting = new FakeWorker()
    const updates = new Updates(new FakeContainer({}, registration), () => {})
    await updates.start('/worker.js')
    expect(updates.get()).toBe(true)
  })

  it('is no news for a page that has its first worker', async () => {
    const t = await setup(null)
    t.registration.arrive()
    expect(t.updates.get()).toBe(false)
    t.container.change() // the first worker takes the page over
    expect(t.reloads).toBe(0)
    t.registration.arrive()
    expect(t.updates.get()).toBe(true)
    t.container.change()
    expect(t.reloads).toBe(1)
  })

  it('is looked for now and then, not at every glance', async () => {
    const t = await setup()
    for (const now of [1_000, 59_000, 61_000, 62_000, 130_000]) {
      t.now = now
      await t.updates.check()
    }
    expect(t.registration.updates).toBe(2)
  })

  it('is not needed to load the page anew', async () => {
    const t = await setup()
    t.updates.take()
    expect(t.reloads).toBe(1)
  })
})
