import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { SignIn } from '@/api/wire'
import { Button } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { useNow } from '@/components/useNow'
import { ago } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { knownName } from '@/push/device'

/** Where a person is signed in; what they do not know, or have lost, is ended here. */
export function SignIns() {
  const client = useQueryClient()
  const list = useQuery(queries.signIns())
  const [ending, setEnding] = useState<SignIn | 'others' | null>(null)
  const end = useMutation({
    mutationFn: (which: SignIn | 'others') => (which === 'others' ? call(api.DELETE('/me/sign-ins', {})) : call(api.DELETE('/me/sign-ins/{id}', { params: { path: { id: which.id } } }))),
    onSuccess: () => {
      setEnding(null)
      void client.invalidateQueries({ queryKey: queries.signIns().queryKey })
      void client.invalidateQueries({ queryKey: queries.push().queryKey })
    },
  })
  if (list.error) return <Failure error={list.error} />
  if (list.isPending) return <Loading label={m.loading()} rows={2} />
  const all = list.data.items.toSorted((a, b) => Number(b.current) - Number(a.current))
  return (
    <div className="flex flex-col gap-4">
      <ul className="overflow-hidden rounded-card border">
        {all.map((s) => (
          <Line key={s.id} signIn={s} onEnd={() => setEnding(s)} />
        ))}
      </ul>
      {all.some((s) => !s.current) && (
        <Button className="self-start" onClick={() => setEnding('others')}>
          {m.sign_ins_end_others()}
        </Button>
      )}
      {ending && (
        <Confirm
          title={ending === 'others' ? m.sign_ins_end_others_title() : m.sign_in_end_title({ device: deviceOf(ending) })}
          text={m.sign_in_end_text()}
          action={ending === 'others' ? m.sign_ins_end_others() : m.sign_in_end()}
          busy={end.isPending}
          error={end.error}
          onClose={() => setEnding(null)}
          onConfirm={() => end.mutate(ending)}
        />
      )}
    </div>
  )
}

function deviceOf(s: SignIn): string {
  return knownName(s.agent) || s.agent.split(/[\s/]/)[0] || m.sign_in_unknown()
}

function Line({ signIn: s, onEnd }: { signIn: SignIn; onEnd: () => void }) {
  const now = useNow()
  const device = deviceOf(s)
  const used = s.last_used_at === null ? m.sign_in_since({ when: ago(s.created_at, now) }) : m.token_used({ when: ago(s.last_used_at, now) })
  return (
    <li className="flex min-h-13 items-center gap-3 border-t px-4 py-1.5 first:border-t-0">
      <div className="min-w-0 flex-1">
        <p className="truncate" title={s.agent}>
          {device}
        </p>
        <p className="text-minor text-muted [overflow-wrap:anywhere]">{[s.current ? m.sign_in_current() : used, s.address].filter(Boolean).join(' · ')}</p>
      </div>
      {!s.current && (
        <Button look="plain" aria-label={m.sign_in_end_label({ device })} onClick={onEnd} className="text-danger">
          {m.sign_in_end()}
        </Button>
      )}
    </li>
  )
}
