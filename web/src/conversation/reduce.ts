import type { Line } from './line'
import type { Conversation, PromptRow } from './model'
import { normalise } from './normalise'
import { put, putAside, toolByUse, changeTool } from './put'
import { dropTail, reduceAssistant, reduceStream } from './message'
import { reduceTool } from './tool'

export interface Event {
  seq: number
  at: string
  event: unknown
}

/**
 * Takes one event into the conversation. Events come in order; one that was
 * taken already (a reconnect replays some) changes nothing.
 */
export function reduce(c: Conversation, e: Event): void {
  if (e.seq <= c.lastSeq) return
  c.lastSeq = e.seq
  const line = normalise(e.event)
  if ('uuid' in line && line.kind !== 'prompt' && line.kind !== 'replay' && line.uuid !== undefined) {
    // After a compaction the CLI says kept lines again.
    if (c.seen.has(line.uuid)) return
    c.seen.add(line.uuid)
  }
  take(c, line, e)
}

/** The key of the API's error that ends the conversation so far: ours says the same in better words, and takes its place. */
function refusal(c: Conversation): string | undefined {
  const last = c.rows.get(c.durable.at(-1) ?? '')
  return last?.kind === 'error' && last.source === 'api' ? last.key : undefined
}

function take(c: Conversation, line: Line, e: Event): void {
  switch (line.kind) {
    case 'prompt':
      return takePrompt(c, line, e)
    case 'promptWithdrawn':
      return cancelKey(c, `p:${line.id}`)
    case 'replay':
      return takeReplay(c, line, e)
    case 'lifecycle':
      if (line.state === 'cancelled' || line.state === 'discarded') return cancelPrompt(c, line.prompt)
      if (line.state !== 'queued') beginPrompt(c, line.prompt)
      return
    case 'state':
      return takeState(c, line.state, line.reason)
    case 'queue':
      c.place = line.place
      c.own = line.own
      return
    case 'failure':
      put(c, { kind: 'error', key: (line.code === 'budget_exceeded' && refusal(c)) || `e:${e.seq}`, seq: e.seq, parent: null, source: 'carrel', code: line.code, status: null, text: line.detail })
      return
    case 'init':
      return takeInit(c, line)
    case 'greeting':
      c.models = line.models
      c.commands = line.commands
      c.mode = line.mode ?? c.mode
      return
    case 'status':
      c.status = line.status
      c.mode = line.mode ?? c.mode
      for (const uuid of line.prompts) beginPrompt(c, uuid)
      return
    case 'messageStart':
    case 'blockStart':
    case 'delta':
    case 'messageDelta':
      c.turnOpen = true
      c.retry = null
      return reduceStream(c, line)
    case 'assistant':
      for (const uuid of line.prompts) beginPrompt(c, uuid)
      return reduceAssistant(c, line)
    case 'results':
    case 'request':
    case 'answer':
    case 'withdrawn':
    case 'denied':
    case 'taskStarted':
    case 'taskProgress':
    case 'taskEnded':
      return reduceTool(c, line, e)
    case 'tasks':
      c.backgroundTasks = line.running
      return
    case 'retry':
      c.retry = { ...line, at: Date.parse(e.at) || 0 }
      return
    case 'result':
      return takeResult(c, line, e)
    case 'compacted':
      put(c, { kind: 'note', key: `n:${e.seq}`, seq: e.seq, parent: null, note: 'compacted', text: '', before: line.before, after: line.after })
      return
    case 'cleared':
      put(c, { kind: 'note', key: `n:${e.seq}`, seq: e.seq, parent: null, note: 'cleared', text: '' })
      c.usage = null
      if (c.lastSeq > c.todosSeq) c.todos = []
      return
    case 'history':
      put(c, { kind: 'note', key: `n:${e.seq}`, seq: e.seq, parent: null, note: 'history', text: '', before: line.leftOut })
      return
    case 'title':
      c.title = line.title || c.title
      return
    case 'notice':
      if (line.text) put(c, { kind: 'note', key: `n:${e.seq}`, seq: e.seq, parent: null, note: 'cli', text: line.text })
      return
    case 'unknown':
      put(c, { kind: 'raw', key: `u:${e.seq}`, seq: e.seq, parent: null, name: line.name, raw: line.raw })
      return
    case 'nothing':
      return
    default: {
      const never: never = line
      return never
    }
  }
}

function takePrompt(c: Conversation, line: Extract<Line, { kind: 'prompt' }>, e: Event): void {
  const key = `p:${line.id}`
  if (c.rows.has(key)) return
  if (line.uuid) c.prompts.set(line.uuid, key)
  const status = c.turnOpen ? 'queued' : 'sent'
  putAside(c, { kind: 'prompt', key, seq: e.seq, parent: null, id: line.id, uuid: line.uuid, author: line.author, blocks: line.content, status, at: e.at })
  c.queue.push(key)
}

