import type { Command, Model, Usage } from './line'
import type { Answered, Conversation, PromptRow, Request, Retry, Row, Todo, ToolRow, TurnCost } from './model'

/** Several calls that only look, folded into one row. */
export interface ReadsRow {
  kind: 'reads'
  key: string
  seq: number
  parent: null
  calls: ToolRow[]
}

export type TimelineRow = Row | ReadsRow

export type Activity = 'none' | 'requesting' | 'thinking' | 'writing' | 'tool' | 'compacting' | 'asking' | 'retrying'

/** What the views are drawn from: a value that does not change. */
export interface Snapshot {
  rows: TimelineRow[]
  queue: PromptRow[]
  requests: Request[]
  activity: Activity
  retry: Retry | null
  state: string | null
  stateReason: string | null
  answered: Answered | null
  place: number | null
  own: boolean
  models: Model[]
  commands: Command[]
  model: string | null
  mode: string | null
  cwd: string | null
  title: string | null
  todos: Todo[]
  backgroundTasks: number
  usage: Usage | null
  contextWindow: number | null
  costUsd: number | null
  lastTurn: TurnCost | null
  finishedAt: number
  lastSeq: number
}

/** Makes the snapshot of a conversation. Rows that did not change keep their identity. */
export function snapshot(c: Conversation, before?: Snapshot): Snapshot {
  const top = c.durable.map((key) => c.rows.get(key)).filter((r): r is Row => r !== undefined)
  const tail = c.tail ? [...c.tail.keys.entries()].sort(([a], [b]) => a - b).map(([, key]) => c.rows.get(key)) : []
  for (const row of tail) if (row) top.push(row)
  return {
    rows: fold(top, before?.rows),
    queue: c.queue.map((key) => c.rows.get(key)).filter((r): r is PromptRow => r?.kind === 'prompt'),
    requests: sameRequests([...c.requests.values()], before?.requests),
    activity: activityOf(c),
    retry: c.retry,
    state: c.state,
    stateReason: c.stateReason,
    answered: c.answered,
    place: c.place,
    own: c.own,
    models: c.models,
    commands: c.commands,
    model: c.model,
    mode: c.mode,
    cwd: c.cwd,
    title: c.title,
    todos: c.todos,
    backgroundTasks: c.backgroundTasks,
    usage: c.usage,
    contextWindow: c.contextWindow,
    costUsd: c.costUsd,
    lastTurn: c.lastTurn,
    finishedAt: c.finishedAt,
    lastSeq: c.lastSeq,
  }
}

const looking = new Set(['Read', 'Grep', 'Glob', 'LS', 'NotebookRead'])

function folds(row: Row): row is ToolRow {
  return row.kind === 'tool' && row.status === 'done' && looking.has(row.name)
}

/** Folds each run of two or more finished looks into one row. */
export function fold(rows: Row[], before: TimelineRow[] = []): TimelineRow[] {
  const old = new Map(before.filter((r): r is ReadsRow => r.kind === 'reads').map((r) => [r.key, r]))
  const out: TimelineRow[] = []
  for (let i = 0; i < rows.length; ) {
    let end = i
    while (end < rows.length && folds(rows[end]!)) end++
    if (end - i < 2) {
      out.push(rows[i]!)
      i++
      continue
    }
    const calls = rows.slice(i, end) as ToolRow[]
    const key = `r:${calls[0]!.key}`
    const was = old.get(key)
    const same = was?.calls.length === calls.length && was.calls.every((call, n) => call === calls[n])
    out.push(same ? was : { kind: 'reads', key, seq: calls[0]!.seq, parent: null, calls })
    i = end
  }
  return out
}

function sameRequests(now: Request[], before: Request[] = []): Request[] {
  return now.length === before.length && now.every((r, i) => r === before[i]) ? before : now
}

function activityOf(c: Conversation): Activity {
  if (c.requests.size > 0) return 'asking'
  if (c.retry) return 'retrying'
  if (c.status === 'compacting') return 'compacting'
  if (!c.turnOpen) return 'none'
  for (const key of c.tail?.keys.values() ?? []) {
    const row = c.rows.get(key)
    if (row?.kind === 'text') return 'writing'
    if (row?.kind === 'thinking') return 'thinking'
    if (row?.kind === 'tool') return 'tool'
  }
  const last = c.durable.length > 0 ? c.rows.get(c.durable[c.durable.length - 1]!) : undefined
  if (last?.kind === 'tool' && last.status === 'running') return 'tool'
  return 'requesting'
}
