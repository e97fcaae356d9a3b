import { isObj, str } from '@/conversation/json'
import { emptyConversation, type Conversation, type Todos } from '@/conversation/model'
import { reduce, type Event } from '@/conversation/reduce'

/** One page of a journal, read backwards. */
export interface EventPage {
  events: Event[]
  /** Whether there is anything before it. */
  more: boolean
  /** Of the last page: the list of what is to be done up to an event, which may have been made before these. */
  todos?: Todos
}

/**
 * The events of a session that the page holds: one piece of its journal up to
 * the end, in order and without a gap. What is shown is always reduced from all
 * of them, so a piece that is put in front joins what was cut apart.
 */
export class Past {
  events: Event[] = []
  /** Whether there is something before the first event. */
  more = false
  /** Whether the end of the journal was read. */
  opened = false
  private todos: Todos = { seq: 0, items: [] }

  get first(): number {
    return this.events[0]?.seq ?? 0
  }

  prepend(page: EventPage): void {
    this.events = [...page.events, ...this.events]
    this.more = page.more && page.events.length > 0
    if (page.todos) this.todos = page.todos
  }

  append(e: Event): void {
    this.events.push(e)
    // Pieces of a turn that is over say nothing that its whole messages do not.
    if (typeOf(e) === 'result') this.events = this.events.filter((x) => typeOf(x) !== 'stream_event')
  }

  /**
   * Whether what the live process said when it began is there. From its greeting
   * on all is known that is of the process: models, commands, open requests,
   * tasks, prompts that wait.
   */
  get greeted(): boolean {
    return this.events.some((e) => {
      const response = isObj(e.event) && e.event.type === 'control_response' && isObj(e.event.response) ? e.event.response.response : undefined
      return isObj(response) && Array.isArray(response.models)
    })
  }

  /** The conversation as far as it is known; rows that are the same as before are the same objects. */
  reduce(before: Conversation): Conversation {
    const c = emptyConversation(this.more)
    c.todos = this.todos.items
    c.todosSeq = this.todos.seq
    for (const e of this.events) reduce(c, e)
    for (const [key, row] of c.rows) {
      const was = before.rows.get(key)
      if (was !== undefined && same(was, row)) c.rows.set(key, was)
    }
    return c
  }
}

function typeOf(e: Event): string | undefined {
  return isObj(e.event) ? str(e.event.type) : undefined
}

/** Whether two values of JSON's kinds say the same. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((v, i) => same(v, b[i]))
  if (!isObj(a) || !isObj(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((k) => same(a[k], b[k]))
}
