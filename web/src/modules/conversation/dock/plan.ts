import { m } from '@/i18n/paraglide/messages.js'

/** What is said to Claude when it is to go on planning; the user's own changes to the plan go along. */
export function keepPlanning(word: string, changed: string | undefined): string {
  return changed === undefined ? word : [word, m.plan_my_version(), changed].join('\n\n')
}
