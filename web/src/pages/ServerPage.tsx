import { useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import type { ServerHealth } from '@/api/wire'
import { Button } from '@/components/Button'
import { Coded } from '@/components/Coded'
import { Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Failure, Notice } from '@/components/Notice'
import { Page } from '@/components/Page'
import { bytes, compact, cores, duration, number, percent } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { checkName } from '@/modules/admin/words'
import { Charts, type Shown } from '@/modules/figures/Charts'

export function ServerPage() {
  const server = useQuery(queries.server())
  return (
    <Page title={m.server()} wide>
      {server.error && !server.data ? (
        <Failure error={server.error} actions={<Button onClick={() => void server.refetch()}>{m.try_again()}</Button>} />
      ) : server.isPending ? (
        <Loading label={m.loading()} rows={5} />
      ) : (
        <Health server={server.data} />
      )}
      {/* Asked for at once, shown below what comes first: nothing is pushed down. */}
      <section hidden={server.isPending}>
        <h2 className="mt-8 mb-3 text-title font-strong">{m.figures()}</h2>
        <Charts query={queries.serverHistory} shown={shown()} />
      </section>
    </Page>
  )
}

/** Whether all is well, and if not what is wrong and what mends it. */
function Health({ server: s }: { server: ServerHealth }) {
  const users = useQuery(queries.users())
  const name = (id: number) => users.data?.find((u) => u.id === id)?.username ?? `user-${id}`
  const bad = s.checks.filter((c) => c.state !== 'ok')
  const sum = (of: Record<string, number>) => Object.values(of).reduce((a, b) => a + b, 0)
  return (
    <div className="flex flex-col gap-3">
      {bad.length === 0 && s.troubled.length === 0 ? (
        <p className="flex items-center gap-3 rounded-card border px-4 py-3">
          <Icon name="check" className="text-accent" />
          <span className="font-strong">{m.server_well()}</span>
        </p>
      ) : (
        <>
          {bad.map((c) => (
            <Notice key={c.name} tone={c.state === 'fail' ? 'danger' : 'wait'} title={c.state === 'fail' ? m.check_failed({ name: checkName(c.name) }) : m.check_warns({ name: checkName(c.name) })}>
              <Coded text={c.detail ?? ''} /> {c.remedy && <Coded text={m.check_remedy({ remedy: c.remedy })} />}
            </Notice>
          ))}
          {s.troubled.map((t) => (
            <Notice key={t.user_id} tone={t.status === 'unhealthy' ? 'danger' : 'wait'} title={m.instance_troubled({ name: name(t.user_id) })}>
              <Coded text={t.detail} />
            </Notice>
          ))}
        </>
      )}
      <dl className="grid grid-cols-2 gap-x-6 gap-y-3 rounded-card border px-4 py-3 text-minor desk:grid-cols-5">
        {(
          [
            [m.server_version(), s.version],
            [m.server_uptime(), duration(s.uptime_seconds * 1000)],
            [m.instances(), number(sum(s.counts.instances))],
            [m.claude_processes(), number(s.counts.processes['claude'] ?? 0)],
            [m.clients(), number(s.counts.clients)],
          ] as const
        ).map(([term, text]) => (
          <div key={term}>
            <dt className="text-muted">{term}</dt>
            <dd className="tabular">{text}</dd>
          </div>
        ))}
      </dl>
      <ul className="rounded-card border text-minor">
        {s.checks.map((c) => (
          <li key={c.name} className="flex flex-wrap items-center gap-x-3 gap-y-0.5 border-t px-4 py-2 first:border-t-0">
            <Icon name={c.state === 'ok' ? 'check' : 'warn'} size={16} className={c.state === 'ok' ? 'text-accent' : c.state === 'fail' ? 'text-danger' : 'text-wait'} />
            <span className="font-strong">{checkName(c.name)}</span>
            <span className="min-w-0 text-muted [overflow-wrap:anywhere]"><Coded text={c.detail || (c.state === 'ok' ? m.check_ok() : '')} /></span>
          </li>
        ))}
      </ul>
    </div>
  )
}

const shown = (): readonly Shown[] => [
  { series: 'cpu', title: m.figure_cpu(), show: cores },
  { series: 'memory_bytes', title: m.figure_memory(), show: bytes, inBytes: true },
  { series: 'memory_available_bytes', title: m.figure_memory_available(), show: bytes, inBytes: true },
  { series: 'pressure', title: m.figure_pressure(), show: percent },
  { series: 'disk_free_bytes', title: m.figure_disk(), show: bytes, inBytes: true },
  { series: 'claude_processes', title: m.claude_processes(), show: number },
  { series: 'running', title: m.figure_running(), show: number },
  { series: 'waiting', title: m.figure_waiting(), show: number },
  { series: 'queued', title: m.figure_queued(), show: number },
  { series: 'clients', title: m.clients(), show: number },
  { series: 'requests', title: m.figure_requests(), show: compact },
  { series: 'tokens', title: m.figure_tokens(), show: compact },
  { series: 'errors', title: m.figure_errors(), show: number },
]
