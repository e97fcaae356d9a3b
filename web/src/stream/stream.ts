import type { AnswerFrame, ClientFrame, Content, NoticeFrame, ServerFrame } from '@/api/wire'
import { emptyConversation, type Conversation, type PromptRow } from '@/conversation/model'
import { isObj, str } from '@/conversation/json'
import { blocksOf } from '@/conversation/normalise'
import { reduce, type Event } from '@/conversation/reduce'
import { snapshot, type Snapshot } from '@/conversation/rows'
import { Connection, realClock, type Clock, type Link, type Socket } from './connection'
import { Outbox, type Outgoing, type Storage } from './outbox'
import { decode, encode } from './wire'
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

interface Held {
  past: Past
  conversation: Conversation
  view: SessionView
  listeners: Set<() => void>
  subscribed: boolean
  answers: Map<string, AnswerFrame>
  problem: Problem | null
  reading: Promise<void> | null
  asOf: number | null
  dirty: boolean
}

export interface StreamOptions {
  open: () => Socket
  storage: Storage | null
  newId: () => string
  /** The last events of a session before a number; 0: the last of all. It fails with what has a `code` and a `detail`. */
  page: (sessionId: string, before: number, limit: number) => Promise<EventPage>
  /** The ends of conversations that the device keeps, to be read without a server. */
  kept?: {
    read: (sessionId: string) => Promise<{ at: number; events: readonly Event[] } | undefined>
    write: (sessionId: string, events: readonly Event[]) => void
  }
  /** Calls back once, soon: per animation frame in a visible page. */
  schedule: (f: () => void) => void
  /** Calls back once the page has nothing better to do. */
  idle: (f: () => void) => void
  clock?: Clock
  random?: () => number
}

/** The code of what failed because no server was there. */
const unreachable = 'unreachable'

/** A message of more bytes is refused by the server, connection and all. */
const maxMessageChars = 12 << 20

/** How many events are fetched at once: to show the end, and to go far back. */
const pageEvents = 400
const longPageEvents = 2500
/** So many rows fill a screen; a page of events may hold fewer, when it is full of pieces. */
const enoughRows = 24
/** How far back the greeting of the process is looked for. */
const maxGreetingPages = 12
/** So long the server may take before what the device kept is shown. */
const patienceMs = 4000

/**
 * The stream's store: the one connection, and the conversations that came
 * through it. It lives outside React; views read it by `subscribe` and `view`,
 * and are told once a frame however many events came.
 */
export class Stream {
  private readonly o: StreamOptions
  private readonly connection: Connection
  private readonly outbox: Outbox
  private readonly held = new Map<string, Held>()
  /** Requests that were answered on this device, while the page is open. */
  private readonly answeredIds = new Set<string>()
  private readonly noticeListeners = new Set<(n: NoticeFrame) => void>()
  private readonly linkListeners = new Set<() => void>()
  private link: Link = { status: 'idle' }
  private scheduled = false

  constructor(o: StreamOptions) {
    this.o = o
    this.outbox = new Outbox(o.storage)
    this.connection = new Connection({
      open: o.open,
      clock: o.clock,
      random: o.random,
      onMessage: (data) => {
        if (typeof data === 'string') this.take(decode(data))
      },
      onOpen: () => this.opened(),
      onChange: (link) => {
        this.link = link
        for (const l of this.linkListeners) l()
      },
    })
  }

  start(): void {
    this.connection.start()
  }

  /** Ends the connection and keeps what is known: the sign-in ended, and the user may come back. */
  stop(): void {
    this.connection.stop()
  }

  /** Ends the connection and forgets everyone's conversations: the user signed out. */
  reset(): void {
    this.connection.stop()
    this.outbox.clear()
    for (const h of this.held.values()) this.renew(h)
    this.flush()
    this.held.clear()
  }

  wake(left = false): void {
    this.connection.wake(left)
  }

