import { expect, it } from 'vitest'
import { suggested } from './password'

it('suggests a password of four groups, each time another', () => {
  const some = Array.from({ length: 50 }, suggested)
  for (const p of some) expect(p).toMatch(/^([a-km-z2-9]{4}-){3}[a-km-z2-9]{4}$/)
  expect(some.join('')).not.toMatch(/[lo01]/)
  expect(new Set(some).size).toBe(50)
})
