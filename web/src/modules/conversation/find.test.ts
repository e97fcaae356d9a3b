import { expect, it } from 'vitest'
import { asksToFind } from './useFind'

const within = (selector: string | null) => ({ closest: (all: string) => (selector !== null && all.includes(selector) ? {} : null) })
const press = { key: 'f', ctrlKey: true, metaKey: false, altKey: false, shiftKey: false, defaultPrevented: false, target: within(null) }

it('Ctrl F finds in the conversation; ⌘ F on a Mac, where Ctrl F moves the caret', () => {
  expect(asksToFind(press, false)).toBe(true)
  expect(asksToFind({ ...press, key: 'F' }, false)).toBe(true)
  expect(asksToFind({ ...press, target: null }, false)).toBe(true)
  expect(asksToFind(press, true)).toBe(false)
  expect(asksToFind({ ...press, ctrlKey: false, metaKey: true }, true)).toBe(true)
  expect(asksToFind({ ...press, ctrlKey: false, metaKey: true }, false)).toBe(false)
  expect(asksToFind({ ...press, shiftKey: true }, false)).toBe(false)
})

it('leaves the key to who has taken it, to terminals and to the editor', () => {
  expect(asksToFind({ ...press, defaultPrevented: true }, false)).toBe(false)
  expect(asksToFind({ ...press, target: within('.xterm') }, false)).toBe(false)
  expect(asksToFind({ ...press, target: within('.cm-editor') }, false)).toBe(false)
})
