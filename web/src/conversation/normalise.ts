import { isObj, list, num, obj, str, strings, type Obj } from './json'
import type { Block, Line, ResultBlock, Usage } from './line'
import { normaliseSystem } from './system'

/**
 * Turns one event (a raw line of the CLI, or one of ours) into a Line. Never
 * throws: what it does not know comes back as `unknown` with the raw event.
 */
export function normalise(event: unknown): Line {
  if (!isObj(event)) return { kind: 'unknown', name: 'event', raw: event }
  const type = str(event.type) ?? ''
  switch (type) {
    case 'carrel.prompt':
      return {
        kind: 'prompt',
        id: str(event.id) ?? str(event.uuid) ?? '',
        uuid: str(event.uuid) ?? '',
        author: authorOf(event.author),
        content: blocksOf(event.content),
      }
    case 'carrel.withdrawn':
      return { kind: 'promptWithdrawn', id: str(event.id) ?? '' }
    case 'carrel.state':
      return { kind: 'state', state: str(event.state) ?? '', reason: str(event.reason) }
    case 'carrel.queue':
      return { kind: 'queue', place: num(event.place) ?? 0, own: event.own === true }
    case 'carrel.answer':
      return {
        kind: 'answer',
        requestId: str(event.request_id) ?? '',
        behavior: str(event.behavior) ?? '',
        author: authorOf(event.author),
        message: str(event.message),
      }
    case 'carrel.history':
      return { kind: 'history', leftOut: num(event.left_out) ?? 0 }
    case 'carrel.gap':
      return { kind: 'nothing' }
    case 'carrel.error':
      return { kind: 'failure', code: str(event.code) ?? 'internal', detail: str(event.detail) ?? '' }
    case 'system':
      return normaliseSystem(event)
    case 'stream_event':
      return streamEvent(event)
    case 'assistant':
      return assistant(event)
    case 'user':
      return user(event)
    case 'control_request':
      return controlRequest(event)
    case 'control_cancel_request':
      return { kind: 'withdrawn', requestId: str(event.request_id) ?? '' }
    case 'control_response':
      return controlResponse(event)
    case 'command_lifecycle':
      return { kind: 'lifecycle', prompt: str(event.command_uuid) ?? '', state: str(event.state) ?? '' }
    case 'result':
      return result(event)
    case 'conversation_reset':
      return { kind: 'cleared' }
    case 'keep_alive':
    case 'tool_progress':
    case 'rate_limit_event':
    case 'prompt_suggestion':
    case 'commands_changed':
      return { kind: 'nothing' }
  }
  return { kind: 'unknown', name: type || 'event', raw: event }
}

function authorOf(v: unknown): string {
  return typeof v === 'string' ? v : (str(obj(v).username) ?? '')
}

function streamEvent(event: Obj): Line {
  // A subagent's stream is not shown as it is typed; its lines come whole.
  if (typeof event.parent_tool_use_id === 'string') return { kind: 'nothing' }
  const e = obj(event.event)
  switch (str(e.type)) {
    case 'message_start': {
      const message = obj(e.message)
      return { kind: 'messageStart', messageId: str(message.id) ?? '', model: str(message.model), usage: usageOf(message.usage) }
    }
    case 'content_block_start': {
      const block = blockOf(e.content_block)
      return { kind: 'blockStart', index: num(e.index) ?? 0, block }
    }
    case 'content_block_delta': {
      const d = obj(e.delta)
      return { kind: 'delta', index: num(e.index) ?? 0, text: str(d.text), thinking: str(d.thinking), json: str(d.partial_json) }
    }
    case 'message_delta':
      return { kind: 'messageDelta', outputTokens: num(obj(e.usage).output_tokens) }
  }
  return { kind: 'nothing' }
}

function assistant(event: Obj): Line {
  const message = obj(event.message)
  const failed = event.is_api_error_message === true || (typeof event.error === 'string' && event.error !== '')
  return {
    kind: 'assistant',
    uuid: str(event.uuid),
    messageId: str(message.id) ?? str(event.uuid) ?? '',
    parent: str(event.parent_tool_use_id) ?? null,
    blocks: event.local_command_source === undefined ? blocksOf(message.content) : blocksOf(message.content).map(asPrinted),
    aborted: event.aborted === true,
    error: failed ? { type: str(event.error) ?? 'unknown', status: num(event.api_error_status) ?? null } : undefined,
    prompts: strings(event.user_message_uuids),
    usage: usageOf(message.usage),
    model: str(message.model),
    thinkingMs: num(event.thinking_duration_ms),
  }
}

