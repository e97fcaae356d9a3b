import type { Session, SessionState } from '@/api/wire'
import type { Light } from '@/components/Lamp'

export type Group = 'waiting' | 'running' | 'queued' | 'earlier'

const groupOf: Record<SessionState, Group> = {
  waiting: 'waiting',
  running: 'running',
  queued: 'queued',
  starting: 'earlier',
  ready: 'earlier',
  dormant: 'earlier',
}

const lightOf: Record<SessionState, Light> = {
  waiting: 'waiting',
  running: 'running',
  queued: 'queued',
  starting: 'starting',
  ready: 'ready',
  dormant: 'dormant',
}

export function lightOfState(state: string | null | undefined): Light {
  return state && Object.hasOwn(lightOf, state) ? lightOf[state as SessionState] : 'dormant'
}

const order: readonly Group[] = ['waiting', 'running', 'queued', 'earlier']

/** Sessions in the order in which they need a person, the last used first within each group. */
export function grouped(sessions: readonly Session[]): { group: Group; sessions: Session[] }[] {
  const byGroup = new Map<Group, Session[]>()
  for (const s of [...sessions].sort((a, b) => b.last_activity_at.localeCompare(a.last_activity_at))) {
    const g = groupOf[s.state] ?? 'earlier'
    byGroup.set(g, [...(byGroup.get(g) ?? []), s])
  }
  return order.flatMap((group) => {
    const list = byGroup.get(group)
    return list ? [{ group, sessions: list }] : []
  })
}
