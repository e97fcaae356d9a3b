import { useLayoutEffect, useRef, useState, type ReactNode } from 'react'
import { m } from '@/i18n/paraglide/messages.js'
import { IconButton } from './Button'
import { Icon } from './Icon'
import { useBack } from './useBack'

interface Props {
  title: string
  onClose: () => void
  children: ReactNode
  wide?: boolean
}

/**
 * A modal dialog: the browser's own element, which keeps the focus in, makes
 * what is behind inert, closes on Escape and gives the focus back. The browser's Back closes it too.
 */
export function Dialog({ title, onClose, children, wide = false }: Props) {
  const ref = useRef<HTMLDialogElement>(null)
  const outside = useRef(false)
  const [opener] = useState(menuButton)
  useBack(onClose)
  // Closed before it is taken out of the page, or the browser has nobody to give the focus back to.
  useLayoutEffect(() => {
    const dialog = ref.current
    if (dialog && !dialog.open) {
      opener?.focus() // who has the focus now gets it back
      dialog.showModal()
      // Where there is something to fill in, that is what the user came for.
      dialog.querySelector<HTMLElement>('input:enabled, select:enabled, textarea:enabled')?.focus()
    }
    return () => dialog?.close()
  }, [opener])
  return (
    <dialog
      ref={ref}
      aria-label={title}
      onCancel={(e) => {
        e.preventDefault()
        onClose()
      }}
      // A selection that was drawn out of it ends outside, too.
      onPointerDown={(e) => (outside.current = e.target === ref.current)}
      onClick={(e) => {
        if (e.target === ref.current && outside.current) onClose()
      }}
      className={`w-[calc(100%-2rem)] animate-rise rounded-card border border-line bg-surface p-0 shadow-float ${wide ? 'max-w-2xl' : 'max-w-md'}`}
    >
      <div className="flex max-h-[85dvh] flex-col">
        <header className="flex items-center gap-2 pt-3 pr-2 pb-1 pl-5">
          <h2 className="flex-1 text-title font-strong">{title}</h2>
          <IconButton label={m.close()} onClick={onClose}>
            <Icon name="close" />
          </IconButton>
        </header>
        <div className="scroller px-5 pt-2 pb-5">{children}</div>
      </div>
    </dialog>
  )
}

/** The button of the menu that has the focus: its entries are gone by the time the dialog that one of them opens is there. */
function menuButton(): HTMLElement | null {
  const menu = document.activeElement?.closest('[role="menu"]')
  return document.getElementById(menu?.getAttribute('aria-labelledby') ?? '')
}
