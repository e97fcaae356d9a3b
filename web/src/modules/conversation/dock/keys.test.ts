import { expect, it } from 'vitest'
import { choiceOf } from './useCardKeys'

const press = (key: string, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, repeat: false, isComposing: false, ...more })

it('allows, denies and picks an always by a key', () => {
  expect(choiceOf(press('a'), 0)).toBe('allow')
  expect(choiceOf(press('D'), 0)).toBe('deny')
  expect(choiceOf(press('1'), 2)).toBe(0)
  expect(choiceOf(press('2'), 2)).toBe(1)
  expect(choiceOf(press('3'), 2)).toBeUndefined()
  expect(choiceOf(press('0'), 2)).toBeUndefined()
  expect(choiceOf(press('Enter'), 2)).toBeUndefined()
})

it('leaves what belongs to the browser, a held key and an input method alone', () => {
  for (const more of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }, { repeat: true }, { isComposing: true }]) expect(choiceOf(press('a', more), 3)).toBeUndefined()
})
