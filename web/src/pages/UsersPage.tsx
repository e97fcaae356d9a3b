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
import { compact } from '@/i18n/format'
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
      <div className="mb-4 max-w-60 @4xl:hidden">
        <Select label={m.users_sort()} value={order.by} onChange={(e) => setOrder(orderBy(e.target.value as By))}>
          <option value="age">{m.users_sort_age()}</option>
          <option value="name">{m.username()}</option>
          <option value="today">{m.tokens_used_today()}</option>
          <option value="month">{m.tokens_used_month()}</option>
        </Select>
      </div>
      <div role="table" aria-label={m.users()} className="overflow-hidden rounded-card border">
        <div role="rowgroup" className="hidden border-b bg-page px-4 text-minor text-muted @4xl:block">
          <div role="row" className={columns}>
            {head('name', m.username())}
            <span role="columnheader">{m.role()}</span>
            <span role="columnheader">{m.limits()}</span>
            {head('today', m.tokens_used_today())}
            {head('month', m.tokens_used_month())}
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

const columns = '@4xl:grid @4xl:grid-cols-[minmax(0,2fr)_7rem_minmax(0,2fr)_9rem_10rem_4rem] @4xl:items-center @4xl:gap-x-6'

function UserLine({ user, onEdit }: { user: Account; onEdit: () => void }) {
  const { quota, usage } = user
  return (
    <div role="row" className={`relative min-h-14 border-t px-4 py-2 first:border-t-0 ${columns} ${user.active ? '' : 'text-muted'}`}>
      <p role="cell" className="min-w-0 truncate pe-20 font-strong @4xl:pe-0">
        {user.username} {user.email && <span className="text-minor font-normal text-muted">{user.email}</span>}
      </p>
      <p role="cell" className="text-minor">
        {user.active ? roleName(user.role) : m.user_inactive()}
      </p>
      <p role="cell" className="pe-20 text-minor text-muted tabular @4xl:pe-0">
        {limitsOf(quota)}
      </p>
      <Tokens name={m.tokens_used_today()} used={usage.tokens_today} limit={quota.tokens_per_day} />
      <Tokens name={m.tokens_used_month()} used={usage.tokens_this_month} limit={quota.tokens_per_month} />
      <div role="cell" className="absolute end-4 top-2 @4xl:static @4xl:text-end">
        <Button className="text-content" onClick={onEdit}>
          {m.user_edit()}
        </Button>
      </div>
    </div>
  )
}

/** Its name is the column's, where there are columns. */
function Tokens({ name, used, limit }: { name: string; used: number; limit: number | null }) {
  return (
    <div role="cell" className="mt-1.5 @4xl:mt-0">
      {limit === null ? <Meter name={name} value={compact(used)} bare /> : <Meter name={name} value={m.used_of({ used: compact(used), limit: compact(limit) })} share={limit > 0 ? used / limit : 1} bare />}
    </div>
  )
}
