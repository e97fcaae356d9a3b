import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { queries } from '@/api/queries'
import type { Account } from '@/api/wire'
import { Button } from '@/components/Button'
import { Loading } from '@/components/Empty'
import { Select } from '@/components/Field'
import { Icon } from '@/components/Icon'
import { Failure } from '@/components/Notice'
import { Meter } from '@/components/Meter'
import { Page } from '@/components/Page'
import { useNow } from '@/components/useNow'
import { ago, bytes, compact, money } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { AddUser } from '@/modules/admin/AddUser'
import { EditUser } from '@/modules/admin/EditUser'
import { Invite } from '@/modules/admin/Invite'
import { limitsOf } from '@/modules/admin/limits'
import { PeopleTabs } from '@/modules/admin/PeopleTabs'
import { inOrder, orderBy, sortedBy, turned, type By, type Order } from '@/modules/admin/userOrder'
import { roleName } from '@/modules/admin/words'

export function UsersPage() {
  const users = useQuery({ ...queries.users(), refetchInterval: 30_000 })
  const [adding, setAdding] = useState(false)
  const [inviting, setInviting] = useState(false)
  const [editing, setEditing] = useState<number | null>(null)
  const edited = users.data?.find((u) => u.id === editing)
  return (
    <Page
      title={m.users()}
      wide
      actions={
        <>
          <Button onClick={() => setInviting(true)}>{m.user_invite()}</Button>
          <Button look="primary" onClick={() => setAdding(true)}>
            {m.user_add()}
          </Button>
        </>
      }
    >
      <PeopleTabs />
      {users.error && !users.data ? (
        <Failure error={users.error} actions={<Button onClick={() => void users.refetch()}>{m.try_again()}</Button>} />
      ) : users.isPending ? (
        <Loading label={m.loading()} rows={5} />
      ) : (
        <UserTable users={users.data} onEdit={setEditing} />
      )}
      {inviting && <Invite onClose={() => setInviting(false)} />}
      {adding && <AddUser onClose={() => setAdding(false)} />}
      {edited && <EditUser user={edited} onClose={() => setEditing(null)} />}
    </Page>
  )
}

/** Heads to press where the columns have room for them; else the same in a menu. */
function UserTable({ users, onEdit }: { users: readonly Account[]; onEdit: (id: number) => void }) {
  const [order, setOrder] = useState<Order>(orderBy('age'))
  const head = (by: By, name: string) => (
    <span role="columnheader" aria-sort={sortedBy(order, by)}>
      <button type="button" className="inline-flex min-h-9 items-center gap-1 rounded-control text-start font-strong hover:text-content" onClick={() => setOrder(turned(order, by))}>
        {name}
        <Icon name="chevron" size={14} className={order.by !== by ? 'invisible' : order.down ? '' : 'rotate-180'} />
      </button>
    </span>
  )
  return (
    <div className="@container">
      <div className="mb-4 max-w-60 @5xl:hidden">
        <Select label={m.users_sort()} value={order.by} onChange={(e) => setOrder(orderBy(e.target.value as By))}>
          <option value="age">{m.users_sort_age()}</option>
          <option value="name">{m.username()}</option>
          <option value="seen">{m.users_seen()}</option>
          <option value="today">{m.tokens_used_today()}</option>
          <option value="month">{m.tokens_used_month()}</option>
          <option value="cost">{m.users_cost()}</option>
          <option value="storage">{m.quota_storage()}</option>
        </Select>
      </div>
      <div role="table" aria-label={m.users()} className="overflow-hidden rounded-card border">
        <div role="rowgroup" className="hidden border-b bg-page px-4 text-minor text-muted @5xl:block">
          <div role="row" className={columns}>
            {head('name', m.username())}
            {head('seen', m.users_seen())}
            {head('today', m.tokens_used_today())}
            {head('month', m.tokens_used_month())}
            {head('cost', m.users_cost())}
            {head('storage', m.quota_storage())}
            <span role="columnheader" className="sr-only">
              {m.user_edit()}
            </span>
          </div>
        </div>
        <div role="rowgroup">
          {inOrder(users, order).map((u) => (
            <UserLine key={u.id} user={u} onEdit={() => onEdit(u.id)} />
          ))}
        </div>
      </div>
    </div>
  )
}

const columns = '@5xl:grid @5xl:grid-cols-[minmax(0,1fr)_6rem_7.5rem_8.5rem_5.5rem_8.5rem_4rem] @5xl:items-center @5xl:gap-x-5'

function UserLine({ user, onEdit }: { user: Account; onEdit: () => void }) {
  const { quota, usage } = user
  const now = useNow()
  return (
    <div role="row" className={`relative min-h-14 border-t px-4 py-2 first:border-t-0 ${columns} ${user.active ? '' : 'text-muted'}`}>
      <div role="cell" className="min-w-0 pe-20 @5xl:pe-0">
        <p className="truncate font-strong">
          {user.username} {user.email && <span className="text-minor font-normal text-muted">{user.email}</span>}
        </p>
        <p className="text-minor">
          {user.active ? roleName(user.role) : m.user_inactive()} <span className="text-muted tabular">· {limitsOf(quota)}</span>
        </p>
      </div>
      <Figure name={m.users_seen()} value={user.last_seen_at && ago(user.last_seen_at, now)} />
      <Figure name={m.tokens_used_today()} value={usage.tokens_today} limit={quota.tokens_per_day} say={compact} />
      <Figure name={m.tokens_used_month()} value={usage.tokens_this_month} limit={quota.tokens_per_month} say={compact} />
      <Figure name={m.users_cost()} value={money(usage.cost_usd)} />
      <Figure name={m.quota_storage()} value={usage.storage_bytes} limit={quota.storage_bytes} say={bytes} />
      <div role="cell" className="absolute end-4 top-2 @5xl:static @5xl:text-end">
        <Button className="text-content" onClick={onEdit}>
          {m.user_edit()}
        </Button>
      </div>
    </div>
  )
}

/** Its name is the column's, where there are columns. */
function Figure({ name, value, limit = null, say = String }: { name: string; value: string | number | null; limit?: number | null; say?: (n: number) => string }) {
  const said = value === null ? '—' : typeof value === 'string' ? value : limit === null ? say(value) : m.used_of({ used: say(value), limit: say(limit) })
  const share = typeof value !== 'number' || limit === null ? undefined : limit > 0 ? value / limit : 1
  return (
    <div role="cell" className="mt-1.5 @5xl:mt-0">
      <Meter name={name} value={said} share={share} bare />
    </div>
  )
}
