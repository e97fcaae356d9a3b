import { join } from '../paths'
import type { Origin } from './origin'

export interface Chosen {
  file: File
  path: string
  origin?: Origin
}

/** The files of an input; of a folder they bring their path along. */
export function chosen(list: FileList, folder: string): Chosen[] {
  return [...list].map((file) => ({ file, path: join(folder, file.webkitRelativePath || file.name) }))
}

export interface Dropped {
  files: Chosen[]
  /** Paths of what the browser cannot read: the rest is taken all the same. */
  unread: string[]
}

/** The files that were dropped, those in folders too. */
export async function dropped(items: DataTransferItemList, folder: string): Promise<Dropped> {
  // All of it has to be asked for before the first wait: the list is emptied then.
  const entries = [...items].filter((i) => i.kind === 'file').map((i) => ({ entry: i.webkitGetAsEntry(), file: i.getAsFile(), handle: i.getAsFileSystemHandle?.() }))
  const out: Dropped = { files: [], unread: [] }
  for (const { entry, file, handle: asked } of entries) {
    const handle = (await asked?.catch(() => null)) ?? null
    const origin = (within: string) => (handle ? { handle, within } : undefined)
    if (entry) await walk(entry, folder, '', origin, out)
    else if (file) out.files.push({ file, path: join(folder, file.name), origin: origin('') })
  }
  return out
}

async function walk(entry: FileSystemEntry, folder: string, within: string, origin: (within: string) => Origin | undefined, out: Dropped): Promise<void> {
  const path = join(folder, entry.name)
  try {
    if (entry.isFile) {
      out.files.push({ file: await new Promise<File>((yes, no) => (entry as FileSystemFileEntry).file(yes, no)), path, origin: origin(within) })
      return
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader()
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((yes, no) => reader.readEntries(yes, no)) // a hundred at a time
      if (some.length === 0) return
      for (const e of some) await walk(e, path, join(within, e.name), origin, out)
    }
  } catch {
    out.unread.push(path)
  }
}
