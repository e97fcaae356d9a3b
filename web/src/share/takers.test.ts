import { expect, it } from 'vitest'
import type { Session } from '@/api/wire'
import { takers } from './takers'

it('offers the last used sessions, and none that is outside of all projects', () => {
  const sessions = Array.from({ length: 12 }, (_, n) => ({ id: `${n}`, project: n === 11 ? '' : 'x', last_activity_at: `2026-01-${10 + n}` }) as Session)
  expect(takers(sessions).map((s) => s.id)).toEqual(['10', '9', '8', '7', '6', '5', '4', '3'])
})
