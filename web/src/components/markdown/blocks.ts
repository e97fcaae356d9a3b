import { withoutBidi } from '@/components/plain'
import { Lexer, Marked, type Token } from 'marked'
import remend from 'remend'
import { chinese } from './chinese'
import { extensions } from './extensions'

/** The blocks of a markdown text; a block that did not change is the same object as before. */
export interface Parsed {
  source: string
  blocks: readonly Token[]
  /** Whether it was parsed as a text that is finished. */
  whole?: boolean
}

export const nothingParsed: Parsed = { source: '', blocks: [] }

const options = new Marked({ gfm: true, breaks: false, extensions }, chinese).defaults

/**
 * Parses a text. While it grows (`live`), only what may still change is parsed
 * again: the last two blocks. Half-written emphasis and links at its end are
 * closed, so that they do not flicker as bare signs.
 */
export function parse(text: string, live: boolean, before: Parsed = nothingParsed): Parsed {
  const source = text.replace(/\r\n?/g, '\n')
  if (!live && source === before.source && before.whole) return before
  if (!live) return { source, blocks: keep(lex(source), before.blocks), whole: true }
  const closed = before.blocks.slice(0, Math.max(0, before.blocks.length - 2))
  const length = closed.reduce((n, t) => n + t.raw.length, 0)
  if (length > 0 && source.startsWith(before.source.slice(0, length))) {
    const open = lex(mend(source.slice(length)))
    return { source, blocks: [...closed, ...open] }
  }
  return { source, blocks: keep(lex(mend(source)), before.blocks) }
}

function lex(text: string): Token[] {
  try {
    return new Lexer(options).lex(text)
  } catch {
    // Whatever a parser chokes on is still a text.
    return [{ type: 'text', raw: text, text }]
  }
}

/** Closes what the end of a growing text left open; code is left alone. */
function mend(text: string): string {
  const fences = text.match(/^ {0,3}(```|~~~)/gm)?.length ?? 0
  if (fences % 2 === 1) return text
  try {
    return remend(text)
  } catch {
    return text
  }
}

function keep(now: Token[], before: readonly Token[]): Token[] {
  return now.map((t, i) => {
    const old = before[i]
    return old !== undefined && old.raw === t.raw && old.type === t.type ? old : t
  })
}

/** The address of a link that may be followed, or null: only the web and mail. */
export function safeHref(href: string): string | null {
  const text = href.trim()
  try {
    const url = new URL(text)
    return url.protocol === 'http:' || url.protocol === 'https:' || url.protocol === 'mailto:' ? text : null
  } catch {
    return null
  }
}

/** The host that a link leads to, where its text names, or may seem to name, another; else null. */
export function hiddenHost(text: string, href: string): string | null {
  const url = new URL(href)
  if (url.protocol === 'mailto:') return null
  const shown = /^(?:[a-z]+:\/\/)?([^\s/?#]+\.[^\s/?#.]{2,})(?:[/?#]|$)/i.exec(withoutBidi(text).trim())?.[1]?.toLowerCase()
  const tricky = withoutBidi(text) !== text || url.username !== '' || url.host.includes('xn--')
  if (shown === undefined ? !tricky : !tricky && shown === url.host) return null
  return url.host
}
