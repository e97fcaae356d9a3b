import { Link } from '@tanstack/react-router'
import { Icon, type IconName } from '@/components/Icon'
import { Page } from '@/components/Page'
import { m } from '@/i18n/paraglide/messages.js'
import { InstallByHand } from '@/modules/shell/InstallByHand'
import { install, useInstalling } from '@/modules/shell/install'
import { useSignOut } from '@/modules/shell/useSignOut'
import { useMe } from '@/modules/shell/me'

const row = 'flex min-h-13 w-full items-center gap-3 border-t px-4 text-start first:border-t-0 hover:bg-hover'

/** On a phone: the way to what the bar has no room for. */
export function MorePage() {
  const me = useMe()
  const { begin: signOut, question } = useSignOut()
  const installing = useInstalling()
  const face = (icon: IconName, text: string) => (
    <>
      <Icon name={icon} className="text-muted" />
      <span className="flex-1">{text}</span>
      <Icon name="right" size={16} className="text-muted" />
    </>
  )
  return (
    <Page title={m.more()}>
      <div className="overflow-hidden rounded-card border">
        <Link to="/projects" className={row}>
          {face('list', m.projects())}
        </Link>
        <Link to="/search" className={row}>
          {face('search', m.search())}
        </Link>
        <Link to="/snapshots" className={row}>
          {face('clock', m.snapshots())}
        </Link>
        <Link to="/account" className={row}>
          {face('user', m.account())}
        </Link>
        {me.role === 'admin' && (
          <>
            <Link to="/admin/users" className={row}>
              {face('users', m.users())}
            </Link>
            <Link to="/admin/instances" className={row}>
              {face('box', m.instances())}
            </Link>
            <Link to="/admin/server" className={row}>
              {face('pulse', m.server())}
            </Link>
            <Link to="/admin/audit" className={row}>
              {face('record', m.audit())}
            </Link>
          </>
        )}
        {me.role === 'moderator' && (
          <Link to="/admin/users/invitations" className={row}>
            {face('users', m.invitations())}
          </Link>
        )}
        {installing === 'offered' && (
          <button type="button" className={row} onClick={install}>
            {face('download', m.install())}
          </button>
        )}
        <button type="button" className={row} onClick={signOut}>
          {face('out', m.sign_out())}
        </button>
      </div>
      {question}
      <InstallByHand />
    </Page>
  )
}
