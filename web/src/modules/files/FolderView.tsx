import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef } from 'react'
import type { Folder } from '@/api/queries'
import type { FileEntry } from '@/api/wire'
import { Button } from '@/components/Button'
import { Empty } from '@/components/Empty'
import { Icon, type IconName } from '@/components/Icon'
import { ContextMenu } from '@/components/Menu'
import { useNow } from '@/components/useNow'
import { ago, bytes, dateTime } from '@/i18n/format'
import { plain } from '@/components/plain'
import { m } from '@/i18n/paraglide/messages.js'
import { useFileActions } from './FileActions'
import { FileEntries, FileMenu } from './FileMenu'
import { isHidden, kindOf, sorted } from './paths'

interface Props {
  folder: Folder
  hidden: boolean
  tabs: readonly string[]
  onUpload: () => void
}

/** What is in a folder, one line each; a folder of thousands draws only what is seen. */
export function FolderView({ folder, hidden, tabs, onUpload }: Props) {
  const { make } = useFileActions()
  const items = sorted(folder.items.filter((e) => hidden || !isHidden(e)))
  const scroller = useRef<HTMLDivElement>(null)
  // Read while drawing only, and given to nobody.
  // oxlint-disable-next-line react-hooks-js/incompatible-library
  const rows = useVirtualizer({ count: items.length, getScrollElement: () => scroller.current, estimateSize: () => 52, overscan: 12, getItemKey: (i) => items[i]!.path })
  if (items.length === 0)
    return (
      <div className="scroller flex-1">
        <Empty
          title={m.folder_empty_title()}
          action={
            <>
              <Button look="primary" onClick={() => make('file', folder.entry.path)}>
                {m.file_new()}
              </Button>
              <Button onClick={onUpload}>{m.upload()}</Button>
            </>
          }
        >
          {m.folder_empty_text()}
        </Empty>
      </div>
    )
  return (
    <div ref={scroller} className="scroller min-h-0 flex-1" tabIndex={-1}>
      <ul className="relative" style={{ height: rows.getTotalSize() }} aria-label={m.files()}>
        {rows.getVirtualItems().map((v) => (
          <Line key={v.key} entry={items[v.index]!} tabs={tabs} top={v.start} />
        ))}
      </ul>
      {folder.more && <p className="px-4 py-3 text-minor text-muted">{m.folder_more()}</p>}
    </div>
  )
}

function Line({ entry, tabs, top }: { entry: FileEntry; tabs: readonly string[]; top: number }) {
  const now = useNow()
  // An address of the page cannot name what is not UTF-8: such a file is taken along, or given another name, from its menu.
  const opens = (entry.type === 'folder' || entry.type === 'file') && entry.encoded_path === undefined
  const face = (
    <>
      <Icon name={iconOf(entry)} className="text-muted" />
      <span className="min-w-0 flex-1">
        <span className="block truncate">{plain(entry.name)}</span>
        <span className="block truncate text-small text-muted tabular">
          {entry.type === 'link' ? m.file_link_out() : entry.type === 'other' ? m.file_other() : entry.type === 'file' ? `${bytes(entry.size_bytes)} · ${ago(entry.modified_at, now)}` : ago(entry.modified_at, now)}
        </span>
      </span>
    </>
  )
  return (
    <li className="absolute inset-x-0 flex h-13 items-center border-b pr-2 hover:bg-hover" style={{ transform: `translateY(${top}px)` }} title={dateTime(entry.modified_at)}>
      <ContextMenu items={<FileEntries entry={entry} />}>
        {opens ? (
          <Link to="/files/$" params={{ _splat: entry.path }} search={tabs.length > 0 ? { tabs: [...tabs] } : {}} className="flex h-full min-w-0 flex-1 items-center gap-3 pl-4 -outline-offset-2">
            {face}
          </Link>
        ) : (
          <span className="flex h-full min-w-0 flex-1 items-center gap-3 pl-4">{face}</span>
        )}
      </ContextMenu>
      <FileMenu entry={entry} />
    </li>
  )
}

export function iconOf(entry: Pick<FileEntry, 'type' | 'path'>): IconName {
  if (entry.type === 'folder') return 'folder'
  return ['image', 'svg'].includes(kindOf(entry.path)) ? 'image' : 'file'
}
