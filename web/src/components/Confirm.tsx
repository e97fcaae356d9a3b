import { m } from '@/i18n/paraglide/messages.js'
import { Button } from './Button'
import { Dialog } from './Dialog'
import { Failure } from './Notice'

interface Props {
  title: string
  text: string
  action: string
  busy: boolean
  error: unknown
  onClose: () => void
  onConfirm: () => void
}

/** Asks before what cannot be undone. The button names what it does. */
export function Confirm({ title, text, action, busy, error, onClose, onConfirm }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p className="text-muted">{text}</p>
      {error != null && (
        <div className="mt-3">
          <Failure error={error} />
        </div>
      )}
      <div className="mt-5 flex justify-end gap-2">
        <Button look="plain" onClick={onClose}>
          {m.cancel()}
        </Button>
        <Button look="danger" busy={busy} onClick={onConfirm}>
          {action}
        </Button>
      </div>
    </Dialog>
  )
}
