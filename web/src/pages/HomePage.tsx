import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { queries } from '@/api/queries'
import type { Session } from '@/api/wire'
import { Button } from '@/components/Button'
import { Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { usePageTitle } from '@/components/pageTitle'
import { useDesk } from '@/components/room'
import { m } from '@/i18n/paraglide/messages.js'
import { FirstSteps } from '@/modules/home/FirstSteps'
import { Projects } from '@/modules/home/Projects'
import { Shared } from '@/modules/home/Shared'
import { Use } from '@/modules/home/Use'
import { Waiting } from '@/modules/home/Waiting'
import { NewSession } from '@/modules/sessions/NewSession'
import { grouped } from '@/modules/sessions/order'
import { isNews, see } from '@/modules/sessions/seen'
import { SessionGroups, SessionLine } from '@/modules/sessions/SessionList'
import { LinkState } from '@/modules/shell/LinkState'

/** What waits, what runs, what has finished; where one worked last; what is used. On a phone all sessions too. */
export function HomePage() {
  usePageTitle('')
  const sessions = useQuery(queries.sessions())
  const projects = useQuery(queries.projects())
  const [startIn, setStartIn] = useState<string | null>(null)
  return (
    <>
      <LinkState />
      <div className="scroller min-h-0 flex-1">
        <div className="mx-auto flex max-w-3xl flex-col gap-7 px-4 pt-4 pb-10 desk:px-8 desk:pt-7">
          <h1 className="sr-only">{m.home()}</h1>
          <Shared />
          {sessions.error && !sessions.data ? (
            <Failure error={sessions.error} actions={<Button onClick={() => void sessions.refetch()}>{m.try_again()}</Button>} />
          ) : !sessions.data || !projects.data ? (
            <Loading label={m.loading()} rows={6} />
          ) : sessions.data.length === 0 && projects.data.length === 0 ? (
            <FirstSteps />
          ) : (
            <Sections sessions={sessions.data} onNew={setStartIn} />
          )}
        </div>
      </div>
      {startIn !== null && <NewSession project={startIn} onClose={() => setStartIn(null)} />}
    </>
  )
}

function Sections({ sessions, onNew }: { sessions: readonly Session[]; onNew: (project: string) => void }) {
  const client = useQueryClient()
  const desk = useDesk()
  const groups = grouped(sessions)
  const others = groups.filter((g) => g.group !== 'waiting')
  const of = (group: string) => groups.find((g) => g.group === group)?.sessions ?? []
  const news = of('earlier').filter(isNews)
  const atWork = [...of('running'), ...of('queued')]
  const live = sessions.filter((s) => s.state !== 'dormant' && s.state !== 'queued').length
  const calm = of('waiting').length + atWork.length + news.length === 0
  return (
    <>
      <Waiting sessions={of('waiting')} />
      <div className="flex flex-col gap-7 peer-has-[[data-unknown]]/waiting:animate-late">
        {desk ? (
          <>
            {calm && <p className="text-muted">{m.home_calm()}</p>}
            <List title={m.group_running()} sessions={atWork} />
            <List
              title={m.home_finished()}
              sessions={news}
              action={
                <Button look="plain" onClick={() => void see(client, news)}>
                  {m.home_seen()}
                </Button>
              }
            />
          </>
        ) : (
          others.length > 0 && (
            <nav aria-label={m.sessions()} className="-mx-4">
              <SessionGroups groups={others} />
            </nav>
          )
        )}
        <Projects sessions={sessions} onNew={onNew} />
        <Use live={live} />
      </div>
    </>
  )
}

function List({ title, sessions, action }: { title: string; sessions: readonly Session[]; action?: ReactNode }) {
  if (sessions.length === 0) return null
  return (
    <section aria-label={title}>
      <div className="flex min-h-9 items-center gap-3">
        <h2 className="flex-1 text-title font-strong">{title}</h2>
        {action}
      </div>
      <ul className="-mx-4">
        {sessions.map((s) => (
          <SessionLine key={s.id} session={s} />
        ))}
      </ul>
    </section>
  )
}
