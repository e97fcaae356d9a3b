import { useQuery } from '@tanstack/react-query'
import { Link, useLocation, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { ApiError, api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Field } from '@/components/Field'
import { Failure, Notice } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { renew } from '@/push/device'
import { Entrance, useEntered } from './Entrance'

export function LoginPage() {
  const navigate = useNavigate()
  const entered = useEntered()
  const { next } = useSearch({ from: '/login' })
  const nextOf = useLocation({ select: (at) => at.state.nextOf })
  const { data: config } = useQuery(queries.config())
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const login = useMutation({
    mutationFn: () => call(api.POST('/auth/login', { body: { username: username.trim(), password } })),
    onSuccess: (user) => {
      entered(user)
      void renew(user.id).catch(() => {}) // they can turn it on again by hand
      void navigate({ to: next && (nextOf ?? user.id) === user.id ? next : '/', replace: true })
    },
  })
  const refused = login.error instanceof ApiError && login.error.code === 'unauthenticated' ? login.error : undefined
  const off = refused?.fields.get('username') // told to who knows the password
  return (
    <Entrance title={m.login_title()}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          login.mutate()
        }}
      >
        <Field label={m.username_or_email()} value={username} onChange={(e) => setUsername(e.target.value)} required autoFocus error={off} autoComplete="username" autoCapitalize="none" spellCheck={false} />
        <Field label={m.password()} type="password" value={password} onChange={(e) => setPassword(e.target.value)} required autoComplete="current-password" />
        {login.error && !off && (refused ? <Notice tone="danger" title={m.login_wrong()}>{m.login_wrong_text()}</Notice> : <Failure error={login.error} />)}
        <Button type="submit" look="primary" busy={login.isPending}>
          {m.login_do()}
        </Button>
        {config && config.registration !== 'closed' && (
          <Link to="/register" className="inline-flex min-h-11 items-center self-center text-minor text-info underline underline-offset-2 desk:min-h-9">
            {config.registration === 'open' ? m.register_link() : m.register_link_invited()}
          </Link>
        )}
      </form>
    </Entrance>
  )
}
