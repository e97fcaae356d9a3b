import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiError, api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Role } from '@/api/wire'
import { Button } from '@/components/Button'
import { Dialog } from '@/components/Dialog'
import { Field, Select } from '@/components/Field'
import { FormFailure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { roleName, roles } from './words'

export function AddUser({ onClose }: { onClose: () => void }) {
  const client = useQueryClient()
  const [form, setForm] = useState({ username: '', email: '', password: '', role: 'user' as Role })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm({ ...form, [key]: e.target.value })
  const add = useMutation({
    mutationFn: () => call(api.POST('/users', { body: { username: form.username, password: form.password, role: form.role, ...(form.email && { email: form.email }) } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: queries.users().queryKey })
      onClose()
    },
  })
  const fields = add.error instanceof ApiError ? add.error.fields : new Map<string, string>()
  return (
    <Dialog title={m.user_add()} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          add.mutate()
        }}
      >
        <Field label={m.username()} hint={m.username_hint()} error={fields.get('username')} value={form.username} onChange={set('username')} required autoFocus autoCapitalize="none" autoComplete="off" spellCheck={false} />
        <Field label={m.email()} error={fields.get('email')} type="email" value={form.email} onChange={set('email')} autoComplete="off" />
        <Field label={m.password_first()} hint={m.password_first_hint()} error={fields.get('password')} value={form.password} onChange={set('password')} required minLength={8} autoComplete="off" spellCheck={false} className="font-mono" />
        <Select label={m.role()} value={form.role} onChange={set('role')}>
          {roles.map((r) => (
            <option key={r} value={r}>
              {roleName(r)}
            </option>
          ))}
        </Select>
        <FormFailure error={add.error} fields={['username', 'email', 'password']} />
        <Button type="submit" look="primary" busy={add.isPending}>
          {m.user_add()}
        </Button>
      </form>
    </Dialog>
  )
}