  private send(frame: ClientFrame): boolean {
    const sent = this.connection.send(encode(frame))
    if (sent) this.connection.expect()
    return sent
  }

  /** Connects anew, for what a connection says of itself when it opens: the page's language. */
  reopen(): void {
    if (this.link.status === 'idle' || this.link.status === 'refused') return
    this.connection.stop()
    this.connection.start()
  }

  // Reading.

  readonly subscribeLink = (listener: () => void): (() => void) => {
    this.linkListeners.add(listener)
    return () => this.linkListeners.delete(listener)
  }

  readonly getLink = (): Link => this.link

  onNotice(listener: (n: NoticeFrame) => void): () => void {
    this.noticeListeners.add(listener)
    return () => this.noticeListeners.delete(listener)
  }

  /** Tells when a session's view changes; while anyone listens, the server sends its events. */
  subscribe(sessionId: string, listener: () => void): () => void {
    const h = this.of(sessionId)
    h.listeners.add(listener)
    if (!h.subscribed) this.attach(sessionId, h)
    return () => {
      h.listeners.delete(listener)
      if (h.listeners.size > 0 || !h.subscribed) return
      h.subscribed = false
      this.send({ type: 'unsubscribe', session_id: sessionId })
    }
  }

  /** Begins to fetch the end of a conversation that is about to be looked at. */
  prepare(sessionId: string): void {
    const h = this.of(sessionId)
    if (!h.past.opened && !h.reading) void this.open(sessionId, h)
  }

  view(sessionId: string): SessionView {
    return this.of(sessionId).view
  }

  // Doing.

  prompt(sessionId: string, content: Content): void {
    const id = this.o.newId()
    const o: Outgoing = { id, sessionId, content, status: 'sending' }
    this.outbox.add(o)
    this.post(o)
    this.touch(sessionId)
  }

  /** Sends a failed prompt again, with the id it had: it cannot run twice. */
  retry(id: string): void {
    const o = this.outbox.change(id, { status: 'sending', problem: undefined })
    if (!o) return
    this.post(o)
    this.touch(o.sessionId)
  }

  discard(id: string): void {
    const o = this.outbox.remove(id)
    if (o) this.touch(o.sessionId)
  }

  interrupt(sessionId: string): boolean {
    return this.send({ type: 'interrupt', session_id: sessionId })
  }

  /** Ends a task in the background. */
  stopTask(sessionId: string, taskId: string): boolean {
    return this.send({ type: 'stop', session_id: sessionId, task_id: taskId })
  }

  set(sessionId: string, change: { model?: string; permission_mode?: string }): boolean {
    return this.send({ type: 'set', session_id: sessionId, ...change })
  }

  answer(sessionId: string, requestId: string, answer: Omit<AnswerFrame, 'type' | 'id' | 'session_id' | 'request_id'>): void {
    const h = this.of(sessionId)
    const frame: AnswerFrame = { type: 'answer', id: requestId, session_id: sessionId, request_id: requestId, ...answer }
    h.answers.set(requestId, frame)
    this.answeredIds.add(requestId)
    h.problem = null
    this.send(frame)
    this.touch(sessionId)
  }

  /** Whether this device has answered a request, or somebody elsewhere. */
  answeredHere(requestId: string): boolean {
    return this.answeredIds.has(requestId)
  }

  clearProblem(sessionId: string): void {
    this.of(sessionId).problem = null
    this.touch(sessionId)
  }

  /** Fetches a page of what came before. */
  async earlier(sessionId: string): Promise<void> {
    const h = this.of(sessionId)
    if (h.reading || !h.past.more) return
    const { first } = h.past
    await this.read(sessionId, h, pageEvents, (past) => past.first < first)
  }

  /** Fetches what there is back to the event with a number. */
  async reach(sessionId: string, seq: number): Promise<void> {
    const h = this.of(sessionId)
    await this.read(sessionId, h, longPageEvents, (past) => past.first <= seq)
  }

