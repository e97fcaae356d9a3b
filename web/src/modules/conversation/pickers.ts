import type { Session } from '@/api/wire'
import type { Choice } from '@/components/Menu'
import { effortName, effortNote, modeName, modeNote, modes } from '@/modules/sessions/words'
import type { SessionView } from '@/stream/held'

/** The models there are to pick, and which of them is on. */
export function modelChoices(view: SessionView, session: Session | undefined): { value: string; label: string; choices: Choice[] } {
  const now = session?.model || view.model || ''
  const choices = view.models.map((x) => ({ value: x.value, label: x.name, note: x.description }))
  // Once it has answered, a session names the model that its choice led to.
  const meant = view.models.find((x) => x.value === now) ?? view.models.find((x) => now !== '' && x.resolved === now)
  const on = choices.find((c) => c.value === meant?.value) ?? (session?.model ? undefined : choices[0])
  // A bare 'default' tells nobody anything: what it leads to does.
  const leadsTo = view.models.find((x) => x.value === on?.value)?.resolved || (on?.value === 'default' ? (view.model ?? '') : '')
  const label = on?.value === 'default' && leadsTo ? shortModel(leadsTo) : (on?.label ?? shortModel(now))
  if (!on && now !== '') choices.unshift({ value: now, label: shortModel(now), note: now })
  return { value: on?.value ?? now, label, choices }
}

/** claude-opus-5-5 → Opus 5.5 */
export function shortModel(model: string): string {
  const parts = /^claude-([a-z]+)-(\d+)(?:-(\d{1,2}))?(?:-|$)/.exec(model)
  if (!parts) return model
  const name = parts[1]!
  return `${name[0]!.toUpperCase()}${name.slice(1)} ${parts[2]}${parts[3] ? `.${parts[3]}` : ''}`
}

export function modeChoices(now: string): Choice[] {
  const offered: string[] = ['default', 'acceptEdits', 'plan']
  if (!offered.includes(now) && (modes as readonly string[]).includes(now)) offered.push(now)
  return offered.map((value) => ({ value, label: modeName(value), note: modeNote(value) }))
}

/** The levels of effort of the model that is on, and the one that was chosen although it has no such level. None: there is nothing to choose. */
export function effortChoices(view: SessionView, model: string, now: string): Choice[] {
  const levels = view.models.find((x) => x.value === model)?.efforts ?? []
  if (levels.length === 0 && now === 'default') return []
  const offered = ['default', ...levels]
  if (!offered.includes(now)) offered.push(now)
  return offered.map((value) => ({ value, label: effortName(value), note: effortNote(value) }))
}

/** Tokens that the next answer will be read with, and their share of what fits. */
export function contextOf(view: SessionView): { tokens: number; share: number | null } | null {
  const u = view.usage
  if (!u) return null
  const tokens = u.input + u.cacheRead + u.cacheWrite + u.output
  return { tokens, share: view.contextWindow ? tokens / view.contextWindow : null }
}
