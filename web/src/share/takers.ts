import type { Session } from '@/api/wire'

const most = 8

/** The sessions that what was shared can go into, the last used first. One that was held outside of all projects takes neither prompts nor files. */
export function takers(sessions: readonly Session[]): Session[] {
  return sessions
    .filter((s) => s.project !== '')
    .sort((a, b) => b.last_activity_at.localeCompare(a.last_activity_at))
    .slice(0, most)
}
