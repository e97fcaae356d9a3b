import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, startTransition, Suspense, useState, type ReactNode } from 'react'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import { contentUrl, maxTextBytes, type FileText } from '@/api/text'
import type { FileEntry } from '@/api/wire'
import { Button, IconButton } from '@/components/Button'
import { Dialog } from '@/components/Dialog'
import { Empty, Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Failure, Notice } from '@/components/Notice'
import { bytes, time } from '@/i18n/format'
import { problemOf } from '@/i18n/problem'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'
import { Begun } from './Begun'
import { draftsOf, useDraft, type Draft } from './drafts'
import { useWatching } from './fresh'
import { kindOf, type Kind } from './paths'
import { ImagePreview } from './preview/ImagePreview'
import { saveText } from './save'

const Editor = lazy(() => import('./Editor'))
const Compared = lazy(() => import('./Compared'))
const MarkdownPreview = lazy(() => import('./preview/MarkdownPreview'))
const PdfPreview = lazy(() => import('./preview/PdfPreview'))
const TablePreview = lazy(() => import('./preview/TablePreview'))
const NotebookPreview = lazy(() => import('./preview/NotebookPreview'))

const previewed: readonly Kind[] = ['markdown', 'table', 'notebook', 'svg']

interface Props {
  entry: FileEntry
  line?: number
  /** Where buttons of the file stand. */
  bar: (buttons: ReactNode) => ReactNode
}

/** One file: shown or edited. */
export function FileView({ entry, line, bar }: Props) {
  const kind = kindOf(entry.path)
  if (kind === 'image') return <Shell bar={bar}><ImagePreview src={contentUrl(entry.path, true)} entry={entry} /></Shell>
  if (kind === 'pdf') return <Shell bar={bar}><Suspense fallback={<Loading label={m.loading()} />}><PdfPreview path={entry.path} /></Suspense></Shell>
  if (entry.size_bytes > maxTextBytes) return <Shell bar={bar}><NotText entry={entry} large /></Shell>
  return <TextFile entry={entry} kind={kind} line={line} bar={bar} />
}

function Shell({ bar, children }: { bar: Props['bar']; children: ReactNode }) {
  return (
    <>
      {bar(null)}
      {children}
    </>
  )
}

function TextFile({ entry, kind, line, bar }: Props & { kind: Kind }) {
  const { path } = entry
  const userId = useMe().id
  const client = useQueryClient()
  const drafts = draftsOf(userId)
  const draft = useDraft(userId, path)
  const file = useQuery({ ...queries.fileText(path), ...useWatching() })
  const [preview, setPreview] = useState(previewed.includes(kind) && entry.size_bytes > 0 && !draft && line === undefined)
  const [savedAt, setSavedAt] = useState<number | null>(null)
  const [sought, setSought] = useState(0)
  // The text is there to read before the code of what edits it is asked for; who comes for a line waits for that.
  const [read, setRead] = useState(false)
  const server = file.data
  const gone = file.error !== null && problemOf(file.error).code === 'not_found'

  const save = useMutation({
    mutationFn: ({ over }: { over: string | null }) => saveText(client, drafts, path, draft?.text ?? server?.text ?? '', server?.crlf ?? false, over),
    onSuccess: () => setSavedAt(Date.now()),
    onError: (e) => {
      // What is there now tells what to choose between.
      if (problemOf(e).code === 'precondition_failed') void file.refetch()
    },
  })
  const conflict = draft !== undefined && server !== undefined && server.text !== null && !gone && draft.etag !== server.etag && draft.text !== server.text
  const doSave = () => {
    if (draft && !save.isPending && !conflict && !gone) save.mutate({ over: draft.etag === server?.etag || !server ? draft.etag : server.etag })
  }
  const change = (text: string) => {
    const back = server !== undefined && text === server.text && (draft?.etag ?? server.etag) === server.etag
    drafts.set(path, back ? undefined : { text, etag: draft?.etag ?? server?.etag ?? '' })
  }

  if (!server && !draft) {
    if (file.error) return <Shell bar={bar}><div className="p-4"><Failure error={file.error} actions={<Button onClick={() => void file.refetch()}>{m.try_again()}</Button>} /></div></Shell>
    return <Shell bar={bar}><Loading label={m.loading()} rows={8} /></Shell>
  }
  if (server && server.text === null) return <Shell bar={bar}><NotText entry={entry} /></Shell>
  const text = draft?.text ?? server?.text ?? ''
  const begun = <Begun text={text} onDrawn={() => startTransition(() => setRead(true))} />
  const buttons = (
    <>
      <span className="text-small text-muted tabular" role="status">
        {save.isPending ? m.saving() : draft ? m.file_unsaved() : savedAt !== null ? m.saved_at({ time: time(savedAt) }) : ''}
      </span>
      {!preview && (
        <IconButton label={m.editor_find()} onClick={() => setSought(sought + 1)}>
          <Icon name="search" />
        </IconButton>
      )}
      {previewed.includes(kind) && (
        <Button aria-pressed={preview} onClick={() => {
          setPreview(!preview)
          setSought(0)
        }}>
          {preview ? m.file_edit() : m.file_preview()}
        </Button>
      )}
      {(!preview || draft) && (
        <Button look="primary" disabled={!draft || conflict || gone} busy={save.isPending} onClick={doSave}>
          {m.save()}
        </Button>
      )}
    </>
  )
  return (
    <>
      {bar(buttons)}
      {conflict && <Conflict draft={draft} theirs={server} onTheirs={() => drafts.set(path, undefined)} onMine={() => drafts.set(path, { text: draft.text, etag: server.etag })} />}
      {server?.encoding && !draft && (
        <div className="border-b p-3">
          <Notice tone="info" title={m.file_encoding_title({ encoding: server.encoding })} actions={<Button busy={save.isPending} onClick={() => save.mutate({ over: server.etag })}>{m.file_encoding_convert()}</Button>}>
            {m.file_encoding_text()}
          </Notice>
        </div>
      )}
      {gone && draft && (
        <div className="border-b p-3">
          <Notice tone="wait" title={m.file_gone_title()} actions={<Button onClick={() => save.mutate({ over: null })}>{m.file_save_new()}</Button>}>
            {m.file_gone_text()}
          </Notice>
        </div>
      )}
      {save.error && problemOf(save.error).code !== 'precondition_failed' && (
        <div className="border-b p-3">
          <Failure error={save.error} actions={<Button onClick={doSave}>{m.try_again()}</Button>} />
        </div>
      )}
      {preview ? (
        <Suspense fallback={<Loading label={m.loading()} rows={8} />}>
          <Preview kind={kind} path={path} text={text} entry={entry} />
        </Suspense>
      ) : (
        <Suspense fallback={line === undefined ? begun : <Loading label={m.loading()} rows={8} />}>
          {read || line !== undefined ? <Editor key={`${path} ${server?.encoding}`} path={path} text={text} fixed={server?.encoding !== undefined && !draft} onChange={change} onSave={doSave} line={line} sought={sought} /> : begun}
        </Suspense>
      )}
    </>
  )
}

