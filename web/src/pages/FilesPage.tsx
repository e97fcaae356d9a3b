import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useEffect, useRef, useState, type DragEvent, type ReactNode } from 'react'
import { queries } from '@/api/queries'
import { Button, IconButton } from '@/components/Button'
import { Empty, Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Menu, MenuDownload, MenuItem, MenuLine } from '@/components/Menu'
import { Failure } from '@/components/Notice'
import { usePageTitle } from '@/components/pageTitle'
import { useDesk } from '@/components/room'
import { archiveUrl } from '@/api/text'
import { problemOf } from '@/i18n/problem'
import { m } from '@/i18n/paraglide/messages.js'
import { CloseUnsaved } from '@/modules/files/CloseUnsaved'
import { draftsOf } from '@/modules/files/drafts'
import { FileActions, useFileActions } from '@/modules/files/FileActions'
import { FileMenu } from '@/modules/files/FileMenu'
import { FileView } from '@/modules/files/FileView'
import { Find } from '@/modules/files/Find'
import { FolderView } from '@/modules/files/FolderView'
import { useAfterTurns, useWatching } from '@/modules/files/fresh'
import { keepTabs, useLastTabs } from '@/modules/files/lastTabs'
import { above, inTrash, join, parentOf, pathShown, shownName, trash } from '@/modules/files/paths'
import { Tabs } from '@/modules/files/Tabs'
import { TrashView } from '@/modules/files/TrashView'
import { Tree } from '@/modules/files/Tree'
import { chosen, dropped } from '@/modules/files/upload/dropped'
import { tellUnread } from '@/modules/files/upload/unread'
import { canPick, pick } from '@/modules/files/upload/origin'
import { Tray } from '@/modules/files/upload/Tray'
import { uploadsOf } from '@/modules/files/upload/uploads'
import { useMe } from '@/modules/shell/me'

const maxTabs = 12

/** The workspace: folders and files. The address says what is shown and which files stand open beside it. */
export function FilesPage() {
  const path = pathShown(useParams({ from: '/app/files/$' }))
  const search = useSearch({ from: '/app/files/$' })
  const navigate = useNavigate()
  const client = useQueryClient()
  const desk = useDesk()
  const userId = useMe().id
  useAfterTurns()
  usePageTitle(titleOf(path))
  const [closing, setClosing] = useState<string | null>(null)
  const uploads = uploadsOf(userId)
  useEffect(() => uploads.onDone(() => void client.invalidateQueries({ queryKey: queries.files() })), [uploads, client])

  const at = useQuery({ ...queries.folder(path), ...useWatching(), enabled: path !== trash })
  const entry = at.data?.entry
  const isFile = entry !== undefined && entry.type !== 'folder'
  const last = useLastTabs(userId)
  const kept = search.tabs ?? last
  const tabs = isFile && !kept.includes(path) ? [...kept, path].slice(-maxTabs) : kept
  const named = tabs.join('\0')
  useEffect(() => keepTabs(userId, named === '' ? [] : named.split('\0')), [userId, named])
  const go = (to: string, open: readonly string[] = tabs, replace = false) => {
    keepTabs(userId, open) // also that there are none, which the address does not say
    void navigate({ to: '/files/$', params: { _splat: to }, search: open.length > 0 ? { tabs: [...open] } : {}, replace })
  }

  const moved = (from: string, to: string | null) => {
    const under = (p: string) => p === from || p.startsWith(`${from}/`)
    const open = tabs.flatMap((t) => (under(t) ? (to === null ? [] : [to + t.slice(from.length)]) : [t]))
    if (under(path)) go(to === null ? parentOf(from) : to + path.slice(from.length), open, true)
    else if (open.length !== tabs.length || open.some((t, i) => t !== tabs[i])) go(path, open, true)
  }
  const close = (t: string) => {
    const open = tabs.filter((x) => x !== t)
    go(t === path ? (open[Math.min(tabs.indexOf(t), open.length - 1)] ?? parentOf(t)) : path, open, true)
  }
  const folder = inTrash(path) ? 'uploads' : isFile ? parentOf(path) : path

  return (
    <FileActions onMoved={moved} onMade={(p) => go(p)}>
      <Dropzone onDrop={(items) => void dropped(items, folder).then(({ files, unread }) => (tellUnread(unread), uploads.add(files)))}>
        <div className="flex min-h-0 flex-1">
          {desk && (
            <aside className="flex w-[260px] shrink-0 flex-col border-r bg-page" aria-label={m.files_tree()}>
              <div className="scroller min-h-0 flex-1">
                <Tree selected={path} onOpen={(e) => go(e.path)} />
              </div>
            </aside>
          )}
          <div className="flex min-h-0 min-w-0 flex-1 flex-col">
            {tabs.length > 0 && <Tabs tabs={tabs} current={path} userId={userId} onClose={(t) => (draftsOf(userId).get(t) ? setClosing(t) : close(t))} />}
            {search.find !== undefined ? (
              <>
                <Bar path={folder}>
                  <IconButton label={m.close()} onClick={() => go(path)}>
                    <Icon name="close" />
                  </IconButton>
                </Bar>
                <Find folder={folder} q={search.find} where={search.in ?? 'names'} onChange={(find, where) => void navigate({ to: '/files/$', params: { _splat: path }, search: { ...search, find, in: where }, replace: true })} />
              </>
            ) : path === trash ? (
              <>
                <Bar path={path} />
                <TrashView tabs={tabs} />
              </>
            ) : at.error && !at.data ? (
              <>
                <Bar path={path} />
                <div className="p-4">
                  {problemOf(at.error).code === 'not_found' ? (
                    <Empty title={m.file_missing_title()} action={<Link to="/files/$" params={{ _splat: parentOf(path) }} className="inline-flex min-h-11 items-center rounded-control border border-edge/50 px-3 text-minor hover:bg-hover desk:min-h-9">{m.file_missing_do()}</Link>}>
                      {m.file_missing_text()}
                    </Empty>
                  ) : (
                    <Failure error={at.error} actions={<Button onClick={() => void at.refetch()}>{m.try_again()}</Button>} />
                  )}
                </div>
              </>
            ) : !at.data || !entry ? (
              <>
                <Bar path={path} />
                <Loading label={m.loading()} rows={8} />
              </>
            ) : isFile ? (
              <FileView key={path} entry={entry} line={search.line} bar={(buttons) => <Bar path={path}>{buttons}<FileMenu entry={entry} /></Bar>} />
            ) : (
              <FolderPart path={path} data={at.data} tabs={tabs} userId={userId} onFind={() => void navigate({ to: '/files/$', params: { _splat: path }, search: { ...search, find: '' } })} />
            )}
            <Tray userId={userId} />
          </div>
        </div>
      </Dropzone>
      {closing !== null && (
        <CloseUnsaved
          path={closing}
          userId={userId}
          onClose={() => setClosing(null)}
          onDone={() => {
            setClosing(null)
            close(closing)
          }}
        />
      )}
    </FileActions>
  )
}

