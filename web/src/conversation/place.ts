import type { Row } from './model'
import type { TimelineRow } from './rows'

/** The row that an event is shown in: the one it brought, the one whose result it is, or else the last before it. -1: there is none. */
export function rowOfEvent(rows: readonly TimelineRow[], seq: number): number {
  const exact = rows.findIndex((row) => holds(row, seq))
  if (exact >= 0) return exact
  let best = -1
  rows.forEach((row, i) => {
    if (row.seq <= seq && (best < 0 || row.seq >= rows[best]!.seq)) best = i
  })
  return best
}

function holds(row: TimelineRow | Row, seq: number): boolean {
  if (row.seq === seq) return true
  if (row.kind === 'reads') return row.calls.some((call) => holds(call, seq))
  return row.kind === 'tool' && (row.result?.seq === seq || row.children.some((child) => holds(child, seq)))
}
