import { useQueryClient } from '@tanstack/react-query'
import { createContext, useContext, useMemo, useState, type ReactNode } from 'react'
import { ApiError, api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import { naming, querying, writeText } from '@/api/text'
import type { DeletedFile, FileEntry } from '@/api/wire'
import { Button } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Dialog } from '@/components/Dialog'
import { Field } from '@/components/Field'
import { Failure } from '@/components/Notice'
import { toast } from '@/components/Toasts'
import { plain } from '@/components/plain'
import { problemOf, saying } from '@/i18n/problem'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'
import { draftsOf } from './drafts'
import { inTrash, join, parentOf, shownName } from './paths'
import { moveDrafts } from './save'

interface Actions {
  make: (kind: 'file' | 'folder', folder: string) => void
  move: (entry: FileEntry) => void
  remove: (entry: FileEntry) => void
  putBack: (entry: DeletedFile) => void
}

const Context = createContext<Actions | null>(null)

export function useFileActions(): Actions {
  const actions = useContext(Context)
  if (!actions) throw new Error('no FileActions above')
  return actions
}

type Open = { kind: 'make'; what: 'file' | 'folder'; folder: string } | { kind: 'move'; entry: FileEntry } | { kind: 'erase'; entry: FileEntry }

interface Props {
  children: ReactNode
  /** Something is at another path now; `to` is null when it is gone. */
  onMoved?: (from: string, to: string | null) => void
  onMade?: (path: string) => void
}

/** What can be done to files, and the dialogs for it. */
export function FileActions({ children, onMoved, onMade }: Props) {
  const client = useQueryClient()
  const drafts = draftsOf(useMe().id)
  const [open, setOpen] = useState<Open | null>(null)
  const close = () => setOpen(null)
  const again = () => client.invalidateQueries({ queryKey: queries.files() })
  const trash = useMutation({
    mutationFn: (entry: FileEntry) => call(api.POST('/files/trash', { body: naming(entry) })),
    onSuccess: (kept, entry) => {
      void moveDrafts(client, drafts, entry.path, kept.path)
      onMoved?.(entry.path, null)
      void again()
      toast(m.file_deleted({ name: plain(entry.name) }), { label: m.undo(), act: () => undo.mutate({ kept, to: entry.encoded_path === undefined ? entry.path : undefined }) })
    },
    // Where there is no room even for the trash there is still the other way.
    onError: (error, entry) => (problemOf(error).code === 'quota_exceeded' ? setOpen({ kind: 'erase', entry }) : toast(saying(error))),
  })
  const undo = useMutation({
    mutationFn: ({ kept, to }: { kept: FileEntry; to?: string }) => call(api.POST('/files/trash/restore', { body: { ...naming(kept), to } })),
    onSuccess: (entry, { kept, to }) => {
      void moveDrafts(client, drafts, kept.path, entry.path)
      onMoved?.(kept.path, entry.path)
      void again()
      const name = plain(entry.name)
      if (to === undefined) toast(m.file_put_back({ name, folder: shownName(parentOf(entry.path)) || m.files() }))
      else if (entry.path !== to) toast(m.file_put_back_as({ name }))
    },
    onError: (error) => toast(saying(error)),
  })
  const { mutate: toTrash } = trash
  const { mutate: restore } = undo
  const actions = useMemo<Actions>(
    () => ({
      make: (what, folder) => setOpen({ kind: 'make', what, folder }),
      move: (entry) => setOpen({ kind: 'move', entry }),
      remove: (entry) => (inTrash(entry.path) ? setOpen({ kind: 'erase', entry }) : toTrash(entry)),
      putBack: (kept) => restore({ kept }),
    }),
    [toTrash, restore],
  )
  return (
    <Context value={actions}>
      {children}
      {open?.kind === 'make' && <Make what={open.what} folder={open.folder} onClose={close} onMade={(p) => (void again(), onMade?.(p))} />}
      {open?.kind === 'move' && <Move entry={open.entry} onClose={close} onMoved={(to) => (void moveDrafts(client, drafts, open.entry.path, to), void again(), onMoved?.(open.entry.path, to))} />}
      {open?.kind === 'erase' && <Erase entry={open.entry} onClose={close} onGone={() => (drafts.drop(open.entry.path), void again(), onMoved?.(open.entry.path, null))} />}
    </Context>
  )
}

const moving = (entry: FileEntry) => {
  const { path: from, ...how } = naming(entry)
  return { from, ...how }
}

function Make({ what, folder, onClose, onMade }: { what: 'file' | 'folder'; folder: string; onClose: () => void; onMade: (path: string) => void }) {
  const [name, setName] = useState('')
  const make = useMutation({
    mutationFn: async () => {
      const path = join(folder, name.trim())
      if (what === 'file') await writeText(path, '', false, null)
      else await call(api.POST('/files/folder', { body: { path } }))
      return path
    },
    onSuccess: (path) => {
      onClose()
      onMade(path)
    },
  })
  return (
    <PathForm title={what === 'file' ? m.file_new() : m.folder_new()} label={m.file_name()} hint={m.file_name_hint()} action={what === 'file' ? m.file_make() : m.folder_make()} value={name} onChange={setName} busy={make.isPending} error={make.error} onClose={onClose} onSubmit={() => make.mutate()} />
  )
}

function Move({ entry, onClose, onMoved }: { entry: FileEntry; onClose: () => void; onMoved: (to: string) => void }) {
  const [to, setTo] = useState(entry.path)
  const move = useMutation({
    mutationFn: () => (to === entry.path ? Promise.resolve(entry) : call(api.POST('/files/move', { body: { ...moving(entry), to: to.trim() } }))),
    onSuccess: (moved) => {
      onClose()
      onMoved(moved.path)
    },
  })
  return <PathForm title={m.file_move_title({ name: plain(entry.name) })} label={m.file_path()} hint={m.file_path_hint()} action={m.file_move_do()} value={to} onChange={setTo} busy={move.isPending} error={move.error} onClose={onClose} onSubmit={() => move.mutate()} />
}

function PathForm(p: { title: string; label: string; hint: string; action: string; value: string; onChange: (v: string) => void; busy: boolean; error: unknown; onClose: () => void; onSubmit: () => void }) {
  const field = p.error instanceof ApiError ? [...p.error.fields.values()][0] : undefined
  return (
    <Dialog title={p.title} onClose={p.onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          p.onSubmit()
        }}
      >
        <Field label={p.label} hint={p.hint} error={field} value={p.value} onChange={(e) => p.onChange(e.target.value)} required autoCapitalize="none" spellCheck={false} className="font-mono" />
        {p.error != null && !field && <Failure error={p.error} />}
        <div className="flex justify-end gap-2">
          <Button look="plain" onClick={p.onClose}>
            {m.cancel()}
          </Button>
          <Button type="submit" look="primary" busy={p.busy} disabled={p.value.trim() === ''}>
            {p.action}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function Erase({ entry, onClose, onGone }: { entry: FileEntry; onClose: () => void; onGone: () => void }) {
  const erase = useMutation({
    mutationFn: () => call(api.DELETE('/files', { params: { query: { path: entry.path } }, ...querying(entry) })),
    onSuccess: () => {
      onClose()
      onGone()
    },
  })
  return <Confirm title={m.file_erase_title({ name: plain(entry.name) })} text={inTrash(entry.path) ? m.file_erase_trashed() : m.file_erase_text()} action={m.file_erase()} busy={erase.isPending} error={erase.error} onClose={onClose} onConfirm={() => erase.mutate()} />
}
