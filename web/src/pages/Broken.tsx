import { Link, type ErrorComponentProps } from '@tanstack/react-router'
import { ApiError } from '@/api/client'
import { Button } from '@/components/Button'
import { Empty } from '@/components/Empty'
import { Failure, Notice } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { updates } from '@/modules/shell/updates'

/** What a browser says of a part of the page that it could not load: each in words of its own. */
const missing = /dynamically imported module|importing a module script|unable to preload css/i

/** A page that could not be shown: why, and the way on. */
export function Broken({ error }: ErrorComponentProps) {
  const actions = <Button onClick={() => updates.take()}>{m.reload()}</Button>
  return (
    <div className="mx-auto w-full max-w-lg p-6">
      {error instanceof ApiError ? (
        <Failure error={error} actions={actions} />
      ) : error instanceof Error && missing.test(error.message) ? (
        <Notice tone="wait" title={m.part_missing_title()} actions={actions}>
          {m.part_missing_text()}
        </Notice>
      ) : (
        <Notice tone="danger" title={m.broken_title()} actions={actions}>
          {m.broken_text()} <code className="font-mono text-code">{error instanceof Error ? error.message : String(error)}</code>
        </Notice>
      )}
    </div>
  )
}

export function NotFound() {
  return (
    <div className="grid h-full place-content-center">
      <Empty title={m.not_found_title()} action={<Link to="/" className="inline-flex min-h-11 items-center rounded-control border border-edge/50 px-4 text-minor hover:bg-hover">{m.to_sessions()}</Link>}>
        {m.not_found_text()}
      </Empty>
    </div>
  )
}
