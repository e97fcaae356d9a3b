import type { Session } from '@/api/wire'
import type { PromptRow } from '@/conversation/model'
import type { SessionView } from '@/stream/held'
import { promptBeside } from './usePrompts'

/** The prompt of a turn that ended in an error, while nobody has gone on since and it can be sent as it was. */
export function failedPrompt({ rows, queue, outgoing, activity, state }: Pick<SessionView, 'rows' | 'queue' | 'outgoing' | 'activity' | 'state'>): PromptRow | null {
  if (rows.at(-1)?.kind !== 'error' || activity !== 'none' || queue.length + outgoing.length > 0) return null
  if (state === 'starting' || state === 'running' || state === 'waiting' || state === 'queued') return null
  const prompt = rows[promptBeside(rows, rows.length, -1)]
  if (prompt?.kind !== 'prompt') return null
  return canBeSent(prompt) ? prompt : null
}

/** Whether all of a prompt is there to be sent as it was: of documents, and of pictures from a terminal, only the name may be. */
export function canBeSent({ blocks }: Pick<PromptRow, 'blocks'>): boolean {
  return blocks.length > 0 && blocks.every((b) => b.type === 'text' || (b.type === 'image' && b.data !== undefined))
}

/** What begins a session in which Claude works as it does in this one. What is left out is the CLI's choice. */
export function alike({ project, model, permission_mode, effort }: Session, mode: string | null): { project: string; model?: string; permission_mode?: string; effort?: string } {
  return { project, permission_mode: mode ?? permission_mode, ...(model !== '' && { model }), ...(effort !== 'default' && { effort }) }
}
