import type { QueryClient } from '@tanstack/react-query'
import { queries } from '@/api/queries'
import { writeText } from '@/api/text'
import type { Drafts } from './drafts'

/** Writes an edit to its file. What was typed meanwhile stays an edit, of the version that is there now. */
export async function saveText(client: QueryClient, drafts: Drafts, path: string, text: string, crlf: boolean, over: string | null): Promise<void> {
  const etag = await writeText(path, text, crlf, over)
  client.setQueryData(queries.fileText(path).queryKey, { text, etag, crlf })
  const now = drafts.get(path)
  drafts.set(path, !now || now.text === text ? undefined : { text: now.text, etag })
  void client.invalidateQueries({ queryKey: ['files', 'folder'] })
}

/** Takes edits along to where their files are now: a file, or all below a folder. */
export async function moveDrafts(client: QueryClient, drafts: Drafts, from: string, to: string): Promise<void> {
  if (to === from) return
  await Promise.all(
    drafts.under(from).map(async ([path, draft]) => {
      const next = to + path.slice(from.length)
      const base = client.getQueryData(queries.fileText(path).queryKey)
      drafts.set(path, undefined)
      drafts.set(next, draft)
      // A large file has another version after a move. Where its text is the one that the edit began with, nobody changed it.
      if (!base || base.text === null || base.etag !== draft.etag) return
      const now = await client.fetchQuery({ ...queries.fileText(next), staleTime: 0 }).catch(() => undefined) // where it cannot be read, a conflict tells
      const edit = drafts.get(next)
      if (now && edit?.etag === base.etag && now.text === base.text) drafts.set(next, { text: edit.text, etag: now.etag })
    }),
  )
}
