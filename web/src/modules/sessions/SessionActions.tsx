import { useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { createContext, useContext, useMemo, useState, type ReactNode } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { forgetSession, noteSession } from '@/api/queries'
import type { Session } from '@/api/wire'
import { Button } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Dialog } from '@/components/Dialog'
import { Field } from '@/components/Field'
import { Icon } from '@/components/Icon'
import { MenuDownload, MenuItem } from '@/components/Menu'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'

type Named = Pick<Session, 'id' | 'title'>

interface Actions {
  rename: (session: Named) => void
  fork: (id: string) => void
  remove: (session: Named) => void
}

const Context = createContext<Actions | null>(null)

/** What can be done to a session from wherever it is listed, and the dialogs for it. */
export function SessionActions({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const shown = useParams({ strict: false }).sessionId
  const [dialog, setDialog] = useState<{ kind: 'rename' | 'delete'; session: Named } | null>(null)
  const close = () => setDialog(null)
  const remove = useMutation({
    mutationFn: (id: string) => call(api.DELETE('/sessions/{id}', { params: { path: { id } } })),
    onSuccess: (_, id) => {
      close()
      forgetSession(client, id)
      if (shown === id) void navigate({ to: '/' })
    },
  })
  const fork = useMutation({
    mutationFn: (id: string) => call(api.POST('/sessions/{id}/fork', { params: { path: { id } } })),
    onSuccess: (copy) => {
      noteSession(client, copy)
      void navigate({ to: '/s/$sessionId', params: { sessionId: copy.id } })
    },
  })
  const { mutate: copy } = fork
  const { reset } = remove
  const actions = useMemo<Actions>(
    () => ({
      rename: (session) => setDialog({ kind: 'rename', session }),
      fork: (id) => copy(id),
      remove: (session) => {
        reset()
        setDialog({ kind: 'delete', session })
      },
    }),
    [copy, reset],
  )
  return (
    <Context value={actions}>
      {children}
      {fork.error && (
        <Dialog title={m.session_fork()} onClose={() => fork.reset()}>
          <Failure error={fork.error} />
        </Dialog>
      )}
      {dialog?.kind === 'rename' && <Rename {...dialog.session} onClose={close} onDone={(s) => noteSession(client, s)} />}
      {dialog?.kind === 'delete' && (
        <Confirm title={m.session_delete_title()} text={m.session_delete_text()} action={m.session_delete()} busy={remove.isPending} error={remove.error} onClose={close} onConfirm={() => remove.mutate(dialog.session.id)} />
      )}
    </Context>
  )
}

export function useSessionActions(): Actions {
  const actions = useContext(Context)
  if (!actions) throw new Error('no SessionActions above')
  return actions
}

/** Where a session is saved from, as a file. */
export const exportUrl = (id: string, format: 'markdown' | 'jsonl') => `/api/v1/sessions/${encodeURIComponent(id)}/export?format=${format}`

/** The entries of a menu that are of a session, not of the conversation that is looked at. */
export function SessionEntries({ session }: { session: Named }) {
  const actions = useSessionActions()
  return (
    <>
      <MenuItem onSelect={() => actions.rename(session)}>
        <Icon name="pen" size={16} /> {m.session_rename()}
      </MenuItem>
      <MenuItem onSelect={() => actions.fork(session.id)}>
        <Icon name="branch" size={16} /> {m.session_fork()}
      </MenuItem>
      <MenuDownload href={exportUrl(session.id, 'markdown')}>
        <Icon name="file" size={16} /> {m.session_export()}
      </MenuDownload>
      <MenuDownload href={exportUrl(session.id, 'jsonl')}>
        <Icon name="list" size={16} /> {m.session_export_jsonl()}
      </MenuDownload>
      <MenuItem danger onSelect={() => actions.remove(session)}>
        <Icon name="close" size={16} /> {m.session_delete()}
      </MenuItem>
    </>
  )
}

function Rename({ id, title, onClose, onDone }: { id: string; title: string; onClose: () => void; onDone: (s: Session) => void }) {
  const [text, setText] = useState(title)
  const save = useMutation({
    mutationFn: () => call(api.PATCH('/sessions/{id}', { params: { path: { id } }, body: { title: text.trim() } })),
    onSuccess: (s) => {
      onDone(s)
      onClose()
    },
  })
  return (
    <Dialog title={m.session_rename()} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          save.mutate()
        }}
      >
        <Field label={m.session_title()} value={text} onChange={(e) => setText(e.target.value)} maxLength={500} autoFocus required />
        {save.error && <Failure error={save.error} />}
        <Button type="submit" look="primary" busy={save.isPending}>
          {m.save()}
        </Button>
      </form>
    </Dialog>
  )
}
