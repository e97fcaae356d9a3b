import { expect, it } from 'vitest'
import { patchOf, patchOfNew, patchOfResult } from './diff'

it('finds what changed between two texts', () => {
  expect(patchOf('one\ntwo\nthree\n', 'one\nTWO\nthree\n')).toEqual({ hunks: [{ oldStart: 1, newStart: 1, lines: [' one', '-two', '+TWO', ' three'] }], added: 1, removed: 1 })
})

it('takes a new file as all added', () => {
  expect(patchOfNew('a\nb\n')).toMatchObject({ added: 2, removed: 0 })
  expect(patchOfNew('')).toMatchObject({ added: 0 })
})

it('reads the patch of a result, and nothing from nonsense', () => {
  expect(patchOfResult([{ oldStart: 3, newStart: 3, lines: ['-a', '+b', '\\ No newline at end of file'] }])).toEqual({ hunks: [{ oldStart: 3, newStart: 3, lines: ['-a', '+b'] }], added: 1, removed: 1 })
  expect(patchOfResult([])).toBeNull()
  expect(patchOfResult('x')).toBeNull()
})