/** What a local command printed: its lines stay lines, unless it printed markdown. */
function asPrinted(b: Block): Block {
  if (b.type !== 'text' || /^\s*[#|]/m.test(b.text)) return b
  return { type: 'text', text: b.text.replace(/\n/g, '  \n') }
}

function user(event: Obj): Line {
  const content = obj(event.message).content
  const results: ResultBlock[] = list(content)
    .filter((b): b is Obj => isObj(b) && b.type === 'tool_result')
    .map((b) => ({ toolUseId: str(b.tool_use_id) ?? '', ...resultContent(b.content), isError: b.is_error === true }))
  if (results.length > 0) {
    const rejected = list(event.tool_result_meta)
      .map(obj)
      .filter((m) => obj(m.permission_decision).decision === 'reject' || m.non_execution_kind === 'user-rejected')
      .map((m) => str(m.id) ?? '')
    return { kind: 'results', uuid: str(event.uuid), parent: str(event.parent_tool_use_id) ?? null, blocks: results, structured: event.tool_use_result, rejected }
  }
  if (event.isReplay === true && typeof event.parent_tool_use_id !== 'string') {
    const blocks = blocksOf(content)
    // Output of a local command: the assistant line beside it says the same.
    if (blocks.some((b) => b.type === 'text' && b.text.startsWith('<local-command-stdout>'))) return { kind: 'nothing' }
    return { kind: 'replay', uuid: str(event.uuid), blocks }
  }
  // What the CLI wrote itself ("[Request interrupted by user]", a summary, a
  // subagent's task): the result or the tool's own row tells it.
  return { kind: 'nothing' }
}

function resultContent(content: unknown): { text: string; images: { mediaType: string; data: string }[] } {
  if (typeof content === 'string') return { text: content, images: [] }
  const texts: string[] = []
  const images: { mediaType: string; data: string }[] = []
  for (const part of list(content).map(obj)) {
    if (part.type === 'text') texts.push(str(part.text) ?? '')
    else if (part.type === 'tool_reference') texts.push(str(part.tool_name) ?? '')
    else if (part.type === 'image') {
      const image = imageOf(part)
      if (image.data) images.push({ mediaType: image.mediaType, data: image.data })
    }
  }
  return { text: texts.join('\n'), images }
}

function controlRequest(event: Obj): Line {
  const r = obj(event.request)
  switch (str(r.subtype)) {
    case 'can_use_tool':
      return {
        kind: 'request',
        requestId: str(event.request_id) ?? '',
        toolName: str(r.tool_name) ?? '',
        displayName: str(r.display_name) ?? str(r.tool_name) ?? '',
        input: obj(r.input),
        description: str(r.description),
        suggestions: list(r.permission_suggestions).filter(isObj),
        toolUseId: str(r.tool_use_id),
        blockedPath: str(r.blocked_path),
        reason: str(r.decision_reason),
        agentId: str(r.agent_id),
      }
    case 'hook_callback':
    case 'mcp_message':
      return { kind: 'nothing' } // for the supervisor, not for people
  }
  return { kind: 'unknown', name: `control_request/${str(r.subtype) ?? ''}`, raw: event }
}

function controlResponse(event: Obj): Line {
  // The answer to `initialize` says what can be picked. All others are echoes
  // of ours, or answers that the supervisor asked for.
  const r = obj(obj(event.response).response)
  if (!Array.isArray(r.models) || !Array.isArray(r.commands)) return { kind: 'nothing' }
  return {
    kind: 'greeting',
    mode: str(r.current_permission_mode),
    models: r.models.map(obj).map((m) => ({
      value: str(m.value) ?? '',
      resolved: str(m.resolvedModel) ?? '',
      name: str(m.displayName) ?? str(m.value) ?? '',
      description: str(m.description) ?? '',
      efforts: m.supportsEffort === false ? [] : strings(m.supportedEffortLevels),
    })),
    commands: r.commands.map(obj).map((c) => ({ name: str(c.name) ?? '', description: str(c.description) ?? '', hint: str(c.argumentHint) ?? '' })),
  }
}

function result(event: Obj): Line {
  const windows = Object.values(obj(event.modelUsage)).map((m) => num(obj(m).contextWindow) ?? 0)
  return {
    kind: 'result',
    uuid: str(event.uuid),
    subtype: str(event.subtype) ?? '',
    isError: event.is_error === true,
    text: str(event.result) ?? strings(event.errors).join('\n'),
    apiStatus: num(event.api_error_status) ?? null,
    reason: str(event.terminal_reason),
    durationMs: num(event.duration_ms) ?? 0,
    usage: usageOf(event.usage),
    costUsd: num(event.total_cost_usd),
    turnUsd: isObj(event.model_usage_since_last_result) ? Object.values(event.model_usage_since_last_result).reduce<number>((sum, m) => sum + (num(obj(m).costUSD) ?? 0), 0) : undefined,
    contextWindow: windows.length > 0 ? Math.max(...windows) : undefined,
    byItself: str(obj(event.origin).kind) === 'task-notification',
  }
}

export function blocksOf(content: unknown): Block[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return list(content).map(blockOf)
}

function blockOf(v: unknown): Block {
  const b = obj(v)
  switch (str(b.type)) {
    case 'text':
      return { type: 'text', text: str(b.text) ?? '' }
    case 'thinking':
      return { type: 'thinking', text: str(b.thinking) ?? '' }
    case 'redacted_thinking':
      return { type: 'thinking', text: '' }
    case 'tool_use':
    case 'server_tool_use':
    case 'mcp_tool_use':
      return { type: 'tool', id: str(b.id) ?? '', name: str(b.name) ?? '', input: obj(b.input) }
    case 'image':
      return imageOf(b)
    case 'document':
      return { type: 'document', title: str(b.title) ?? str(obj(b.source).media_type) ?? '' }
  }
  return { type: 'other', name: str(b.type) ?? '', raw: v }
}

function imageOf(b: Obj): { type: 'image'; mediaType: string; data?: string } {
  const source = obj(b.source)
  const mediaType = str(source.media_type) ?? ''
  const known = /^image\/(png|jpeg|gif|webp)$/.test(mediaType)
  return { type: 'image', mediaType, data: known ? str(source.data) : undefined }
}

export function usageOf(v: unknown): Usage | undefined {
  if (!isObj(v)) return undefined
  return {
    input: num(v.input_tokens) ?? 0,
    cacheRead: num(v.cache_read_input_tokens) ?? 0,
    cacheWrite: num(v.cache_creation_input_tokens) ?? 0,
    output: num(v.output_tokens) ?? 0,
  }
}