const titleOf = (path: string) => (path === trash ? m.trash() : shownName(path) || m.files())

const hiddenKey = 'carrel.files.hidden'

function FolderPart({ path, data, tabs, userId, onFind }: { path: string; data: Parameters<typeof FolderView>[0]['folder']; tabs: readonly string[]; userId: number; onFind: () => void }) {
  const { make } = useFileActions()
  const navigate = useNavigate()
  const client = useQueryClient()
  const [hidden, setHidden] = useState(() => localStorage.getItem(hiddenKey) === '1')
  const files = useRef<HTMLInputElement>(null)
  const folders = useRef<HTMLInputElement>(null)
  const take = (input: HTMLInputElement) => {
    void uploadsOf(userId).add(chosen(input.files!, path))
    input.value = ''
  }
  const upload = () => {
    if (canPick()) void pick(true).then((picked) => uploadsOf(userId).add(picked.map((p) => ({ ...p, path: join(path, p.file.name) }))))
    else files.current?.click()
  }
  return (
    <>
      <Bar path={path}>
        <IconButton label={m.find()} onClick={onFind}>
          <Icon name="search" />
        </IconButton>
        <Menu
          trigger={
            <IconButton label={m.file_add()}>
              <Icon name="plus" />
            </IconButton>
          }
        >
          <MenuItem onSelect={() => make('file', path)}>
            <Icon name="file" size={16} /> {m.file_new()}
          </MenuItem>
          <MenuItem onSelect={() => make('folder', path)}>
            <Icon name="folderNew" size={16} /> {m.folder_new()}
          </MenuItem>
          <MenuLine />
          <MenuItem onSelect={upload}>
            <Icon name="upload" size={16} /> {m.upload_files()}
          </MenuItem>
          <MenuItem onSelect={() => folders.current?.click()}>
            <Icon name="folder" size={16} /> {m.upload_folder()}
          </MenuItem>
        </Menu>
        <Menu
          trigger={
            <IconButton label={m.folder_menu()}>
              <Icon name="more" />
            </IconButton>
          }
        >
          <MenuItem onSelect={() => void client.invalidateQueries({ queryKey: queries.files() })}>
            <Icon name="refresh" size={16} /> {m.file_reload()}
          </MenuItem>
          <MenuItem
            onSelect={() => {
              localStorage.setItem(hiddenKey, hidden ? '0' : '1')
              setHidden(!hidden)
            }}
          >
            <Icon name={hidden ? 'check' : 'dash'} size={16} /> {m.file_hidden()}
          </MenuItem>
          <MenuItem onSelect={() => void navigate({ to: '/files/$', params: { _splat: trash }, search: tabs.length > 0 ? { tabs: [...tabs] } : {} })}>
            <Icon name="trash" size={16} /> {m.trash()}
          </MenuItem>
          <MenuDownload href={archiveUrl(path)}>
            <Icon name="download" size={16} /> {m.file_download_zip()}
          </MenuDownload>
        </Menu>
        <input ref={files} type="file" multiple hidden data-testid="upload-files" onChange={(e) => take(e.currentTarget)} />
        <input ref={folders} type="file" multiple hidden {...{ webkitdirectory: '' }} onChange={(e) => take(e.currentTarget)} />
      </Bar>
      <FolderView key={path} folder={data} hidden={hidden || path.includes('/.')} tabs={tabs} onUpload={upload} />
    </>
  )
}

