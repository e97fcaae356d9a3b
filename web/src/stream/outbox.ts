import type { Content } from '@/api/wire'
import { isObj, list, str } from '@/conversation/json'

/** A prompt that the server has not said is on disk. Its text is never lost: it stays here, and in the browser's storage. */
export interface Outgoing {
  id: string
  sessionId: string
  content: Content
  status: 'sending' | 'failed'
  problem?: { code: string; detail: string }
}

const storageKey = 'carrel.outbox'
// Texts come back after a reload; pictures are too large for the storage and do not.
const maxStoredChars = 200_000

/** What the outbox needs of localStorage. */
export interface Storage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

export class Outbox {
  private entries: readonly Outgoing[] = []
  private readonly storage: Storage | null

  constructor(storage: Storage | null) {
    this.storage = storage
    this.entries = this.load()
  }

  of(sessionId: string): readonly Outgoing[] {
    return this.entries.filter((o) => o.sessionId === sessionId)
  }

  all(): readonly Outgoing[] {
    return this.entries
  }

  add(o: Outgoing): void {
    this.save([...this.entries, o])
  }

  /** Forgets an entry, and gives it back if there was one. */
  remove(id: string): Outgoing | undefined {
    const found = this.entries.find((o) => o.id === id)
    if (found) this.save(this.entries.filter((o) => o.id !== id))
    return found
  }

  change(id: string, change: Partial<Outgoing>): Outgoing | undefined {
    let changed: Outgoing | undefined
    this.save(this.entries.map((o) => (o.id === id ? (changed = { ...o, ...change }) : o)))
    return changed
  }

  clear(): void {
    this.save([])
  }

  private save(entries: readonly Outgoing[]): void {
    this.entries = entries
    try {
      if (entries.length === 0) this.storage?.removeItem(storageKey)
      else {
        const text = JSON.stringify(entries.filter((o) => typeof o.content === 'string'))
        if (text.length <= maxStoredChars) this.storage?.setItem(storageKey, text)
      }
    } catch {
      // A full or forbidden storage costs the reload's memory, nothing else.
    }
  }

  private load(): Outgoing[] {
    try {
      return list(JSON.parse(this.storage?.getItem(storageKey) ?? '[]')).flatMap((v) => {
        if (!isObj(v)) return []
        const id = str(v.id)
        const sessionId = str(v.sessionId)
        const content = str(v.content)
        if (id === undefined || sessionId === undefined || content === undefined) return []
        return [{ id, sessionId, content, status: v.status === 'failed' ? 'failed' : 'sending' } as const]
      })
    } catch {
      return []
    }
  }
}
