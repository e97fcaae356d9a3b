import type { Content } from '@/api/wire'
import { isObj, num, obj, str } from '@/conversation/json'
import { blocksOf } from '@/conversation/normalise'

/** A prompt that the server has not said is on disk. It is never lost: it stays here, and on the device. */
export interface Outgoing {
  id: string
  sessionId: string
  content: Content
  /** `sent`: it is on the server's disk, and not in the conversation yet. */
  status: 'sending' | 'sent' | 'failed'
  problem?: { code: string; detail: string }
  /** When it was written: their order. */
  at: number
  /** It was put into a connection, so the server may have it. */
  written?: boolean
  /** Its pictures are being brought back; until then it has its text alone. */
  loading?: boolean
  /** The number of its event, once it is `sent`. */
  seq?: number
}

/** The problem of a prompt whose pictures the device did not keep. */
export const picturesLost = 'pictures_lost'

/** What the outbox needs of localStorage. */
export interface Storage {
  readonly length: number
  key(index: number): string | null
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

/** What contents with pictures are kept in: they are too large for localStorage. */
export interface Shelf {
  get(id: string): Promise<unknown>
  set(id: string, content: Content): Promise<void>
  del(id: string): Promise<void>
  clear(): Promise<void>
  keys(): Promise<string[]>
}

// One key a prompt: what a tab has finished with takes nothing from another's.
const prefix = 'carrel.outbox.'
/** All prompts were once under one key, of nobody. */
const formerKey = 'carrel.outbox'

/**
 * The prompts that are on their way, in the page and on the device: texts at
 * once, pictures a moment later. They are one person's; nothing is written
 * before that person is known, and nobody else sees or sends it.
 */
export class Outbox {
  private entries: readonly Outgoing[] = []
  private owner: number | null = null
  /** What the device has. */
  private readonly stored = new Set<string>()

  constructor(
    private readonly storage: Storage | null,
    private readonly shelf: Shelf | null,
    /** Is told of a prompt that is whole again. */
    private readonly restored: (o: Outgoing) => void,
  ) {}

  of(sessionId: string): readonly Outgoing[] {
    return this.entries.filter((o) => o.sessionId === sessionId)
  }

  all(): readonly Outgoing[] {
    return this.entries
  }

  /** Brings back what this person's tabs left, and forgets what others left. */
  belongTo(owner: number): void {
    if (this.owner === owner) return
    this.owner = owner
    const found: Outgoing[] = []
    this.onDevice((s) => {
      s.removeItem(formerKey)
      for (const id of idsIn(s)) {
        const kept = read(s.getItem(prefix + id))
        if (kept?.owner !== owner) this.drop(id)
        else if (!this.entries.some((o) => o.id === id)) found.push({ ...kept.entry, id })
      }
    })
    for (const o of found) this.stored.add(o.id)
    this.entries = [...this.entries, ...found].sort((a, b) => a.at - b.at)
    for (const o of found) {
      if (o.loading) void this.fetch(o.id)
      else this.restored(o)
    }
    void this.sweep().catch(() => {})
  }

  add(id: string, sessionId: string, content: Content): Outgoing {
    const o: Outgoing = { id, sessionId, content, status: 'sending', at: Math.max(Date.now(), (this.entries.at(-1)?.at ?? 0) + 1) }
    this.entries = [...this.entries, o]
    this.write(o)
    // After the text: without that it would be swept away.
    if (typeof content !== 'string' && this.stored.has(id)) void this.shelf?.set(id, content).catch(() => {})
    return o
  }

  /** Forgets an entry, and gives it back if there was one. */
  remove(id: string): Outgoing | undefined {
    const found = this.entries.find((o) => o.id === id)
    this.entries = this.entries.filter((o) => o.id !== id)
    if (found && this.stored.has(id)) this.drop(id)
    return found
  }

  change(id: string, change: Partial<Outgoing>): Outgoing | undefined {
    const was = this.entries.find((o) => o.id === id)
    if (!was) return undefined
    const o = { ...was, ...change }
    this.entries = this.entries.map((x) => (x === was ? o : x))
    if (o.status !== 'sent') this.write(o)
    else if (this.stored.has(id)) this.drop(id)
    return o
  }

