import type { Obj } from './json'
import type { ApiError, Block, Command, Model, Usage } from './line'

/** One row of the timeline. A row is never changed in place: a new object replaces it. */
export type Row = PromptRow | TextRow | ThinkingRow | ToolRow | ErrorRow | NoteRow | RawRow

interface Base {
  key: string
  /** The number of the event that brought it, or that made it whole. */
  seq: number
  /** The key of the tool row that this belongs to (a subagent's line). */
  parent: string | null
}

export type PromptStatus = 'sending' | 'sent' | 'queued' | 'started' | 'failed'

export interface PromptRow extends Base {
  kind: 'prompt'
  id: string
  uuid: string
  author: string
  blocks: Block[]
  status: PromptStatus
  /** Why it failed, for `failed`. */
  problem?: { code: string; detail: string }
  /** Of one that is on its way: the server has not got it, so it can be taken back for sure. */
  free?: boolean
  at?: string
}

/** What a prompt says, without its pictures. */
export const textOf = (prompt: PromptRow): string => prompt.blocks.flatMap((b) => (b.type === 'text' ? [b.text] : [])).join('\n')

export interface TextRow extends Base {
  kind: 'text'
  text: string
  live: boolean
  aborted: boolean
}

export interface ThinkingRow extends Base {
  kind: 'thinking'
  text: string
  live: boolean
  durationMs?: number
}

export type ToolStatus = 'preparing' | 'asking' | 'running' | 'background' | 'done' | 'failed' | 'denied' | 'stopped'

export interface ToolRow extends Base {
  kind: 'tool'
  id: string
  name: string
  input: Obj
  /** The input's JSON as far as it was streamed; only while `preparing`. */
  inputText: string
  status: ToolStatus
  result?: ToolResult
  children: Row[]
  task?: Task
}

export interface ToolResult {
  /** The number of the event that brought it. */
  seq: number
  text: string
  images: { mediaType: string; data: string }[]
  isError: boolean
  /** The CLI's structured result of this tool: a patch, an exit, a file. */
  data: Obj
}

export interface Task {
  id: string
  background: boolean
  running: boolean
  status: string
  progress: string
  summary: string
  toolUses?: number
  tokens?: number
  durationMs?: number
}

export interface ErrorRow extends Base {
  kind: 'error'
  source: 'api' | 'turn' | 'carrel'
  code: string
  status: number | null
  text: string
}

export type Note = 'stopped' | 'compacted' | 'cleared' | 'taskEnded' | 'history' | 'cli'

export interface NoteRow extends Base {
  kind: 'note'
  note: Note
  text: string
  status?: string
  before?: number
  after?: number
}

export interface RawRow extends Base {
  kind: 'raw'
  name: string
  raw: unknown
}

/** A question of Claude's to the user that is not answered yet. */
export interface Request {
  id: string
  seq: number
  toolName: string
  displayName: string
  input: Obj
  description?: string
  suggestions: Obj[]
  toolUseId?: string
  blockedPath?: string
  reason?: string
  /** Set when a subagent asks. */
  agentId?: string
}

export interface Answered {
  requestId: string
  behavior: string
  author: string
}

export interface Retry {
  attempt: number
  maxRetries: number
  delayMs: number
  at: number
  status: number | null
  error: string
}

export interface Todo {
  id: string
  text: string
  status: 'pending' | 'in_progress' | 'completed'
}

/** The list of what is to be done, as it stands after an event. */
export interface Todos {
  seq: number
  items: Todo[]
}

export interface TurnCost {
  durationMs: number
  tokens: number
  costUsd: number
}

/** The message that is being streamed: keys of its blocks' rows that no `assistant` line has replaced yet. */
export interface Tail {
  messageId: string
  keys: Map<number, string>
}

/**
 * All that the page knows of a session's conversation. One owner (the stream's
 * store) feeds it with `reduce`; readers get a Snapshot.
 */
export interface Conversation {
  /** Whether events before the first that was taken are not known: a line may belong to something that is not there. */
  cut: boolean
  lastSeq: number
  rows: Map<string, Row>
  /** Top rows in the order of the conversation, without the tail and the queue. */
  durable: string[]
  tail: Tail | null
  /** Prompts that are on disk and not begun. */
  queue: string[]
  requests: Map<string, Request>
  /** Row keys of tool calls by tool_use id. */
  tools: Map<string, string>
  /** Prompt keys by the uuid that the CLI knows them by. */
  prompts: Map<string, string>
  /** How many blocks of a message have come whole. */
  blocks: Map<string, number>
  seen: Set<string>
  state: string | null
  stateReason: string | null
  /** The last answer to a request, whoever gave it. */
  answered: Answered | null
  place: number | null
  /** It waits for the person's own sessions, and not for the server. */
  own: boolean
  turnOpen: boolean
  turnErrorShown: boolean
  status: string | null
  retry: Retry | null
  models: Model[]
  commands: Command[]
  model: string | null
  mode: string | null
  cwd: string | null
  title: string | null
  todos: Todo[]
  /** The list was known up to this event when the reading began; earlier ones are in it. */
  todosSeq: number
  backgroundTasks: number
  usage: Usage | null
  contextWindow: number | null
  costUsd: number | null
  lastTurn: TurnCost | null
  /** The number of the last turn's result. */
  finishedAt: number
}

export function emptyConversation(cut = false): Conversation {
  return {
    cut,
    lastSeq: 0,
    rows: new Map(),
    durable: [],
    tail: null,
    queue: [],
    requests: new Map(),
    tools: new Map(),
    prompts: new Map(),
    blocks: new Map(),
    seen: new Set(),
    state: null,
    stateReason: null,
    answered: null,
    place: null,
    own: false,
    turnOpen: false,
    turnErrorShown: false,
    status: null,
    retry: null,
    models: [],
    commands: [],
    model: null,
    mode: null,
    cwd: null,
    title: null,
    todos: [],
    todosSeq: 0,
    backgroundTasks: 0,
    usage: null,
    contextWindow: null,
    costUsd: null,
    lastTurn: null,
    finishedAt: 0,
  }
}

export type { ApiError }
