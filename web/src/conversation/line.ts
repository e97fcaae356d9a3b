import type { Obj } from './json'

/** What one event of a session means to the page: the event, normalised. */
export type Line =
  | { kind: 'prompt'; id: string; uuid: string; author: string; content: Block[] }
  | { kind: 'promptWithdrawn'; id: string }
  | { kind: 'state'; state: string; reason?: string }
  | { kind: 'queue'; place: number; own: boolean }
  | { kind: 'answer'; requestId: string; behavior: string; author: string; message?: string }
  | { kind: 'failure'; code: string; detail: string }
  | { kind: 'init'; model?: string; mode?: string; cwd?: string; commands: string[] }
  | { kind: 'greeting'; models: Model[]; commands: Command[]; mode?: string }
  | { kind: 'status'; status: string | null; mode?: string; prompts: string[] }
  | { kind: 'messageStart'; messageId: string; model?: string; usage?: Usage }
  | { kind: 'blockStart'; index: number; block: Block }
  | { kind: 'delta'; index: number; text?: string; thinking?: string; json?: string }
  | { kind: 'messageDelta'; outputTokens?: number }
  | { kind: 'assistant'; uuid?: string; messageId: string; parent: string | null; blocks: Block[]; aborted: boolean; error?: ApiError; prompts: string[]; usage?: Usage; model?: string; thinkingMs?: number }
  | { kind: 'replay'; uuid?: string; blocks: Block[] }
  | { kind: 'results'; uuid?: string; parent: string | null; blocks: ResultBlock[]; structured: unknown; rejected: string[] }
  | { kind: 'request'; requestId: string; toolName: string; displayName: string; input: Obj; description?: string; suggestions: Obj[]; toolUseId?: string; blockedPath?: string; reason?: string; agentId?: string }
  | { kind: 'withdrawn'; requestId: string }
  | { kind: 'lifecycle'; prompt: string; state: string }
  | { kind: 'retry'; attempt: number; maxRetries: number; delayMs: number; status: number | null; error: string }
  | { kind: 'result'; uuid?: string; subtype: string; isError: boolean; text: string; apiStatus: number | null; reason?: string; durationMs: number; usage?: Usage; costUsd?: number; turnUsd?: number; contextWindow?: number; byItself: boolean }
  | { kind: 'taskStarted'; taskId: string; toolUseId?: string; background: boolean; description: string; prompt?: string }
  | { kind: 'taskProgress'; toolUseId?: string; taskId: string; description?: string; toolUses?: number; tokens?: number; durationMs?: number }
  | { kind: 'taskEnded'; toolUseId?: string; taskId: string; status: string; summary: string; toolUses?: number; tokens?: number; durationMs?: number }
  | { kind: 'tasks'; running: number }
  | { kind: 'compacted'; before?: number; after?: number; trigger?: string }
  | { kind: 'cleared' }
  /** What follows was said in a terminal, and was taken from the CLI's transcript. */
  | { kind: 'history'; leftOut: number }
  | { kind: 'title'; title: string }
  | { kind: 'notice'; level: string; text: string }
  | { kind: 'denied'; toolUseId?: string; text: string }
  | { kind: 'nothing' }
  | { kind: 'unknown'; name: string; raw: unknown }

export type Block =
  | { type: 'text'; text: string }
  | { type: 'thinking'; text: string }
  | { type: 'tool'; id: string; name: string; input: Obj }
  | { type: 'image'; mediaType: string; data?: string }
  | { type: 'document'; title: string }
  | { type: 'other'; name: string; raw: unknown }

export interface ResultBlock {
  toolUseId: string
  text: string
  images: { mediaType: string; data: string }[]
  isError: boolean
}

export interface Usage {
  input: number
  cacheRead: number
  cacheWrite: number
  output: number
}

export interface ApiError {
  type: string
  status: number | null
}

export interface Model {
  value: string
  /** The model behind a name such as `default`. */
  resolved: string
  /** The levels of effort that it knows; none: it has no such thing. */
  efforts: string[]
  name: string
  description: string
}

export interface Command {
  name: string
  description: string
  hint: string
}