/** The CLI says a prompt again when the model first answers. Ours is there already; another's is shown now. */
function takeReplay(c: Conversation, line: Extract<Line, { kind: 'replay' }>, e: Event): void {
  if (line.uuid !== undefined && c.prompts.has(line.uuid)) return beginPrompt(c, line.uuid)
  const key = `p:${line.uuid ?? e.seq}`
  if (line.uuid !== undefined) c.prompts.set(line.uuid, key)
  put(c, { kind: 'prompt', key, seq: e.seq, parent: null, id: '', uuid: line.uuid ?? '', author: '', blocks: line.blocks, status: 'started', at: e.at })
}

/** Moves a prompt from the queue to its place in the conversation. */
function beginPrompt(c: Conversation, uuid: string): void {
  const key = c.prompts.get(uuid)
  if (key !== undefined) beginKey(c, key)
}

function beginKey(c: Conversation, key: string): void {
  const at = c.queue.indexOf(key)
  if (at < 0) return
  c.queue.splice(at, 1)
  const row = c.rows.get(key) as PromptRow
  c.rows.delete(key)
  put(c, { ...row, status: 'started' })
}

function cancelPrompt(c: Conversation, uuid: string): void {
  const key = c.prompts.get(uuid)
  if (key !== undefined) cancelKey(c, key)
}

function cancelKey(c: Conversation, key: string): void {
  const at = c.queue.indexOf(key)
  if (at < 0) return
  c.rows.delete(key)
  c.queue.splice(at, 1)
}

function takeInit(c: Conversation, line: Extract<Line, { kind: 'init' }>): void {
  // A turn that has no result was lost with its process.
  if (c.turnOpen && c.tail !== null) dropTail(c)
  c.turnOpen = true
  if (c.state === 'ready' || c.state === 'starting') c.state = 'running'
  c.turnErrorShown = false
  c.model = line.model ?? c.model
  c.mode = line.mode ?? c.mode
  c.cwd = line.cwd ?? c.cwd
  if (c.commands.length === 0) c.commands = line.commands.map((name) => ({ name, description: '', hint: '' }))
  // What was sent while nothing ran is what this turn is about.
  for (const key of [...c.queue]) {
    const row = c.rows.get(key)
    if (row?.kind === 'prompt' && row.status === 'sent') beginKey(c, key)
  }
}

function takeState(c: Conversation, state: string, reason?: string): void {
  c.state = state
  c.stateReason = reason ?? null
  if (state !== 'queued') c.place = null
  // What waited was given up: it does not wait any more, and has never run.
  if (state === 'dormant' && reason === 'withdrawn') for (const key of [...c.queue]) cancelKey(c, key)
  if (state === 'dormant' || state === 'starting') {
    // The process is gone, and with it all that it asked and ran.
    dropTail(c)
    c.requests.clear()
    c.retry = null
    c.status = null
    c.turnOpen = false
    c.backgroundTasks = 0
    stopTools(c, true)
  }
}

function takeResult(c: Conversation, line: Extract<Line, { kind: 'result' }>, e: Event): void {
  dropTail(c)
  c.turnOpen = false
  if (c.state === 'running' || c.state === 'waiting') c.state = 'ready'
  c.retry = null
  c.status = null
  c.finishedAt = e.seq
  c.answered = null
  for (const r of [...c.requests.values()]) if (r.agentId === undefined) c.requests.delete(r.id)
  stopTools(c, false)
  const used = line.usage
  c.lastTurn = {
    durationMs: line.durationMs,
    tokens: used ? used.input + used.cacheRead + used.cacheWrite + used.output : 0,
    costUsd: line.turnUsd ?? Math.max(0, (line.costUsd ?? 0) - (c.costUsd ?? 0)),
  }
  c.costUsd = line.costUsd ?? c.costUsd
  if (line.contextWindow) c.contextWindow = line.contextWindow
  for (const key of [...c.queue]) {
    const row = c.rows.get(key)
    if (row?.kind === 'prompt' && row.status === 'sent') beginKey(c, key)
  }
  if (line.reason === 'aborted_streaming' || line.reason === 'aborted_tools') {
    if (line.isError) put(c, { kind: 'note', key: `n:${e.seq}`, seq: e.seq, parent: null, note: 'stopped', text: '' })
  } else if (line.isError && !c.turnErrorShown) {
    const code = line.reason && line.reason !== 'completed' ? line.reason : line.subtype
    put(c, { kind: 'error', key: `e:${e.seq}`, seq: e.seq, parent: null, source: line.reason === 'api_error' ? 'api' : 'turn', code, status: line.apiStatus, text: line.text })
  }
  c.turnErrorShown = false
}

/** What still seems to run at the end of a turn was cut off; tasks in the background go on. */
function stopTools(c: Conversation, background: boolean): void {
  for (const id of c.tools.keys()) {
    const row = toolByUse(c, id)
    if (!row) continue
    const open = row.status === 'running' || row.status === 'asking' || row.status === 'preparing'
    if (row.parent !== null && !background && parentInBackground(c, row.parent)) continue
    if (open || (background && row.status === 'background')) {
      changeTool(c, id, { status: 'stopped', task: row.task && { ...row.task, running: false } })
    }
  }
}

function parentInBackground(c: Conversation, key: string): boolean {
  const row = c.rows.get(key)
  return row?.kind === 'tool' && row.status === 'background'
}
