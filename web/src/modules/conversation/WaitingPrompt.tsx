import { useMutation } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { api, ApiError, call } from '@/api/client'
import { Button } from '@/components/Button'
import type { PromptRow } from '@/conversation/model'
import { m } from '@/i18n/paraglide/messages.js'
import { problemTitle } from '@/i18n/problem'
import { drafts } from './draft'
import { picturesOf } from './pictures'

/** A prompt that Claude has not begun with: it can be taken back, or back into the composer. */
export function WaitingPrompt({ row }: { row: PromptRow }) {
  const { sessionId } = useParams({ from: '/app/s/$sessionId' })
  const withdraw = useMutation({
    mutationFn: () => call(api.DELETE('/sessions/{id}/prompts/{prompt_id}', { params: { path: { id: sessionId, prompt_id: row.id } } })),
  })
  const edit = async () => {
    const text = row.blocks.flatMap((b) => (b.type === 'text' ? [b.text] : [])).join('\n')
    await withdraw.mutateAsync()
    drafts.restore(sessionId, text, picturesOf(row.blocks))
    document.querySelector<HTMLTextAreaElement>('[data-composer]')?.focus()
  }
  const error = withdraw.error
  return (
    <div className="flex flex-col items-end text-end text-minor">
      <div className="flex flex-wrap items-center justify-end gap-1">
        <p className="text-small text-muted">{row.status === 'queued' ? m.prompt_queued() : m.prompt_sent()}</p>
        <Button look="plain" busy={withdraw.isPending} onClick={() => void edit().catch(() => {})}>
          {m.prompt_edit()}
        </Button>
        <Button look="plain" busy={withdraw.isPending} onClick={() => withdraw.mutate()}>
          {m.prompt_withdraw()}
        </Button>
      </div>
      {error && (
        <p role="alert" className="text-danger">
          {error instanceof ApiError && error.code === 'conflict' ? m.prompt_begun() : m.prompt_not_withdrawn({ why: error instanceof ApiError ? error.detail || problemTitle(error.code) : '' })}
        </p>
      )}
    </div>
  )
}
