import { expect, it } from 'vitest'
import { choicesOf } from './onTheWay'

const failed = (code: string) => choicesOf({ status: 'failed', problem: { code, detail: '' }, free: true }, true)

it('a refused prompt can always be edited, and sent again where that can help', () => {
  expect(failed('budget_exceeded')).toEqual({ edit: true, drop: true, again: true })
  expect(failed('too_large')).toEqual({ edit: true, drop: true, again: false })
  expect(failed('pictures_lost')).toEqual({ edit: true, drop: true, again: false })
})

it('a prompt that waits for a connection can be taken back while the server has not got it', () => {
  expect(choicesOf({ status: 'sending', free: true }, false)).toEqual({ edit: true, drop: true, again: false })
  for (const [free, connected] of [[true, true], [false, false], [false, true]] as const) {
    expect(choicesOf({ status: 'sending', free }, connected)).toEqual({ edit: false, drop: false, again: false })
  }
  expect(choicesOf({ status: 'sent' }, false)).toEqual({ edit: false, drop: false, again: false })
})

it('nothing is edited whose pictures are still being brought back', () => {
  expect(choicesOf({ status: 'failed', problem: { code: 'too_large', detail: '' }, free: false }, true)).toEqual({ edit: false, drop: true, again: false })
})
