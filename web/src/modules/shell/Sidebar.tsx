import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { queries } from '@/api/queries'
import type { Me } from '@/api/wire'
import { Button, IconButton } from '@/components/Button'
import { Icon, type IconName } from '@/components/Icon'
import { Lamp } from '@/components/Lamp'
import { compact } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { SessionList } from '@/modules/sessions/SessionList'
import { AccountMenu } from './AccountMenu'
import { LinkState } from './LinkState'
import { ScriptedBanner } from './Scripted'

/** The first column of the desk, and the home page of a phone: the sessions, and the way to the rest. */
export function Sidebar({ me, onNew, onFind, className }: { me: Me; onNew: () => void; onFind: () => void; className: string }) {
  const { data } = useQuery(queries.sessions())
  const first = data?.length === 0 // the one thing to do
  return (
    <nav aria-label={m.sessions()} className={`${className} min-h-0 flex-col bg-page desk:border-r`}>
      <div className="flex items-center gap-2 px-4 pt-1 pb-1 desk:pt-3 desk:pb-2">
        <Link to="/" className="flex min-h-11 flex-1 items-center gap-2 text-title font-strong desk:min-h-0">
          <span className="text-accent">
            <Lamp light="running" size={20} />
          </span>
          Carrel
        </Link>
        <IconButton label={m.palette()} onClick={onFind}>
          <Icon name="search" size={18} />
        </IconButton>
      </div>
      <div className="desk:hidden">
        <LinkState />
        <ScriptedBanner me={me} compact={false} />
      </div>
      <div className="px-4 pt-3 pb-1 desk:pt-1">
        <Button look={first ? 'primary' : undefined} onClick={onNew} className="w-full justify-start!">
          <Icon name="plus" size={16} className={first ? '' : 'text-muted'} />
          {m.session_new()}
          <kbd className={`ml-auto hidden font-mono text-small desk:inline ${first ? '' : 'text-muted'}`}>N</kbd>
        </Button>
      </div>
      <div className="scroller min-h-0 flex-1">
        <SessionList />
      </div>
      <div className="hidden border-t p-2 desk:block">
        <NavLink to="/search" icon="search" text={m.search()} />
        <NavLink to="/files/$" icon="folder" text={m.files()} />
        <NavLink to="/terminal" icon="terminal" text={m.terminal()} />
        <NavLink to="/projects" icon="list" text={m.projects()} />
        {me.role === 'admin' && (
          <>
            <NavLink to="/admin/users" icon="users" text={m.users()} />
            <NavLink to="/admin/instances" icon="box" text={m.instances()} />
            <NavLink to="/admin/server" icon="pulse" text={m.server()} />
          </>
        )}
        <AccountMenu me={me} />
        <TokenUse me={me} />
      </div>
    </nav>
  )
}

/** How much of the month's tokens is used, where there is a limit. */
function TokenUse({ me }: { me: Me }) {
  const limit = me.quota.tokens_per_month
  if (limit === null || limit <= 0) return null
  const share = Math.min(1, me.usage.tokens_this_month / limit)
  return (
    <div className="px-2 pt-1 pb-1.5 text-small text-muted">
      <p className="flex justify-between tabular">
        <span>{m.used_month()}</span>
        <span>{m.used_of({ used: compact(me.usage.tokens_this_month), limit: compact(limit) })}</span>
      </p>
      <span className="mt-1 block h-1 overflow-hidden rounded-full bg-sunken" aria-hidden="true">
        <span className={`block h-full rounded-full ${share > 0.9 ? 'bg-danger' : share > 0.75 ? 'bg-wait' : 'bg-accent'}`} style={{ width: `${share * 100}%` }} />
      </span>
    </div>
  )
}

function NavLink({ to, icon, text }: { to: '/search' | '/files/$' | '/terminal' | '/projects' | '/admin/users' | '/admin/instances' | '/admin/server'; icon: IconName; text: string }) {
  return (
    <Link
      to={to}
      activeProps={{ 'aria-current': 'page' }}
      className="flex min-h-9 items-center gap-2.5 rounded-control px-2 text-minor text-muted transition-colors hover:bg-hover hover:text-content aria-[current]:bg-sunken aria-[current]:text-content"
    >
      <Icon name={icon} size={17} />
      {text}
    </Link>
  )
}
