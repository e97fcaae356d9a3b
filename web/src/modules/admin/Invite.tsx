import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Role } from '@/api/wire'
import { Button } from '@/components/Button'
import { Coded } from '@/components/Coded'
import { CopyButton } from '@/components/CopyButton'
import { Dialog } from '@/components/Dialog'
import { Select } from '@/components/Field'
import { Failure, Notice } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'
import { roleName, roles } from './words'

/** Makes a link by which somebody makes an account of their own, with a role that is at most one's own. */
export function Invite({ onClose }: { onClose: () => void }) {
  const [role, setRole] = useState<Role>('user')
  const me = useMe()
  const client = useQueryClient()
  const closed = useQuery(queries.config()).data?.registration === 'closed'
  const make = useMutation({
    mutationFn: () => call(api.POST('/invitations', { body: { role } })),
    onSuccess: () => client.invalidateQueries({ queryKey: queries.invitations().queryKey }),
  })
  const link = make.data && `${location.origin}/register?invitation=${encodeURIComponent(make.data.secret)}`
  return (
    <Dialog title={m.user_invite()} onClose={onClose}>
      {link ? (
        <div role="status">
          <p className="text-minor">{m.invite_once()}</p>
          <div className="mt-3 flex items-center gap-1 rounded-control border bg-sunken pl-3">
            <code className="min-w-0 flex-1 py-2 font-mono text-code break-all">{link}</code>
            <CopyButton text={link} />
          </div>
        </div>
      ) : (
        <form
          className="flex flex-col gap-4"
          onSubmit={(e) => {
            e.preventDefault()
            make.mutate()
          }}
        >
          {closed && (
            <Notice tone="wait" title={m.invite_closed()}>
              <Coded text={m.invite_closed_text()} />
            </Notice>
          )}
          <Select label={m.role()} value={role} onChange={(e) => setRole(e.target.value as Role)}>
            {roles.slice(roles.indexOf(me.role)).map((r) => (
              <option key={r} value={r}>
                {roleName(r)}
              </option>
            ))}
          </Select>
          {make.error && <Failure error={make.error} />}
          <Button type="submit" look="primary" busy={make.isPending}>
            {m.invite_make()}
          </Button>
        </form>
      )}
    </Dialog>
  )
}
