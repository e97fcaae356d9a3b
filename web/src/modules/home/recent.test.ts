import { expect, it } from 'vitest'
import { recent } from './recent'

const project = (name: string, modified_at: string) => ({ name, modified_at, created_at: '2026-01-01T00:00:00Z', path: `projects/${name}` })

it('orders projects by their last session or change', () => {
  const list = recent(
    [project('still', '2026-01-01T00:00:00Z'), project('changed', '2026-01-03T00:00:00Z'), project('talked', '2026-01-02T00:00:00Z')],
    [
      { project: 'talked', last_activity_at: '2026-01-04T00:00:00Z' },
      { project: 'talked', last_activity_at: '2026-01-02T12:00:00Z' },
      { project: 'gone', last_activity_at: '2026-01-09T00:00:00Z' },
    ],
  )
  expect(list.map((p) => [p.project.name, p.at.slice(0, 10)])).toEqual([
    ['talked', '2026-01-04'],
    ['changed', '2026-01-03'],
    ['still', '2026-01-01'],
  ])
})
