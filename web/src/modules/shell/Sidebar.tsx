import { Link } from '@tanstack/react-router'
import type { Me } from '@/api/wire'
import { Button, IconButton } from '@/components/Button'
import { Icon, type IconName } from '@/components/Icon'
import { Lamp } from '@/components/Lamp'
import { Meter } from '@/components/Meter'
import { compact } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { SessionList } from '@/modules/sessions/SessionList'
import { AccountMenu } from './AccountMenu'

/** The first column of the desk: the sessions, and the way to the rest. */
export function Sidebar({ me, onNew, onFind }: { me: Me; onNew: () => void; onFind: () => void }) {
  return (
    <nav aria-label={m.sessions()} className="flex min-h-0 flex-col border-r bg-page">
      <Head onNew={onNew} onFind={onFind} />
      <div className="scroller min-h-0 flex-1">
        <SessionList />
      </div>
      <div className="scroller max-h-[60%] shrink-0 border-t p-2">
        <NavLink to="/search" icon="search" text={m.search()} />
        <NavLink to="/files/$" icon="folder" text={m.files()} />
        <NavLink to="/terminal" icon="terminal" text={m.terminal()} />
        <NavLink to="/projects" icon="list" text={m.projects()} />
        {me.role === 'admin' && (
          <>
            <NavLink to="/admin/users" icon="users" text={m.users()} />
            <NavLink to="/admin/instances" icon="box" text={m.instances()} />
            <NavLink to="/admin/server" icon="pulse" text={m.server()} />
            <NavLink to="/admin/audit" icon="record" text={m.audit()} />
          </>
        )}
        {me.role === 'moderator' && <NavLink to="/admin/users/invitations" icon="users" text={m.invitations()} />}
        <AccountMenu me={me} />
        <TokenUse me={me} />
      </div>
    </nav>
  )
}

/** The way home, the way to everything, and a new session: on a desk atop the first column, on a phone atop the home page. */
export function Head({ onNew, onFind }: { onNew: () => void; onFind: () => void }) {
  return (
    <>
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
      <div className="px-4 pt-1 pb-1">
        <Button onClick={onNew} className="w-full justify-start!">
          <Icon name="plus" size={16} className="text-muted" />
          {m.session_new()}
          <kbd className="ml-auto hidden font-mono text-small text-muted desk:inline">N</kbd>
        </Button>
      </div>
    </>
  )
}

/** How much of the month's tokens is used, where there is a limit. */
function TokenUse({ me }: { me: Me }) {
  const limit = me.quota.tokens_per_month
  if (limit === null || limit <= 0) return null
  return (
    <div className="px-2 pt-1 pb-1.5">
      <Meter name={m.used_month()} value={m.used_of({ used: compact(me.usage.tokens_this_month), limit: compact(limit) })} share={me.usage.tokens_this_month / limit} />
    </div>
  )
}

function NavLink({ to, icon, text }: { to: '/search' | '/files/$' | '/terminal' | '/projects' | '/admin/users' | '/admin/users/invitations' | '/admin/instances' | '/admin/server' | '/admin/audit'; icon: IconName; text: string }) {
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
