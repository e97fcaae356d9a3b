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

test('a second press on a head turns it round, another head begins anew, and each says so', () => {
  const once = turned(orderBy('age'), 'month')
  expect(sortedBy(once, 'month')).toBe('descending')
  expect(sortedBy(turned(once, 'month'), 'month')).toBe('ascending')
  expect(sortedBy(turned(once, 'name'), 'name')).toBe('ascending')
  expect(sortedBy(once, 'today')).toBeUndefined()
})
