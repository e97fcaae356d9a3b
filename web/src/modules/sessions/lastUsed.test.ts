import { expect, it } from 'vitest'
import { lastUsed } from './lastUsed'

const at = (day: number) => `2026-01-0${day}T00:00:00Z`
const project = (name: string) => ({ name, modified_at: at(1), created_at: at(1), path: `projects/${name}` })

it('puts the projects that were worked in last before the others, and none twice', () => {
  const sessions = ['f', 'e', 'd', 'c', 'b'].map((project, i) => ({ project, last_activity_at: at(i + 2) }))
  expect(lastUsed(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(project), sessions)).toEqual({ last: ['b', 'c', 'd', 'e', 'f'], others: ['a', 'g'] })
  expect(lastUsed(['a', 'b'].map(project), sessions)).toEqual({ last: ['b', 'a'], others: [] })
})
