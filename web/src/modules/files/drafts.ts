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

/** The unsaved edits of one user in this browser, by path. */
export class Drafts {
  #map = new Map<string, Draft>()
  #listeners = new Set<() => void>()
  #key: string
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(userId: number) {
    this.#key = `carrel.edits.${userId}`
    try {
      const kept: unknown = JSON.parse(localStorage.getItem(this.#key) ?? '[]')
      if (Array.isArray(kept)) for (const [path, d] of kept) if (typeof path === 'string' && typeof d?.text === 'string' && typeof d?.etag === 'string') this.#map.set(path, { text: d.text, etag: d.etag })
    } catch {
      // What cannot be read is no draft.
    }
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
    this.#map.clear()
    this.flush()
    for (const l of this.#listeners) l()
  }

  /** Writes down what there is, the last edited first. */
  flush(): void {
    clearTimeout(this.#timer)
    let left = 2 * maxDraftChars
    // An edit of a deleted file waits for its Undo, and no longer than the page.
    const kept = [...this.#map].filter(([p]) => !inTrash(p)).reverse().slice(0, maxDrafts).filter(([, d]) => d.text.length <= maxDraftChars && (left -= d.text.length) >= 0)
    try {
      if (kept.length === 0) localStorage.removeItem(this.#key)
      else localStorage.setItem(this.#key, JSON.stringify(kept.reverse()))
    } catch {
      // It holds while the page is open, then.
    }
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
  }
  return d
}

export function useDraft(userId: number, path: string): Draft | undefined {
  const drafts = draftsOf(userId)
  return useSyncExternalStore(drafts.subscribe, () => drafts.get(path))
}
