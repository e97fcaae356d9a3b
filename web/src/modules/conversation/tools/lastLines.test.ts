import { expect, it } from 'vitest'
import { lastLines } from './lastLines'

it('shows the end of a long text', () => {
  expect(lastLines('one\ntwo\n', 2, false)).toBe('one\ntwo')
  expect(lastLines('one\ntwo\nthree\n', 2, false)).toBe('…\ntwo\nthree')
  expect(lastLines('e\ntwo\nthree\n', 5, true)).toBe('…\ntwo\nthree')
  expect(lastLines('half a line', 5, true)).toBe('…\nhalf a line')
  expect(lastLines('', 5, false)).toBe('')
})

it('shows of a progress bar where it is', () => {
  expect(lastLines('get\r\n 10 %\r 20 %\r 30 %', 5, false)).toBe('get\n 30 %')
  expect(lastLines(' 10 %\r 20 %\r\nrest', 5, false)).toBe(' 20 %\nrest')
  expect(lastLines(' 10 %\r 20 %\r', 5, false)).toBe(' 20 %')
})