  /** Asks for the session anew, after the server refused it. */
  reattach(sessionId: string): void {
    const h = this.of(sessionId)
    h.problem = null
    this.attach(sessionId, h)
    this.touch(sessionId)
  }

  // What comes.

  private opened(): void {
    for (const [id, h] of this.held) if (h.listeners.size > 0) this.attach(id, h)
    // The same id runs once, so all that has no answer can be said again.
    for (const o of this.outbox.all()) if (o.status === 'sending') this.post(o)
    for (const h of this.held.values()) for (const frame of h.answers.values()) this.send(frame)
  }

  private take(frame: ServerFrame): void {
    switch (frame.type) {
      case 'event': {
        const h = this.of(frame.session_id)
        if (frame.seq <= h.conversation.lastSeq) return // said again after a reconnect
        h.past.append(frame)
        reduce(h.conversation, frame)
        h.dirty = true
        this.soon()
        return
      }
      case 'ack':
        return // the prompt itself comes as an event, and takes the outgoing one's place
      case 'error':
        return this.refused(frame)
      case 'notice':
        for (const l of this.noticeListeners) l(frame)
        return
      case 'hello':
      case 'other':
        return
    }
  }

  private refused(frame: Extract<ServerFrame, { type: 'error' }>): void {
    const problem = { code: frame.code, detail: frame.detail }
    const o = frame.id === undefined ? undefined : this.outbox.change(frame.id, { status: 'failed', problem })
    if (o) return this.touch(o.sessionId)
    if (frame.session_id === undefined) return
    const h = this.of(frame.session_id)
    const named = frame.request_id ?? frame.id
    const answers = named === undefined ? [...h.answers.keys()] : h.answers.has(named) ? [named] : []
    for (const id of answers) {
      h.answers.delete(id)
      // Somebody answered on another device, or Claude asks no more.
      if (frame.code === 'not_found' || frame.code === 'conflict') h.conversation.requests.delete(id)
    }
    h.problem = problem
    this.touch(frame.session_id)
  }

  private post(o: Outgoing): void {
    const size = typeof o.content === 'string' ? o.content.length : JSON.stringify(o.content).length
    if (size > maxMessageChars) {
      this.outbox.change(o.id, { status: 'failed', problem: { code: 'too_large', detail: '' } })
      return
    }
    this.send({ type: 'prompt', session_id: o.sessionId, id: o.id, content: o.content })
  }

  private attach(sessionId: string, h: Held): void {
    h.subscribed = true
    if (h.past.opened) this.send({ type: 'subscribe', session_id: sessionId, after: h.conversation.lastSeq })
    else if (!h.reading) void this.open(sessionId, h)
  }

  /** Shows a conversation from its end, and then follows it. */
  private async open(sessionId: string, h: Held): Promise<void> {
    const past = h.past
    // A network that swallows what is asked says no more than one that is not there.
    const clock = this.o.clock ?? realClock
    const late = clock.set(() => void this.recall(sessionId, h), patienceMs)
    await this.read(sessionId, h, pageEvents, (p) => shows(p) >= enoughRows)
    clock.clear(late)
    if (h.past === past && !past.opened && h.problem?.code === unreachable) return this.recall(sessionId, h)
    if (h.past !== past || !past.opened) return
    if (h.listeners.size > 0) this.attach(sessionId, h)
    // A session that sleeps is about to greet; of one that is awake the greeting may be long past.
    await new Promise<void>((r) => this.o.idle(r))
    let pages = 0
    if (h.conversation.state !== 'dormant') await this.read(sessionId, h, longPageEvents, () => past.greeted || ++pages > maxGreetingPages)
  }

