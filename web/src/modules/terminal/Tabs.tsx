import { useEffect, type KeyboardEvent, type ReactNode, type Ref } from 'react'
import type { Terminal } from '@/api/wire'
import { IconButton } from '@/components/Button'
import { Icon } from '@/components/Icon'
import { Menu, MenuItem, MenuLine } from '@/components/Menu'
import { m } from '@/i18n/paraglide/messages.js'
import { nameOf } from './name'
import { changeSettings, fontSizes, useSettings } from './settings'

interface Props {
  ref: Ref<HTMLDivElement>
  terminals: readonly Terminal[]
  shown: string | undefined
  onShow: (id: string) => void
  onFind: () => void
  onClose: (t: Terminal) => void
  onRename: (t: Terminal) => void
  action: ReactNode
}

/** One tab a terminal, and what can be done with the one that is shown. */
export function Tabs({ ref, terminals, shown, onShow, onFind, onClose, onRename, action }: Props) {
  const settings = useSettings()
  const current = terminals.find((t) => t.id === shown)
  useEffect(() => {
    document.getElementById(`tab-${shown}`)?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [shown])
  const move = (e: KeyboardEvent) => {
    const by = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0
    if (by === 0) return
    e.preventDefault()
    const next = terminals[(terminals.findIndex((t) => t.id === shown) + by + terminals.length) % terminals.length]
    if (!next) return
    onShow(next.id)
    document.getElementById(`tab-${next.id}`)?.focus()
  }
  return (
    <div className="@container shrink-0 border-b bg-page">
    <div className="flex items-center gap-1 pr-1">
      <div ref={ref} role="tablist" tabIndex={-1} aria-label={m.terminals()} onKeyDown={move} className="flex min-w-0 flex-1 scroller">
        {terminals.map((t, i) => (
          <button
            key={t.id}
            type="button"
            id={`tab-${t.id}`}
            role="tab"
            aria-selected={t.id === shown}
            aria-controls={`panel-${t.id}`}
            tabIndex={t.id === shown || (shown === undefined && i === 0) ? 0 : -1}
            onClick={() => onShow(t.id)}
            className="flex min-h-11 max-w-56 min-w-20 shrink-0 items-center gap-2 border-r px-3 text-minor text-muted -outline-offset-2 hover:bg-hover aria-selected:bg-surface aria-selected:font-strong aria-selected:text-content desk:min-h-10"
          >
            <Icon name={t.exited ? 'stop' : 'terminal'} size={15} />
            <span className="truncate">{nameOf(t, terminals)}</span>
            {t.exited ? <span className="text-small font-normal">{m.terminal_ended()}</span> : t.foreground && <span className="truncate font-mono text-small font-normal">{t.foreground}</span>}
          </button>
        ))}
      </div>
      {action}
      {current && (
        <IconButton label={m.terminal_find()} onClick={onFind}>
          <Icon name="search" size={16} />
        </IconButton>
      )}
      <Menu
        trigger={
          <IconButton label={m.terminal_menu()}>
            <Icon name="more" />
          </IconButton>
        }
      >
        {current && (
          <MenuItem onSelect={() => onRename(current)}>
            <Icon name="pen" size={16} /> {m.terminal_rename()}
          </MenuItem>
        )}
        <MenuItem disabled={settings.fontSize >= fontSizes.most} onSelect={() => changeSettings({ fontSize: settings.fontSize + 1 })}>
          <Icon name="plus" size={16} /> {m.terminal_larger()}
        </MenuItem>
        <MenuItem disabled={settings.fontSize <= fontSizes.least} onSelect={() => changeSettings({ fontSize: settings.fontSize - 1 })}>
          <Icon name="dash" size={16} /> {m.terminal_smaller()}
        </MenuItem>
        <MenuItem onSelect={() => changeSettings({ screenReader: !settings.screenReader })}>
          <Icon name={settings.screenReader ? 'check' : 'user'} size={16} /> {settings.screenReader ? m.terminal_reader_on() : m.terminal_reader()}
        </MenuItem>
        <MenuLine />
        {current && (
          <MenuItem danger onSelect={() => onClose(current)}>
            <Icon name="close" size={16} /> {m.terminal_close()}
          </MenuItem>
        )}
      </Menu>
    </div>
    </div>
  )
}
