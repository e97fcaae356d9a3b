import { useMemo } from 'react'
import type { Session } from '@/api/wire'
import { compact, duration, money, number, percent } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import type { SessionView } from '@/stream/stream'
import { changesOf } from './changes'
import { contextOf } from './pickers'
import { shortPath } from './tools/face'
import { SessionId } from './SessionId'
import { StopTask, TodoLine } from './tools/ToolBody'

/** The third column: what the conversation set out to do, what it changed, and what it cost. */
export function Work({ id, view, session }: { id: string; view: SessionView; session: Session | undefined }) {
  const changes = useMemo(() => changesOf(view.rows), [view.rows])
  const tasks = useMemo(() => view.rows.flatMap((r) => (r.kind === 'tool' && r.task?.background && r.task.running ? [r.task] : [])), [view.rows])
  return (
    <aside aria-label={m.work()} className="hidden w-[360px] min-h-0 flex-col border-l bg-page wide:flex">
      <div className="scroller min-h-0 flex-1">
        {view.todos.length > 0 && (
          <section className="border-b px-5 pt-3.5 pb-3">
            <h2 className="pb-1 text-small font-strong text-muted">{m.work_todos()}</h2>
            <ul className="text-minor">
              {view.todos.map((t) => (
                <TodoLine key={t.id} text={t.text} status={t.status} />
              ))}
            </ul>
          </section>
        )}
        {tasks.length > 0 && (
          <section className="border-b px-5 pt-3.5 pb-3">
            <h2 className="pb-1 text-small font-strong text-muted">{m.foot_background()}</h2>
            <SessionId value={id}>
              <ul className="text-minor">
                {tasks.map((t) => (
                  <li key={t.id} className="flex items-center gap-2 py-1">
                    <span className="min-w-0 flex-1 truncate">{t.progress}</span>
                    <StopTask id={t.id} />
                  </li>
                ))}
              </ul>
            </SessionId>
          </section>
        )}
        <section className="px-5 pt-3.5 pb-3">
          <h2 className="pb-1 text-small font-strong text-muted">{m.work_changes()}</h2>
          {changes.length === 0 ? (
            <p className="text-minor text-muted">{m.work_no_changes()}</p>
          ) : (
            <ul>
              {changes.map((c) => (
                <li key={c.path} className="flex items-baseline gap-3 py-1 font-mono text-code">
                  <span className="min-w-0 flex-1 truncate text-left" title={c.path} dir="rtl">
                    <bdi>{shortPath(c.path, view.cwd)}</bdi>
                  </span>
                  <span className="shrink-0 tabular">
                    {c.added > 0 && <span className="text-accent">+{number(c.added)}</span>} {c.removed > 0 && <span className="text-danger">−{number(c.removed)}</span>}
                  </span>
                </li>
              ))}
            </ul>
          )}
        </section>
      </div>
      <Foot view={view} session={session} full />
    </aside>
  )
}

/** What the last turn and the session cost, and how full the context is. */
export function Foot({ view, session, full = false }: { view: SessionView; session: Session | undefined; full?: boolean }) {
  const context = contextOf(view)
  const cost = view.costUsd ?? session?.cost_usd ?? 0
  const turn = view.lastTurn
  if (full) {
    return (
      <dl className="grid grid-cols-[1fr_auto] gap-x-4 gap-y-1 border-t px-5 py-3 text-minor tabular">
        {context && (
          <Line name={m.foot_context()} value={context.share === null ? m.tokens({ count: compact(context.tokens) }) : `${compact(context.tokens)} · ${percent(context.share)}`} />
        )}
        {view.backgroundTasks > 0 && <Line name={m.foot_background()} value={number(view.backgroundTasks)} />}
        {turn && <Line name={m.foot_turn()} value={`${duration(turn.durationMs)} · ${m.tokens({ count: compact(turn.tokens) })} · ${money(turn.costUsd)}`} />}
        <Line name={m.foot_session()} value={money(cost)} />
      </dl>
    )
  }
  const parts = [
    context && (context.share === null ? m.tokens({ count: compact(context.tokens) }) : m.context({ share: percent(context.share) })),
    turn && m.turn_took({ time: duration(turn.durationMs) }),
    cost > 0 && money(cost),
    view.backgroundTasks > 0 && m.tasks_running({ count: view.backgroundTasks }),
  ].filter((p): p is string => typeof p === 'string')
  if (parts.length === 0) return null
  return <p className="mx-auto w-full max-w-[848px] truncate px-4 pb-1.5 text-small text-muted tabular desk:px-7 wide:hidden">{parts.join(' · ')}</p>
}

function Line({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="text-end whitespace-nowrap">{value}</dd>
    </>
  )
}
