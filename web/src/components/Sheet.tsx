import { useEffect, useLayoutEffect, useState, type PointerEvent, type ReactNode } from 'react'
import { Pull } from './finger'
import { PortalPlace } from './portal'

/**
 * What lies over the page for a while: from below on a phone, at the side of a
 * desk. Modal, as a dialog is. On a phone a finger pulls it away by what is
 * marked `data-grip`; there should also be a button that closes it.
 */
export function Sheet({ label, onClose, children }: { label: string; onClose: () => void; children: ReactNode }) {
  const [dialog, setDialog] = useState<HTMLDialogElement | null>(null)
  // Closed before it is taken out of the page, or the browser has nobody to give the focus back to.
  useLayoutEffect(() => {
    if (dialog && !dialog.open) dialog.showModal()
    return () => dialog?.close()
  }, [dialog])
  return (
    <dialog
      ref={setDialog}
      aria-label={label}
      onCancel={(e) => {
        e.preventDefault()
        onClose()
      }}
      onClick={(e) => {
        if (e.target === dialog) onClose()
      }}
      {...usePull(dialog, onClose)}
      className="fixed inset-x-0 top-auto bottom-0 m-0 h-[92dvh] max-h-none w-full max-w-none animate-rise flex-col overflow-hidden rounded-t-card safe-bottom border-t bg-page p-0 shadow-float before:pointer-events-none before:absolute before:top-1.5 before:left-1/2 before:h-1 before:w-9 before:-translate-x-1/2 before:rounded-full before:bg-line open:flex desk:top-0 desk:right-0 desk:left-auto desk:h-full desk:w-[min(560px,90vw)] desk:rounded-none desk:border-t-0 desk:border-l desk:before:hidden"
    >
      <PortalPlace value={dialog}>{children}</PortalPlace>
    </dialog>
  )
}

/** The sheet follows the finger, and goes or comes back when that lets go. */
function usePull(dialog: HTMLDialogElement | null, onClose: () => void) {
  const [pull] = useState(() => new Pull())
  useEffect(() => {
    // Else the browser takes it for a throw of its own, and the next tap for what stops that.
    const mine = (e: TouchEvent) => pull.pulling && e.cancelable && e.preventDefault()
    dialog?.addEventListener('touchmove', mine, { passive: false })
    return () => dialog?.removeEventListener('touchmove', mine)
  }, [dialog, pull])
  const slide = (to: string) => {
    const from = dialog!.style.translate
    dialog!.style.translate = to
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    return dialog!.animate([{ translate: from }, { translate: to }], { duration: still ? 0 : 180, easing: 'ease-out' }).finished
  }
  return {
    onPointerDown: (e: PointerEvent) => {
      // Another finger: it is not meant to go.
      if (pull.stop()) void slide('none')
      const grip = (e.target as Element).closest('[data-grip]') !== null
      if (grip && matchMedia('(width < 47.5rem)').matches) pull.down(e, e.timeStamp)
    },
    onPointerMove: (e: PointerEvent) => {
      const y = pull.move(e, e.timeStamp)
      if (y !== null) dialog!.style.translate = `0 ${y}px`
    },
    onPointerUp: (e: PointerEvent) => {
      const end = pull.up(e, e.timeStamp)
      if (end === 'away') void slide('0 100%').then(onClose)
      else if (end === 'back') void slide('none')
    },
    onPointerCancel: () => {
      if (pull.stop()) void slide('none')
    },
  }
}
