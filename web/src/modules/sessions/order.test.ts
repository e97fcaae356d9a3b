import { expect, it } from 'vitest'
import type { Session } from '@/api/wire'
import { grouped, lightOfState } from './order'

const session = (id: string, state: string, at: string) => ({ id, state, last_activity_at: at }) as Session

it('puts first what waits for a person, and the last used first in each group', () => {
  const list = [session('a', 'dormant', '2026-01-03'), session('b', 'running', '2026-01-01'), session('c', 'waiting', '2026-01-01'), session('d', 'ready', '2026-01-04'), session('e', 'running', '2026-01-02'), session('f', 'later', '2026-01-01')]
  expect(grouped(list).map((g) => [g.group, g.sessions.map((s) => s.id)])).toEqual([
    ['waiting', ['c']],
    ['running', ['e', 'b']],
    ['earlier', ['d', 'a', 'f']],
  ])
})

it('has a lamp for a state that it does not know', () => {
  expect(lightOfState('later')).toBe('dormant')
  expect(lightOfState('waiting')).toBe('waiting')
})
