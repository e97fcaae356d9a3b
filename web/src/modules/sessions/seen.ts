import { useSyncExternalStore } from 'react'
import type { Session } from '@/api/wire'

const key = 'carrel.seen'
/** So many sessions are remembered; of older ones everything counts as seen. */
const most = 500

interface Seen {
  /** What was there before this browser began to remember is old news. */
  since: string
  /** By session, its last activity when the person looked at it. */
  at: Record<string, string>
}

/** What of each session the person has looked at, in this browser. */
export class SeenSessions {
  private seen: Seen
  private readonly listeners = new Set<() => void>()

  constructor(
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'> | null,
    private readonly now: () => string = () => new Date().toISOString(),
  ) {
    const kept = this.read()
    this.seen = kept ?? { since: now(), at: {} }
    if (!kept) this.write()
  }

  readonly subscribe = (l: () => void): (() => void) => {
    this.listeners.add(l)
    return () => this.listeners.delete(l)
  }

  readonly get = (): Seen => this.seen

  /** Notes that the person has these before their eyes, or says that they know. */
  note(...sessions: readonly Pick<Session, 'id' | 'last_activity_at'>[]): void {
    const fresh = sessions.filter((s) => (this.seen.at[s.id] ?? '') < s.last_activity_at)
    if (fresh.length === 0) return
    const all = [...Object.entries(this.seen.at), ...fresh.map((s) => [s.id, s.last_activity_at] as const)]
    const kept = Object.entries(Object.fromEntries(all)).sort(([, a], [, b]) => b.localeCompare(a)).slice(0, most)
    this.set({ ...this.seen, at: Object.fromEntries(kept) })
  }

  /** The person has signed out. */
  forget(): void {
    this.set({ since: this.now(), at: {} })
  }

  private set(seen: Seen): void {
    this.seen = seen
    this.write()
    for (const l of this.listeners) l()
  }

  private write(): void {
    try {
      this.storage?.setItem(key, JSON.stringify(this.seen))
    } catch {
      // It holds while the page is open, then.
    }
  }

  private read(): Seen | null {
    try {
      const kept: unknown = JSON.parse(this.storage?.getItem(key) ?? 'null')
      if (typeof kept !== 'object' || kept === null || !('since' in kept) || typeof kept.since !== 'string' || !('at' in kept) || typeof kept.at !== 'object' || kept.at === null) return null
      return { since: kept.since, at: Object.fromEntries(Object.entries(kept.at).filter((e): e is [string, string] => typeof e[1] === 'string')) }
    } catch {
      return null
    }
  }
}

/** Whether Claude has done something in it since, and has come to its end. */
export function isNews(session: Pick<Session, 'id' | 'state' | 'last_activity_at'>, seen: Seen): boolean {
  return (session.state === 'ready' || session.state === 'dormant') && session.last_activity_at > (seen.at[session.id] ?? seen.since)
}

function storageOrNull(): Storage | null {
  try {
    return window.localStorage
  } catch {
    return null
  }
}

export const seenSessions = new SeenSessions(typeof window === 'undefined' ? null : storageOrNull())

export function useSeen(): Seen {
  return useSyncExternalStore(seenSessions.subscribe, seenSessions.get)
}
