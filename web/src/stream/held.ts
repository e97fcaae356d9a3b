import type { AnswerFrame } from '@/api/wire'
import { emptyConversation, type PromptRow, type Todos } from '@/conversation/model'
import { isObj, str } from '@/conversation/json'
import { reduce, type Event } from '@/conversation/reduce'
import { snapshot, type Snapshot } from '@/conversation/rows'
import { realClock, type Clock } from './connection'
import { Past, type EventPage } from './past'

export interface Problem {
  code: string
  detail: string
}

/** What a view of a session is drawn from. */
export interface SessionView extends Snapshot {
  /** Prompts that are not on the server's disk yet. */
  outgoing: PromptRow[]
  /** Requests whose answer is under way. */
  answering: ReadonlySet<string>
  /** What the server last refused for this session. */
  problem: Problem | null
  /** Whether the turn was to end, and the server did not confirm it. */
  stopUnsure: boolean
  /** Whether the end of the conversation is there. */
  opened: boolean
  /** Whether there is more before what is there, and the number of the first event that is. */
  more: boolean
  first: number
  /** Whether earlier events are being fetched. */
  reading: boolean
  /** When this was read, where the server cannot be asked and the device's own copy is shown. */
  asOf: number | null
}

/** Where a conversation is read from. */
export interface Sources {
  /** The last events of a session before a number; 0: the last of all. It fails with what has a `code` and a `detail`. */
  page: (sessionId: string, before: number, limit: number) => Promise<EventPage>
  /** The ends of conversations that the device keeps, to be read without a server. */
  kept?: {
    read: (sessionId: string) => Promise<{ at: number; events: readonly Event[]; todos?: Todos } | undefined>
    write: (sessionId: string, events: readonly Event[], todos: Todos) => void
  }
  /** Calls back once the page has nothing better to do. */
  idle: (f: () => void) => void
  clock?: Clock
}

/** The code of what failed because no server was there. */
const unreachable = 'unreachable'

/** How many events are fetched at once: to show the end (public/early.js asks for as many), and to go far back. */
const pageEvents = 200
const longPageEvents = 2500
/** So many rows fill a screen; a page of events may hold fewer, when it is full of pieces. */
const enoughRows = 24
/** How far back the greeting of the process is looked for. */
const maxGreetingPages = 12
/** So long the server may take before what the device kept is shown. */
const patienceMs = 4000

/** One conversation as far as the page holds it: read backwards from its end, and followed from there. */
export class Held {
  readonly listeners = new Set<() => void>()
  /** Whether the server was asked to send its events. */
  subscribed = false
  /** Answers that the server has not taken yet, by their request. */
  readonly answers = new Map<string, AnswerFrame>()
  problem: Problem | null = null
  stopUnsure = false
  view: SessionView = emptyView
  private past = new Past()
  private conversation = emptyConversation()
  private reading: Promise<void> | null = null
  private asOf: number | null = null

  constructor(
    private readonly id: string,
    private readonly from: Sources,
    /** Is told whenever there is something new to see. */
    private readonly changed: () => void,
  ) {}

  get opened(): boolean {
    return this.past.opened
  }

  get isReading(): boolean {
    return this.reading !== null
  }

  /** The number of the last event that is known. */
  get last(): number {
    return this.conversation.lastSeq
  }

  /** Takes the next event; one that was there is said again after a reconnect. */
  take(e: Event): void {
    if (e.seq <= this.last) return
    this.past.append(e)
    reduce(this.conversation, e)
    this.changed()
  }

  /** Somebody answered on another device, or Claude asks no more. */
  asksNoMore(requestId: string): void {
    this.conversation.requests.delete(requestId)
  }

  /** Shows the conversation from its end. Gives false when that failed, or another one was begun meanwhile. */
  async open(connected: () => boolean): Promise<boolean> {
    const past = this.past
    // A network that swallows what is asked says no more than one that is not there.
    const clock = this.from.clock ?? realClock
    const late = clock.set(() => void this.recall(connected), patienceMs)
    await this.read(pageEvents, (p) => shows(p) >= enoughRows)
    clock.clear(late)
    if (this.past === past && !past.opened && this.problem?.code === unreachable) await this.recall(connected)
    return this.past === past && past.opened
  }

