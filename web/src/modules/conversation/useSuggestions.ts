import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import type { Command } from '@/conversation/line'
import type { Mention } from './mention'

/** The commands that a text which begins with a slash may mean: the very one, then by their beginnings, then by what is in them. */
export function matching(text: string, commands: readonly Command[]): Command[] {
  const typed = /^\/(\S*)$/.exec(text)?.[1]?.toLowerCase()
  if (typed === undefined) return []
  const rank = ({ name }: Command) => {
    const at = name.toLowerCase().indexOf(typed)
    return at < 0 ? undefined : at > 0 ? 2 : name.length > typed.length ? 1 : 0
  }
  return [0, 1, 2].flatMap((r) => commands.filter((c) => rank(c) === r))
}

/** The command whose arguments are being written. */
export function commandIn(text: string, commands: readonly Command[]): Command | undefined {
  const name = /^\/(\S+)\s/.exec(text)?.[1]
  return name === undefined ? undefined : commands.find((c) => c.name === name)
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
