import { useQuery } from '@tanstack/react-query'
import { useState, type KeyboardEvent } from 'react'
import { queries } from '@/api/queries'
import type { FileEntry } from '@/api/wire'
import { Button } from '@/components/Button'
import { Coded } from '@/components/Coded'
import { Icon } from '@/components/Icon'
import { ContextMenu } from '@/components/Menu'
import { problemOf, problemTitle } from '@/i18n/problem'
import { plain } from '@/components/plain'
import { m } from '@/i18n/paraglide/messages.js'
import { useFileActions } from './FileActions'
import { FileEntries, isOwn } from './FileMenu'
import { useWatching } from './fresh'
import { above, isHidden, parentOf, sorted } from './paths'

interface Shared {
  open: ReadonlySet<string>
  toggle: (path: string) => void
  /** The one row that the Tab key reaches. */
  focus: string
  setFocus: (path: string) => void
  selected: string
  onOpen: (entry: FileEntry) => void
}

interface Props {
  /** The folder whose content is shown; the workspace itself is "". */
  root?: string
  selected: string
  onOpen: (entry: FileEntry) => void
}

/** The folders as a tree that is fetched as it is opened, for pointer and keyboard. */
export function Tree({ root = '', selected, onOpen }: Props) {
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set())
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set())
  const [focused, setFocused] = useState('')
  const { move, remove } = useFileActions()
  // What is shown elsewhere on the page is shown here too, unless its folder was closed by hand.
  const open = new Set([...opened, ...above(selected).filter((p) => !closed.has(p))])
  const set = (path: string, on: boolean) => {
    setOpened((s) => (on ? new Set([...s, path]) : without(s, path)))
    setClosed((s) => (on ? without(s, path) : new Set([...s, path])))
  }
  const shared: Shared = { open, toggle: (p) => set(p, !open.has(p)), focus: focused || selected, setFocus: setFocused, selected, onOpen }

  const onKeyDown = (e: KeyboardEvent<HTMLElement>) => {
    const row = (e.target as HTMLElement).closest<HTMLElement>('[role=treeitem]')
    if (!row || e.ctrlKey || e.metaKey || e.altKey) return
    const rows = [...e.currentTarget.querySelectorAll<HTMLElement>('[role=treeitem]')]
    const at = rows.indexOf(row)
    const path = row.dataset.path ?? ''
    const isOpen = row.getAttribute('aria-expanded') === 'true'
    const go = (to: HTMLElement | undefined) => to?.focus()
    const entry = { path, name: row.dataset.name ?? '', type: row.dataset.type, size_bytes: 0, modified_at: '' } as FileEntry
    switch (e.key) {
      case 'ArrowDown':
        go(rows[at + 1])
        break
      case 'ArrowUp':
        go(rows[at - 1])
        break
      case 'Home':
        go(rows[0])
        break
      case 'End':
        go(rows.at(-1))
        break
      case 'ArrowRight':
        if (isOpen) go(rows[at + 1])
        else if (row.hasAttribute('aria-expanded')) set(path, true)
        break
      case 'ArrowLeft':
        if (isOpen) set(path, false)
        else go(rows.find((r) => r.dataset.path === parentOf(path)))
        break
      case 'Enter':
      case ' ':
        onOpen(entry)
        break
      case 'F2':
        if (!isOwn(path)) move(entry)
        break
      case 'Delete':
        if (!isOwn(path)) {
          remove(entry)
          go(rows[at + 1] ?? rows[at - 1])
        }
        break
      default: {
        if (e.key.length !== 1) return
        const key = e.key.toLowerCase()
        go([...rows.slice(at + 1), ...rows.slice(0, at)].find((r) => r.dataset.name?.toLowerCase().startsWith(key)))
      }
    }
    e.preventDefault()
  }
  return (
    <ul role="tree" aria-label={m.files()} className="p-1.5 text-minor" onKeyDown={onKeyDown}>
      <Rows path={root} level={1} shared={shared} />
    </ul>
  )
}

function without(set: ReadonlySet<string>, path: string): ReadonlySet<string> {
  const next = new Set(set)
  next.delete(path)
  return next
}

function Rows({ path, level, shared }: { path: string; level: number; shared: Shared }) {
  const folder = useQuery({ ...queries.folder(path), ...useWatching() })
  const indent = { paddingInlineStart: `${level * 0.9 + 0.6}rem` }
  if (folder.error && !folder.data)
    return (
      <li role="none" className="py-1 text-danger" style={indent}>
        <Coded text={problemOf(folder.error).detail || problemTitle(problemOf(folder.error).code)} />{' '}
        <Button look="plain" onClick={() => void folder.refetch()}>
          {m.try_again()}
        </Button>
      </li>
    )
  if (!folder.data) return <li role="none" className="my-1.5 h-4 animate-glow rounded-small bg-sunken" style={indent}><span className="sr-only">{m.loading()}</span></li>
  const items = sorted(folder.data.items.filter((e) => !isHidden(e)))
  return (
    <>
      {items.map((e, i) => (
        <Row key={e.path} entry={e} level={level} shared={shared} first={level === 1 && i === 0} />
      ))}
      {items.length === 0 && (
        <li role="none" className="py-1 text-muted" style={indent}>
          {m.folder_empty_short()}
        </li>
      )}
      {folder.data.more && (
        <li role="none" className="py-1 text-muted" style={indent}>
          {m.folder_more()}
        </li>
      )}
    </>
  )
}

function Row({ entry, level, shared, first }: { entry: FileEntry; level: number; shared: Shared; first: boolean }) {
  const isFolder = entry.type === 'folder'
  const isOpen = isFolder && shared.open.has(entry.path)
  // The first one always: the other may be in a folder that was closed, or gone.
  const reached = shared.focus === entry.path || first
  return (
    <li
      role="treeitem"
      aria-expanded={isFolder ? isOpen : undefined}
      aria-level={level}
      aria-selected={shared.selected === entry.path}
      aria-label={plain(entry.name)}
      data-path={entry.path}
      data-name={entry.name}
      data-type={entry.type}
      tabIndex={reached ? 0 : -1}
      onFocus={(e) => e.target === e.currentTarget && shared.setFocus(entry.path)}
      className="rounded-small outline-none [&:focus-visible>div]:outline-2 [&:focus-visible>div]:outline-accent"
    >
      <ContextMenu items={<FileEntries entry={entry} />}>
        {/* oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions */}
        <div
          className={`flex min-h-7 cursor-pointer items-center gap-1.5 rounded-small pe-2 hover:bg-hover ${shared.selected === entry.path ? 'bg-sunken font-strong' : ''}`}
          style={{ paddingInlineStart: `${(level - 1) * 0.9 + 0.25}rem` }}
          onClick={() => (isFolder ? shared.toggle(entry.path) : shared.onOpen(entry))}
          onDoubleClick={() => isFolder && shared.onOpen(entry)}
        >
          <Icon name="right" size={14} className={`text-muted transition-transform ${isFolder ? (isOpen ? 'rotate-90' : '') : 'invisible'}`} />
          <Icon name={isFolder ? 'folder' : 'file'} size={16} className="text-muted" />
          <span className="truncate">{plain(entry.name)}</span>
        </div>
      </ContextMenu>
      {isOpen && (
        <ul role="group">
          <Rows path={entry.path} level={level + 1} shared={shared} />
        </ul>
      )}
    </li>
  )
}