  /** Looks for what the process said when it began. A session that sleeps is about to greet; of one that is awake the greeting may be long past. */
  async seekGreeting(): Promise<void> {
    const past = this.past
    await new Promise<void>((r) => this.from.idle(r))
    let pages = 0
    if (this.past === past && this.conversation.state !== 'dormant') await this.read(longPageEvents, () => past.greeted || ++pages > maxGreetingPages)
  }

  /** Fetches a page of what came before. */
  async earlier(): Promise<void> {
    if (this.reading || !this.past.more) return
    const { first } = this.past
    await this.read(pageEvents, (past) => past.first < first)
  }

  /** Fetches what there is back to the event with a number. */
  reach(seq: number): Promise<void> {
    return this.read(longPageEvents, (past) => past.first <= seq)
  }

  /** Forgets all of it. */
  renew(): void {
    this.past = new Past()
    this.conversation = emptyConversation()
    this.answers.clear()
    this.problem = null
    this.stopUnsure = false
    this.asOf = null
    this.changed()
  }

  /**
   * Fetches pages backwards until there is enough, and shows them at once. One
   * reading of a session is under way at a time; what comes meanwhile at the
   * end is not touched by it.
   */
  private async read(limit: number, enough: (past: Past) => boolean): Promise<void> {
    while (this.reading) await this.reading
    const past = this.past
    if (past.opened && (!past.more || enough(past))) return
    const work = async () => {
      try {
        do {
          const page = await this.from.page(this.id, past.first, limit)
          if (this.past !== past) return
          past.prepend(page)
        } while (past.more && !enough(past))
        past.opened = true
        this.asOf = null
        if (this.problem?.code === unreachable) this.problem = null
      } catch (e) {
        const code = codeOf(e)
        // What the device kept goes on being shown; whole pages then take its place.
        if (this.asOf !== null && code === unreachable) return
        this.asOf = null
        if (this.past === past) this.problem = { code, detail: e instanceof Error ? e.message : '' }
      }
      if (this.past === past) this.conversation = past.reduce(this.conversation)
      if (!this.conversation.turnOpen) this.stopUnsure = false
    }
    this.reading = work().finally(() => {
      this.reading = null
      this.changed()
    })
    this.changed()
    await this.reading
  }

  /**
   * Without a server: what the device kept of the conversation. It is only shown.
   * The journal is read anew once the server is there, so nothing is there twice.
   */
  private async recall(connected: () => boolean): Promise<void> {
    if (this.asOf !== null || connected()) return
    const past = this.past
    const kept = await this.from.kept?.read(this.id)
    if (!kept || this.past !== past || past.opened) return
    this.conversation = emptyConversation(true)
    this.conversation.todos = kept.todos?.items ?? []
    this.conversation.todosSeq = kept.todos?.seq ?? 0
    for (const e of kept.events) reduce(this.conversation, e)
    this.asOf = kept.at
    this.problem = null
    this.changed()
  }

  /** Whether a prompt is in the journal. */
  has(promptId: string): boolean {
    return this.conversation.rows.has(`p:${promptId}`)
  }

  /** Draws the view anew, tells who listens, and keeps it for a time without a server. */
  show(outgoing: PromptRow[]): void {
    const c = this.conversation
    for (const id of [...this.answers.keys()]) if (!c.requests.has(id)) this.answers.delete(id)
    this.view = {
      ...snapshot(c, this.view),
      outgoing,
      answering: new Set(this.answers.keys()),
      problem: this.problem,
      stopUnsure: this.stopUnsure,
      opened: this.past.opened,
      more: this.past.more,
      first: this.past.first,
      reading: this.reading !== null,
      asOf: this.asOf,
    }
    if (this.past.opened && this.listeners.size > 0) this.from.kept?.write(this.id, this.past.events, { seq: c.lastSeq, items: c.todos })
    for (const l of this.listeners) l()
  }
}

const emptyView: SessionView = { ...snapshot(emptyConversation()), outgoing: [], answering: new Set(), problem: null, stopUnsure: false, opened: false, more: false, first: 0, reading: false, asOf: null }

function shows(past: Past): number {
  const c = past.reduce(emptyConversation())
  return c.durable.length + c.queue.length
}

function codeOf(e: unknown): string {
  return isObj(e) ? (str(e.code) ?? 'internal') : 'internal'
}
