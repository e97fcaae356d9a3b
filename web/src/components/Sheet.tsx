import { useEffect, useState, type ReactNode } from 'react'
import { PortalPlace } from './portal'

/** What lies over the page for a while: from below on a phone, at the side of a desk. Modal, as a dialog is. */
export function Sheet({ label, onClose, children }: { label: string; onClose: () => void; children: ReactNode }) {
  const [dialog, setDialog] = useState<HTMLDialogElement | null>(null)
  useEffect(() => {
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
      className="fixed inset-x-0 top-auto bottom-0 m-0 h-[92dvh] max-h-none w-full max-w-none animate-rise flex-col overflow-hidden rounded-t-card safe-bottom border-t bg-page p-0 shadow-float open:flex desk:top-0 desk:right-0 desk:left-auto desk:h-full desk:w-[min(560px,90vw)] desk:rounded-none desk:border-t-0 desk:border-l"
    >
      <PortalPlace value={dialog}>{children}</PortalPlace>
    </dialog>
  )
}
