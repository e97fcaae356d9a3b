import { list, num, obj, str, strings, type Obj } from './json'
import type { Line } from './line'

/** Subtypes of `system` that say nothing to a reader. */
const quiet = new Set([
  'thinking_tokens',
  'hook_started',
  'hook_response',
  'hook_progress',
  'session_state_changed',
  'control_request_progress',
  'ui_invalidate',
  'task_updated',
  'files_persisted',
])

/** normalise, for lines of type `system`. */
export function normaliseSystem(event: Obj): Line {
  const subtype = str(event.subtype) ?? ''
  if (quiet.has(subtype)) return { kind: 'nothing' }
  switch (subtype) {
    case 'init':
      return { kind: 'init', model: str(event.model), mode: str(event.permissionMode), cwd: str(event.cwd), commands: strings(event.slash_commands) }
    case 'status':
      return { kind: 'status', status: str(event.status) ?? null, mode: str(event.permissionMode), prompts: strings(event.user_message_uuids) }
    case 'api_retry':
      return {
        kind: 'retry',
        attempt: num(event.attempt) ?? 1,
        maxRetries: num(event.max_retries) ?? 0,
        delayMs: num(event.retry_delay_ms) ?? 0,
        status: num(event.error_status) ?? null,
        error: str(event.error) ?? 'unknown',
      }
    case 'task_started':
      return {
        kind: 'taskStarted',
        taskId: str(event.task_id) ?? '',
        toolUseId: str(event.tool_use_id),
        background: event.is_backgrounded === true,
        description: str(event.description) ?? '',
        prompt: str(event.prompt),
      }
    case 'task_progress':
      return {
        kind: 'taskProgress',
        taskId: str(event.task_id) ?? '',
        toolUseId: str(event.tool_use_id),
        description: str(event.description),
        ...taskUsage(event),
      }
    case 'task_notification':
      return {
        kind: 'taskEnded',
        taskId: str(event.task_id) ?? '',
        toolUseId: str(event.tool_use_id),
        status: str(event.status) ?? '',
        summary: str(event.summary) ?? '',
        ...taskUsage(event),
      }
    case 'background_tasks_changed':
      return { kind: 'tasks', running: list(event.tasks).length }
    case 'compact_boundary': {
      const meta = obj(event.compact_metadata)
      return { kind: 'compacted', before: num(meta.pre_tokens), after: num(meta.post_tokens), trigger: str(meta.trigger) }
    }
    case 'session_title_changed':
      return { kind: 'title', title: str(event.title) ?? '' }
    case 'informational':
    case 'notification':
      return { kind: 'notice', level: str(event.level) ?? 'info', text: str(event.content) ?? str(event.text) ?? str(event.message) ?? '' }
    case 'permission_denied':
      return { kind: 'denied', toolUseId: str(event.tool_use_id), text: str(event.message) ?? '' }
  }
  return { kind: 'unknown', name: `system/${subtype}`, raw: event }
}

function taskUsage(event: Obj): { toolUses?: number; tokens?: number; durationMs?: number } {
  const usage = obj(event.usage)
  return { toolUses: num(usage.tool_uses), tokens: num(usage.total_tokens), durationMs: num(usage.duration_ms) }
}
