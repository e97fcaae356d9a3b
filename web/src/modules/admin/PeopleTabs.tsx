import { Link } from '@tanstack/react-router'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'

const tab = 'inline-flex min-h-11 items-center px-3 text-minor text-muted -outline-offset-2 hover:text-content aria-[current]:font-strong aria-[current]:text-content aria-[current]:shadow-[inset_0_-2px_0_var(--accent)] desk:min-h-10'

/** From those who are here to those who are invited. Moderators have only these. */
export function PeopleTabs() {
  if (useMe().role !== 'admin') return null
  return (
    <nav aria-label={m.users()} className="mb-5 flex border-b">
      <Link to="/admin/users" activeOptions={{ exact: true }} activeProps={{ 'aria-current': 'page' }} className={tab}>
        {m.users()}
      </Link>
      <Link to="/admin/users/invitations" activeProps={{ 'aria-current': 'page' }} className={tab}>
        {m.invitations()}
      </Link>
    </nav>
  )
}