  /** Another tab changed what the device has, and gives the entry that is another by it. */
  follow(key: string | null, value: string | null): Outgoing | undefined {
    const id = key?.startsWith(prefix) ? key.slice(prefix.length) : ''
    const was = this.entries.find((o) => o.id === id)
    if (!was || !this.stored.has(id)) return undefined
    const kept = read(value)
    if (kept?.owner !== this.owner) return this.forget(was)
    const { status, problem, written } = kept.entry
    const o = { ...was, status, problem, written }
    this.entries = this.entries.map((x) => (x === was ? o : x))
    return o
  }

  /** Leaves out what is not on the device any more: it was sent or withdrawn in another tab, or its owner signed out there. */
  refresh(): void {
    this.onDevice((s) => {
      for (const o of this.entries) if (this.stored.has(o.id) && s.getItem(prefix + o.id) === null) this.forget(o)
    })
  }

  /** Forgets all, on this device too. */
  clear(): void {
    this.entries = []
    this.owner = null
    this.stored.clear()
    this.onDevice((s) => {
      for (const id of idsIn(s)) s.removeItem(prefix + id)
    })
    void this.shelf?.clear().catch(() => {})
  }

  private forget(o: Outgoing): Outgoing {
    this.entries = this.entries.filter((x) => x.id !== o.id)
    this.stored.delete(o.id)
    return o
  }

  private drop(id: string): void {
    this.stored.delete(id)
    this.onDevice((s) => s.removeItem(prefix + id))
    void this.shelf?.del(id).catch(() => {})
  }

  private write(o: Outgoing): void {
    if (this.owner === null) return
    const { id, sessionId, status, problem, at, written } = o
    const shelved = o.loading || typeof o.content !== 'string'
    const content = typeof o.content === 'string' ? o.content : textIn(o.content)
    this.onDevice((s) => {
      s.setItem(prefix + id, JSON.stringify({ owner: this.owner, sessionId, content, shelved, status, problem, at, written }))
      this.stored.add(id)
    })
  }

  private async fetch(id: string): Promise<void> {
    const content = await this.shelf?.get(id).catch(() => undefined)
    this.refresh() // meanwhile another tab may have finished with it
    const whole = Array.isArray(content) && content.length > 0
    const o = this.change(id, whole ? { content: content.map(obj), loading: false } : { loading: false, status: 'failed', problem: { code: picturesLost, detail: '' } })
    if (o) this.restored(o)
  }

  /** Pictures whose prompt is gone. */
  private async sweep(): Promise<void> {
    for (const id of (await this.shelf?.keys()) ?? []) this.onDevice((s) => void (s.getItem(prefix + id) === null && this.shelf?.del(id).catch(() => {})))
  }

  /** A full or forbidden storage costs the reload's memory, nothing else. */
  private onDevice(act: (s: Storage) => void): void {
    try {
      if (this.storage) act(this.storage)
    } catch {
      // as said
    }
  }
}

function idsIn(s: Storage): string[] {
  return Array.from({ length: s.length }, (_, i) => s.key(i)).flatMap((k) => (k?.startsWith(prefix) ? [k.slice(prefix.length)] : []))
}

const textIn = (content: Content) => blocksOf(content).flatMap((b) => (b.type === 'text' ? [b.text] : [])).join('\n')

function read(text: string | null): { owner: number; entry: Omit<Outgoing, 'id'> } | undefined {
  let v: unknown
  try {
    v = JSON.parse(text ?? '')
  } catch {
    return undefined
  }
  if (!isObj(v)) return undefined
  const owner = num(v.owner)
  const sessionId = str(v.sessionId)
  const content = str(v.content)
  if (owner === undefined || sessionId === undefined || content === undefined) return undefined
  const problem = isObj(v.problem) ? { code: str(v.problem.code) ?? 'internal', detail: str(v.problem.detail) ?? '' } : undefined
  return { owner, entry: { sessionId, content, status: v.status === 'failed' ? 'failed' : 'sending', problem, at: num(v.at) ?? 0, written: v.written === true, loading: v.shelved === true } }
}
