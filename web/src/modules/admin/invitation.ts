import type { Invitation } from '@/api/wire'

export type Standing = 'open' | 'used' | 'expired'

/** How an invitation stands, as of `now`. */
export function standingOf(i: Pick<Invitation, 'used_at' | 'expires_at'>, now: number): Standing {
  if (i.used_at !== null) return 'used'
  return Date.parse(i.expires_at) > now ? 'open' : 'expired'
}
