import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { ApiError, api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Field } from '@/components/Field'
import { FormFailure } from '@/components/Notice'
import { getLocale } from '@/i18n/locale'
import { m } from '@/i18n/paraglide/messages.js'
import { Entrance, passwordHint, useEntered } from './Entrance'

/** Makes an account of one's own, by an invitation or where registration is open. */
export function RegisterPage() {
  const navigate = useNavigate()
  const entered = useEntered()
  const { invitation: given } = useSearch({ from: '/register' })
  const { data: config } = useQuery(queries.config())
  const [form, setForm] = useState({ invitation: given ?? '', username: '', email: '', password: '' })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm({ ...form, [key]: e.target.value })
  const register = useMutation({
    mutationFn: () => {
      const { invitation, email, username, password } = form
      return call(
        api.POST('/auth/register', {
          body: { username, password, language: getLocale(), ...(email && { email }), ...(invitation && { invitation: invitation.trim() }) },
        }),
      )
    },
    onSuccess: (user) => {
      entered(user)
      void navigate({ to: '/' })
    },
  })
  const invited = config?.registration !== 'open' // else there is no field for an invitation
  const fields = register.error instanceof ApiError ? register.error.fields : new Map<string, string>()
  return (
    <Entrance title={m.register_title()}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          register.mutate()
        }}
      >
        {invited && <Field label={m.invitation()} hint={m.invitation_hint()} error={fields.get('invitation')} value={form.invitation} onChange={set('invitation')} required autoComplete="off" spellCheck={false} className="font-mono" />}
        <Field label={m.username()} hint={m.username_hint()} error={fields.get('username')} value={form.username} onChange={set('username')} required autoComplete="username" autoCapitalize="none" spellCheck={false} />
        <Field label={m.email()} error={fields.get('email')} type="email" value={form.email} onChange={set('email')} required autoComplete="email" />
        <Field label={m.password()} hint={passwordHint()} error={fields.get('password')} type="password" value={form.password} onChange={set('password')} required minLength={8} autoComplete="new-password" />
        <FormFailure error={register.error} fields={[...(invited ? ['invitation'] : []), 'username', 'email', 'password']} />
        <Button type="submit" look="primary" busy={register.isPending}>
          {m.register_do()}
        </Button>
        <Link to="/login" className="inline-flex min-h-11 items-center self-center text-minor text-info underline underline-offset-2 desk:min-h-9">
          {m.login_link()}
        </Link>
      </form>
    </Entrance>
  )
}
