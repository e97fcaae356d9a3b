import { structuredPatch } from 'diff'
import { isObj, list, num, strings } from '@/conversation/json'

export interface Hunk {
  oldStart: number
  newStart: number
  lines: string[]
}

export interface Patch {
  hunks: Hunk[]
  added: number
  removed: number
}

/** Past this a line-by-line comparison takes too long for a page. */
const maxChars = 400_000

/** The patch between two texts. */
export function patchOf(before: string, after: string): Patch {
  if (before.length + after.length > maxChars) return count([{ oldStart: 1, newStart: 1, lines: [...lines('-', before), ...lines('+', after)] }])
  const p = structuredPatch('a', 'b', before, after, undefined, undefined, { context: 3 })
  return count((p?.hunks ?? []).map((h) => ({ oldStart: h.oldStart, newStart: h.newStart, lines: h.lines.filter((l) => !l.startsWith('\\')) })))
}

/** The patch of a file that is new. */
export function patchOfNew(text: string): Patch {
  return count([{ oldStart: 0, newStart: 1, lines: lines('+', text) }])
}

/** The patch that the CLI gives with the result of an edit. */
export function patchOfResult(structured: unknown): Patch | null {
  const hunks = list(structured)
    .filter(isObj)
    .map((h) => ({ oldStart: num(h.oldStart) ?? 1, newStart: num(h.newStart) ?? 1, lines: strings(h.lines).filter((l) => !l.startsWith('\\')) }))
  return hunks.length > 0 ? count(hunks) : null
}

function lines(sign: string, text: string): string[] {
  if (text === '') return []
  return text.replace(/\n$/, '').split('\n').map((l) => sign + l)
}

function count(hunks: Hunk[]): Patch {
  let added = 0
  let removed = 0
  for (const h of hunks)
    for (const l of h.lines) {
      if (l.startsWith('+')) added++
      else if (l.startsWith('-')) removed++
    }
  return { hunks, added, removed }
}
