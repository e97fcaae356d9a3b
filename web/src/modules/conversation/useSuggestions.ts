import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import type { Command } from '@/conversation/line'
import type { Mention } from './mention'

/** The commands that a text which begins with a slash may mean: by their beginnings, then by what is in them. */
export function matching(text: string, commands: readonly Command[]): Command[] {
  const typed = /^\/([\w:-]*)$/.exec(text)?.[1]?.toLowerCase()
  if (typed === undefined) return []
  const name = (c: Command) => c.name.toLowerCase()
  const begins = commands.filter((c) => name(c).startsWith(typed) && name(c) !== typed)
  return [...begins, ...commands.filter((c) => name(c).includes(typed) && !name(c).startsWith(typed))]
}

export interface NamedFile {
  /** Within the project. */
  path: string
  folder: boolean
}

/** Files of the project that an `@` may mean. What is typed ends with `/`, or is nothing: what is in that folder. */
export function useFiles(project: string, at: Mention | null): readonly NamedFile[] {
  const root = `projects/${project}`
  const listed = at !== null && (at.query === '' || at.query.endsWith('/'))
  const folder = listed ? [root, at.query.replace(/\/+$/, '')].filter(Boolean).join('/') : root
  const inside = useQuery({ ...queries.folder(folder), enabled: project !== '' && listed, retry: false })
  const found = useQuery({ ...queries.filesNamed(at?.query ?? '', root), enabled: project !== '' && at !== null && !listed, placeholderData: keepPreviousData, retry: false })
  if (at === null) return []
  const items = (listed ? inside.data?.items : found.data?.items) ?? []
  return items
    .filter((e) => e.path.startsWith(`${root}/`) && (!listed || !e.name.startsWith('.')))
    .slice(0, 50)
    .map((e) => ({ path: e.path.slice(root.length + 1), folder: e.type === 'folder' }))
}
