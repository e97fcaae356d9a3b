import type { Account } from '@/api/wire'
import { comparing } from '@/i18n/byName'

/** What the list of users goes by; as it comes it is by the accounts' age. */
export type By = 'age' | 'name' | 'seen' | 'today' | 'month' | 'cost' | 'storage'
export interface Order {
  by: By
  down: boolean
}

/** As people look for it first: names from A, use from the most, who was here from the last. */
export const orderBy = (by: By): Order => ({ by, down: by !== 'age' && by !== 'name' })

/** What another press on a column's head does. */
export const turned = (order: Order, by: By): Order => (order.by === by ? { by, down: !order.down } : orderBy(by))

/** How a column says that it is sorted. */
export const sortedBy = (order: Order, by: By): 'ascending' | 'descending' | undefined => (order.by !== by ? undefined : order.down ? 'descending' : 'ascending')

export function inOrder(users: readonly Account[], { by, down }: Order): Account[] {
  const compare = comparing()
  const name = (a: Account, b: Account) => compare(a.username, b.username)
  const order = (a: Account, b: Account) => {
    if (by === 'name') return down ? name(b, a) : name(a, b)
    const [x, y] = [figure(a, by), figure(b, by)]
    // What is not known is last either way, and what is equal in the order of names.
    if (x === null || y === null) return Number(x === null) - Number(y === null) || name(a, b)
    return (down ? y - x : x - y) || name(a, b)
  }
  return users.toSorted(order)
}

function figure(u: Account, by: Exclude<By, 'name'>): number | null {
  switch (by) {
    case 'age':
      return u.id
    case 'seen':
      return u.last_seen_at === null ? null : Date.parse(u.last_seen_at)
    case 'today':
      return u.usage.tokens_today
    case 'month':
      return u.usage.tokens_this_month
    case 'cost':
      return u.usage.cost_usd
    case 'storage':
      return u.usage.storage_bytes
  }
}
