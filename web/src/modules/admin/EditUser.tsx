import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { ApiError, api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Quota, Role, User } from '@/api/wire'
import { Button } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Dialog } from '@/components/Dialog'
import { Field, Select } from '@/components/Field'
import { Failure } from '@/components/Notice'
import { bytes } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'
import { suggested } from './password'
import { formOf, lessThanUsed, quotaOf, unreadable, type QuotaForm } from './quotaForm'
import { roleName, roles } from './words'

/** What an administrator may change of a user: role, whether they may come in, password, and limits. */
export function EditUser({ user, onClose }: { user: User; onClose: () => void }) {
  const me = useMe()
  const client = useQueryClient()
  const self = me.id === user.id
  const [role, setRole] = useState<Role>(user.role)
  const [active, setActive] = useState(user.active)
  const [password, setPassword] = useState('')
  const [revoking, setRevoking] = useState(false)
  const [form, setForm] = useState<QuotaForm>(() => formOf(user.quota))
  const [wrong, setWrong] = useState<readonly (keyof QuotaForm)[]>([])
  const [deleting, setDeleting] = useState(false)
  const passwordNote = useId()
  // Known while they have an instance.
  const used = useQuery({ ...queries.instances(), select: (all) => all.find((i) => i.user_id === user.id)?.usage.storage_bytes }).data
  const refresh = () => void client.invalidateQueries({ queryKey: queries.users().queryKey })
  const save = useMutation({
    mutationFn: async () => {
      const path = { id: user.id }
      if (role !== user.role || active !== user.active || password !== '') await call(api.PATCH('/users/{id}', { params: { path }, body: { role, active, ...(password && { password, revoke_tokens: revoking }) } }))
      const quota = quotaOf(form, user.quota)
      if (JSON.stringify(quota) !== JSON.stringify(user.quota)) await call(api.PUT('/users/{id}/quota', { params: { path }, body: quota }))
    },
    onSuccess: () => {
      refresh()
      onClose()
    },
    onError: refresh,
  })
  const remove = useMutation({
    mutationFn: () => call(api.DELETE('/users/{id}', { params: { path: { id: user.id } } })),
    onSuccess: () => {
      refresh()
      onClose()
    },
  })
  const fields = save.error instanceof ApiError ? save.error.fields : new Map<string, string>()
  const field = (key: keyof QuotaForm, quotaKey: keyof Quota, label: string, hint?: string) => (
    <Field
      label={label}
      hint={hint}
      error={wrong.includes(key) ? m.quota_no_number() : fields.get(quotaKey)}
      name={key}
      value={form[key]}
      onChange={(e) => {
        setForm({ ...form, [key]: e.target.value })
        setWrong(wrong.filter((w) => w !== key))
      }}
      inputMode="decimal"
      className="tabular"
    />
  )
  if (deleting) {
    return <Confirm title={m.user_delete_title({ name: user.username })} text={m.user_delete_text()} action={m.user_delete()} busy={remove.isPending} error={remove.error} onClose={() => setDeleting(false)} onConfirm={() => remove.mutate()} />
  }
  return (
    <Dialog title={user.username} onClose={onClose} wide>
      <form
        className="flex flex-col gap-5"
        onSubmit={(e) => {
          e.preventDefault()
          const [first, ...more] = unreadable(form)
          setWrong(first ? [first, ...more] : [])
          if (!first) return save.mutate()
          const field = e.currentTarget.querySelector<HTMLElement>(`[name=${first}]`)
          field?.focus({ preventScroll: true })
          field?.scrollIntoView({ block: 'center' }) // with its label
        }}
      >
        <div className="grid gap-4 desk:grid-cols-2">
          <Select label={m.role()} value={role} onChange={(e) => setRole(e.target.value as Role)} disabled={self} hint={self ? m.user_self() : undefined}>
            {roles.map((r) => (
              <option key={r} value={r}>
                {roleName(r)}
              </option>
            ))}
          </Select>
          <label className="flex min-h-11 items-center gap-2.5 self-end text-minor desk:min-h-9">
            <input type="checkbox" checked={active} onChange={(e) => setActive(e.target.checked)} disabled={self} className="size-4 accent-accent" />
            {m.user_active()}
          </label>
        </div>
        {!self && (
          <fieldset aria-describedby={passwordNote}>
            <div className="flex items-end gap-2">
              <div className="min-w-0 flex-1">
                <Field label={m.password_new()} error={fields.get('password')} value={password} onChange={(e) => setPassword(e.target.value)} minLength={8} autoComplete="off" autoCapitalize="none" spellCheck={false} className="font-mono" />
              </div>
              <Button onClick={() => setPassword(suggested())}>{m.password_suggest()}</Button>
            </div>
            <p id={passwordNote} className="mt-1 text-minor text-muted">
              {m.password_reset_hint()}
            </p>
            {password !== '' && (
              <label className="mt-1 flex min-h-11 items-center gap-2.5 text-minor desk:min-h-9">
                <input type="checkbox" checked={revoking} onChange={(e) => setRevoking(e.target.checked)} className="size-4 accent-accent" />
                {m.password_reset_tokens()}
              </label>
            )}
          </fieldset>
        )}
        <fieldset>
          <legend className="mb-2 text-minor font-strong">{m.limits()}</legend>
          <div className="grid gap-4 desk:grid-cols-2">
            {field('cpu', 'cpu', m.with_unit({ name: m.quota_cpu(), unit: m.unit_cores() }))}
            {field('memoryGiB', 'memory_bytes', m.with_unit({ name: m.quota_memory(), unit: 'GiB' }))}
            {field('storageGiB', 'storage_bytes', m.with_unit({ name: m.quota_storage(), unit: 'GiB' }), lessThanUsed(form, user.quota, used) ? m.quota_less_than_used({ used: bytes(used ?? 0), limit: bytes(quotaOf(form, user.quota).storage_bytes) }) : undefined)}
            {field('pids', 'pids', m.quota_pids())}
            {field('liveSessions', 'live_sessions', m.quota_live_sessions())}
            {field('inodes', 'inodes', m.quota_inodes())}
            {field('tokensPerDay', 'tokens_per_day', m.quota_tokens_day(), m.empty_no_limit())}
            {field('tokensPerMonth', 'tokens_per_month', m.quota_tokens_month(), m.empty_no_limit())}
          </div>
        </fieldset>
        {save.error && <Failure error={save.error} />}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="primary" busy={save.isPending}>
            {m.save()}
          </Button>
          {!self && (
            <Button look="danger" className="ml-auto" onClick={() => setDeleting(true)}>
              {m.user_delete()}
            </Button>
          )}
        </div>
      </form>
    </Dialog>
  )
}
