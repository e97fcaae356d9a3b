import type { AnswerFrame, ClientFrame, Content, NoticeFrame, ServerFrame, Wish } from '@/api/wire'
import { isObj, type Obj } from '@/conversation/json'
import type { PromptRow } from '@/conversation/model'
import { blocksOf } from '@/conversation/normalise'
import { Connection, type Link, type Socket } from './connection'
import { Held, type SessionView, type Sources } from './held'
import { Outbox, type Outgoing, type Shelf, type Storage } from './outbox'
import { decode, encode } from './wire'

export interface StreamOptions extends Sources {
  open: () => Socket
  storage: Storage | null
  shelf?: Shelf
  newId: () => string
  /** Calls back once, soon: per animation frame in a visible page. */
  schedule: (f: () => void) => void
  random?: () => number
}

/** A message of more bytes is refused by the server, connection and all. */
const maxMessageChars = 12 << 20

/** The problem of an answer that found its request closed. */
export const answerLate = 'answer_late'

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
  /** The conversations whose view is not true any more. */
  private readonly dirty = new Set<string>()
  /** Requests that were answered on this device, while the page is open. */
  private readonly answeredIds = new Set<string>()
  /** Answers that were sent again over another connection: the server may have had the first. */
  private readonly repeated = new Set<string>()
  /** What was pressed and the server has not confirmed, by its name. */
  private readonly wishes = new Map<string, Wish>()
  private readonly noticeListeners = new Set<(n: NoticeFrame) => void>()
  private readonly linkListeners = new Set<() => void>()
  private link: Link = { status: 'idle' }
  private scheduled = false
  private owner: number | null = null

  constructor(o: StreamOptions) {
    this.o = o
    this.outbox = new Outbox(o.storage, o.shelf ?? null, (p) => {
      this.post(p)
      this.touch(p.sessionId)
    })
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
        if (link.status !== 'open') this.doubtStops()
        for (const l of this.linkListeners) l()
      },
    })
  }

  /** Somebody is signed in. What was kept of anybody else goes. */
  belongTo(owner: number): void {
    if (this.owner !== null && this.owner !== owner) {
      const on = this.link.status !== 'idle'
      this.reset()
      if (on) this.start()
    }
    this.owner = owner
    this.outbox.belongTo(owner)
  }

  start(): void {
    this.connection.start()
  }

  /** Ends the connection and keeps what is known: the sign-in ended, and the user may come back. */
  stop(): void {
    this.connection.stop()
    this.wishes.clear() // nobody means them any more by then
  }

  /** Ends the connection and forgets everyone's conversations: the user signed out. */
  reset(): void {
    this.connection.stop()
    this.owner = null
    this.outbox.clear()
    this.wishes.clear()
    for (const h of this.held.values()) h.renew()
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
    if (!h.opened && !h.isReading) void this.begin(sessionId, h)
  }

  view(sessionId: string): SessionView {
    return this.of(sessionId).view
  }

  // Doing.

  prompt(sessionId: string, content: Content): void {
    this.post(this.outbox.add(this.o.newId(), sessionId, content))
    this.touch(sessionId)
  }

  /** Sends a failed prompt again, with the id it had: it cannot run twice. */
  retry(id: string): void {
    const o = this.outbox.change(id, { status: 'sending', problem: undefined })
    if (!o) return
    this.post(o)
    this.touch(o.sessionId)
  }

  /** Another tab changed what the device keeps. */
  follow(key: string | null, value: string | null): void {
    const o = this.outbox.follow(key, value)
    if (o) this.touch(o.sessionId)
  }

  discard(id: string): void {
    const o = this.outbox.remove(id)
    if (o) this.touch(o.sessionId)
  }

  /** Ends the turn that runs. Where that cannot be known to have reached the server the view says so. */
  interrupt(sessionId: string): void {
    this.forgetStop(sessionId)
    this.of(sessionId).stopUnsure = !this.wish({ type: 'interrupt', id: this.o.newId(), session_id: sessionId })
    this.touch(sessionId)
  }

  /** Ends a task in the background. Without a connection it gives false, and does nothing. */
  stopTask(sessionId: string, taskId: string): boolean {
    return this.wish({ type: 'stop', id: this.o.newId(), session_id: sessionId, task_id: taskId })
  }

  /** Chooses how the session goes on. Without a connection it gives false, and does nothing. */
  set(sessionId: string, change: { model?: string; permission_mode?: string; effort?: string }): boolean {
    const wish: Wish = { type: 'set', id: this.o.newId(), session_id: sessionId, ...change }
    if (!this.wish(wish)) return false
    // Sent again after a later one, it would win.
    for (const [id, w] of this.wishes) if (w.type === 'set' && w !== wish && w.session_id === sessionId && Object.keys(w).every((k) => k in wish)) this.wishes.delete(id)
    return true
  }

  /** Sends what is kept until the server confirms it: a connection that is dying takes everything, and says nothing. */
  private wish(wish: Wish): boolean {
    const sent = this.send(wish)
    if (sent) this.wishes.set(wish.id, wish)
    return sent
  }

  /** The turn that was to end may be over once the server is there again: a Stop is not sent to the next one. */
  private doubtStops(): void {
    for (const [id, w] of this.wishes) {
      if (w.type !== 'interrupt') continue
      this.wishes.delete(id)
      this.of(w.session_id).stopUnsure = true
      this.touch(w.session_id)
    }
  }

  private forgetStop(sessionId: string): void {
    for (const [id, w] of this.wishes) if (w.type === 'interrupt' && w.session_id === sessionId) this.wishes.delete(id)
    this.of(sessionId).stopUnsure = false
  }

  answer(sessionId: string, requestId: string, answer: Omit<AnswerFrame, 'type' | 'id' | 'session_id' | 'request_id'>): void {
    const h = this.of(sessionId)
    if (h.answers.has(requestId)) return // pressed twice
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
  earlier(sessionId: string): Promise<void> {
    return this.of(sessionId).earlier()
  }

  /** Fetches what there is back to the event with a number. */
  reach(sessionId: string, seq: number): Promise<void> {
    return this.of(sessionId).reach(seq)
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
    // Before the prompts, which may be meant to run with what was chosen.
    for (const wish of this.wishes.values()) this.send(wish)
    // The same id runs once, so all that has no answer can be said again.
    this.outbox.refresh()
    for (const o of this.outbox.all()) this.post(o)
    for (const h of this.held.values()) {
      for (const [id, frame] of h.answers) {
        this.send(frame)
        this.repeated.add(id)
      }
    }
  }

  private take(frame: ServerFrame): void {
    switch (frame.type) {
      case 'event':
        if (isObj(frame.event) && endsTurn(frame.event)) this.forgetStop(frame.session_id)
        return this.of(frame.session_id).take(frame)
      case 'ack':
        return this.acknowledged(frame)
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

  private acknowledged(frame: Extract<ServerFrame, { type: 'ack' }>): void {
    this.wishes.delete(frame.id)
    // The prompt itself comes as an event, and takes the outgoing one's place.
    const o = this.outbox.change(frame.id, { status: 'sent', seq: frame.seq })
    if (o) this.touch(o.sessionId)
  }

  private refused(frame: Extract<ServerFrame, { type: 'error' }>): void {
    const problem = { code: frame.code, detail: frame.detail }
    if (frame.id !== undefined) this.wishes.delete(frame.id)
    const o = frame.id === undefined ? undefined : this.outbox.change(frame.id, { status: 'failed', problem, written: false })
    if (o) return this.touch(o.sessionId)
    if (frame.session_id === undefined) return
    const h = this.of(frame.session_id)
    const named = frame.request_id ?? frame.id
    const answers = named === undefined ? [...h.answers.keys()] : this.answeredIds.has(named) ? [named] : []
    // Somebody answered on another device, or Claude asks no more.
    const late = answers.length > 0 && (frame.code === 'not_found' || frame.code === 'conflict')
    for (const id of answers) {
      h.answers.delete(id)
      if (late) h.asksNoMore(id)
    }
    this.touch(frame.session_id)
    // What was answered already was answered here, then.
    if (late && frame.code === 'conflict' && answers.every((id) => this.repeated.has(id))) return
    h.problem = late ? { ...problem, code: answerLate } : problem
    if (late) for (const id of answers) this.answeredIds.delete(id)
  }

  private post(o: Outgoing): void {
    if (o.status !== 'sending' || o.loading) return
    const size = typeof o.content === 'string' ? o.content.length : JSON.stringify(o.content).length
    if (size > maxMessageChars) {
      this.outbox.change(o.id, { status: 'failed', problem: { code: 'too_large', detail: '' } })
      return
    }
    if (this.send({ type: 'prompt', session_id: o.sessionId, id: o.id, content: o.content })) this.outbox.change(o.id, { written: true })
  }

  private attach(sessionId: string, h: Held): void {
    h.subscribed = true
    if (h.opened) this.send({ type: 'subscribe', session_id: sessionId, after: h.last })
    else if (!h.isReading) void this.begin(sessionId, h)
  }

  /** Shows a conversation from its end, and then follows it. */
  private async begin(sessionId: string, h: Held): Promise<void> {
    if (!(await h.open(() => this.link.status === 'open'))) return
    if (h.listeners.size > 0) this.attach(sessionId, h)
    await h.seekGreeting()
  }

  private of(sessionId: string): Held {
    let h = this.held.get(sessionId)
    if (!h) {
      h = new Held(sessionId, this.o, () => this.touch(sessionId))
      this.held.set(sessionId, h)
      // What waits to be sent is seen at once.
      h.show(this.waiting(sessionId, h))
    }
    return h
  }

  private touch(sessionId: string): void {
    this.dirty.add(sessionId)
    if (this.scheduled) return
    this.scheduled = true
    this.o.schedule(() => this.flush())
  }

  private flush(): void {
    this.scheduled = false
    const dirty = [...this.dirty]
    this.dirty.clear()
    for (const id of dirty) {
      const h = this.held.get(id)
      h?.show(this.waiting(id, h))
    }
  }

  /** The prompts that the server has not taken. */
  private waiting(sessionId: string, h: Held): PromptRow[] {
    for (const o of this.outbox.of(sessionId)) if (h.has(o.id) || (o.seq !== undefined && h.opened && h.last >= o.seq)) this.outbox.remove(o.id)
    return this.outbox.of(sessionId).map(rowOf)
  }
}

/** Whether an event says that the turn, or the wait for a place, is over. */
function endsTurn(event: Obj): boolean {
  return event.type === 'result' || (event.type === 'carrel.state' && !['starting', 'running', 'waiting', 'queued'].includes(String(event.state)))
}

function rowOf(o: Outgoing): PromptRow {
  return { kind: 'prompt', key: `p:${o.id}`, seq: 0, parent: null, id: o.id, uuid: '', author: '', blocks: blocksOf(o.content), status: o.status, problem: o.problem, free: !o.loading && !o.written }
}
