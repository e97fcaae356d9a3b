import { expect, it } from 'vitest'
import { onceAtATime } from './mutation'

function asked() {
  const calls: { variables: unknown; done: () => void; fail: () => void }[] = []
  const ask = onceAtATime((variables: unknown) => new Promise<void>((done, fail) => calls.push({ variables, done, fail: () => fail(new Error('no')) })))
  return { calls, ask, all: () => calls.map((c) => c.variables) }
}
const settled = () => new Promise((r) => setTimeout(r))

it('is asked once by a double click', () => {
  const { ask, all } = asked()
  ask(undefined)
  ask(undefined)
  ask({ project: 'a' })
  ask({ project: 'a' })
  expect(all()).toEqual([undefined, { project: 'a' }])
})

it('is asked again once it is answered, well or not', async () => {
  const { ask, all, calls } = asked()
  ask(undefined)
  calls[0]!.done()
  await settled()
  ask(undefined)
  calls[1]!.fail()
  await settled()
  ask(undefined)
  expect(all()).toHaveLength(3)
})

it('takes a change of mind, and back, while the first is under way', async () => {
  const { ask, all, calls } = asked()
  ask({ on: true })
  ask({ on: false })
  calls[0]!.done()
  await settled()
  ask({ on: false })
  ask({ on: true })
  expect(all()).toEqual([{ on: true }, { on: false }, { on: true }])
})
