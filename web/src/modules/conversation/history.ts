import { textOf, type PromptRow } from '@/conversation/model'
import type { TimelineRow } from '@/conversation/rows'

/** The user's own prompts of a session, the newest first, none twice in a row. */
export function promptsOf(rows: readonly TimelineRow[], queue: readonly PromptRow[]): string[] {
  const out: string[] = []
  for (const row of [...rows, ...queue]) {
    if (row.kind !== 'prompt') continue
    const text = textOf(row).trim()
    if (text !== '' && !text.startsWith('<command-') && out.at(-1) !== text) out.push(text)
  }
  return out.reverse()
}

/**
 * One step up (1) or down (-1) in the history. `at` is where the text comes
 * from: -1 when it was written. undefined: the key is the text's own.
 */
export function step(prompts: readonly string[], at: number, text: string, by: 1 | -1): number | undefined {
  const here = at >= 0 && prompts[at] === text ? at : -1
  if (here < 0 && (text !== '' || by < 0)) return undefined
  const next = here + by
  return next < prompts.length ? next : undefined
}
