// Text that crosses the border between a program and the page. Whatever writes
// into a terminal may be hostile: a file that is shown, a page that is fetched.

const maxTitle = 60

// Controls, and marks that turn or hide what stands beside them.
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** What a program calls its window: one short line, of which everything can be seen. */
export function titleFrom(text: string): string {
  const seen = [...text.replace(unseen, '').replace(/\s+/g, ' ').trim()]
  return seen.length > maxTitle ? `${seen.slice(0, maxTitle - 1).join('')}…` : seen.join('')
}

export interface Paste {
  text: string
  /** Lines of it would run at once, before anybody has read them. */
  asks: boolean
}

/** What is pasted, without the controls by which it could end the paste and type on. */
export function pasteFrom(text: string, bracketed: boolean): Paste {
  const clean = text.replace(/\r\n?/g, '\n').replace(/[^\P{Cc}\n\t]/gu, '')
  return { text: clean, asks: !bracketed && clean.includes('\n') }
}

/** The address of a link that may be opened, or null. Credentials in it are there to mislead. */
export function addressOf(text: string): URL | null {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return null
  }
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '' || url.password !== '') return null
  return url
}

const maxClip = 100_000

/** What OSC 52 wants in the clipboard; null when it is a question, or not to be read. */
export function clipFrom(data: string): string | null {
  const at = data.indexOf(';')
  const encoded = data.slice(at + 1)
  if (at < 0 || encoded === '?' || encoded === '' || encoded.length > maxClip) return null
  try {
    const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0))
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

export type Key = 'Escape' | 'Tab' | 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight' | 'Home' | 'End' | 'PageUp' | 'PageDown'

export interface Held {
  ctrl: boolean
  alt: boolean
}

const arrows: Partial<Record<Key, string>> = { ArrowUp: 'A', ArrowDown: 'B', ArrowRight: 'C', ArrowLeft: 'D', Home: 'H', End: 'F' }

/** What a key of the bar sends. Programs choose between two ways of saying an arrow. */
export function keyFrom(key: Key, held: Held, application: boolean): string {
  const modifier = 1 + (held.alt ? 2 : 0) + (held.ctrl ? 4 : 0)
  const end = arrows[key]
  if (end) return modifier > 1 ? `\x1b[1;${modifier}${end}` : application ? `\x1bO${end}` : `\x1b[${end}`
  if (key === 'PageUp' || key === 'PageDown') return `\x1b[${key === 'PageUp' ? 5 : 6}${modifier > 1 ? `;${modifier}` : ''}~`
  return (held.alt ? '\x1b' : '') + (key === 'Escape' ? '\x1b' : '\t')
}

/** What a character sends while Ctrl or Alt of the bar is held. */
export function heldFrom(data: string, held: Held): string {
  let out = data
  if (held.ctrl && data.length === 1) {
    const code = data.toUpperCase().charCodeAt(0)
    if (code >= 0x40 && code <= 0x5f) out = String.fromCharCode(code - 0x40)
    else if (data === ' ') out = '\0'
    else if (data === '?') out = '\x7f'
  }
  return held.alt ? `\x1b${out}` : out
}
