import type { Session } from '@/api/wire'
import { compact, duration, money, number, percent } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import type { SessionView } from '@/stream/held'
import { contextOf } from '../pickers'

/** What the last turn and the session cost, and how full the context is. */
export function Foot({ view, session, full = false }: { view: SessionView; session: Session | undefined; full?: boolean }) {
  const context = contextOf(view)
  const cost = view.costUsd ?? session?.cost_usd ?? 0
  const turn = view.lastTurn
  if (full) {
    return (
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1 border-t px-4 py-3 text-minor tabular">
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
  return <p className="mx-auto w-full max-w-[53rem] truncate px-4 pb-1.5 text-small text-muted tabular desk:px-7 wide:group-data-[work=open]/talk:hidden">{parts.join(' · ')}</p>
}

function Line({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="text-end">{value}</dd>
    </>
  )
}
