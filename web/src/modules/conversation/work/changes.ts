import { patchOfNew, patchOfResult, type Patch } from '@/components/code/diff'
import { str } from '@/conversation/json'
import type { Row, ToolRow } from '@/conversation/model'
import type { TimelineRow } from '@/conversation/rows'
import { patchOfInput } from '../tools/face'

/** One edit of a file by Claude. */
export interface Edit {
  key: string
  seq: number
  created: boolean
  /** What it changed; null where the conversation does not hold that. */
  patch: Patch | null
  /** Whether the places of its lines in the file are known. */
  placed: boolean
}

export interface FileChange {
  path: string
  added: number
  removed: number
  created: boolean
  /** In their order. */
  edits: Edit[]
}

const writers = new Set(['Edit', 'MultiEdit', 'Write', 'NotebookEdit'])

// A row never changes, so what it changed is found out once.
const known = new WeakMap<ToolRow, { path: string; edit: Edit } | null>()

/** The files that a conversation changed, the last changed first. Commands may have changed others: git knows. */
export function changesOf(rows: readonly TimelineRow[]): FileChange[] {
  const files = new Map<string, FileChange>()
  const visit = (row: TimelineRow | Row) => {
    if (row.kind !== 'tool') return
    row.children.forEach(visit)
    const change = editOf(row)
    if (!change) return
    const { path, edit } = change
    const before = files.get(path)
    files.delete(path)
    files.set(path, {
      path,
      added: (before?.added ?? 0) + (edit.patch?.added ?? 0),
      removed: (before?.removed ?? 0) + (edit.patch?.removed ?? 0),
      created: before ? before.created : edit.created,
      edits: [...(before?.edits ?? []), edit],
    })
  }
  rows.forEach(visit)
  return [...files.values()].reverse()
}

function editOf(row: ToolRow): { path: string; edit: Edit } | null {
  if (!writers.has(row.name) || row.status !== 'done') return null
  const before = known.get(row)
  if (before !== undefined) return before
  const found = read(row)
  known.set(row, found)
  return found
}

function read(row: ToolRow): { path: string; edit: Edit } | null {
  const data = row.result?.data ?? {}
  const path = str(data.filePath) ?? str(row.input.file_path) ?? str(row.input.notebook_path)
  if (path === undefined) return null
  const edit = (patch: Patch | null, placed: boolean, created = false) => ({ path, edit: { key: row.key, seq: row.seq, created, patch, placed } })
  const exact = patchOfResult(data.structuredPatch)
  if (exact) return edit(exact, true)
  if (data.type === 'create') return edit(patchOfNew(str(data.content) ?? str(row.input.content) ?? ''), true, true)
  // It was written as it was before.
  if (data.type === 'update') return null
  // A line with the results of several calls says of none what it changed. What was asked for does, but for a file written anew.
  return edit((row.name !== 'Write' && patchOfInput(row.input)) || null, false)
}

/** A path as the files page has it; null for what is outside of the workspace. */
export function inWorkspace(path: string, cwd: string | null, project: string): string | null {
  const below = `/projects/${project}`
  const home = cwd?.endsWith(below) ? cwd.slice(0, -below.length) : /^\/home\/[^/]+/.exec(path)?.[0]
  return home !== undefined && path.startsWith(`${home}/`) ? path.slice(home.length + 1) : null
}
