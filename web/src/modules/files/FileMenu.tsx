import { archiveUrl, contentUrl } from '@/api/text'
import type { FileEntry } from '@/api/wire'
import { IconButton } from '@/components/Button'
import { copyText } from '@/components/clipboard'
import { Icon } from '@/components/Icon'
import { Menu, MenuDownload, MenuItem, MenuLine } from '@/components/Menu'
import { toast } from '@/components/Toasts'
import { plain } from '@/components/plain'
import { m } from '@/i18n/paraglide/messages.js'
import { useFileActions } from './FileActions'

/** The workspace's own folders stay where they are. */
export const isOwn = (path: string) => ['', 'projects', 'temp', 'uploads'].includes(path)

export function FileMenu({ entry, className }: { entry: FileEntry; className?: string }) {
  return (
    <Menu
      trigger={
        <IconButton label={m.file_menu({ name: plain(entry.name) })} className={className}>
          <Icon name="more" />
        </IconButton>
      }
    >
      <FileEntries entry={entry} />
    </Menu>
  )
}

/** What can be done to a file or folder, as entries of a menu. */
export function FileEntries({ entry }: { entry: FileEntry }) {
  const { move, remove } = useFileActions()
  const folder = entry.type === 'folder'
  return (
    <>
      {(folder || entry.type === 'file') && (
        <MenuDownload href={folder ? archiveUrl(entry) : contentUrl(entry)}>
          <Icon name="download" size={16} /> {folder ? m.file_download_zip() : m.file_download()}
        </MenuDownload>
      )}
      <MenuItem onSelect={() => void copyText(entry.path).then((ok) => ok && toast(m.copied()))}>
        <Icon name="copy" size={16} /> {m.file_copy_path()}
      </MenuItem>
      {!isOwn(entry.path) && (
        <>
          <MenuItem onSelect={() => move(entry)}>
            <Icon name="pen" size={16} /> {m.file_move()}
          </MenuItem>
          <MenuLine />
          <MenuItem danger onSelect={() => remove(entry)}>
            <Icon name="trash" size={16} /> {m.file_delete()}
          </MenuItem>
        </>
      )}
    </>
  )
}