/** Where one is, the way up, and what can be done. */
function Bar({ path, children }: { path: string; children?: ReactNode }) {
  const crumb = 'inline-flex min-h-11 items-center rounded-small px-1 text-muted hover:text-content desk:min-h-8'
  return (
    <header className="flex min-h-14 items-center gap-1 border-b pr-2 pl-2 desk:min-h-12 desk:pl-3">
      {path !== '' && (
        <Link to="/files/$" params={{ _splat: parentOf(path) }} search={(s) => (s.tabs ? { tabs: s.tabs } : {})} aria-label={m.back()} className="grid size-11 shrink-0 place-items-center rounded-control text-muted hover:bg-hover desk:hidden">
          <Icon name="back" />
        </Link>
      )}
      <nav aria-label={m.file_path()} className="min-w-0 flex-1">
        <ol className="flex min-w-0 items-center text-minor">
          <li className={path === '' ? '' : 'max-desk:hidden'}>
            {path === '' ? <h1 className="px-1 font-strong">{m.files()}</h1> : <Link to="/files/$" params={{ _splat: '' }} search={(s) => (s.tabs ? { tabs: s.tabs } : {})} className={crumb}>{m.files()}</Link>}
          </li>
          {above(path).map((p) => (
            <li key={p} className="flex min-w-0 shrink items-center max-desk:hidden">
              <span className="text-muted" aria-hidden="true">/</span>
              <Link to="/files/$" params={{ _splat: p }} search={(s) => (s.tabs ? { tabs: s.tabs } : {})} className={`${crumb} truncate`}>
                {titleOf(p)}
              </Link>
            </li>
          ))}
          {path !== '' && (
            <li className="flex min-w-0 items-center">
              <span className="text-muted max-desk:hidden" aria-hidden="true">/</span>
              <h1 className="truncate px-1 font-strong">{titleOf(path)}</h1>
            </li>
          )}
        </ol>
      </nav>
      {children}
    </header>
  )
}

/** Takes files that are dropped anywhere on the page. */
function Dropzone({ onDrop, children }: { onDrop: (items: DataTransferItemList) => void; children: ReactNode }) {
  const [over, setOver] = useState(false)
  const depth = useRef(0)
  const hasFiles = (e: DragEvent) => e.dataTransfer.types.includes('Files')
  return (
    <div
      className="relative flex min-h-0 flex-1 flex-col"
      onDragEnter={(e) => hasFiles(e) && (depth.current++, setOver(true))}
      onDragLeave={(e) => hasFiles(e) && --depth.current === 0 && setOver(false)}
      onDragOver={(e) => hasFiles(e) && e.preventDefault()}
      onDrop={(e) => {
        if (!hasFiles(e)) return
        e.preventDefault()
        depth.current = 0
        setOver(false)
        onDrop(e.dataTransfer.items)
      }}
    >
      {children}
      {over && <div className="pointer-events-none absolute inset-2 z-30 grid place-items-center rounded-card border-2 border-dashed border-accent bg-surface/90 text-title font-strong text-accent">{m.upload_drop()}</div>}
    </div>
  )
}
