import { useNavigate } from '@tanstack/react-router'
import type { User } from '@/api/wire'
import { Icon } from '@/components/Icon'
import { Menu, MenuItem, MenuLine } from '@/components/Menu'
import { m } from '@/i18n/paraglide/messages.js'
import { install, useInstalling } from './install'
import { useSignOut } from './useSignOut'

export function AccountMenu({ me }: { me: User }) {
  const navigate = useNavigate()
  const installing = useInstalling()
  const { begin: signOut, question } = useSignOut()
  return (
    <>
    {question}
    <Menu
      align="start"
      trigger={
        <button type="button" className="flex min-h-9 w-full items-center gap-2.5 rounded-control px-2 text-minor text-muted transition-colors hover:bg-hover hover:text-content">
          <Icon name="user" size={17} />
          <span className="flex-1 truncate text-start">{me.username}</span>
          <Icon name="chevron" size={14} className="rotate-180" />
        </button>
      }
    >
      <MenuItem onSelect={() => void navigate({ to: '/account' })}>
        <Icon name="user" size={16} /> {m.account()}
      </MenuItem>
      {installing === 'offered' && (
        <MenuItem onSelect={install}>
          <Icon name="download" size={16} /> {m.install()}
        </MenuItem>
      )}
      <MenuItem onSelect={() => void navigate({ to: '/snapshots' })}>
        <Icon name="clock" size={16} /> {m.snapshots()}
      </MenuItem>
      <MenuLine />
      <MenuItem onSelect={signOut}>
        <Icon name="out" size={16} /> {m.sign_out()}
      </MenuItem>
    </Menu>
    </>
  )
}
