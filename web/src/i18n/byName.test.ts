import { expect, it } from 'vitest'
import { byName } from './byName'

it('orders names as people count', () => {
  const names = byName(['project-10', 'Thesis', 'project-2', 'project-1', 'project-100', 'alpha'].map((name) => ({ name }))).map((p) => p.name)
  expect(names).toEqual(['alpha', 'project-1', 'project-2', 'project-10', 'project-100', 'Thesis'])
})
