import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Invitation } from '@/api/wire'
import { Button } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Icon, type IconName } from '@/components/Icon'
import { Failure } from '@/components/Notice'
import { useNow } from '@/components/useNow'
import { ago, dateTime } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'
import { standingOf, type Standing } from './invitation'
import { useNames } from './useNames'
import { roleName } from './words'

export function InvitationList({ invitations }: { invitations: readonly Invitation[] }) {
  const client = useQueryClient()
  const [asked, setAsked] = useState<string | null>(null)
  const revoke = useMutation({
    mutationFn: (id: string) => call(api.DELETE('/invitations/{id}', { params: { path: { id } } })),
    onSuccess: () => setAsked(null),
    // Also when it failed: somebody may have used it meanwhile.
    onSettled: () => client.invalidateQueries({ queryKey: queries.invitations().queryKey }),
  })
  return (
    <>
      {revoke.error && !asked && (
        <div className="mb-3">
          <Failure error={revoke.error} />
        </div>
      )}
      <ul className="@container overflow-hidden rounded-card border">
        {invitations.map((i) => (
          <Line
            key={i.id}
            invitation={i}
            onRevoke={(serves) => {
              revoke.reset()
              if (serves) setAsked(i.id)
              else revoke.mutate(i.id)
            }}
          />
        ))}
      </ul>
      {asked && (
        <Confirm title={m.invitation_revoke_title()} text={m.invitation_revoke_text()} action={m.invitation_revoke()} busy={revoke.isPending} error={revoke.error} onClose={() => setAsked(null)} onConfirm={() => revoke.mutate(asked)} />
      )}
    </>
  )
}

const marks: Record<Standing, { icon: IconName; tone: string }> = {
  open: { icon: 'clock', tone: 'text-accent' },
  used: { icon: 'check', tone: 'text-muted' },
  expired: { icon: 'dash', tone: 'text-muted' },
}

function Line({ invitation: i, onRevoke }: { invitation: Invitation; onRevoke: (serves: boolean) => void }) {
  const me = useMe()
  const name = useNames()
  const now = useNow()
  const standing = standingOf(i, now)
  const by = i.created_by === 0 ? m.invitation_of_server() : i.created_by === me.id ? m.invitation_of_you() : m.invitation_of({ name: i.created_by_name ?? name(i.created_by) })
  const made = dateTime(i.created_at)
  return (
    <li className="flex min-h-14 items-center gap-3 border-t px-4 py-2 first:border-t-0">
      <Icon name={marks[standing].icon} className={marks[standing].tone} />
      <div className={`min-w-0 flex-1 @3xl:grid @3xl:grid-cols-[9rem_minmax(0,3fr)_minmax(0,2fr)] @3xl:items-baseline @3xl:gap-4 ${standing === 'open' ? '' : 'text-muted'} ${standing === 'used' ? '@3xl:mr-24' : ''}`}>
        <p className="font-strong">{roleName(i.role)}</p>
        <p className="text-minor tabular">{whatBecame(i, standing, name)}</p>
        <p className="text-minor text-muted tabular">
          {by} · <time dateTime={i.created_at} title={made}>{ago(i.created_at, now)}</time>
        </p>
      </div>
      {standing !== 'used' && (
        <Button look="plain" className="-mr-3 text-danger @3xl:w-24" onClick={() => onRevoke(standing === 'open')} aria-label={standing === 'open' ? m.invitation_revoke_label({ when: made }) : m.invitation_remove_label({ when: made })}>
          {standing === 'open' ? m.invitation_revoke() : m.invitation_remove()}
        </Button>
      )}
    </li>
  )
}

function whatBecame(i: Invitation, standing: Standing, name: (id: number) => string): string {
  switch (standing) {
    case 'open':
      return m.invitation_open_until({ when: dateTime(i.expires_at) })
    case 'used':
      return i.used_by ? m.invitation_used({ name: i.used_by_name ?? name(i.used_by), when: dateTime(i.used_at!) }) : m.invitation_used_gone({ when: dateTime(i.used_at!) })
    case 'expired':
      return m.invitation_expired_at({ when: dateTime(i.expires_at) })
  }
}
