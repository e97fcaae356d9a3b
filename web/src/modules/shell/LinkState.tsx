import { useEffect, useState } from 'react'
import { Button } from '@/components/Button'
import { duration } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { stream, useLink } from '@/stream/page'

/** A short cut of the connection is nobody's business; a longer one is said. */
const patienceMs = 1200

/** Says that the connection is lost, and when it is tried again. */
export function LinkState() {
  const link = useLink()
  const [, tick] = useState(0)
  const away = link.status === 'lost' || (link.status === 'connecting' && link.attempt > 1)
  const [since, setSince] = useState<number | null>(null)
  useEffect(() => setSince(away ? Date.now() : null), [away])
  useEffect(() => {
    if (!away) return
    const t = setInterval(() => tick((n) => n + 1), 500)
    return () => clearInterval(t)
  }, [away])
  const settled = since !== null && Date.now() - since > patienceMs
  return (
    <div role="status" className="empty:hidden">
      {away && settled && (
        <div className="flex items-center gap-3 border-b border-line bg-wait-ground px-4 py-1 text-minor desk:px-6">
          <span className="flex-1 tabular">{link.status === 'lost' ? m.link_lost({ wait: duration(Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000) * 1000)) }) : m.link_connecting()}</span>
          <Button look="plain" onClick={() => stream.wake()}>
            {m.link_now()}
          </Button>
        </div>
      )}
    </div>
  )
}
