import type { Row } from './model'
import type { TimelineRow } from './rows'

/** What a reader may look for in a row: its words, what a tool was given, and what came of it. */
export function wordsOf(row: TimelineRow | Row): string {
  switch (row.kind) {
    case 'prompt':
      return row.blocks.map((b) => (b.type === 'text' ? b.text : '')).join('\n')
    case 'text':
    case 'thinking':
    case 'error':
    case 'note':
      return row.text
    case 'tool':
      return [row.name, ...Object.values(row.input).filter((v) => typeof v === 'string'), row.result?.text ?? '', ...row.children.map(wordsOf)].join('\n')
    case 'reads':
      return row.calls.map(wordsOf).join('\n')
    case 'raw':
      return ''
  }
}

// A row never changes, so its words in small letters are made once.
const small = new WeakMap<object, string>()

/** The keys of the rows that have some words, in their order. */
export function rowsWith(rows: readonly TimelineRow[], words: string): string[] {
  const wanted = words.toLowerCase()
  if (wanted === '') return []
  return rows.filter((row) => {
    let text = small.get(row)
    if (text === undefined) small.set(row, (text = wordsOf(row).toLowerCase()))
    return text.includes(wanted)
  }).map((row) => row.key)
}
