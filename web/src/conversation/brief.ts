import type { TimelineRow } from './rows'

/** One line a row, for tests: what a reader would see. */
export function brief(rows: readonly TimelineRow[]): string[] {
  return rows.map((r) => {
    switch (r.kind) {
      case 'prompt':
        return `> ${r.blocks.map((b) => (b.type === 'text' ? b.text : `[${b.type}]`)).join(' ')} (${r.status})`
      case 'text':
        return `text${r.live ? ' live' : ''}${r.aborted ? ' aborted' : ''}: ${r.text.trim().slice(0, 40)}`
      case 'thinking':
        return `thinking${r.live ? ' live' : ''}: ${r.text.trim().slice(0, 40)}`
      case 'tool':
        return `${r.name} ${r.status}${r.children.length > 0 ? ` [${brief(r.children).join(', ')}]` : ''}`
      case 'reads':
        return `reads ${r.calls.length}`
      case 'error':
        return `error ${r.source} ${r.code} ${r.status ?? '-'}`
      case 'note':
        return `note ${r.note}`
      case 'raw':
        return `raw ${r.name}`
    }
  })
}
