import { patchOfNew, patchOfResult } from '@/components/code/diff'
import { str } from '@/conversation/json'
import type { Row, ToolRow } from '@/conversation/model'
import type { TimelineRow } from '@/conversation/rows'

export interface FileChange {
  path: string
  added: number
  removed: number
}

const writers = new Set(['Edit', 'MultiEdit', 'Write', 'NotebookEdit'])

// A row never changes, so what it changed is counted once.
const counted = new WeakMap<ToolRow, FileChange | null>()

/** The files that a conversation changed, the last changed first. Commands may have changed others: git knows. */
export function changesOf(rows: readonly TimelineRow[]): FileChange[] {
  const files = new Map<string, FileChange>()
  const visit = (row: TimelineRow | Row) => {
    if (row.kind !== 'tool') return
    row.children.forEach(visit)
    const change = changeOf(row)
    if (!change) return
    const before = files.get(change.path)
    files.delete(change.path)
    files.set(change.path, { path: change.path, added: change.added + (before?.added ?? 0), removed: change.removed + (before?.removed ?? 0) })
  }
  rows.forEach(visit)
  return [...files.values()].reverse()
}

function changeOf(row: ToolRow): FileChange | null {
  if (!writers.has(row.name) || row.status !== 'done') return null
  const known = counted.get(row)
  if (known !== undefined) return known
  const data = row.result?.data ?? {}
  const path = str(data.filePath) ?? str(row.input.file_path)
  const patch = patchOfResult(data.structuredPatch) ?? (data.type === 'create' ? patchOfNew(str(row.input.content) ?? '') : null)
  const change = path === undefined ? null : { path, added: patch?.added ?? 0, removed: patch?.removed ?? 0 }
  counted.set(row, change)
  return change
}