function Preview({ kind, path, text, entry }: { kind: Kind; path: string; text: string; entry: FileEntry }) {
  if (kind === 'markdown') return <MarkdownPreview path={path} text={text} />
  if (kind === 'table') return <TablePreview text={text} />
  if (kind === 'notebook') return <NotebookPreview path={path} text={text} />
  // As an image it cannot run what it holds.
  return <ImagePreview svg={text} entry={entry} />
}

/** Somebody else changed the file under an edit: nothing is saved until it is chosen what holds. */
function Conflict({ draft, theirs, onTheirs, onMine }: { draft: Draft; theirs: FileText; onTheirs: () => void; onMine: () => void }) {
  const [compare, setCompare] = useState(false)
  const choices = (
    <>
      <Button onClick={onTheirs}>{m.conflict_theirs()}</Button>
      <Button onClick={onMine}>{m.conflict_mine()}</Button>
    </>
  )
  return (
    <div className="border-b p-3">
      <Notice
        tone="wait"
        title={m.conflict_title()}
        actions={
          <>
            <Button onClick={() => setCompare(true)}>{m.conflict_compare()}</Button>
            {choices}
          </>
        }
      >
        {m.conflict_text()}
      </Notice>
      {compare && (
        <Dialog title={m.conflict_compare_title()} onClose={() => setCompare(false)} wide>
          <p className="mb-3 text-minor text-muted">{m.conflict_compare_text()}</p>
          <div className="max-h-[50dvh] overflow-auto rounded-card border">
            <Suspense fallback={<Loading label={m.loading()} rows={8} />}>
              <Compared was={theirs.text ?? ''} is={draft.text} />
            </Suspense>
          </div>
          <div className="mt-4 flex flex-wrap justify-end gap-2">{choices}</div>
        </Dialog>
      )}
    </div>
  )
}

/** A file that is no text, or too much of it. */
function NotText({ entry, large = false }: { entry: FileEntry; large?: boolean }) {
  return (
    <div className="scroller flex-1">
      <Empty
        mark={<Icon name="file" size={32} className="text-muted" />}
        title={large ? m.file_large_title({ size: bytes(entry.size_bytes) }) : m.file_binary_title()}
        action={
          <a href={contentUrl(entry.path)} download className="inline-flex min-h-11 items-center gap-2 rounded-control bg-accent px-4 text-minor font-strong text-on-accent desk:min-h-9">
            <Icon name="download" size={16} /> {m.file_download()}
          </a>
        }
      >
        {large ? m.file_large() : m.file_binary_text({ size: bytes(entry.size_bytes) })}
      </Empty>
    </div>
  )
}
