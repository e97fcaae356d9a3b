import { readFileSync } from 'node:fs'
import { emptyConversation, type Conversation } from './model'
import { reduce, type Event } from './reduce'
import { snapshot, type Snapshot } from './rows'

/**
 * Reads a recorded conversation as the events that a session's journal would
 * hold: the CLI's lines as they came, what went to the CLI as ours. For tests.
 */
export function fixture(name: string): Event[] {
  const text = readFileSync(new URL(`./testdata/${name}.jsonl`, import.meta.url), 'utf8')
  const events: unknown[] = []
  for (const row of text.split('\n')) {
    if (row === '') continue
    const { dir, line } = JSON.parse(row) as { dir: string; line?: Record<string, any> }
    if (line === undefined) continue
    if (dir === '<') events.push(line)
    else if (dir === '>' && line.type === 'user' && line.uuid) {
      events.push({ type: 'carrel.prompt', id: `id-${line.uuid}`, uuid: line.uuid, author: 'alice', content: line.message.content })
    } else if (dir === '>' && line.type === 'control_response') {
      const { request_id, response } = line.response
      events.push({ type: 'carrel.answer', request_id, behavior: response?.behavior, message: response?.message, author: 'alice' })
    }
  }
  return events.map((event, i) => ({ seq: i + 1, at: new Date(Date.UTC(2026, 10, 24) + i * 50).toISOString(), event }))
}

/** Reduces a fixture, up to and with the first event that `until` accepts. */
export function play(events: Event[], until?: (event: any) => boolean): { c: Conversation; s: Snapshot } {
  const c = emptyConversation()
  for (const e of events) {
    reduce(c, e)
    if (until?.(e.event)) break
  }
  return { c, s: snapshot(c) }
}
