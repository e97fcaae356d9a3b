import { useEffect, useRef, useState } from 'react'
import { Button } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { Lamp } from '@/components/Lamp'
import { duration } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import type { SessionView } from '@/stream/stream'
import { countOfNew, PromptView, RowView } from './Row'
import { useFollow } from './useFollow'
import { activityText, retryReason } from './words'

/** How many rows are drawn; earlier ones come by a button. */
const windowRows = 300

/** The conversation, from its rows. It knows nothing of where they come from. */
export function Timeline({ view, empty }: { view: SessionView; empty: React.ReactNode }) {
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const { following, follow } = useFollow(scroller, content)
  const [extra, setExtra] = useState(0)
  const rows = view.rows
  const start = Math.max(0, rows.length - windowRows - extra)

  // How much came since the reader went up to look at something.
  const [left, setLeft] = useState(0)
  const count = useRef(rows.length)
  count.current = rows.length
  useEffect(() => {
    if (!following) setLeft(count.current)
  }, [following])
  const fresh = following ? 0 : Math.max(0, rows.length - left)

  // What the user sends, they want to see.
  const sent = view.outgoing.length + view.queue.length
  const lastSent = useRef(sent)
  useEffect(() => {
    if (sent > lastSent.current) follow()
    lastSent.current = sent
  }, [sent, follow])

  const nothing = rows.length === 0 && sent === 0
  return (
    <div className="relative min-h-0 flex-1">
      <div ref={scroller} className="scroller h-full" role="log" aria-live="off" aria-label={m.conversation()} tabIndex={0}>
        <div ref={content} className="mx-auto flex max-w-[848px] flex-col gap-4 px-4 py-5 desk:px-6">
          {start > 0 && (
            <div className="flex justify-center">
              <Button look="plain" onClick={() => setExtra((n) => n + windowRows)}>
                {m.show_earlier()}
              </Button>
            </div>
          )}
          {nothing && empty}
          {rows.slice(start).map((row, i) => (
            <div key={row.key} className={rows.length - start - i > 12 ? 'row-far' : undefined}>
              <RowView row={row} cwd={view.cwd} />
            </div>
          ))}
          <Now view={view} />
          {view.queue.map((row) => (
            <PromptView key={row.key} row={row} />
          ))}
          {view.outgoing.map((row) => (
            <PromptView key={row.key} row={row} />
          ))}
        </div>
      </div>
      {!following && (
        <button
          type="button"
          onClick={follow}
          className="absolute bottom-3 left-1/2 inline-flex min-h-11 -translate-x-1/2 animate-rise items-center gap-1.5 rounded-full border bg-surface px-4 text-minor shadow-float hover:bg-page desk:min-h-9"
        >
          <Icon name="down" size={15} />
          {countOfNew(fresh)}
        </button>
      )}
    </div>
  )
}

/** What is going on now, at the end of the text. */
function Now({ view }: { view: SessionView }) {
  if (view.retry) {
    const r = view.retry
    return (
      <p className="flex items-center gap-2 text-minor text-wait">
        <Icon name="clock" size={15} className="animate-glow" />
        <span>
          {retryReason(r.status)} {m.retry_again({ wait: duration(r.delayMs), attempt: r.attempt, all: r.maxRetries })}
        </span>
      </p>
    )
  }
  if (view.state === 'queued') return <p className="text-minor text-muted">{view.place ? m.queue_place({ place: view.place }) : m.queue_waiting()}</p>
  const text = activityText(view.activity)
  if (text === '' || view.activity === 'writing') return null
  return (
    <p className="flex items-center gap-2 text-minor text-muted">
      <span className="animate-glow">
        <Lamp light="running" size={14} />
      </span>
      {text}
    </p>
  )
}
