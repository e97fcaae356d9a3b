import { Link } from '@tanstack/react-router'
import { IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { m } from '@/i18n/paraglide/messages.js'
import { useDraft } from './drafts'
import { shownName } from './paths'

interface Props {
  tabs: readonly string[]
  current: string
  userId: number
  onClose: (path: string) => void
}

/** The files that stand open, on a desk. */
export function Tabs({ tabs, onClose, ...rest }: Props) {
  return (
    <nav aria-label={m.files_open()} className="hidden shrink-0 border-b bg-page desk:block">
      <ul className="scroller flex">
        {tabs.map((t) => (
          <Tab key={t} path={t} tabs={tabs} onClose={() => onClose(t)} {...rest} />
        ))}
      </ul>
    </nav>
  )
}

function Tab({ path, tabs, current, userId, onClose }: Omit<Props, 'onClose'> & { path: string; onClose: () => void }) {
  const dirty = useDraft(userId, path) !== undefined
  const here = path === current
  return (
    <li className={`flex shrink-0 items-center border-r ${here ? 'bg-surface shadow-[inset_0_2px_0_var(--accent)]' : ''}`}>
      <Link to="/files/$" params={{ _splat: path }} search={{ tabs: [...tabs] }} aria-current={here ? 'page' : undefined} title={path} className={`flex min-h-9 max-w-52 items-center gap-1.5 pl-3 text-minor -outline-offset-2 ${here ? '' : 'text-muted hover:text-content'}`}>
        <span className="truncate">{shownName(path)}</span>
        {dirty && (
          <span className="text-wait" title={m.file_unsaved()}>
            ●<span className="sr-only"> {m.file_unsaved()}</span>
          </span>
        )}
      </Link>
      <IconButton label={m.tab_close({ name: shownName(path) })} onClick={onClose} className="desk:size-7">
        <Icon name="close" size={14} />
      </IconButton>
    </li>
  )
}
