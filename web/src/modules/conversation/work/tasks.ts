import { str } from '@/conversation/json'
import type { Row, Task, ToolRow, ToolStatus } from '@/conversation/model'
import type { TimelineRow } from '@/conversation/rows'

/** A subagent that Claude sent. */
export interface AgentRun {
  key: string
  seq: number
  name: string
  kind: string
  status: ToolStatus
  task: Task | undefined
}

/** A command that goes on in the background. */
export interface BackgroundRun {
  key: string
  seq: number
  command: string
  task: Task
}

/** What a conversation has others do: the subagents, and the commands that run in the background. */
export function tasksOf(rows: readonly TimelineRow[]): { agents: AgentRun[]; background: BackgroundRun[] } {
  const agents: AgentRun[] = []
  const background: BackgroundRun[] = []
  const visit = (row: TimelineRow | Row) => {
    if (row.kind !== 'tool') return
    if (isAgent(row)) agents.push({ key: row.key, seq: row.seq, name: str(row.input.description) ?? row.name, kind: str(row.input.subagent_type) ?? '', status: row.status, task: row.task })
    else if (row.task?.background && row.task.running) background.push({ key: row.key, seq: row.seq, command: str(row.input.command) ?? '', task: row.task })
    row.children.forEach(visit)
  }
  rows.forEach(visit)
  return { agents, background }
}

// Before its input is whole, there is nothing to name it by.
const isAgent = (row: ToolRow) => (row.name === 'Agent' || row.name === 'Task') && row.status !== 'preparing'

export const atWork = (a: AgentRun) => a.status === 'running' || a.status === 'background' || a.status === 'asking'
