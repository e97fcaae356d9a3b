import { useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { PushDevice, PushSettings } from '@/api/wire'
import { Button } from '@/components/Button'
import { Loading } from '@/components/Empty'
import { Field } from '@/components/Field'
import { Failure, Notice } from '@/components/Notice'
import { Section } from '@/components/Page'
import { useNow } from '@/components/useNow'
import { ago } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'
import { hindrance, thisDevice, turnOff, turnOn, type Hindrance } from '@/push/device'

/** What the person's devices are told, and when not. Where the server tells nothing there is nothing to set. */
export function Notifications() {
  const told = useQuery(queries.push())
  const here = useQuery({ queryKey: ['push', 'here'], queryFn: thisDevice })
  if (told.error instanceof ApiError && told.error.status === 404) return null
  return (
    <Section title={m.push_title()} text={m.push_text()}>
      {told.error && !told.data ? (
        <Failure error={told.error} actions={<Button onClick={() => void told.refetch()}>{m.try_again()}</Button>} />
      ) : !told.data || here.isPending ? (
        <Loading label={m.loading()} rows={3} />
      ) : (
        <div className="flex flex-col gap-5">
          <Here publicKey={told.data.public_key} id={told.data.subscriptions.some((s) => s.id === here.data) ? here.data! : null} />
          {told.data.subscriptions.length > 0 && <Devices devices={told.data.subscriptions} here={here.data ?? null} />}
          <Wishes settings={told.data.settings} />
        </div>
      )}
    </Section>
  )
}

function useRefresh(): () => void {
  const client = useQueryClient()
  return () => void client.invalidateQueries({ queryKey: ['push'] })
}

/** The device that the person sits before. */
function Here({ publicKey, id }: { publicKey: string; id: string | null }) {
  const me = useMe()
  const refresh = useRefresh()
  const on = useMutation({ mutationFn: () => turnOn(publicKey, me.id), onSettled: refresh })
  const off = useMutation({ mutationFn: turnOff, onSettled: refresh })
  const test = useMutation({ mutationFn: () => call(api.POST('/me/push/test', {})), onSettled: refresh })
  const why = whyNot(hindrance())
  if (why !== null) return <p className="text-minor text-muted">{why}</p>
  const error = on.error ?? off.error ?? test.error
  return (
    <div className="flex flex-col items-start gap-3">
      <div className="flex flex-wrap gap-2">
        {id === null ? (
          <Button look="primary" busy={on.isPending} onClick={() => on.mutate()}>
            {on.isPending ? m.push_turning_on() : m.push_on()}
          </Button>
        ) : (
          <>
            <Button busy={test.isPending} onClick={() => test.mutate()}>
              {m.push_test()}
            </Button>
            <Button look="plain" busy={off.isPending} onClick={() => off.mutate()}>
              {m.push_off()}
            </Button>
          </>
        )}
      </div>
      {error &&
        (error instanceof ApiError ? (
          error.code === 'denied' ? <p className="text-minor text-muted">{m.push_denied()}</p> : <Failure error={error} />
        ) : (
          <Notice tone="danger" title={m.push_failed()}>
            {m.push_failed_text({ why: error.message })}
          </Notice>
        ))}
    </div>
  )
}

function whyNot(h: Hindrance): string | null {
  switch (h) {
    case 'insecure':
      return m.push_insecure()
    case 'unsupported':
      return m.push_unsupported()
    case 'install':
      return m.push_install()
    case 'denied':
      return m.push_denied()
    case null:
      return null
  }
}

function Devices({ devices, here }: { devices: readonly PushDevice[]; here: string | null }) {
  const refresh = useRefresh()
  const now = useNow()
  const remove = useMutation({
    mutationFn: (id: string) => (id === here ? turnOff() : call(api.DELETE('/me/push/{id}', { params: { path: { id } } }))),
    onSettled: refresh,
  })
  return (
    <ul aria-label={m.push_devices()} className="overflow-hidden rounded-card border">
      {devices.map((d) => (
        <li key={d.id} className="flex min-h-13 items-center gap-3 border-t px-4 py-1.5 first:border-t-0">
          <div className="min-w-0 flex-1">
            <p className="truncate">
              {d.device || m.push_device_unnamed()} {d.id === here && <span className="text-muted">{m.push_this()}</span>}
            </p>
            <p className={`text-minor ${d.problem ? 'text-danger' : 'text-muted'}`}>
              {d.problem ? m.push_problem({ why: d.problem }) : d.last_sent_at ? m.push_last({ when: ago(d.last_sent_at, now) }) : m.push_never()}
            </p>
          </div>
          <Button look="plain" busy={remove.isPending && remove.variables === d.id} onClick={() => remove.mutate(d.id)}>
            {m.push_remove()}
          </Button>
        </li>
      ))}
    </ul>
  )
}

const usual = { from: '22:00', to: '07:00' }

/** What is told, and in which hours not. */
function Wishes({ settings }: { settings: PushSettings }) {
  const client = useQueryClient()
  const change = useMutation({
    mutationFn: (body: { requests?: boolean; finished?: boolean; failed?: boolean; quiet?: NonNullable<PushSettings['quiet']>; no_quiet?: boolean }) => call(api.PATCH('/me/push', { body })),
    onSuccess: (now) => client.setQueryData(queries.push().queryKey, (was) => was && { ...was, settings: now }),
  })
  const quiet = settings.quiet
  const zone = quiet?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  const setQuiet = (part: Partial<typeof usual>) => {
    const next = { from: quiet?.from ?? usual.from, to: quiet?.to ?? usual.to, ...part }
    if (next.from !== '' && next.to !== '') change.mutate({ quiet: { ...next, zone } })
  }
  return (
    <div className="flex flex-col gap-1">
      <Check label={m.push_requests()} on={settings.requests} onChange={(requests) => change.mutate({ requests })} />
      <Check label={m.push_finished()} on={settings.finished} onChange={(finished) => change.mutate({ finished })} />
      <Check label={m.push_failures()} on={settings.failed} onChange={(failed) => change.mutate({ failed })} />
      <Check label={m.push_quiet()} on={quiet !== null} onChange={(on) => (on ? setQuiet({}) : change.mutate({ no_quiet: true }))} />
      {quiet && (
        <div className="flex flex-wrap items-end gap-3 ps-6.5">
          <Field label={m.push_quiet_from()} type="time" defaultValue={quiet.from} onBlur={(e) => e.target.value !== quiet.from && setQuiet({ from: e.target.value })} />
          <Field label={m.push_quiet_to()} type="time" defaultValue={quiet.to} onBlur={(e) => e.target.value !== quiet.to && setQuiet({ to: e.target.value })} />
          <p className="pb-2.5 text-minor text-muted">{quiet.zone}</p>
        </div>
      )}
      {change.error && <Failure error={change.error} />}
    </div>
  )
}

function Check({ label, on, onChange }: { label: string; on: boolean; onChange: (on: boolean) => void }) {
  return (
    <label className="flex min-h-11 items-center gap-2.5 text-minor desk:min-h-8">
      <input type="checkbox" checked={on} onChange={(e) => onChange(e.target.checked)} className="size-4 accent-accent" />
      {label}
    </label>
  )
}
