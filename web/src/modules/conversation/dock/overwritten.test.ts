import { expect, it } from 'vitest'
import { overwritten } from './overwritten'

it('says what of a file changes that is written anew', () => {
  const over = overwritten('one\ntwo\nthree\n', 'one\n2\nthree\n')!
  expect({ lines: over.lines, added: over.patch!.added, removed: over.patch!.removed }).toEqual({ lines: 3, added: 1, removed: 1 })
  expect(overwritten('one\ntwo', 'one\r\ntwo')!.patch).toEqual({ hunks: [], added: 0, removed: 0 })
  expect(overwritten('', 'new')).toBeNull()
  expect(overwritten(null, 'new')).toEqual({ lines: 0, patch: null })
})
