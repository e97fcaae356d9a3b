import { useState } from 'react'
import { ApiError } from '@/api/client'
import { Button } from '@/components/Button'
import { Field, Select } from '@/components/Field'
import { FormFailure } from '@/components/Notice'
import { Page, Section } from '@/components/Page'
import { Segments } from '@/components/Segments'
import { bytes, number } from '@/i18n/format'
import { languages, useLocale, type Locale } from '@/i18n/locale'
import { m } from '@/i18n/paraglide/messages.js'
import { Notifications } from '@/modules/account/Notifications'
import { SignIns } from '@/modules/account/SignIns'
import { Tokens } from '@/modules/account/Tokens'
import { useChangeMe, useChooseLanguage } from '@/modules/account/useChangeMe'
import { InstallByHand } from '@/modules/shell/InstallByHand'
import { useMe } from '@/modules/shell/me'
import { setSingleKeys, useSingleKeys } from '@/modules/shell/singleKeys'
import { setTheme, themeName, themes, useTheme } from '@/theme/theme'
import { passwordHint } from './Entrance'

export function AccountPage() {
  return (
    <Page title={m.account()}>
      <Profile />
      <Looks />
      <Notifications />
      <Password />
      <Section title={m.sign_ins_title()} text={m.sign_ins_text()}>
        <SignIns />
      </Section>
      <Section title={m.tokens_title()} text={m.tokens_text()}>
        <Tokens />
      </Section>
      <Limits />
      <InstallByHand />
    </Page>
  )
}

function Profile() {
  const me = useMe()
  const [email, setEmail] = useState(me.email ?? '')
  const change = useChangeMe()
  const fields = change.error instanceof ApiError ? change.error.fields : new Map<string, string>()
  return (
    <Section title={m.profile()}>
      <form
        className="flex max-w-sm flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          change.mutate({ email: email.trim() })
        }}
      >
        <Field label={m.username()} value={me.username} readOnly disabled />
        <Field label={m.email()} type="email" value={email} onChange={(e) => setEmail(e.target.value)} error={fields.get('email')} autoComplete="email" />
        <FormFailure error={change.error} fields={['email']} />
        <Button type="submit" busy={change.isPending} disabled={email.trim() === (me.email ?? '')} className="self-start">
          {m.save()}
        </Button>
      </form>
    </Section>
  )
}

function Looks() {
  const theme = useTheme()
  const locale = useLocale()
  const keys = useSingleKeys()
  const choose = useChooseLanguage()
  return (
    <Section title={m.looks()}>
      <div className="flex max-w-sm flex-col gap-4">
        <Select
          label={m.language()}
          value={locale}
          onChange={(e) => choose(e.target.value as Locale)}
        >
          {(Object.keys(languages) as Locale[]).map((l) => (
            <option key={l} value={l} lang={l}>
              {languages[l]}
            </option>
          ))}
        </Select>
        <Segments label={m.theme()} value={theme} options={themes.map((value) => ({ value, label: themeName(value) }))} onChange={setTheme} />
        <label className="flex min-h-11 items-start gap-2.5 py-2 text-minor desk:min-h-6">
          <input type="checkbox" checked={keys} onChange={(e) => setSingleKeys(e.target.checked)} className="mt-0.5 size-4 accent-accent" />
          <span>
            {m.keys_single()}
            <span className="block text-muted">{m.keys_single_text()}</span>
          </span>
        </label>
      </div>
    </Section>
  )
}

function Password() {
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const change = useChangeMe()
  const fields = change.error instanceof ApiError ? change.error.fields : new Map<string, string>()
  return (
    <Section title={m.password()}>
      <form
        className="flex max-w-sm flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          change.mutate(
            { current_password: current, password: next },
            {
              onSuccess: () => {
                setCurrent('')
                setNext('')
              },
            },
          )
        }}
      >
        <Field label={m.password_now()} type="password" value={current} onChange={(e) => setCurrent(e.target.value)} error={fields.get('current_password')} required autoComplete="current-password" />
        <Field label={m.password_new()} type="password" value={next} onChange={(e) => setNext(e.target.value)} hint={passwordHint()} error={fields.get('password')} required minLength={8} autoComplete="new-password" />
        <FormFailure error={change.error} fields={['current_password', 'password']} />
        {change.isSuccess && (
          <p role="status" className="text-minor text-accent">
            {m.password_changed()}
          </p>
        )}
        <Button type="submit" busy={change.isPending} className="self-start">
          {m.password_change()}
        </Button>
      </form>
    </Section>
  )
}

function Limits() {
  const { quota, usage } = useMe()
  const rows: [string, string][] = [
    [m.quota_live_sessions(), number(quota.live_sessions)],
    [m.quota_cpu(), m.cores({ count: quota.cpu })],
    [m.quota_memory(), bytes(quota.memory_bytes)],
    [m.quota_storage(), bytes(quota.storage_bytes)],
    [m.quota_pids(), number(quota.pids)],
    [m.used_today(), m.tokens({ count: number(usage.tokens_today) })],
    [m.used_month(), m.tokens({ count: number(usage.tokens_this_month) })],
    [m.quota_tokens_day(), quota.tokens_per_day === null ? m.no_limit() : number(quota.tokens_per_day)],
    [m.quota_tokens_month(), quota.tokens_per_month === null ? m.no_limit() : number(quota.tokens_per_month)],
  ]
  return (
    <Section title={m.limits()} text={m.limits_text()}>
      <dl className="grid max-w-sm grid-cols-[1fr_auto] gap-x-6 gap-y-1.5 text-minor tabular">
        {rows.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-muted">{name}</dt>
            <dd className="text-end">{value}</dd>
          </div>
        ))}
      </dl>
    </Section>
  )
}
