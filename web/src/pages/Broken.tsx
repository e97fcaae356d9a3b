import { Link, type ErrorComponentProps } from '@tanstack/react-router'
import { ApiError } from '@/api/client'
import { Button } from '@/components/Button'
import { Empty } from '@/components/Empty'
import { Failure, Notice } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'

/** A page that could not be shown: why, and the way on. */
export function Broken({ error }: ErrorComponentProps) {
  const actions = <Button onClick={() => location.reload()}>{m.reload()}</Button>
  return (
    <div className="mx-auto w-full max-w-lg p-6">
      {error instanceof ApiError ? (
        <Failure error={error} actions={actions} />
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
    <main className="grid h-full place-content-center">
      <Empty title={m.not_found_title()} action={<Link to="/" className="inline-flex min-h-11 items-center rounded-control border border-edge/50 px-4 text-minor hover:bg-hover">{m.to_sessions()}</Link>}>
        {m.not_found_text()}
      </Empty>
    </main>
  )
}
