import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useParams, useSearch } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState } from 'react'
import { ApiError } from '@/api/client'
import { queries } from '@/api/queries'
import type { Session } from '@/api/wire'
import { Empty, Loading } from '@/components/Empty'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { Composer } from '@/modules/conversation/Composer'
import { Dock } from '@/modules/conversation/dock/Dock'
import { Header } from '@/modules/conversation/Header'
import { promptsOf } from '@/modules/conversation/history'
import { Timeline } from '@/modules/conversation/Timeline'
import { TodoBar } from '@/modules/conversation/Todos'
import { Waiting, waitingOf } from '@/modules/conversation/Waiting'
import { Foot } from '@/modules/conversation/work/Foot'
import { useWork } from '@/modules/conversation/work/useWork'
import { Work } from '@/modules/conversation/work/Work'
import { Gone } from '@/modules/sessions/Gone'
import { lightOfState } from '@/modules/sessions/order'
import { see } from '@/modules/sessions/seen'
import { titleOf } from '@/modules/sessions/SessionList'
import { LinkState } from '@/modules/shell/LinkState'
import type { Request } from '@/conversation/model'
import { usePageTitle } from '@/components/pageTitle'
import { clearTold } from '@/push/device'
import { useSessionView } from '@/stream/page'
import type { SessionView } from '@/stream/held'

/** One conversation. The key makes a new one of it for another session: drafts and scrolling are its own. */
export function SessionPage() {
  const { sessionId } = useParams({ from: '/app/s/$sessionId' })
  const { at } = useSearch({ from: '/app/s/$sessionId' })
  return <Conversation key={sessionId} id={sessionId} at={at} />
}

function Conversation({ id, at }: { id: string; at?: number }) {
  const { data: session, error } = useQuery(queries.session(id))
  const view = useSessionView(id)
  const prompts = useMemo(() => promptsOf(view.rows, view.queue), [view.rows, view.queue])
  const waiting = waitingOf(view)
  const title = titleOf({ title: view.title ?? session?.title ?? '' })
  usePageTitle(title)
  const work = useWork()
  const [jump, setJump] = useState<{ seq: number }>()
  const [finding, setFinding] = useState(false)
  useLooking(session)
  if (error instanceof ApiError && error.status === 404) {
    return <Gone id={id} />
  }
  const state = view.requests.length > 0 ? 'waiting' : (view.state ?? session?.state)
  const running = view.activity !== 'none' || state === 'running' || state === 'waiting' || state === 'queued'
  // The last thing said was an error, and nobody has gone on since.
  const failed = !running && view.queue.length === 0 && view.rows.at(-1)?.kind === 'error'
  // Where there is little height, what asks and what it asks about go before the rest.
  const asks = view.requests.length > 0 ? 'short:hidden' : undefined
  const loading = !view.opened && view.problem === null && view.asOf === null
  return (
    <>
      <Header id={id} session={session} view={view} light={failed ? 'failed' : lightOfState(state)} work={work} onFind={() => setFinding(true)} />
      <LinkState asOf={view.asOf} />
      <div className="group/talk flex min-h-0 flex-1 overflow-clip" data-work={work.open ? 'open' : undefined}>
        <div className="flex min-w-0 flex-1 flex-col safe-bottom">
          {error && !session && (
            <div className="p-4">
              <Failure error={error} />
            </div>
          )}
          <Timeline sessionId={id} at={at} jump={jump} view={view} waiting={waiting} finding={finding} onFinding={setFinding} empty={loading ? <Loading label={m.loading()} rows={5} /> : !view.opened ? null : <Empty title={m.conversation_empty_title()}>{m.conversation_empty_text()}</Empty>} />
          <div className={asks}>
            <TodoBar todos={view.todos} work={work} />
            <Waiting sessionId={id} prompts={waiting} />
          </div>
          <div className="flex min-h-0 flex-col pt-2">
            <Dock sessionId={id} view={view} />
          </div>
          <div className="pt-2">
            <Composer sessionId={id} running={running} stopUnsure={view.stopUnsure} waiting={view.requests.length > 0} fresh={view.opened && view.rows.length === 0} commands={view.commands} project={session?.project} prompts={prompts} />
          </div>
          <div className={asks}>
            <Foot view={view} session={session} />
          </div>
        </div>
        <Work id={id} place={work} view={view} session={session} onGo={(seq) => setJump({ seq })} />
      </div>
      <Announcer view={view} failed={failed} />
    </>
  )
}

function asks(request: Request): string {
  switch (request.toolName) {
    case 'AskUserQuestion':
      return m.announce_question()
    case 'ExitPlanMode':
      return m.plan_title()
  }
  return m.announce_asks({ what: request.description ?? request.displayName })
}

/** Notes what of the session the person has before their eyes. */
function useLooking(session: Session | undefined): void {
  const client = useQueryClient()
  useEffect(() => {
    if (!session) return
    const look = () => {
      if (document.hidden) return
      void see(client, [session])
      void clearTold(session.id).catch(() => {})
    }
    look()
    document.addEventListener('visibilitychange', look)
    return () => document.removeEventListener('visibilitychange', look)
  }, [session, client])
}

/** Tells a screen reader once that an answer is finished, or that Claude asks; never each token. */
function Announcer({ view, failed }: { view: SessionView; failed: boolean }) {
  const [said, setSaid] = useState({ text: '', count: 0 })
  const seen = useRef({ turn: view.finishedAt, request: view.requests[0]?.id, caughtUp: false })
  const request = view.requests[0]
  useEffect(() => {
    const was = seen.current
    const say = (text: string) => setSaid(({ count }) => ({ text, count: count + 1 }))
    // What is replayed at the beginning is old news.
    if (was.caughtUp && view.finishedAt > was.turn) say(failed ? m.announce_failed() : m.announce_finished())
    if (request && request.id !== was.request) say(asks(request))
    seen.current = { turn: view.finishedAt, request: request?.id, caughtUp: view.opened }
  }, [view.finishedAt, view.opened, request, failed])
  return (
    <p role="status" className="sr-only">
      {/* A new element each time: the same words in the same one are no change, and not read out. */}
      <span key={said.count}>{said.text}</span>
    </p>
  )
}
