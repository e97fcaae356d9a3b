import type { Account } from '@/api/wire'
import { comparing } from '@/i18n/byName'

/** What the list of users goes by; as it comes it is by the accounts' age. */
export type By = 'age' | 'name' | 'today' | 'month'
export interface Order {
  by: By
  down: boolean
}

/** As people look for it first: names from A, use from the most. */
export const orderBy = (by: By): Order => ({ by, down: by === 'today' || by === 'month' })

/** What another press on a column's head does. */
export const turned = (order: Order, by: By): Order => (order.by === by ? { by, down: !order.down } : orderBy(by))

/** How a column says that it is sorted. */
export const sortedBy = (order: Order, by: By): 'ascending' | 'descending' | undefined => (order.by !== by ? undefined : order.down ? 'descending' : 'ascending')

export function inOrder(users: readonly Account[], { by, down }: Order): Account[] {
  const compare = comparing()
  const name = (a: Account, b: Account) => compare(a.username, b.username)
  const use = (u: Account) => (by === 'today' ? u.usage.tokens_today : by === 'month' ? u.usage.tokens_this_month : u.id)
  const less = by === 'name' ? name : (a: Account, b: Account) => use(a) - use(b)
  return users.toSorted((a, b) => (down ? -less(a, b) : less(a, b)) || name(a, b)) // equal use is in the order of names either way
}
