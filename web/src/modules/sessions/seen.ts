import type { QueryClient } from '@tanstack/react-query'
import { api, call } from '@/api/client'
import { noteSession } from '@/api/queries'
import type { Session } from '@/api/wire'

/** Whether something was said in it that the person has seen on none of their devices, and has come to its end. */
export function isNews(session: Pick<Session, 'state' | 'last_activity_at' | 'seen_at'>): boolean {
  return (session.state === 'ready' || session.state === 'dormant') && Date.parse(session.last_activity_at) > Date.parse(session.seen_at)
}

/** Notes that the person has these before their eyes, or says that they know. What cannot be told stays news. */
export async function see(client: QueryClient, sessions: readonly Session[]): Promise<void> {
  await Promise.all(
    sessions.filter(isNews).map(async (session) => {
      const seen = { seen_at: session.last_activity_at }
      noteSession(client, { ...session, ...seen })
      await call(api.PATCH('/sessions/{id}', { params: { path: { id: session.id } }, body: seen })).catch(() => {})
    }),
  )
}
