import { patchOf, type Patch } from '@/components/code/diff'

/** A file that is to be written anew. */
export interface Overwritten {
  lines: number
  /** What changes of it; null: it is no text, or too large to be compared. */
  patch: Patch | null
}

/** What writing `after` changes of a file that has `before`; null: it is empty, so that all is new. */
export function overwritten(before: string | null, after: string): Overwritten | null {
  if (before === null) return { lines: 0, patch: null }
  if (before === '') return null
  return { lines: before.replace(/\n$/, '').split('\n').length, patch: patchOf(before, after.replaceAll('\r\n', '\n')) }
}
