import type { Line, Usage } from './line'
import type { Conversation, Row } from './model'
import { put, putAside } from './put'

type Stream = Extract<Line, { kind: 'messageStart' | 'blockStart' | 'delta' | 'messageDelta' }>

/** Takes a piece of the message that is being streamed: the live tail. */
export function reduceStream(c: Conversation, line: Stream): void {
  switch (line.kind) {
    case 'messageStart':
      // Also after a stream that was cut: its partial text is not said again.
      dropTail(c)
      c.tail = { messageId: line.messageId, keys: new Map() }
      if (line.usage) c.usage = line.usage
      return
    case 'blockStart':
      return startBlock(c, line)
    case 'delta':
      return grow(c, line)
    case 'messageDelta':
      if (c.usage && line.outputTokens !== undefined) c.usage = { ...c.usage, output: line.outputTokens }
      return
  }
}

function startBlock(c: Conversation, line: Extract<Stream, { kind: 'blockStart' }>): void {
  if (!c.tail) return
  const key = blockKey(c.tail.messageId, line.index)
  if (c.rows.has(key)) return // it came whole already
  const block = line.block
  switch (block.type) {
    case 'text':
      putAside(c, { kind: 'text', key, seq: c.lastSeq, parent: null, text: block.text, live: true, aborted: false })
      break
    case 'thinking':
      putAside(c, { kind: 'thinking', key, seq: c.lastSeq, parent: null, text: block.text, live: true })
      break
    case 'tool':
      putAside(c, { kind: 'tool', key, seq: c.lastSeq, parent: null, id: block.id, name: block.name, input: block.input, inputText: '', status: 'preparing', children: [] })
      if (block.id) c.tools.set(block.id, key)
      break
    default:
      return // shown when it comes whole
  }
  c.tail.keys.set(line.index, key)
}

function grow(c: Conversation, line: Extract<Stream, { kind: 'delta' }>): void {
  const key = c.tail?.keys.get(line.index)
  const row = key === undefined ? undefined : c.rows.get(key)
  if (!row) return
  if (row.kind === 'text' && line.text !== undefined) putAside(c, { ...row, text: row.text + line.text })
  else if (row.kind === 'thinking' && line.thinking !== undefined) putAside(c, { ...row, text: row.text + line.thinking })
  else if (row.kind === 'tool' && line.json !== undefined) putAside(c, { ...row, inputText: row.inputText + line.json })
}

/** Forgets what was streamed and did not come whole. */
export function dropTail(c: Conversation): void {
  if (!c.tail) return
  for (const key of c.tail.keys.values()) {
    const row = c.rows.get(key)
    if (row?.kind === 'tool') c.tools.delete(row.id)
    c.rows.delete(key)
  }
  c.tail = null
}

/** Takes finished blocks. Each replaces what was streamed for it. */
export function reduceAssistant(c: Conversation, line: Extract<Line, { kind: 'assistant' }>): void {
  const main = line.parent === null
  if (main) {
    c.retry = null
    if (c.tail && c.tail.messageId !== line.messageId) dropTail(c)
    if (line.usage && !line.error && hasTokens(line.usage)) c.usage = { ...line.usage, output: Math.max(line.usage.output, c.usage?.output ?? 0) }
  }
  const parent = line.parent === null ? null : (c.tools.get(line.parent) ?? null)
  // A subagent's line whose call is not known yet comes again with the call.
  if (!main && parent === null && c.cut) return
  for (const block of line.blocks) {
    const index = c.blocks.get(line.messageId) ?? 0
    c.blocks.set(line.messageId, index + 1)
    const key = blockKey(line.messageId, index)
    if (main && c.tail?.keys.get(index) === key) {
      c.tail.keys.delete(index)
      c.rows.delete(key) // so that it takes its place among the durable ones
    }
    const row = rowOf(c, line, block, key, parent)
    if (row) put(c, row)
  }
}

function rowOf(c: Conversation, line: Extract<Line, { kind: 'assistant' }>, block: (typeof line.blocks)[number], key: string, parent: string | null): Row | null {
  switch (block.type) {
    case 'text':
      if (line.error) {
        c.turnErrorShown = true
        return { kind: 'error', key, seq: c.lastSeq, parent, source: 'api', code: line.error.type, status: line.error.status, text: block.text }
      }
      return block.text === '' ? null : { kind: 'text', key, seq: c.lastSeq, parent, text: block.text, live: false, aborted: line.aborted }
    case 'thinking':
      return { kind: 'thinking', key, seq: c.lastSeq, parent, text: block.text, live: false, durationMs: line.thinkingMs }
    case 'tool':
      c.tools.set(block.id, key)
      return { kind: 'tool', key, seq: c.lastSeq, parent, id: block.id, name: block.name, input: block.input, inputText: '', status: 'running', children: [] }
    default:
      return { kind: 'raw', key, seq: c.lastSeq, parent, name: block.type, raw: block }
  }
}

function blockKey(messageId: string, index: number): string {
  return `m:${messageId}:${index}`
}

function hasTokens(u: Usage): boolean {
  return u.input + u.cacheRead + u.cacheWrite > 0
}
