import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { hold, said, toast } from './Toasts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.runAllTimers()
  vi.useRealTimers()
})

const texts = () => said().map((t) => t.text)

it('keeps a toast while somebody points at it or has the focus in it', () => {
  toast('held')
  toast('left')
  const { id } = said()[0]!
  hold(id, 'pointer', true)
  hold(id, 'focus', true)
  vi.advanceTimersByTime(60_000)
  expect(texts()).toEqual(['held'])
  hold(id, 'pointer', false)
  vi.advanceTimersByTime(60_000)
  expect(texts()).toEqual(['held'])
  hold(id, 'focus', false)
  vi.advanceTimersByTime(11_000)
  expect(texts()).toEqual(['held'])
  vi.advanceTimersByTime(2_000)
  expect(texts()).toEqual([])
  hold(id, 'focus', false) // the focus leaves what is gone
  expect(texts()).toEqual([])
})

it('shows the last three', () => {
  for (const t of ['a', 'b', 'c', 'd']) toast(t)
  expect(texts()).toEqual(['b', 'c', 'd'])
})
