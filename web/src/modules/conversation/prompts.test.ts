import { expect, it } from 'vitest'
import type { TimelineRow } from '@/conversation/rows'
import { findPrompt, promptBeside } from './usePrompts'

const rows = (...keys: string[]) => keys.map((key) => ({ key, kind: key.startsWith('p') ? 'prompt' : 'text' }) as TimelineRow)

it('finds the prompt before and after a row', () => {
  const all = rows('p1', 't1', 't2', 'p2', 't3')
  expect(promptBeside(all, 5, -1)).toBe(3)
  expect(promptBeside(all, 3, -1)).toBe(0)
  expect(promptBeside(all, 0, -1)).toBe(-1)
  expect(promptBeside(all, 1, 1)).toBe(3)
  expect(promptBeside(all, 3, 1)).toBe(-1)
})

/** A conversation of which the last `known` rows are there, and one more page each time it is asked for. */
function paged(all: TimelineRow[], known: number, page: number) {
  let first = all.length - known
  let asked = 0
  return {
    view: () => ({ rows: all.slice(first), more: first > 0, first }),
    earlier: async () => {
      asked++
      first = Math.max(0, first - page)
    },
    asked: () => asked,
  }
}

it('fetches what came before until there is a prompt', async () => {
  const c = paged(rows('p1', 't1', 't2', 't3', 't4', 'p2', 't5'), 2, 2)
  expect(await findPrompt(c.view, c.earlier, undefined, -1)).toBe('p2')
  expect(c.asked()).toBe(0)
  expect(await findPrompt(c.view, c.earlier, 'p2', -1)).toBe('p1')
  expect(c.asked()).toBe(3)
  expect(await findPrompt(c.view, c.earlier, 'p1', -1)).toBeNull()
  expect(await findPrompt(c.view, c.earlier, 'p1', 1)).toBe('p2')
  expect(await findPrompt(c.view, c.earlier, 'p2', 1)).toBeNull()
  expect(c.asked()).toBe(3)
})

it('gives up where nothing comes', async () => {
  const c = paged(rows('p1', 't1'), 1, 1)
  let asked = 0
  expect(await findPrompt(c.view, async () => void asked++, undefined, -1)).toBeNull()
  expect(asked).toBe(1)
})
