import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '@/api/queries'
import type { Session } from '@/api/wire'
import { IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { useNow } from '@/components/useNow'
import { ago } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { recent } from './recent'

const shown = 6

/** The projects that were worked in last. */
export function Projects({ sessions, onNew }: { sessions: readonly Session[]; onNew: (project: string) => void }) {
  const { data } = useQuery(queries.projects())
  const now = useNow()
  if (!data || data.length === 0) return null
  return (
    <section aria-label={m.home_projects()}>
      <div className="flex items-baseline gap-3 pb-1">
        <h2 className="flex-1 text-title font-strong">{m.home_projects()}</h2>
        {data.length > shown && (
          <Link to="/projects" className="inline-flex min-h-11 min-w-11 items-center justify-end text-minor text-info hover:underline desk:min-h-6">
            {m.home_projects_all({ count: data.length })}
          </Link>
        )}
      </div>
      <ul className="grid grid-cols-1 gap-x-8 desk:grid-cols-2">
        {recent(data, sessions).slice(0, shown).map(({ project, at }) => (
          <li key={project.name} className="flex min-w-0 items-center gap-1 border-t">
            <Link to="/files/$" params={{ _splat: project.path }} className="flex min-h-12 min-w-0 flex-1 items-center gap-2.5 rounded-control px-1 hover:bg-hover desk:min-h-10">
              <Icon name="folder" size={17} className="text-muted" />
              <span className="min-w-0 flex-1 truncate">{project.name}</span>
              <time dateTime={at} className="text-small text-muted tabular">
                {ago(at, now)}
              </time>
            </Link>
            <IconButton label={m.project_session({ name: project.name })} onClick={() => onNew(project.name)}>
              <Icon name="plus" size={16} />
            </IconButton>
          </li>
        ))}
      </ul>
    </section>
  )
}
