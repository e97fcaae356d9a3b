import type { Conversation, Row, ToolRow } from './model'

/** Puts a row, new or in place of the one with its key, and renews the rows that hold it. */
export function put(c: Conversation, row: Row): void {
  const isNew = !c.rows.has(row.key)
  c.rows.set(row.key, row)
  if (row.parent === null) {
    if (isNew) c.durable.push(row.key)
    return
  }
  const parent = c.rows.get(row.parent)
  if (parent?.kind !== 'tool') return
  const at = parent.children.findIndex((child) => child.key === row.key)
  const children = at < 0 ? [...parent.children, row] : parent.children.with(at, row)
  put(c, { ...parent, children })
}

/** Puts a row that is shown, but not in its place in the conversation yet (tail, queue). */
export function putAside(c: Conversation, row: Row): void {
  c.rows.set(row.key, row)
}

export function toolByUse(c: Conversation, toolUseId: string | undefined): ToolRow | undefined {
  const key = toolUseId === undefined ? undefined : c.tools.get(toolUseId)
  const row = key === undefined ? undefined : c.rows.get(key)
  return row?.kind === 'tool' ? row : undefined
}

/** Changes a tool's row, wherever it is shown. */
export function changeTool(c: Conversation, toolUseId: string | undefined, change: Partial<ToolRow>): void {
  const row = toolByUse(c, toolUseId)
  if (!row) return
  const next = { ...row, ...change }
  if (isAside(c, row.key)) putAside(c, next)
  else put(c, next)
}

/** Whether a row is in the tail or the queue. */
function isAside(c: Conversation, key: string): boolean {
  if (c.queue.includes(key)) return true
  return c.tail !== null && [...c.tail.keys.values()].includes(key)
}
