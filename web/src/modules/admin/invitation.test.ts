import { expect, it } from 'vitest'
import { standingOf } from './invitation'

it('is used for ever, else open until it ends', () => {
  const ends = '2026-03-01T12:00:00Z'
  const at = Date.parse(ends)
  expect(standingOf({ used_at: null, expires_at: ends }, at - 1)).toBe('open')
  expect(standingOf({ used_at: null, expires_at: ends }, at)).toBe('expired')
  expect(standingOf({ used_at: '2026-02-01T00:00:00Z', expires_at: ends }, at + 1)).toBe('used')
})
