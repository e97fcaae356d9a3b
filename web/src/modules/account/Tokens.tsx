import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Token } from '@/api/wire'
import { Button } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { CopyButton } from '@/components/CopyButton'
import { Loading } from '@/components/Empty'
import { Field } from '@/components/Field'
import { Failure } from '@/components/Notice'
import { useNow } from '@/components/useNow'
import { ago } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'

/** API tokens: a secret is shown once, when it is made. */
export function Tokens() {
  const client = useQueryClient()
  const tokens = useQuery(queries.tokens())
  const [name, setName] = useState('')
  const [removing, setRemoving] = useState<Token | null>(null)
  const refresh = () => void client.invalidateQueries({ queryKey: queries.tokens().queryKey })
  const make = useMutation({
    mutationFn: () => call(api.POST('/me/tokens', { body: { name: name.trim() } })),
    onSuccess: () => {
      setName('')
      refresh()
    },
  })
  const remove = useMutation({
    mutationFn: (id: string) => call(api.DELETE('/me/tokens/{id}', { params: { path: { id } } })),
    onSuccess: () => {
      setRemoving(null)
      refresh()
    },
  })
  return (
    <div className="flex flex-col gap-4">
      <form
        className="flex max-w-sm items-end gap-2"
        onSubmit={(e) => {
          e.preventDefault()
          make.mutate()
        }}
      >
        <div className="flex-1">
          <Field label={m.token_name()} value={name} onChange={(e) => setName(e.target.value)} required maxLength={100} placeholder={m.token_name_example()} />
        </div>
        <Button type="submit" busy={make.isPending}>
          {m.token_make()}
        </Button>
      </form>
      {make.error && <Failure error={make.error} />}
      {make.data && (
        <div role="status" className="rounded-card border border-accent/50 bg-added px-4 py-3">
          <p className="text-minor font-strong">{m.token_once()}</p>
          <div className="mt-2 flex items-center gap-1 rounded-control border bg-surface pl-3">
            <code className="min-w-0 flex-1 py-2 font-mono text-code break-all">{make.data.secret}</code>
            <CopyButton text={make.data.secret} />
          </div>
        </div>
      )}
      {tokens.error ? (
        <Failure error={tokens.error} />
      ) : tokens.isPending ? (
        <Loading label={m.loading()} rows={2} />
      ) : tokens.data.items.length === 0 ? (
        <p className="text-minor text-muted">{m.tokens_empty()}</p>
      ) : (
        <ul className="overflow-hidden rounded-card border">
          {tokens.data.items.map((t) => (
            <TokenLine key={t.id} token={t} onRemove={() => setRemoving(t)} />
          ))}
        </ul>
      )}
      {removing && (
        <Confirm title={m.token_delete_title({ name: removing.name })} text={m.token_delete_text()} action={m.token_delete()} busy={remove.isPending} error={remove.error} onClose={() => setRemoving(null)} onConfirm={() => remove.mutate(removing.id)} />
      )}
    </div>
  )
}

function TokenLine({ token, onRemove }: { token: Token; onRemove: () => void }) {
  const now = useNow()
  return (
    <li className="flex min-h-13 items-center gap-3 border-t px-4 py-1.5 first:border-t-0">
      <div className="min-w-0 flex-1">
        <p className="truncate">{token.name}</p>
        <p className="text-minor text-muted">{token.last_used_at ? m.token_used({ when: ago(token.last_used_at, now) }) : m.token_unused()}</p>
      </div>
      <Button look="plain" onClick={onRemove} className="text-danger">
        {m.token_delete()}
      </Button>
    </li>
  )
}
