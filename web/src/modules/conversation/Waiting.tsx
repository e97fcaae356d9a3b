import { api, ApiError, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { Button } from '@/components/Button'
import { textOf, type PromptRow } from '@/conversation/model'
import { m } from '@/i18n/paraglide/messages.js'
import { problemTitle } from '@/i18n/problem'
import type { SessionView } from '@/stream/held'
import { drafts } from './draft'
import { picturesOf } from './pictures'

/** The prompts that wait behind a turn or for a place. Those that wait for nothing but their own start, or were given up, stand in the conversation. */
export function waitingOf(view: SessionView): PromptRow[] {
  const behind = view.activity !== 'none' || view.state === 'queued'
  return view.queue.filter((p) => p.status === 'queued' || (behind && p.status !== 'failed'))
}

/** What waits, above the composer: what Claude writes meanwhile does not move its buttons. */
export function Waiting({ sessionId, prompts }: { sessionId: string; prompts: readonly PromptRow[] }) {
  if (prompts.length === 0) return null
  return (
    <section aria-label={m.waiting_prompts()} className="mx-auto w-full max-w-[53rem] px-3 pt-2 desk:px-6">
      <div className="rounded-card border bg-surface">
        <h2 className="px-4 pt-2 text-small text-muted">{m.prompt_queued()}</h2>
        <ol className="scroller max-h-[26dvh]">
          {prompts.map((p) => (
            <WaitingPrompt key={p.key} sessionId={sessionId} row={p} />
          ))}
        </ol>
      </div>
    </section>
  )
}

/** It can be taken back, or back into the composer. */
function WaitingPrompt({ sessionId, row }: { sessionId: string; row: PromptRow }) {
  const withdraw = useMutation({
    mutationFn: () => call(api.DELETE('/sessions/{id}/prompts/{prompt_id}', { params: { path: { id: sessionId, prompt_id: row.id } } })),
  })
  const pictures = picturesOf(row.blocks)
  const edit = async () => {
    await withdraw.mutateAsync()
    drafts.edit(sessionId, textOf(row), pictures)
    document.querySelector<HTMLTextAreaElement>('[data-composer]')?.focus()
  }
  const error = withdraw.error
  return (
    <li className="px-4 py-1 text-minor [&+&]:border-t">
      <div className="flex items-center gap-1">
        <p className="me-auto line-clamp-2 min-w-0 [overflow-wrap:anywhere]">{textOf(row) || m.attached_picture()}</p>
        <Button look="plain" busy={withdraw.isPending} onClick={() => void edit().catch(() => {})}>
          {m.prompt_edit()}
        </Button>
        <Button look="plain" busy={withdraw.isPending} onClick={() => withdraw.mutate()}>
          {m.prompt_withdraw()}
        </Button>
      </div>
      {error && (
        <p role="alert" className="pb-1 text-danger">
          {error instanceof ApiError && error.code === 'conflict' ? m.prompt_begun() : m.prompt_not_withdrawn({ why: error instanceof ApiError ? error.detail || problemTitle(error.code) : '' })}
        </p>
      )}
    </li>
  )
}
