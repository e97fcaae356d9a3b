import { useSyncExternalStore } from 'react'
import { inTrash } from './paths'

/** An edit that is not saved yet, and the version of the file that it began with. */
export interface Draft {
  text: string
  etag: string
}

/** Longer ones are kept while the page is open, and not over a reload. */
export const maxDraftChars = 500_000
const maxDrafts = 20
const writeAfter = 300

const same = (a: Draft | undefined, b: Draft | undefined) => a?.text === b?.text && a?.etag === b?.etag

/**
 * The unsaved edits of one user in this browser, by path. Its tabs share what is
 * written down: each puts down only what it changed itself, and follows the
 * others but where its own text is another.
 */
export class Drafts {
  #map: Map<string, Draft>
  /** What is written down, as far as this tab knows. */
  #seen: Map<string, Draft>
  /** What was changed here and is not written down yet. */
  #changed = new Set<string>()
  #listeners = new Set<() => void>()
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly key: string

  constructor(userId: number) {
    this.key = `carrel.edits.${userId}`
    this.#seen = this.#written()
    this.#map = new Map(this.#seen)
  }

  /** How many there are to lose: what was deleted is none. */
  get size(): number {
    return [...this.#map.keys()].filter((p) => !inTrash(p)).length
  }

  get = (path: string): Draft | undefined => this.#map.get(path)

  /** Those of a file, or of all below a folder. */
  under(path: string): [string, Draft][] {
    return [...this.#map].filter(([p]) => p === path || p.startsWith(`${path}/`))
  }

  set(path: string, draft: Draft | undefined): void {
    this.#map.delete(path)
    if (draft) this.#map.set(path, draft)
    this.#changed.add(path)
    for (const l of this.#listeners) l()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.flush(), writeAfter)
  }

  /** Without their files they are nothing. */
  drop(path: string): void {
    for (const [p] of this.under(path)) this.set(p, undefined)
  }

  /** Nobody at this browser reads them any more. */
  forget(): void {
    clearTimeout(this.#timer)
    this.#map.clear()
    this.#seen.clear()
    this.#changed.clear()
    try {
      localStorage.removeItem(this.key)
    } catch {
      // Then nothing was written there either.
    }
    for (const l of this.#listeners) l()
  }

  /** Another tab wrote down, saved or dropped some, or signed out. */
  follow(): void {
    const now = this.#written()
    // Then one that is not there may only have had no room.
    const crowded = now.size >= maxDrafts || [...now.values()].reduce((n, d) => n + d.text.length, 0) > maxDraftChars
    for (const path of new Set([...this.#seen.keys(), ...now.keys()])) {
      const draft = now.get(path)
      if (!same(this.#map.get(path), this.#seen.get(path)) || (!draft && crowded)) continue // it goes on here
      for (const map of [this.#map, this.#seen]) {
        if (draft) map.set(path, draft)
        else map.delete(path)
      }
    }
    for (const l of this.#listeners) l()
  }

  /** Writes down what there is, the last edited first. */
  flush(): void {
    clearTimeout(this.#timer)
    if (this.#changed.size === 0) return
    const all = this.#written()
    for (const path of this.#changed) {
      const draft = this.#map.get(path)
      // What another tab made of it meanwhile is not this one's to remove.
      if (draft || same(all.get(path), this.#seen.get(path))) all.delete(path)
      // An edit of a deleted file waits for its Undo, and no longer than the page.
      if (draft && !inTrash(path)) all.set(path, draft)
    }
    let left = 2 * maxDraftChars
    const kept = [...all].reverse().slice(0, maxDrafts).filter(([, d]) => d.text.length <= maxDraftChars && (left -= d.text.length) >= 0).reverse()
    try {
      if (kept.length === 0) localStorage.removeItem(this.key)
      else localStorage.setItem(this.key, JSON.stringify(kept))
    } catch {
      return // It holds while the page is open, then.
    }
    const written = new Map(kept)
    for (const path of this.#changed) {
      const draft = written.get(path)
      if (draft && draft === this.#map.get(path)) this.#seen.set(path, draft)
      else this.#seen.delete(path)
    }
    this.#changed.clear()
  }

  #written(): Map<string, Draft> {
    const found = new Map<string, Draft>()
    try {
      const kept: unknown = JSON.parse(localStorage.getItem(this.key) ?? '[]')
      if (Array.isArray(kept)) for (const [path, d] of kept) if (typeof path === 'string' && typeof d?.text === 'string' && typeof d?.etag === 'string') found.set(path, { text: d.text, etag: d.etag })
    } catch {
      // What cannot be read is no draft.
    }
    return found
  }

  subscribe = (l: () => void): (() => void) => {
    this.#listeners.add(l)
    return () => this.#listeners.delete(l)
  }
}

const all = new Map<number, Drafts>()

export function draftsOf(userId: number): Drafts {
  let d = all.get(userId)
  if (!d) {
    const made = (d = new Drafts(userId))
    all.set(userId, made)
    window.addEventListener('pagehide', () => made.flush())
    window.addEventListener('storage', (e) => (e.key === null || e.key === made.key) && made.follow())
  }
  return d
}

export function useDraft(userId: number, path: string): Draft | undefined {
  const drafts = draftsOf(userId)
  return useSyncExternalStore(drafts.subscribe, () => drafts.get(path))
}
