import type { AuditChoice } from '@/api/wire'

/** What of the audit record is looked at, as the address has it. */
export interface AuditFilter {
  /** Who did it; 0: nobody who was signed in. */
  by?: number
  /** What was done, or how that begins, with a * at the end. */
  did?: string
  /** To what it was done. */
  to?: string
  /** The first day and the last, in the reader's own time. */
  from?: string
  until?: string
}

export function filterOf(search: Record<string, unknown>): AuditFilter {
  const { by, did, to, from, until } = search
  return {
    ...(typeof by === 'number' && Number.isSafeInteger(by) && by >= 0 && { by }),
    ...(typeof did === 'string' && did !== '' && { did: did.slice(0, 100) }),
    ...(typeof to === 'string' && to !== '' && { to: to.slice(0, 200) }),
    ...(dayOf(from) && { from: from as string }),
    ...(dayOf(until) && { until: until as string }),
  }
}

/** The filter, as it is asked for. */
export function choiceOf({ by, did, to, from, until }: AuditFilter): AuditChoice {
  const [first, last] = [dayOf(from), dayOf(until)]
  last?.setDate(last.getDate() + 1)
  return {
    ...(by !== undefined && { actor_id: by }),
    ...(did && { action: did }),
    ...(to && { target: to }),
    ...(first && { since: first.toISOString() }),
    ...(last && { before: last.toISOString() }),
  }
}

/** When a day begins here. */
function dayOf(text: unknown): Date | undefined {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(text)) return undefined
  const at = new Date(`${text}T00:00:00`)
  return Number.isNaN(at.getTime()) ? undefined : at
}
