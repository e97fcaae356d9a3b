import { isObj } from '@/conversation/json'
import type { Event } from '@/conversation/reduce'

/** Of a tool's input only what names something is kept: the rest may be a file. */
const naming = new Set(['file_path', 'notebook_path', 'path', 'pattern', 'glob', 'query', 'url', 'description', 'command', 'subagent_type', 'skill'])
const mostNamingChars = 500
/** What only a live process has a use for, or a live page. */
const dropped = new Set(['stream_event', 'control_request', 'control_response', 'control_cancel_request'])

/** The events that a conversation is shown from without a server: what was said, and no contents of files. */
export function lean(events: readonly Event[], note: string): Event[] {
  return events.filter((e) => !(isObj(e.event) && dropped.has(String(e.event.type)))).map((e) => ({ ...e, event: leanValue(e.event, note) as Event['event'] }))
}

/** The last events that take no more than so many characters. */
export function within(events: readonly Event[], most: number): Event[] {
  let at = events.length
  for (let size = 0; at > 0; at--) {
    size += JSON.stringify(events[at - 1]).length
    if (size > most) break
  }
  return events.slice(at)
}

function leanValue(v: unknown, note: string): unknown {
  if (Array.isArray(v)) return v.map((x) => leanValue(x, note))
  if (!isObj(v)) return v
  if (v.type === 'image' || v.type === 'document') return { type: 'text', text: note }
  if (v.type === 'tool_result') return { ...v, content: note }
  if (v.type === 'tool_use') return { ...v, input: isObj(v.input) ? leanInput(v.input) : {} }
  return Object.fromEntries(Object.entries(v).flatMap(([k, x]) => (k === 'tool_use_result' || k === 'toolUseResult' ? [] : [[k, leanValue(x, note)]])))
}

function leanInput(input: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([k, x]) => typeof x !== 'object' && (typeof x !== 'string' || (naming.has(k) && x.length <= mostNamingChars))))
}
