import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { ApiError, api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { Button } from '@/components/Button'
import { Field } from '@/components/Field'
import { FormFailure } from '@/components/Notice'
import { getLocale } from '@/i18n/locale'
import { m } from '@/i18n/paraglide/messages.js'
import { Entrance, passwordHint, useEntered } from './Entrance'

/** Makes the first administrator, with the code that the server printed. */
export function SetupPage() {
  const navigate = useNavigate()
  const entered = useEntered()
  const [form, setForm] = useState({ setup_code: '', username: '', password: '' })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm({ ...form, [key]: e.target.value })
  const setup = useMutation({
    mutationFn: () => call(api.POST('/setup', { body: { ...form, setup_code: form.setup_code.trim(), language: getLocale() } })),
    onSuccess: (user) => {
      entered(user)
      void navigate({ to: '/' })
    },
  })
  const fields = setup.error instanceof ApiError ? setup.error.fields : new Map<string, string>()
  return (
    <Entrance title={m.setup_title()} text={m.setup_text()}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          setup.mutate()
        }}
      >
        <Field label={m.setup_code()} hint={m.setup_code_hint()} error={fields.get('setup_code')} value={form.setup_code} onChange={set('setup_code')} required autoFocus autoComplete="one-time-code" autoCapitalize="characters" spellCheck={false} className="font-mono" />
        <Field label={m.username()} hint={m.username_hint()} error={fields.get('username')} value={form.username} onChange={set('username')} required autoComplete="username" autoCapitalize="none" spellCheck={false} />
        <Field label={m.password()} hint={passwordHint()} error={fields.get('password')} type="password" value={form.password} onChange={set('password')} required minLength={8} autoComplete="new-password" />
        <FormFailure error={setup.error} fields={['setup_code', 'username', 'password']} />
        <Button type="submit" look="primary" busy={setup.isPending}>
          {m.setup_do()}
        </Button>
      </form>
    </Entrance>
  )
}
