import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { queries } from '@/api/queries'
import type { User } from '@/api/wire'
import { Button } from '@/components/Button'
import { Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { Page } from '@/components/Page'
import { bytes, compact } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { AddUser } from '@/modules/admin/AddUser'
import { EditUser } from '@/modules/admin/EditUser'
import { Invite } from '@/modules/admin/Invite'
import { roleName } from '@/modules/admin/words'

export function UsersPage() {
  const users = useQuery(queries.users())
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

function UserLine({ user, onEdit }: { user: User; onEdit: () => void }) {
  const q = user.quota
  return (
    <li className={`flex min-h-14 items-center gap-4 border-t px-4 py-2 first:border-t-0 ${user.active ? '' : 'text-muted'}`}>
      <div className="min-w-0 flex-1 desk:grid desk:grid-cols-[minmax(0,2fr)_8rem_minmax(0,3fr)] desk:items-baseline desk:gap-4">
        <p className="truncate font-strong">
          {user.username} {user.email && <span className="text-minor font-normal text-muted">{user.email}</span>}
        </p>
        <p className="text-minor">{user.active ? roleName(user.role) : m.user_inactive()}</p>
        <p className="text-minor text-muted tabular desk:truncate">{[m.cores({ count: q.cpu }), m.memory_size({ size: bytes(q.memory_bytes) }), m.storage_size({ size: bytes(q.storage_bytes) }), m.live_sessions({ count: q.live_sessions }), q.tokens_per_month !== null && m.tokens_month({ count: compact(q.tokens_per_month) })].filter(Boolean).join(' · ')}</p>
      </div>
      <Button className="text-content" onClick={onEdit}>{m.user_edit()}</Button>
    </li>
  )
}
