import type { Terminal } from '@/api/wire'
import { m } from '@/i18n/paraglide/messages.js'

/** What a terminal is called: its title, or where it is and which of those there. */
export function nameOf(t: Terminal, all: readonly Terminal[]): string {
  if (t.title) return t.title
  const place = t.project || m.terminal_home()
  const beside = all.filter((o) => !o.title && (o.project ?? '') === (t.project ?? ''))
  return beside.length > 1 ? m.terminal_numbered({ place, number: beside.indexOf(t) + 1 }) : place
}
