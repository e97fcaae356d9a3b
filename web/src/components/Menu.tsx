import { ContextMenu as UnderPointer, DropdownMenu } from 'radix-ui'
import { createContext, useContext, useRef, useState, type ReactNode } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { Held } from './Held'
import { Icon } from './Icon'
import { PortalPlace } from './portal'
import { useBack } from './useBack'

const panel = 'z-50 min-w-48 max-w-80 animate-rise scroller rounded-card border border-line bg-surface p-1 shadow-float'
const hanging = `${panel} max-h-[min(26rem,var(--radix-dropdown-menu-content-available-height))]`
const under = `${panel} max-h-[min(26rem,var(--radix-context-menu-content-available-height))]`
const item = 'flex min-h-11 cursor-pointer items-center gap-2 rounded-control px-3 py-1.5 text-minor outline-none select-none data-[disabled]:opacity-50 data-[highlighted]:bg-hover desk:min-h-9'

/** What an entry is made of: Radix has the same parts for both kinds of menu, and each knows only its own. */
const Kind = createContext<Pick<typeof DropdownMenu | typeof UnderPointer, 'Item' | 'ItemIndicator' | 'RadioGroup' | 'RadioItem' | 'Separator'>>(DropdownMenu)

/** A menu that hangs from a button. Not modal: a modal one would write styles into the page, which its policy forbids. */
export function Menu({ trigger, children, align = 'end' }: { trigger: ReactNode; children: ReactNode; align?: 'start' | 'end' }) {
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  // Its own button opens and closes it by itself. For the layer, which may still be there from before, a press on it
  // is one elsewhere, and so is the focus that it gets back late: either would close what has just been opened.
  const notElsewhere = (e: Event) => button.current?.contains(e.target as Node) && e.preventDefault()
  return (
    <DropdownMenu.Root modal={false} open={open} onOpenChange={setOpen}>
      <DropdownMenu.Trigger ref={button} asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal container={useContext(PortalPlace)}>
        <DropdownMenu.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          className={hanging}
          onCloseAutoFocus={(e) => document.activeElement !== document.body && e.preventDefault() /* what an entry has opened keeps the focus */}
          onPointerDownOutside={notElsewhere}
          onFocusOutside={notElsewhere}
        >
          <ByBack onClose={() => setOpen(false)} />
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

/**
 * A row's menu where the pointer or the finger is: for a right click, the
 * menu key, a long press. Never the only way: a button has the same entries.
 */
export function ContextMenu({ items, children }: { items: ReactNode; children: ReactNode }) {
  const [open, setOpen] = useState(false)
  const [link, setLink] = useState<string | null>(null)
  return (
    <UnderPointer.Root modal={false} open={open} onOpenChange={setOpen}>
      <UnderPointer.Trigger asChild onContextMenu={(e) => setLink(e.currentTarget.getAttribute('href'))}>
        <Held>{children}</Held>
      </UnderPointer.Trigger>
      <UnderPointer.Portal container={useContext(PortalPlace)}>
        {/* The tap that takes it away is not one on what lies there. Another right click is one there. */}
        <div role="presentation" className="fixed inset-0 z-50" onClick={(e) => e.target === e.currentTarget && setOpen(false)} onContextMenu={(e) => e.preventDefault()}>
          <UnderPointer.Content collisionPadding={8} className={under} onPointerDownOutside={(e) => e.detail.originalEvent.button === 0 && e.preventDefault()}>
            <ByBack onClose={() => setOpen(false)} />
            <Kind value={UnderPointer}>
              {/* What people open the browser's own menu of a link for, which this one hides. */}
              {link !== null && (
                <UnderPointer.Item asChild className={item}>
                  <a href={link} target="_blank" rel="noreferrer">
                    <Icon name="away" size={16} /> {m.open_in_tab()}
                  </a>
                </UnderPointer.Item>
              )}
              {items}
            </Kind>
          </UnderPointer.Content>
        </div>
      </UnderPointer.Portal>
    </UnderPointer.Root>
  )
}

/** Only what is open listens to Back. */
function ByBack({ onClose }: { onClose: () => void }) {
  useBack(onClose)
  return null
}

export function MenuItem({ onSelect, children, danger = false, disabled }: { onSelect: () => void; children: ReactNode; danger?: boolean; disabled?: boolean }) {
  const Parts = useContext(Kind)
  return (
    <Parts.Item onSelect={onSelect} disabled={disabled} className={`${item} ${danger ? 'text-danger' : ''}`}>
      {children}
    </Parts.Item>
  )
}

/** A file to take along. */
export function MenuDownload({ href, children }: { href: string; children: ReactNode }) {
  const Parts = useContext(Kind)
  return (
    <Parts.Item asChild className={item}>
      <a href={href} download>
        {children}
      </a>
    </Parts.Item>
  )
}

export function MenuLine() {
  const { Separator } = useContext(Kind)
  return <Separator className="mx-2 my-1 h-px bg-line" />
}

export interface Choice {
  value: string
  label: string
  note?: string
}

export function MenuChoices({ value, choices, onChange }: { value: string; choices: readonly Choice[]; onChange: (value: string) => void }) {
  const Parts = useContext(Kind)
  return (
    <Parts.RadioGroup value={value} onValueChange={onChange}>
      {choices.map((c) => (
        <Parts.RadioItem key={c.value} value={c.value} className={`${item} items-start`}>
          <span className="mt-0.5 size-4 text-accent">
            <Parts.ItemIndicator>
              <Icon name="check" size={16} />
            </Parts.ItemIndicator>
          </span>
          <span className="min-w-0 flex-1">
            <span className="block">{c.label}</span>
            {c.note && <span className="block text-small text-muted">{c.note}</span>}
          </span>
        </Parts.RadioItem>
      ))}
    </Parts.RadioGroup>
  )
}
