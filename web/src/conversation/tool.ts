import { list, obj, str } from './json'
import type { Line, ResultBlock } from './line'
import type { Conversation, Task, Todo, ToolRow, ToolStatus } from './model'
import { changeTool, put, toolByUse } from './put'
import type { Event } from './reduce'

type ToolLine = Extract<Line, { kind: 'results' | 'request' | 'answer' | 'withdrawn' | 'denied' | 'taskStarted' | 'taskProgress' | 'taskEnded' }>

/** Takes what happens to a tool call after the model asked for it. */
export function reduceTool(c: Conversation, line: ToolLine, e: Event): void {
  switch (line.kind) {
    case 'request':
      c.requests.set(line.requestId, {
        id: line.requestId,
        seq: e.seq,
        toolName: line.toolName,
        displayName: line.displayName,
        input: line.input,
        description: line.description,
        suggestions: line.suggestions,
        toolUseId: line.toolUseId,
        blockedPath: line.blockedPath,
        reason: line.reason,
        agentId: line.agentId,
      })
      changeTool(c, line.toolUseId, { status: 'asking' })
      return
    case 'answer': {
      const request = c.requests.get(line.requestId)
      c.requests.delete(line.requestId)
      c.answered = { requestId: line.requestId, behavior: line.behavior, author: line.author }
      changeTool(c, request?.toolUseId, { status: line.behavior === 'deny' ? 'denied' : 'running' })
      return
    }
    case 'withdrawn': {
      const request = c.requests.get(line.requestId)
      c.requests.delete(line.requestId)
      changeTool(c, request?.toolUseId, { status: 'stopped' })
      return
    }
    case 'denied':
      changeTool(c, line.toolUseId, { status: 'denied' })
      return
    case 'results':
      line.blocks.forEach((block, i) => takeResult(c, line, block, i === 0))
      return
    case 'taskStarted': {
      const task: Task = { id: line.taskId, background: line.background, running: true, status: 'running', progress: line.description, summary: '' }
      changeTool(c, line.toolUseId, { task, ...(line.background ? { status: 'background' as const } : {}) })
      return
    }
    case 'taskProgress': {
      const row = toolByUse(c, line.toolUseId)
      if (row?.task) changeTool(c, line.toolUseId, { task: { ...row.task, progress: line.description ?? row.task.progress, toolUses: line.toolUses, tokens: line.tokens, durationMs: line.durationMs } })
      return
    }
    case 'taskEnded':
      return endTask(c, line, e)
  }
}

function takeResult(c: Conversation, line: Extract<ToolLine, { kind: 'results' }>, block: ResultBlock, first: boolean): void {
  for (const r of [...c.requests.values()]) if (r.toolUseId === block.toolUseId) c.requests.delete(r.id)
  const row = toolByUse(c, block.toolUseId)
  if (!row) return
  // The structured result is of the line; lines with several results have none of their own.
  const data = first ? obj(line.structured) : {}
  const denied = line.rejected.includes(block.toolUseId) || row.status === 'denied'
  let status: ToolStatus = 'done'
  if (row.task?.background && row.task.running) status = 'background'
  else if (row.status === 'stopped' || data.interrupted === true) status = 'stopped'
  else if (denied) status = 'denied'
  else if (block.isError) status = 'failed'
  changeTool(c, block.toolUseId, { status, result: { seq: c.lastSeq, text: block.text, images: block.images, isError: block.isError, data } })
  if (status === 'done' && c.lastSeq > c.todosSeq) takeTodos(c, row, data)
}

function endTask(c: Conversation, line: Extract<ToolLine, { kind: 'taskEnded' }>, e: Event): void {
  const row = toolByUse(c, line.toolUseId)
  if (!row?.task) return
  const task: Task = { ...row.task, running: false, status: line.status, summary: line.summary, toolUses: line.toolUses ?? row.task.toolUses, tokens: line.tokens ?? row.task.tokens, durationMs: line.durationMs ?? row.task.durationMs }
  const ended: ToolStatus = line.status === 'completed' ? 'done' : line.status === 'failed' ? 'failed' : 'stopped'
  changeTool(c, line.toolUseId, { task, status: row.result ? ended : ended === 'stopped' ? 'stopped' : row.status })
  if (row.task.background) {
    put(c, { kind: 'note', key: `n:${e.seq}`, seq: e.seq, parent: null, note: 'taskEnded', text: row.task.progress, status: line.status })
  }
}

/** The list of what is to be done: TodoWrite says it whole, the Task tools piece by piece. */
function takeTodos(c: Conversation, row: ToolRow, data: Record<string, unknown>): void {
  switch (row.name) {
    case 'TodoWrite':
      c.todos = list(row.input.todos).map((t, i) => ({ id: String(i), text: str(obj(t).content) ?? '', status: todoStatus(obj(t).status) }))
      return
    case 'TaskCreate': {
      const task = obj(data.task)
      const id = str(task.id)
      if (id !== undefined) c.todos = [...c.todos, { id, text: str(task.subject) ?? str(row.input.subject) ?? '', status: 'pending' }]
      return
    }
    case 'TaskUpdate': {
      const id = str(row.input.taskId)
      if (row.input.status === 'deleted') c.todos = c.todos.filter((t) => t.id !== id)
      else c.todos = c.todos.map((t) => (t.id === id ? { ...t, text: str(row.input.subject) ?? t.text, status: row.input.status === undefined ? t.status : todoStatus(row.input.status) } : t))
      return
    }
  }
}

function todoStatus(v: unknown): Todo['status'] {
  return v === 'completed' || v === 'in_progress' ? v : 'pending'
}
