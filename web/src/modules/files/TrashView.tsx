import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef, useState } from 'react'
import { api, call } from '@/api/client'
import { useMutation } from '@/api/mutation'
import { queries } from '@/api/queries'
import type { DeletedFile } from '@/api/wire'
import { Button } from '@/components/Button'
import { Confirm } from '@/components/Confirm'
import { Empty, Loading } from '@/components/Empty'
import { Icon } from '@/components/Icon'
import { Failure } from '@/components/Notice'
import { plain } from '@/components/plain'
import { useNow } from '@/components/useNow'
import { ago, bytes, dateTime } from '@/i18n/format'
import { m } from '@/i18n/paraglide/messages.js'
import { useMe } from '@/modules/shell/me'
import { draftsOf } from './drafts'
import { useFileActions } from './FileActions'
import { FileMenu } from './FileMenu'
import { iconOf } from './FolderView'
import { useWatching } from './fresh'
import { parentOf, trash } from './paths'

/** What was deleted in the last days, the latest first, and the way back. */
export function TrashView({ tabs }: { tabs: readonly string[] }) {
  const deleted = useQuery({ ...queries.trash(), ...useWatching() })
  const [erasing, setErasing] = useState(false)
  if (deleted.isPending) return <Loading label={m.loading()} rows={8} />
  if (deleted.isError && !deleted.data)
    return (
      <div className="p-4">
        <Failure error={deleted.error} actions={<Button onClick={() => void deleted.refetch()}>{m.try_again()}</Button>} />
      </div>
    )
  if (deleted.data.length === 0) return <Empty title={m.trash()}>{m.trash_empty()}</Empty>
  return (
    <>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b px-4 py-2">
        <p className="min-w-0 flex-1 basis-60 text-minor text-muted">{m.trash_text()}</p>
        <Button look="plain" className="-mx-3" onClick={() => setErasing(true)}>
          {m.trash_erase_all()}
        </Button>
      </div>
      <Lines items={deleted.data} tabs={tabs} />
      {erasing && <EraseAll onClose={() => setErasing(false)} />}
    </>
  )
}

function Lines({ items, tabs }: { items: readonly DeletedFile[]; tabs: readonly string[] }) {
  const latest = items.toSorted((a, b) => b.deleted_at.localeCompare(a.deleted_at))
  const scroller = useRef<HTMLDivElement>(null)
  // Read while drawing only, and given to nobody.
  // oxlint-disable-next-line react-hooks-js/incompatible-library
  const rows = useVirtualizer({ count: latest.length, getScrollElement: () => scroller.current, estimateSize: () => 52, overscan: 12, getItemKey: (i) => latest[i]!.path })
  return (
    <div ref={scroller} className="scroller min-h-0 flex-1" tabIndex={-1}>
      <ul className="relative" style={{ height: rows.getTotalSize() }} aria-label={m.trash()}>
        {rows.getVirtualItems().map((v) => (
          <Line key={v.key} entry={latest[v.index]!} tabs={tabs} top={v.start} />
        ))}
      </ul>
    </div>
  )
}

function Line({ entry, tabs, top }: { entry: DeletedFile; tabs: readonly string[]; top: number }) {
  const now = useNow()
  const { putBack } = useFileActions()
  const name = plain(entry.name)
  const opens = (entry.type === 'folder' || entry.type === 'file') && entry.encoded_path === undefined
  const was = entry.from !== undefined && m.trash_was_in({ folder: plain(parentOf(entry.from)) || m.files() })
  const face = (
    <>
      <Icon name={iconOf(entry)} className="text-muted" />
      <span className="min-w-0 flex-1">
        <span className="block truncate">{name}</span>
        <span className="block truncate text-small text-muted tabular">{[ago(entry.deleted_at, now), was, entry.type === 'file' && bytes(entry.size_bytes)].filter(Boolean).join(' · ')}</span>
      </span>
    </>
  )
  return (
    <li className="absolute inset-x-0 flex h-13 items-center gap-1 border-b pr-2 hover:bg-hover" style={{ transform: `translateY(${top}px)` }} title={dateTime(entry.deleted_at)}>
      {opens ? (
        <Link to="/files/$" params={{ _splat: entry.path }} search={tabs.length > 0 ? { tabs: [...tabs] } : {}} className="flex h-full min-w-0 flex-1 items-center gap-3 pl-4 -outline-offset-2">
          {face}
        </Link>
      ) : (
        <span className="flex h-full min-w-0 flex-1 items-center gap-3 pl-4">{face}</span>
      )}
      <Button look="plain" aria-label={m.trash_put_back_name({ name })} onClick={() => putBack(entry)}>
        {m.trash_put_back()}
      </Button>
      <FileMenu entry={entry} />
    </li>
  )
}

function EraseAll({ onClose }: { onClose: () => void }) {
  const client = useQueryClient()
  const drafts = draftsOf(useMe().id)
  const erase = useMutation({
    mutationFn: () => call(api.DELETE('/files', { params: { query: { path: trash } } })),
    onSuccess: () => {
      onClose()
      drafts.drop(trash)
    },
    // Also where only a part is gone.
    onSettled: () => client.invalidateQueries({ queryKey: queries.files() }),
  })
  return <Confirm title={m.trash_erase_all_title()} text={m.file_erase_trashed()} action={m.trash_erase_all()} busy={erase.isPending} error={erase.error} onClose={onClose} onConfirm={() => erase.mutate()} />
}
