import { describe, expect, test } from 'vitest'
import { nearest, path, summary, ticks } from './scale'

describe('ticks', () => {
  test('are round and reach the largest value', () => {
    expect(ticks(0.25)).toEqual([0, 0.1, 0.2, 0.3])
    expect(ticks(7)).toEqual([0, 5, 10])
    expect(ticks(100)).toEqual([0, 50, 100])
    expect(ticks(0)).toEqual([0, 1])
  })
  test('of bytes are whole units', () => {
    expect(ticks(2 * 2 ** 30, true)).toEqual([0, 1 * 2 ** 30, 2 * 2 ** 30])
    expect(ticks(700 * 2 ** 20, true)).toEqual([0, 256 * 2 ** 20, 512 * 2 ** 20, 768 * 2 ** 20])
  })
  test('reach any value, and are few', () => {
    for (let n = 0.001; n < 1e13; n *= 1.7)
      for (const inBytes of [false, true]) {
        const t = ticks(n, inBytes)
        expect(t.at(-1)).toBeGreaterThanOrEqual(n * 0.999999)
        expect(t.length).toBeLessThanOrEqual(5)
      }
  })
})

describe('path', () => {
  test('lifts the pen at a gap, and shows a value alone', () => {
    expect(path([0, 10, null, 5], 10, 30, 10)).toBe('M0.0 10.0L10.0 0.0M30.0 5.0h0')
    expect(path([null, null], 10, 30, 10)).toBe('')
  })
})

test('a summary has last, least and most, and says when the last is not known', () => {
  expect(summary([3, null, 1, 2])).toEqual({ last: 2, min: 1, max: 3 })
  expect(summary([3, null, null])).toEqual({ last: null, min: 3, max: 3 })
  expect(summary([null])).toBeNull()
})

test('the nearest is one that was measured', () => {
  expect(nearest([1, null, null, null, 2], 3)).toBe(4)
  expect(nearest([1, null, null], 2)).toBe(0)
  expect(nearest([null], 0)).toBe(-1)
})
