import { expect, test } from 'vitest'
import type { Account } from '@/api/wire'
import { inOrder, orderBy, sortedBy, turned } from './userOrder'

const user = (id: number, username: string, tokens_today: number, tokens_this_month: number) => ({ id, username, usage: { tokens_today, tokens_this_month } }) as Account
const users = [user(1, 'zoe', 5, 50), user(2, 'user10', 0, 900), user(3, 'user2', 5, 0)]
const names = (...by: Parameters<typeof inOrder>[1][]) => inOrder(users, by[0]!).map((u) => u.username)

test('use goes from the most, equals by name either way', () => {
  expect(names(orderBy('today'))).toEqual(['user2', 'zoe', 'user10'])
  expect(names({ by: 'today', down: false })).toEqual(['user10', 'user2', 'zoe'])
  expect(names(orderBy('month'))).toEqual(['user10', 'zoe', 'user2'])
})

test('names go as people count; the list begins by age', () => {
  expect(names(orderBy('name'))).toEqual(['user2', 'user10', 'zoe'])
  expect(names(orderBy('age'))).toEqual(['zoe', 'user10', 'user2'])
})

test('what is not known is last either way', () => {
  const some = [
    { id: 1, username: 'ana', last_seen_at: null, usage: { cost_usd: 0, storage_bytes: 5 } },
    { id: 2, username: 'bo', last_seen_at: '2026-11-24T10:00:00Z', usage: { cost_usd: 2.5, storage_bytes: null } },
    { id: 3, username: 'chen', last_seen_at: '2026-11-24T10:00:00.5Z', usage: { cost_usd: 0.5, storage_bytes: 9 } },
    { id: 4, username: 'al', last_seen_at: null, usage: { cost_usd: 0, storage_bytes: null } },
  ] as Account[]
  const order = (by: Parameters<typeof orderBy>[0], down = orderBy(by).down) => inOrder(some, { by, down }).map((u) => u.username).join(' ')
  expect(order('seen')).toBe('chen bo al ana')
  expect(order('seen', false)).toBe('bo chen al ana')
  expect(order('storage')).toBe('chen ana al bo')
  expect(order('storage', false)).toBe('ana chen al bo')
  expect(order('cost')).toBe('bo chen al ana')
})

test('a second press on a head turns it round, another head begins anew, and each says so', () => {
  const once = turned(orderBy('age'), 'month')
  expect(sortedBy(once, 'month')).toBe('descending')
  expect(sortedBy(turned(once, 'month'), 'month')).toBe('ascending')
  expect(sortedBy(turned(once, 'name'), 'name')).toBe('ascending')
  expect(sortedBy(once, 'today')).toBeUndefined()
})
