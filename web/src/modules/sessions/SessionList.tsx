import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { queries } from '@/api/queries'
import type { Session } from '@/api/wire'
import { Button } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Lamp } from '@/components/Lamp'
import { ContextMenu } from '@/components/Menu'
import { Failure } from '@/components/Notice'
import { useNow } from '@/components/useNow'
import { ago } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { grouped, lightOfState } from './order'
import { isNews } from './seen'
import { SessionEntries } from './SessionActions'
import { groupTitle, lightName } from './words'

/** The user's sessions, in the order in which they need a person. */
export function SessionList({ project }: { project?: string }) {
  const { data, error, refetch } = useQuery(queries.sessions())
  if (error && !data) {
    return (
      <div className="p-4">
        <Failure error={error} actions={<Button onClick={() => void refetch()}>{m.try_again()}</Button>} />
      </div>
    )
  }
  if (!data) return <Loading label={m.loading()} rows={6} />
  const shown = project === undefined ? data : data.filter((s) => s.project === project)
  if (shown.length === 0) return <Empty title={m.sessions_empty_title()}>{m.sessions_empty_text()}</Empty>
  return <SessionGroups groups={grouped(shown)} />
}

export function SessionGroups({ groups }: { groups: ReturnType<typeof grouped> }) {
  return (
    <div className="pb-4">
      {groups.map(({ group, sessions }) => (
        <section key={group} aria-label={groupTitle(group)}>
          <h2 className="px-4 pt-4 pb-1 text-small font-strong text-muted">{groupTitle(group)}</h2>
          <ul>
            {sessions.map((s) => (
              <SessionLine key={s.id} session={s} />
            ))}
          </ul>
        </section>
      ))}
    </div>
  )
}

export function SessionLine({ session }: { session: Session }) {
  const now = useNow()
  const open = useParams({ strict: false }).sessionId === session.id
  const light = lightOfState(session.state)
  const news = isNews(session)
  return (
    <li>
      <ContextMenu items={<SessionEntries session={session} />}>
        <Link
          to="/s/$sessionId"
          params={{ sessionId: session.id }}
          aria-current={open ? 'page' : undefined}
          className="grid min-h-14 grid-cols-[1rem_minmax(0,1fr)_auto] items-center gap-x-2.5 px-4 py-2 -outline-offset-2 transition-colors hover:bg-hover aria-[current]:bg-sunken aria-[current]:shadow-[inset_2px_0_var(--accent)] desk:min-h-0 desk:py-1.5"
        >
          <Lamp light={light} label={lightName(light)} />
          <span className={`truncate text-body desk:text-minor ${light === 'waiting' || news ? 'font-strong' : ''}`}>
            {titleOf(session)}
            {news && <span className="sr-only"> {m.session_news()}</span>}
          </span>
          <time dateTime={session.last_activity_at} className="text-small text-muted tabular">
            {ago(session.last_activity_at, now)}
          </time>
          <span className="col-start-2 truncate text-small text-muted">{session.project}</span>
        </Link>
      </ContextMenu>
    </li>
  )
}

export function titleOf(session: Pick<Session, 'title'> | undefined): string {
  return session?.title || m.session_untitled()
}
