import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState, type ReactNode } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { Instance } from '@/api/wire'
import { Button, IconButton } from '@/components/Button'
import { Coded } from '@/components/Coded'
import { Confirm } from '@/components/Confirm'
import { Empty, Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Lamp } from '@/components/Lamp'
import { Menu, MenuItem } from '@/components/Menu'
import { Failure } from '@/components/Notice'
import { Page } from '@/components/Page'
import { useNow } from '@/components/useNow'
import { ago, bytes, cores, duration, number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { instanceStatus, processKind } from '@/modules/admin/words'
import type { Shown } from '@/modules/figures/Charts'
import type { Line } from '@/modules/figures/scale'
import { Sparkline } from '@/modules/figures/Sparkline'

const Charts = lazy(() => import('@/modules/figures/Charts').then((c) => ({ default: c.Charts })))

export function InstancesPage() {
  const client = useQueryClient()
  const instances = useQuery(queries.instances())
  const users = useQuery(queries.users())
  const recent = useQuery({ ...queries.recentFigures(), select: byUser }).data
  const [ask, setAsk] = useState<{ userId: number; what: 'restart' | 'destroy' } | null>(null)
  const name = (id: number) => users.data?.find((u) => u.id === id)?.username ?? `user-${id}`
  const act = useMutation({
    mutationFn: async ({ userId, what }: { userId: number; what: 'restart' | 'destroy' }) => {
      const params = { path: { user_id: userId } }
      if (what === 'restart') await call(api.POST('/instances/{user_id}/restart', { params }))
      else await call(api.DELETE('/instances/{user_id}', { params }))
    },
    onSuccess: () => setAsk(null),
    onSettled: () => client.invalidateQueries({ queryKey: queries.instances().queryKey }),
  })
  return (
    <Page title={m.instances()} wide>
      {instances.error && !instances.data ? (
        <Failure error={instances.error} actions={<Button onClick={() => void instances.refetch()}>{m.try_again()}</Button>} />
      ) : instances.isPending ? (
        <Loading label={m.loading()} rows={5} />
      ) : instances.data.length === 0 ? (
        <Empty title={m.instances_empty_title()}>{m.instances_empty_text()}</Empty>
      ) : (
        <ul className="flex flex-col gap-3">
          {instances.data.map((i) => (
            <InstanceCard key={i.id} instance={i} recent={recent?.get(i.user_id)} name={name(i.user_id)} onAsk={(what) => setAsk({ userId: i.user_id, what })} />
          ))}
        </ul>
      )}
      {ask && (
        <Confirm
          title={ask.what === 'restart' ? m.instance_restart_title({ name: name(ask.userId) }) : m.instance_destroy_title({ name: name(ask.userId) })}
          text={ask.what === 'restart' ? m.instance_restart_text() : m.instance_destroy_text()}
          action={ask.what === 'restart' ? m.instance_restart() : m.instance_destroy()}
          busy={act.isPending}
          error={act.error}
          onClose={() => {
            act.reset()
            setAsk(null)
          }}
          onConfirm={() => act.mutate(ask)}
        />
      )}
    </Page>
  )
}

type Recent = Record<string, Line>

const byUser = (all: { items: { user_id: number; series: Recent }[] }): ReadonlyMap<number, Recent> => new Map(all.items.map((u) => [u.user_id, u.series]))

function InstanceCard({ instance: i, recent, name, onAsk }: { instance: Instance; recent: Recent | undefined; name: string; onAsk: (what: 'restart' | 'destroy') => void }) {
  const now = useNow()
  const [open, setOpen] = useState(false)
  const [charts, setCharts] = useState(false)
  const { name: status, light } = instanceStatus(i.status)
  return (
    <li className="@container overflow-hidden rounded-card border">
      <div className="flex items-center gap-3 py-2 pr-2 pl-4">
        <Lamp light={light} />
        <p className="min-w-0 flex-1 truncate">
          <span className="font-strong">{name}</span>{' '}
          <span className="text-minor text-muted">
            {status} · {i.runtime} · {ago(i.last_activity_at, now)}
          </span>
        </p>
        <Menu
          trigger={
            <IconButton label={m.instance_menu({ name })}>
              <Icon name="more" />
            </IconButton>
          }
        >
          <MenuItem onSelect={() => onAsk('restart')}>{m.instance_restart()}</MenuItem>
          <MenuItem danger onSelect={() => onAsk('destroy')}>
            {m.instance_destroy()}
          </MenuItem>
        </Menu>
      </div>
      {i.health.detail && (
        <p className={i.health.status === 'healthy' ? 'border-t px-4 py-2 text-minor text-muted' : 'border-t bg-removed px-4 py-2 text-minor'}>
          <Coded text={i.health.consecutive_failures > 0 ? m.two_sentences({ first: m.health_failed({ count: i.health.consecutive_failures }), second: i.health.detail }) : i.health.detail} />
        </p>
      )}
      <dl className="grid grid-cols-2 gap-x-6 gap-y-3 border-t px-4 py-3 desk:grid-cols-4">
        <Measure name={m.quota_memory()} used={i.usage.memory_bytes} limit={i.quota.memory_bytes} show={bytes} recent={recent?.memory_bytes} />
        <Measure name={m.quota_storage()} used={i.usage.storage_bytes} limit={i.quota.storage_bytes} show={bytes} />
        <Measure name={m.quota_pids()} used={i.usage.pids} limit={i.quota.pids} show={number} />
        <div className="text-minor">
          <dt className="text-muted">{m.instance_cpu_time()}</dt>
          <dd className="tabular">
            <Beside line={recent?.cpu && <Sparkline name={m.figure_cpu()} line={recent.cpu} limit={i.quota.cpu} show={cores} />}>{duration(i.usage.cpu_seconds * 1000)}</Beside>
          </dd>
        </div>
      </dl>
      <div className="border-t">
        <button type="button" aria-expanded={charts} onClick={() => setCharts(!charts)} className="flex min-h-11 w-full items-center gap-2 px-4 text-start text-minor text-muted -outline-offset-2 hover:bg-hover desk:min-h-9">
          <Icon name="right" size={13} className={charts ? 'rotate-90' : ''} />
          {m.instance_figures({ name })}
        </button>
        {charts && (
          <div className="border-t px-4 py-3">
            <Suspense fallback={<Loading label={m.loading()} rows={4} />}>
              <Charts query={(span) => queries.instanceHistory(i.user_id, span)} shown={shown(i)} />
            </Suspense>
          </div>
        )}
      </div>
      <div className="border-t">
        <button type="button" aria-expanded={open} disabled={i.processes.length === 0} onClick={() => setOpen(!open)} className="flex min-h-11 w-full items-center gap-2 px-4 text-start text-minor text-muted -outline-offset-2 hover:bg-hover disabled:hover:bg-transparent desk:min-h-9">
          {i.processes.length > 0 && <Icon name="right" size={13} className={open ? 'rotate-90' : ''} />}
          {m.processes_count({ count: i.processes.length })}
        </button>
        {open && (
          <div className="scroller border-t">
            <table className="w-full text-minor tabular">
              <thead>
                <tr className="text-start text-small text-muted">
                  {[m.process_kind(), 'PID', m.process_command_line(), m.quota_cpu(), m.quota_memory()].map((h) => (
                    <th key={h} scope="col" className="px-4 py-1.5 text-start font-strong">
                      {h}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {i.processes.map((p) => (
                  <tr key={p.pid} className="border-t">
                    <td className="px-4 py-1.5 whitespace-nowrap">{processKind(p.kind)}</td>
                    <td className="px-4 py-1.5">{p.pid}</td>
                    <td className="max-w-96 truncate px-4 py-1.5 font-mono text-code">{p.command}</td>
                    <td className="px-4 py-1.5 whitespace-nowrap">{duration(p.cpu_seconds * 1000)}</td>
                    <td className="px-4 py-1.5 whitespace-nowrap">{bytes(p.memory_bytes)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </div>
    </li>
  )
}

const shown = ({ quota }: Instance): readonly Shown[] => [
  { series: 'cpu', title: m.figure_cpu(), show: cores, limit: quota.cpu },
  { series: 'memory_bytes', title: m.quota_memory(), show: bytes, inBytes: true, limit: quota.memory_bytes },
  { series: 'storage_bytes', title: m.quota_storage(), show: bytes, inBytes: true, limit: quota.storage_bytes },
  { series: 'pids', title: m.quota_pids(), show: number, limit: quota.pids },
]

/** A figure with its last hour, where there is room for that. */
function Beside({ line, children }: { line: ReactNode; children: ReactNode }) {
  return (
    <span className="flex items-center justify-between gap-3">
      <span>{children}</span>
      <span className="hidden @3xl:inline-flex">{line}</span>
    </span>
  )
}

function Measure({ name, used, limit, show, recent }: { name: string; used: number; limit: number; show: (n: number) => string; recent?: Line | undefined }) {
  const share = limit > 0 ? Math.min(1, used / limit) : 0
  return (
    <div className="text-minor">
      <dt className="text-muted">{name}</dt>
      <dd className="tabular">
        <Beside line={recent && <Sparkline name={name} line={recent} limit={limit} show={show} />}>{m.used_of({ used: show(used), limit: show(limit) })}</Beside>
        <span className="mt-1 block h-1 overflow-hidden rounded-full bg-sunken" aria-hidden="true">
          <span className={`block h-full rounded-full ${share > 0.9 ? 'bg-danger' : share > 0.75 ? 'bg-wait' : 'bg-accent'}`} style={{ width: `${share * 100}%` }} />
        </span>
      </dd>
    </div>
  )
}
