import { useState } from 'react'
import { Button } from '@/components/Button'
import { Markdown } from '@/components/markdown/Markdown'
import { str } from '@/conversation/json'
import { m } from '@/i18n/paraglide/messages.js'
import type { CardProps } from './Dock'
import { Deny } from './Deny'

/** Claude has a plan and asks whether to go on with it. */
export function PlanCard({ request, busy, answer }: CardProps) {
  const [keeping, setKeeping] = useState(false)
  const approve = (mode: string) => answer({ behavior: 'allow', updated_input: request.input, updated_permissions: [{ type: 'setMode', mode, destination: 'session' }] })
  return (
    <>
      <h3 className="px-4 pt-3 font-strong">{m.plan_title()}</h3>
      <div className="scroller mx-4 my-2 min-h-0 rounded-control border bg-surface px-4 py-3" tabIndex={0}>
        <Markdown text={str(request.input.plan) ?? m.plan_empty()} />
      </div>
      {keeping ? (
        <Deny label={m.plan_word()} stop={false} busy={busy} onCancel={() => setKeeping(false)} onDeny={(message) => answer({ behavior: 'deny', message })} />
      ) : (
        <div className="flex shrink-0 flex-wrap gap-2 px-4 pt-1 pb-4">
          <Button look="primary" busy={busy} className="max-desk:w-full" onClick={() => approve('acceptEdits')}>
            {m.plan_accept_edits()}
          </Button>
          <Button busy={busy} className="max-desk:flex-1" onClick={() => approve('default')}>
            {m.plan_accept_ask()}
          </Button>
          <Button busy={busy} className="max-desk:flex-1" onClick={() => setKeeping(true)}>
            {m.plan_keep()}
          </Button>
        </div>
      )}
    </>
  )
}
