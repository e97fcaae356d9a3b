import { Link } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import type { Session } from '@/api/wire'
import { Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Lamp } from '@/components/Lamp'
import { ContextMenu } from '@/components/Menu'
import { m } from '@/i18n/paraglide/messages.js'
import { SessionEntries } from '@/modules/sessions/SessionActions'
import { titleOf } from '@/modules/sessions/SessionList'
import { useSessionView } from '@/stream/page'

const Dock = lazy(async () => ({ default: (await import('@/modules/conversation/dock/Dock')).Dock }))

/** So many requests are shown whole; the others are links. */
const whole = 2

/**
 * What waits for the person's answer, to be answered without going there. While a request is not known yet, the next
 * and what comes after `peer/waiting` keep back: nobody's finger should meet what just moved there.
 */
export function Waiting({ sessions }: { sessions: readonly Session[] }) {
  if (sessions.length === 0) return null
  return (
    <section aria-label={m.group_waiting()} className="peer/waiting flex flex-col gap-4">
      <h2 className="text-title font-strong">{m.group_waiting()}</h2>
      {sessions.map((s, i) => (
        <div key={s.id} className="peer/one flex flex-col gap-1 peer-has-[[data-unknown]]/one:animate-late">
          <ContextMenu items={<SessionEntries session={s} />}>
            <Link to="/s/$sessionId" params={{ sessionId: s.id }} className="flex min-h-11 items-center gap-2.5 rounded-control hover:bg-hover desk:min-h-9">
              <Lamp light="waiting" />
              <span className="min-w-0 truncate font-strong">{titleOf(s)}</span>
              <span className="shrink-0 text-minor text-muted">{s.project}</span>
              <Icon name="right" size={15} className="ms-auto text-muted" />
            </Link>
          </ContextMenu>
          {i < whole && (
            <div className="-mx-3 desk:-mx-6">
              <Request id={s.id} />
            </div>
          )}
        </div>
      ))}
    </section>
  )
}

function Request({ id }: { id: string }) {
  const view = useSessionView(id)
  return (
    <Suspense fallback={<Unknown />}>
      {!view.opened && view.problem === null && view.asOf === null && <Unknown />}
      <Dock sessionId={id} view={view} keys={false} />
    </Suspense>
  )
}

function Unknown() {
  return (
    <div data-unknown="" className="mx-3 rounded-card border desk:mx-6">
      <Loading label={m.loading()} />
    </div>
  )
}
