import { Link } from '@tanstack/react-router'
import { useRef, useState, type KeyboardEvent } from 'react'
import { Button, IconButton } from '@/components/Button'
import { Diff } from '@/components/code/Diff'
import { CopyButton } from '@/components/CopyButton'
import { Empty } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { number } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { stream } from '@/stream/page'
import type { SessionView } from '@/stream/held'
import { shortPath } from '../tools/face'
import { inWorkspace, type Edit, type FileChange } from './changes'
import { useRoom } from './useRoom'

interface Props {
  id: string
  view: SessionView
  project: string
  changes: readonly FileChange[]
  onGo: (seq: number) => void
}

/** The files that Claude edited in this session, and what became of the one that is chosen. */
export function Changes({ id, view, project, changes, onGo }: Props) {
  const [open, setOpen] = useState<string | null>(null)
  const place = useRef<HTMLDivElement>(null)
  const room = useRoom(place, 640)
  const sum = (of: (f: FileChange) => number) => changes.reduce((n, f) => n + of(f), 0)

  const onKeyDown = (e: KeyboardEvent<HTMLElement>) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return
    const target = e.target as HTMLElement
    const by = e.key === 'j' ? 1 : e.key === 'k' ? -1 : !target.matches('[data-file]') ? 0 : e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0
    const files = [...e.currentTarget.querySelectorAll<HTMLElement>('[data-file]')]
    const at = files.indexOf(target.closest('li')?.querySelector<HTMLElement>('[data-file]') ?? target)
    if (by !== 0) files[Math.min(files.length - 1, Math.max(0, at + by))]?.focus()
    else if (e.key === 'Escape' && open !== null && at >= 0) {
      setOpen(null)
      files[at]?.focus()
    } else return
    e.preventDefault()
  }
  return (
    <div ref={place} className="scroller min-h-0 flex-1">
      {changes.length === 0 ? (
        <Empty mark={<Icon name="pen" size={28} className="text-muted" />} title={m.work_no_changes()}>
          {m.work_no_changes_text()}
        </Empty>
      ) : (
        <>
          <p className="px-4 pt-3 pb-1.5 text-small text-muted tabular">
            {m.work_files_changed({ count: changes.length, files: number(changes.length) })} <Counts added={sum((f) => f.added)} removed={sum((f) => f.removed)} />
          </p>
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
          <ul aria-label={m.work_changes()} onKeyDown={onKeyDown}>
            {changes.map((file) => (
              <File key={file.path} file={file} cwd={view.cwd} project={project} open={file.path === open} room={room} onToggle={() => setOpen(file.path === open ? null : file.path)} onGo={onGo} />
            ))}
          </ul>
        </>
      )}
      {view.more && (
        <div className="flex flex-col items-start gap-2 border-t px-4 py-3 text-minor text-muted">
          <p>{m.work_more_text()}</p>
          <Button busy={view.reading} onClick={() => void stream.reach(id, 1)}>
            {m.work_more()}
          </Button>
        </div>
      )}
    </div>
  )
}

function File({ file, cwd, project, open, room, onToggle, onGo }: { file: FileChange; cwd: string | null; project: string; open: boolean; room: boolean; onToggle: () => void; onGo: (seq: number) => void }) {
  const path = shortPath(file.path, cwd)
  const name = path.slice(path.lastIndexOf('/') + 1)
  const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')))
  const there = inWorkspace(file.path, cwd, project)
  return (
    <li className={open ? 'border-y bg-surface' : ''}>
      <div className={`flex items-center pe-1.5 ${open ? 'sticky top-0 z-[1] border-b bg-surface' : ''}`}>
        <button type="button" data-file="" aria-expanded={open} title={file.path} onClick={onToggle} className="flex min-h-11 min-w-0 flex-1 items-center gap-2 ps-3 pe-2 text-start -outline-offset-2 hover:bg-hover desk:min-h-8">
          <Icon name="right" size={13} className={`text-muted transition-transform ${open ? 'rotate-90' : ''}`} />
          <span className="flex min-w-0 flex-1 items-baseline gap-2">
            <span className="max-w-full shrink-0 truncate font-mono text-code">{name}</span>
            <span className="min-w-0 truncate text-small text-muted">{folder}</span>
          </span>
          {file.created && <span className="shrink-0 text-small text-muted">{m.work_new()}</span>}
          <Counts added={file.added} removed={file.removed} />
        </button>
        {open && (
          <>
            <CopyButton text={file.path} label={m.file_copy_path()} />
            {there !== null && (
              <Link to="/files/$" params={{ _splat: there }} aria-label={m.work_open_file()} title={m.work_open_file()} className="inline-grid size-11 shrink-0 place-items-center rounded-control text-muted hover:bg-hover hover:text-content desk:size-8">
                <Icon name="away" size={16} />
              </Link>
            )}
          </>
        )}
      </div>
      {open && file.edits.map((edit, i) => <EditView key={edit.key} edit={edit} at={i + 1} of={file.edits.length} room={room} onGo={() => onGo(edit.seq)} />)}
    </li>
  )
}

function EditView({ edit, at, of, room, onGo }: { edit: Edit; at: number; of: number; room: boolean; onGo: () => void }) {
  const name = edit.created ? m.work_created() : m.work_edit({ at: number(at), of: number(of) })
  return (
    <section aria-label={name} className="border-b last:border-b-0">
      <div className="flex items-center gap-2 ps-4 pe-1.5 text-small text-muted">
        <span className="flex-1">{name}</span>
        <IconButton label={m.work_in_conversation()} onClick={onGo} className="desk:size-7">
          <Icon name="chat" size={15} />
        </IconButton>
      </div>
      {edit.patch ? <Diff patch={edit.patch} numbers={edit.placed} room={room} /> : <p className="px-4 pb-3 text-minor text-muted">{m.work_unknown_edit()}</p>}
    </section>
  )
}

function Counts({ added, removed }: { added: number; removed: number }) {
  return (
    <span className="shrink-0 font-mono text-code tabular">
      {added > 0 && <span className="text-accent">+{number(added)}</span>}
      {added > 0 && removed > 0 && ' '}
      {removed > 0 && <span className="text-danger">−{number(removed)}</span>}
    </span>
  )
}
