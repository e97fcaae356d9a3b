import { expect, it } from 'vitest'
import { pieces } from './found'

it('cuts a text at the words looked for', () => {
  expect(pieces('The Retry of a retrying fetch', 'retry fetch')).toEqual(['The ', 'Retry', ' of a ', 'retry', 'ing ', 'fetch', ''])
  expect(pieces('整理实验报告', '实验')).toEqual(['整理', '实验', '报告'])
  expect(pieces('as it is', '')).toEqual(['as it is'])
})

it('takes what stands between quotes whole, and signs as they are', () => {
  expect(pieces('a list of two, two of a list', '"two of"')).toEqual(['a list of two, ', 'two of', ' a list'])
  expect(pieces('f(x) = [a-b] / \\d {2}', '[a-b] f(x) \\d {2} /')).toEqual(['', 'f(x)', ' = ', '[a-b]', ' ', '/', ' ', '\\d', ' ', '{2}', ''])
})
