import type { Project, Session } from '@/api/wire'
import { recent } from '@/modules/home/recent'

const most = 5

/** The names of projects to choose from: those that were worked in last, and then the others in their order. */
export function lastUsed(projects: readonly Project[], sessions: readonly Pick<Session, 'project' | 'last_activity_at'>[]): { last: string[]; others: string[] } {
  const last = recent(projects, sessions).slice(0, most).map((r) => r.project.name)
  return { last, others: projects.map((p) => p.name).filter((n) => !last.includes(n)) }
}
