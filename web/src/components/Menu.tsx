import { DropdownMenu } from 'radix-ui'
import { useContext, type ReactNode } from 'react'
import { Icon } from './Icon'
import { PortalPlace } from './portal'

const panel = 'z-50 max-h-[min(26rem,var(--radix-dropdown-menu-content-available-height))] min-w-48 max-w-80 animate-rise scroller rounded-card border border-line bg-surface p-1 shadow-float'
const item = 'flex min-h-11 cursor-pointer items-center gap-2 rounded-control px-3 py-1.5 text-minor outline-none select-none data-[disabled]:opacity-50 data-[highlighted]:bg-hover desk:min-h-9'

/** A menu that hangs from a button. Not modal: a modal one would write styles into the page, which its policy forbids. */
export function Menu({ trigger, children, align = 'end' }: { trigger: ReactNode; children: ReactNode; align?: 'start' | 'end' }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal container={useContext(PortalPlace)}>
        <DropdownMenu.Content align={align} sideOffset={6} collisionPadding={8} className={panel}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

export function MenuItem({ onSelect, children, danger = false, disabled }: { onSelect: () => void; children: ReactNode; danger?: boolean; disabled?: boolean }) {
  return (
    <DropdownMenu.Item onSelect={onSelect} disabled={disabled} className={`${item} ${danger ? 'text-danger' : ''}`}>
      {children}
    </DropdownMenu.Item>
  )
}

/** A file to take along. */
export function MenuDownload({ href, children }: { href: string; children: ReactNode }) {
  return (
    <DropdownMenu.Item asChild className={item}>
      <a href={href} download>
        {children}
      </a>
    </DropdownMenu.Item>
  )
}

export function MenuLine() {
  return <DropdownMenu.Separator className="mx-2 my-1 h-px bg-line" />
}

export interface Choice {
  value: string
  label: string
  note?: string
}

export function MenuChoices({ value, choices, onChange }: { value: string; choices: readonly Choice[]; onChange: (value: string) => void }) {
  return (
    <DropdownMenu.RadioGroup value={value} onValueChange={onChange}>
      {choices.map((c) => (
        <DropdownMenu.RadioItem key={c.value} value={c.value} className={`${item} items-start`}>
          <span className="mt-0.5 size-4 text-accent">
            <DropdownMenu.ItemIndicator>
              <Icon name="check" size={16} />
            </DropdownMenu.ItemIndicator>
          </span>
          <span className="min-w-0 flex-1">
            <span className="block">{c.label}</span>
            {c.note && <span className="block text-small text-muted">{c.note}</span>}
          </span>
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  )
}
