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
