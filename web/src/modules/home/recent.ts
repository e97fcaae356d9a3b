import type { Project, Session } from '@/api/wire'

/** Projects by when they were last worked in: a session's last activity, or a change in their folder. */
export function recent(projects: readonly Project[], sessions: readonly Pick<Session, 'project' | 'last_activity_at'>[]): { project: Project; at: string }[] {
  const last = new Map<string, string>()
  for (const s of sessions) if ((last.get(s.project) ?? '') < s.last_activity_at) last.set(s.project, s.last_activity_at)
  return projects
    .map((project) => ({ project, at: [project.modified_at, last.get(project.name) ?? ''].reduce((a, b) => (a > b ? a : b)) }))
    .sort((a, b) => b.at.localeCompare(a.at))
}
