import { useEffect, useState } from 'react'
import { Button } from '@/components/Button'
import { dateTime, duration, time } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { useAsOf } from '@/offline/page'
import { stream, useLink } from '@/stream/page'

/** A short cut of the connection is nobody's business; a longer one is said, and one that the browser knows of. */
const patienceMs = 1200

/** Says that the connection is lost, and when it is tried again; without a server, as of when it is what is shown. */
export function LinkState({ asOf = null }: { asOf?: number | null }) {
  const link = useLink()
  const lists = useAsOf()
  const kept = asOf ?? lists
  const [, tick] = useState(0)
  const away = link.status !== 'open' && (kept !== null || link.status === 'lost' || (link.status === 'connecting' && (link.again || link.attempt > 1)))
  const [since, setSince] = useState<number | null>(null)
  useEffect(() => setSince(away ? Date.now() : null), [away])
  useEffect(() => {
    if (!away) return
    const t = setInterval(() => tick((n) => n + 1), 500)
    return () => clearInterval(t)
  }, [away])
  const settled = kept !== null || !navigator.onLine || (since !== null && Date.now() - since > patienceMs)
  const words = () => {
    const from = kept ?? (navigator.onLine ? null : since)
    if (from !== null) return m.link_offline({ time: when(from) })
    return link.status === 'lost' ? m.link_lost({ wait: duration(Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000) * 1000)) }) : m.link_connecting()
  }
  return (
    <div role="status" className="empty:hidden">
      {away && settled && (
        <div className="flex items-center gap-3 border-b border-line bg-wait-ground px-4 py-1 text-minor desk:px-6">
          <span className="flex-1 tabular">{words()}</span>
          <Button look="plain" onClick={() => stream.wake()}>
            {m.link_now()}
          </Button>
        </div>
      )}
    </div>
  )
}

/** The time of day, and before today the day as well. */
function when(at: number): string {
  return new Date(at).toDateString() === new Date().toDateString() ? time(at) : dateTime(new Date(at).toISOString())
}
