import { useLayoutEffect, useState } from 'react'
import type { TimelineRow } from '@/conversation/rows'

/** Rows that are drawn at the end, rows that are added at an edge, and rows that are drawn at most. */
const atEnd = 30
const step = 60
const most = 240

export interface Drawn {
  start: number
  end: number
  /** Draws more at an edge; what is far from it is drawn no more. */
  earlier: () => void
  later: () => void
  /** Draws what is around a row. */
  around: (index: number) => void
}

/**
 * Which of a conversation's rows are drawn: the last ones while the end is
 * followed, and else those from the row `from`, by its key, so that what comes
 * before and after moves nothing.
 */
export function useDrawn(rows: readonly TimelineRow[], following: boolean, begin: string | null): Drawn {
  const [from, setFrom] = useState<string | null>(begin)
  const found = from === null || following ? -1 : rows.findIndex((r) => r.key === from)
  const start = found >= 0 ? found : Math.max(0, rows.length - atEnd)
  const end = found >= 0 ? Math.min(rows.length, start + most) : rows.length
  const set = (index: number) => setFrom(rows[Math.max(0, index)]?.key ?? null)
  const now = rows[start]?.key ?? null
  // Who leaves the end stays where they are, whatever comes.
  useLayoutEffect(() => {
    if (!following && found < 0) setFrom(now)
  }, [following, found, now])
  return { start, end, earlier: () => set(start - step), later: () => set(Math.min(start + step, rows.length - atEnd)), around: (index) => set(index - 20) }
}
