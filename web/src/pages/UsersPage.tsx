import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { queries } from '@/api/queries'
import type { Account } from '@/api/wire'
import { Button } from '@/components/Button'
import { Loading } from '@/components/Empty'
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
        <ul className="overflow-hidden rounded-card border">
          {users.data.map((u) => (
            <UserLine key={u.id} user={u} onEdit={() => setEditing(u.id)} />
          ))}
        </ul>
      )}
      {inviting && <Invite onClose={() => setInviting(false)} />}
      {adding && <AddUser onClose={() => setAdding(false)} />}
      {edited && <EditUser user={edited} onClose={() => setEditing(null)} />}
    </Page>
  )
}

function UserLine({ user, onEdit }: { user: Account; onEdit: () => void }) {
  const { quota, usage } = user
  return (
    <li className={`flex min-h-14 items-center gap-4 border-t px-4 py-2 first:border-t-0 ${user.active ? '' : 'text-muted'}`}>
      <div className="@container min-w-0 flex-1">
        <div className="@2xl:grid @2xl:grid-cols-[minmax(0,2fr)_7rem_minmax(0,3fr)] @2xl:items-center @2xl:gap-x-6 @4xl:grid-cols-[minmax(0,2fr)_7rem_minmax(0,2fr)_15rem]">
          <p className="min-w-0 truncate font-strong">
            {user.username} {user.email && <span className="text-minor font-normal text-muted">{user.email}</span>}
          </p>
          <p className="text-minor">{user.active ? roleName(user.role) : m.user_inactive()}</p>
          <p className="text-minor text-muted tabular">{limitsOf(quota)}</p>
          <div className="mt-1.5 grid gap-x-6 gap-y-1.5 @md:grid-cols-2 @2xl:col-span-3 @4xl:col-span-1 @4xl:mt-0 @4xl:grid-cols-1">
            <Tokens name={m.tokens_used_today()} used={usage.tokens_today} limit={quota.tokens_per_day} />
            <Tokens name={m.tokens_used_month()} used={usage.tokens_this_month} limit={quota.tokens_per_month} />
          </div>
        </div>
      </div>
      <Button className="text-content" onClick={onEdit}>{m.user_edit()}</Button>
    </li>
  )
}

function Tokens({ name, used, limit }: { name: string; used: number; limit: number | null }) {
  return limit === null ? <Meter name={name} value={compact(used)} /> : <Meter name={name} value={m.used_of({ used: compact(used), limit: compact(limit) })} share={limit > 0 ? used / limit : 1} />
}
