import type { Quota } from '@/api/wire'
import { bytes, compact } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'

/** What of the machine one may use, in a line. */
export function limitsOf(q: Quota): string {
  return [m.cores({ count: q.cpu }), m.memory_size({ size: bytes(q.memory_bytes) }), m.storage_size({ size: bytes(q.storage_bytes) }), m.live_sessions({ count: q.live_sessions })].join(' · ')
}

/** How many tokens one may use, in a line; nothing where there is no limit. */
export function budgetsOf(q: Quota): string {
  return [q.tokens_per_day !== null && m.tokens_day({ count: compact(q.tokens_per_day) }), q.tokens_per_month !== null && m.tokens_month({ count: compact(q.tokens_per_month) })].filter(Boolean).join(' · ')
}
