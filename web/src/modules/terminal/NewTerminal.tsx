import { useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import { Button } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { Menu, MenuItem } from '@/components/Menu'
import { m } from '@/i18n/paraglide/messages.js'

/** Begins a terminal: in the project that is given, or the one that is picked. */
export function NewTerminal({ project, compact = false, busy, onBegin }: { project?: string; compact?: boolean; busy: boolean; onBegin: (project: string) => void }) {
  const projects = useQuery({ ...queries.projects(), enabled: project === undefined })
  const look = compact ? 'plain' : 'primary'
  const face = (
    <>
      <Icon name="plus" size={16} /> <span className={compact ? 'sr-only @2xl:not-sr-only' : ''}>{m.terminal_new()}</span>
    </>
  )
  if (project !== undefined || projects.data?.length === 0)
    return (
      <Button look={look} busy={busy} className="min-w-11 shrink-0" onClick={() => onBegin(project ?? '')}>
        {face}
      </Button>
    )
  return (
    <Menu
      trigger={
        <Button look={look} busy={busy} className="min-w-11 shrink-0">
          {face}
        </Button>
      }
    >
      {projects.data?.map((p) => (
        <MenuItem key={p.name} onSelect={() => onBegin(p.name)}>
          <Icon name="folder" size={16} className="text-muted" /> {p.name}
        </MenuItem>
      ))}
      <MenuItem onSelect={() => onBegin('')}>
        <Icon name="home" size={16} className="text-muted" /> {m.terminal_home()}
      </MenuItem>
    </Menu>
  )
}
