import { expect, it } from 'vitest'
import { fixture, play } from '@/conversation/fixture'
import { changesOf } from './changes'

it('adds up what was changed in each file', () => {
  const { s } = play(fixture('13a-write-edit-read'))
  const [file, ...rest] = changesOf(s.rows)
  expect(rest).toEqual([])
  expect(file!.path).toBe('/home/alice/projects/demo/e.txt')
  expect(file!.added).toBeGreaterThanOrEqual(6)
  expect(file!.removed).toBeGreaterThanOrEqual(2)
})

it('leaves out what failed', () => {
  expect(changesOf(play(fixture('13c-edit-fails')).s.rows)).toEqual([])
})
