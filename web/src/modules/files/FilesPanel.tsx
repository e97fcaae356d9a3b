import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useRef, useState, type ReactNode } from 'react'
import { queries } from '@/api/queries'
import { Button, IconButton } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Menu, MenuItem } from '@/components/Menu'
import { Failure } from '@/components/Notice'
import { m } from '@/i18n/paraglide/messages.js'
import { FileActions, useFileActions } from './FileActions'
import { FileMenu } from './FileMenu'
import { FileView } from './FileView'
import { useAfterTurns, useWatching } from './fresh'
import { join, shownName } from './paths'
import { Tree } from './Tree'

/** The files of a project beside something else: its tree, or the one file that is open. */
export function FilesPanel({ project }: { project: string }) {
  const root = join('projects', project)
  const [open, setOpen] = useState<string | null>(null)
  const tree = useRef<HTMLDivElement>(null)
  const empty = useQuery({ ...queries.folder(root), ...useWatching() }).data?.items.length === 0
  useAfterTurns()
  const back = () => {
    // Whose row it was gets the focus back.
    const path = open
    setOpen(null)
    requestAnimationFrame(() => tree.current?.querySelector<HTMLElement>(`[data-path="${CSS.escape(path ?? '')}"]`)?.focus())
  }
  const moved = (from: string, to: string | null) => {
    if (open === from || open?.startsWith(`${from}/`)) setOpen(to === null ? null : to + open.slice(from.length))
  }
  return (
    <FileActions onMoved={moved} onMade={setOpen}>
      {open !== null && <OpenFile key={open} path={open} onBack={back} />}
      <div ref={tree} className={open === null ? 'flex min-h-0 flex-1 flex-col' : 'hidden'}>
        <Root root={root} project={project} />
        <div className="scroller min-h-0 flex-1">
          {empty ? <NoFiles root={root} /> : <Tree root={root} selected={open ?? root} onOpen={(e) => e.type === 'file' && setOpen(e.path)} />}
        </div>
      </div>
    </FileActions>
  )
}

function NoFiles({ root }: { root: string }) {
  const { make } = useFileActions()
  return (
    <Empty mark={<Icon name="folder" size={28} className="text-muted" />} title={m.folder_empty_title()} action={<Button onClick={() => make('file', root)}>{m.file_new()}</Button>}>
      {m.files_project_empty()}
    </Empty>
  )
}

const bar = 'flex min-h-11 shrink-0 items-center gap-1 border-b ps-3 pe-1.5'

function Root({ root, project }: { root: string; project: string }) {
  const { make } = useFileActions()
  return (
    <div className={bar}>
      <span className="min-w-0 flex-1 truncate text-minor font-strong">{project}</span>
      <Menu
        trigger={
          <IconButton label={m.file_add()}>
            <Icon name="plus" size={16} />
          </IconButton>
        }
      >
        <MenuItem onSelect={() => make('file', root)}>
          <Icon name="file" size={16} /> {m.file_new()}
        </MenuItem>
        <MenuItem onSelect={() => make('folder', root)}>
          <Icon name="folderNew" size={16} /> {m.folder_new()}
        </MenuItem>
      </Menu>
      <WholePage path={root} />
    </div>
  )
}

function OpenFile({ path, onBack }: { path: string; onBack: () => void }) {
  const at = useQuery({ ...queries.folder(path), ...useWatching() })
  const entry = at.data?.entry
  const head = (buttons?: ReactNode) => (
    <div className={`${bar} flex-wrap ps-1`}>
      <IconButton label={m.files_back()} autoFocus onClick={onBack}>
        <Icon name="back" size={16} />
      </IconButton>
      <span className="min-w-0 flex-1 basis-24 truncate text-minor font-strong" title={path}>
        {shownName(path)}
      </span>
      {buttons}
      <WholePage path={path} />
      {entry && <FileMenu entry={entry} />}
    </div>
  )
  if (entry) return <FileView key={path} entry={entry} bar={head} />
  return (
    <>
      {head()}
      {at.error ? (
        <div className="p-4">
          <Failure error={at.error} actions={<Button onClick={() => void at.refetch()}>{m.try_again()}</Button>} />
        </div>
      ) : (
        <Loading label={m.loading()} rows={8} />
      )}
    </>
  )
}

function WholePage({ path }: { path: string }) {
  return (
    <Link to="/files/$" params={{ _splat: path }} aria-label={m.files_whole()} title={m.files_whole()} className="inline-grid size-11 shrink-0 place-items-center rounded-control text-muted hover:bg-hover hover:text-content desk:size-8">
      <Icon name="away" size={16} />
    </Link>
  )
}
