import type { FileEntry } from '@/api/wire'
import { plain } from '@/components/plain'
import { getLocale } from '@/i18n/locale'

/** The folder that something is in; the workspace itself is "". */
export const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
export const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
/** The same, to be read: nothing in it turns or hides what stands beside it. */
export const shownName = (path: string) => plain(nameOf(path))
export const join = (folder: string, name: string) => (folder === '' ? name : `${folder}/${name}`)

/** What the address of the files' view shows. */
export const pathShown = ({ _splat = '' }: { _splat?: string }) => _splat.replace(/\/+$/, '')
/** Where deleted files lie for a week. */
export const trash = 'temp/.trash'
export const inTrash = (path: string) => path === trash || path.startsWith(`${trash}/`)

/** The folders above a path, the outermost first. */
export function above(path: string): string[] {
  const parts = path.split('/').filter(Boolean)
  return parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join('/'))
}

export type Kind = 'markdown' | 'image' | 'svg' | 'pdf' | 'table' | 'notebook' | 'text'

/** How a file is shown, by its name. What it holds may still be something else. */
export function kindOf(path: string): Kind {
  const ext = /\.([^./]+)$/.exec(path.toLowerCase())?.[1] ?? ''
  if (ext === 'md' || ext === 'markdown') return 'markdown'
  if (['png', 'jpg', 'jpeg', 'gif', 'webp'].includes(ext)) return 'image'
  if (ext === 'svg') return 'svg'
  if (ext === 'pdf') return 'pdf'
  if (ext === 'csv' || ext === 'tsv') return 'table'
  return ext === 'ipynb' ? 'notebook' : 'text'
}

/** Folders first, then by name as people count: file2 before file10. */
export function sorted(items: readonly FileEntry[]): FileEntry[] {
  const collator = new Intl.Collator(getLocale(), { numeric: true, sensitivity: 'base' })
  const rank = (e: FileEntry) => (e.type === 'folder' ? 0 : 1)
  return [...items].sort((a, b) => rank(a) - rank(b) || collator.compare(a.name, b.name))
}

/** What programs keep in the home for themselves; hidden files of a project are the person's. */
export const isHidden = (e: FileEntry) => e.name.startsWith('.') && ['', 'temp'].includes(parentOf(e.path))

/** Where a relative address in a file leads, within the workspace; null: elsewhere. */
export function resolve(from: string, href: string): string | null {
  if (/^[a-z][a-z0-9+.-]*:|^\/\/|^[#/]/i.test(href)) return null
  let plain: string
  try {
    plain = decodeURIComponent(href.split(/[?#]/)[0] ?? '')
  } catch {
    return null
  }
  const parts = parentOf(from).split('/').filter(Boolean)
  for (const part of plain.split('/')) {
    if (part === '..') {
      if (parts.length === 0) return null
      parts.pop()
    } else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.length === 0 ? null : parts.join('/')
}