  /**
   * Fetches pages backwards until there is enough, and shows them at once. One
   * reading of a session is under way at a time; what comes meanwhile at the
   * end is not touched by it.
   */
  private async read(sessionId: string, h: Held, limit: number, enough: (past: Past) => boolean): Promise<void> {
    while (h.reading) await h.reading
    const past = h.past
    if (past.opened && (!past.more || enough(past))) return
    const work = async () => {
      try {
        do {
          const page = await this.o.page(sessionId, past.first, limit)
          if (h.past !== past) return
          past.prepend(page)
        } while (past.more && !enough(past))
        past.opened = true
        h.asOf = null
        if (h.problem?.code === unreachable) h.problem = null
      } catch (e) {
        const code = codeOf(e)
        // What the device kept goes on being shown; whole pages then take its place.
        if (h.asOf !== null && code === unreachable) return
        h.asOf = null
        if (h.past === past) h.problem = { code, detail: e instanceof Error ? e.message : '' }
      }
      if (h.past === past) h.conversation = past.reduce(h.conversation)
    }
    h.reading = work().finally(() => {
      h.reading = null
      this.touch(sessionId)
    })
    this.touch(sessionId)
    await h.reading
  }

  /**
   * Without a server: what the device kept of the conversation. It is only shown.
   * The journal is read anew once the server is there, so nothing is there twice.
   */
  private async recall(sessionId: string, h: Held): Promise<void> {
    if (h.asOf !== null || this.link.status === 'open') return
    const past = h.past
    const kept = await this.o.kept?.read(sessionId)
    if (!kept || h.past !== past || past.opened) return
    h.conversation = emptyConversation(true)
    for (const e of kept.events) reduce(h.conversation, e)
    h.asOf = kept.at
    h.problem = null
    this.touch(sessionId)
  }

  private of(sessionId: string): Held {
    let h = this.held.get(sessionId)
    if (!h) {
      h = { past: new Past(), conversation: emptyConversation(), view: emptyView, listeners: new Set(), subscribed: false, answers: new Map(), problem: null, reading: null, asOf: null, dirty: false }
      this.held.set(sessionId, h)
      h.view = this.see(sessionId, h)
    }
    return h
  }

  private renew(h: Held): void {
    h.past = new Past()
    h.conversation = emptyConversation()
    h.answers.clear()
    h.problem = null
    h.asOf = null
    h.dirty = true
  }

  private touch(sessionId: string): void {
    this.of(sessionId).dirty = true
    this.soon()
  }

  private soon(): void {
    if (this.scheduled) return
    this.scheduled = true
    this.o.schedule(() => this.flush())
  }

  private flush(): void {
    this.scheduled = false
    for (const [id, h] of this.held) {
      if (!h.dirty) continue
      h.dirty = false
      h.view = this.see(id, h)
      if (h.past.opened && h.listeners.size > 0) this.o.kept?.write(id, h.past.events)
      for (const l of h.listeners) l()
    }
  }

  private see(sessionId: string, h: Held): SessionView {
    const c = h.conversation
    for (const o of this.outbox.of(sessionId)) if (c.rows.has(`p:${o.id}`)) this.outbox.remove(o.id)
    for (const id of [...h.answers.keys()]) if (!c.requests.has(id)) h.answers.delete(id)
    return {
      ...snapshot(c, h.view),
      outgoing: this.outbox.of(sessionId).map(rowOf),
      answering: new Set(h.answers.keys()),
      problem: h.problem,
      opened: h.past.opened,
      more: h.past.more,
      first: h.past.first,
      reading: h.reading !== null,
      asOf: h.asOf,
    }
  }
}

function rowOf(o: Outgoing): PromptRow {
  return { kind: 'prompt', key: `p:${o.id}`, seq: 0, parent: null, id: o.id, uuid: '', author: '', blocks: blocksOf(o.content), status: o.status, problem: o.problem }
}

const emptyView: SessionView = { ...snapshot(emptyConversation()), outgoing: [], answering: new Set(), problem: null, opened: false, more: false, first: 0, reading: false, asOf: null }

function shows(past: Past): number {
  const c = past.reduce(emptyConversation())
  return c.durable.length + c.queue.length
}

function codeOf(e: unknown): string {
  return isObj(e) ? (str(e.code) ?? 'internal') : 'internal'
}
