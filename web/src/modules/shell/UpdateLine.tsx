import { Button } from '@/components/Button'
import { m } from '@/i18n/paraglide/messages.js'
import { updates, useUpdate } from './updates'

/** Says that there is a new version, and waits: nothing is reloaded while somebody writes. */
export function UpdateLine() {
  const ready = useUpdate()
  return (
    <div role="status" className="empty:hidden">
      {ready && (
        <div className="flex items-center gap-3 border-b bg-page px-4 py-1 text-minor desk:px-6">
          <span className="flex-1">{m.update_ready()}</span>
          <Button look="plain" className="font-strong text-accent" onClick={() => updates.take()}>
            {m.update_take()}
          </Button>
        </div>
      )}
    </div>
  )
}
