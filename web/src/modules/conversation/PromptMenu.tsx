import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api, ApiError, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { noteSession, queries } from '@/api/queries'
import { Button, IconButton } from '@/components/Button'
import { copyText } from '@/components/clipboard'
import { Dialog } from '@/components/Dialog'
import { Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Menu, MenuItem, MenuLine } from '@/components/Menu'
import { Failure } from '@/components/Notice'
import { Picture as Enlarged } from '@/components/Picture'
import { toast } from '@/components/Toasts'
import type { PromptRow } from '@/conversation/model'
import { number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { stream } from '@/stream/page'
import { alike, canBeSent } from './again'
import { contentOf, picturesOf, type Picture } from './pictures'
import { useSessionId } from './SessionId'

/** What can be done from a prompt: take it along, send it again, go another way from there, put files back to it. */
export function PromptMenu({ row, text }: { row: PromptRow; text: string }) {
  const sessionId = useSessionId()
  const [dialog, setDialog] = useState<'edit' | 'rewind' | null>(null)
  const pictures = picturesOf(row.blocks)
  const whole = canBeSent(row)
  return (
    <>
      <Menu
        trigger={
          <IconButton label={m.prompt_menu()} className="desk:mouse:opacity-0 desk:group-hover:opacity-100 desk:focus-visible:opacity-100 desk:data-[state=open]:opacity-100">
            <Icon name="more" size={16} />
          </IconButton>
        }
      >
        <MenuItem onSelect={() => void copyText(text)}>
          <Icon name="copy" size={16} /> {m.copy()}
        </MenuItem>
        <MenuItem disabled={!whole} onSelect={() => stream.prompt(sessionId, contentOf(text, pictures))}>
          <Icon name="send" size={16} /> {m.prompt_again()}
        </MenuItem>
        <MenuLine />
        <MenuItem disabled={!whole} onSelect={() => setDialog('edit')}>
          <Icon name="branch" size={16} /> {m.prompt_edit_fork()}
        </MenuItem>
        {!whole && <p className="max-w-64 px-3 pb-2 text-small text-muted">{m.prompt_not_whole()}</p>}
        <MenuItem onSelect={() => setDialog('rewind')}>
          <Icon name="back" size={16} /> {m.rewind()}
        </MenuItem>
      </Menu>
      {dialog === 'edit' && <EditFork sessionId={sessionId} prompt={row.id || row.uuid} text={text} pictures={pictures} onClose={() => setDialog(null)} />}
      {dialog === 'rewind' && <Rewind sessionId={sessionId} prompt={row.id || row.uuid} onClose={() => setDialog(null)} />}
    </>
  )
}

/** A copy of what was said before a prompt, which goes on with another text. The conversation itself stays. */
function EditFork({ sessionId, prompt, text, pictures, onClose }: { sessionId: string; prompt: string; text: string; pictures: readonly Picture[]; onClose: () => void }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const [next, setNext] = useState(text)
  const fork = useMutation({
    mutationFn: async () => {
      try {
        return await call(api.POST('/sessions/{id}/fork', { params: { path: { id: sessionId } }, body: { before: prompt } }))
      } catch (e) {
        // Nothing was said before the first prompt: then it is a session that begins with it.
        if (!(e instanceof ApiError) || e.code !== 'conflict') throw e
        const session = await client.fetchQuery({ ...queries.session(sessionId), staleTime: 0 })
        return call(api.POST('/sessions', { body: alike(session, stream.view(sessionId).mode) }))
      }
    },
    onSuccess: (made) => {
      noteSession(client, made)
      stream.prompt(made.id, contentOf(next.trim(), pictures))
      void navigate({ to: '/s/$sessionId', params: { sessionId: made.id } })
    },
  })
  return (
    <Dialog title={m.prompt_edit_fork()} onClose={onClose} wide>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          fork.mutate()
        }}
      >
        <p className="text-minor text-muted">{m.prompt_edit_fork_text()}</p>
        <textarea
          value={next}
          onChange={(e) => setNext(e.target.value)}
          aria-label={m.composer_label()}
          rows={6}
          autoFocus
          className="max-h-[50dvh] w-full rounded-control border border-edge bg-surface px-3 py-2 text-[1rem] desk:text-body"
        />
        {pictures.length > 0 && (
          <div className="flex flex-wrap gap-2">
            {pictures.map((p, i) => (
              <Enlarged key={i} mediaType={p.mediaType} data={p.data} alt={p.name} className="h-16 rounded-control border" />
            ))}
          </div>
        )}
        {fork.error && <Failure error={fork.error} />}
        <div className="flex justify-end gap-2">
          <Button look="plain" onClick={onClose}>
            {m.cancel()}
          </Button>
          <Button type="submit" look="primary" busy={fork.isPending} disabled={next.trim() === '' && pictures.length === 0}>
            {m.prompt_fork_send()}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Puts files back to what they were before a prompt, after it has shown which. */
function Rewind({ sessionId, prompt, onClose }: { sessionId: string; prompt: string; onClose: () => void }) {
  const rewind = (dry_run: boolean) => call(api.POST('/sessions/{id}/rewind', { params: { path: { id: sessionId } }, body: { prompt, dry_run } }))
  const preview = useQuery({ queryKey: ['rewind', sessionId, prompt], queryFn: () => rewind(true), gcTime: 0, staleTime: 0, retry: false, refetchOnWindowFocus: false })
  const done = useMutation({
    mutationFn: () => rewind(false),
    onSuccess: ({ files }) => {
      toast(m.rewind_done({ count: files.length }))
      onClose()
    },
  })
  const error = preview.error ?? done.error
  const files = preview.data?.files ?? []
  return (
    <Dialog title={m.rewind()} onClose={onClose}>
      {preview.isPending && <Loading label={m.loading()} rows={3} />}
      {preview.data && (
        <>
          <p className="text-muted">{files.length === 0 ? m.rewind_nothing() : m.rewind_text({ count: files.length, added: number(preview.data.insertions), removed: number(preview.data.deletions) })}</p>
          <ul className="scroller mt-3 max-h-60 font-mono text-code">
            {files.map((f) => (
              <li key={f} className="py-0.5 [overflow-wrap:anywhere]">
                {f}
              </li>
            ))}
          </ul>
        </>
      )}
      {error && <Failure error={error} />}
      <div className="mt-5 flex justify-end gap-2">
        <Button look="plain" onClick={onClose}>
          {m.cancel()}
        </Button>
        {files.length > 0 && (
          <Button look="danger" busy={done.isPending} onClick={() => done.mutate()}>
            {m.rewind()}
          </Button>
        )}
      </div>
    </Dialog>
  )
}
