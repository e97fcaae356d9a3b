import { clear, createStore, del, get, set } from 'idb-keyval'
import { useCallback, useEffect, useSyncExternalStore } from 'react'
import type { Picture } from './pictures'

/** A file that was put into the project, to be named in the prompt. Its path is within the project. */
export interface Attached {
  name: string
  path: string
}

export interface Draft {
  text: string
  pictures: readonly Picture[]
  files: readonly Attached[]
}

const none: Draft = { text: '', pictures: [], files: [] }
const prefix = 'carrel.draft.'
/** Pictures of more than this, as they are sent, do not survive a reload. */
export const maxKeptChars = 24 << 20

/** What pictures and names of files are kept in: they are too large for localStorage. */
export interface Shelf {
  get(id: string): Promise<Partial<Draft> | undefined>
  set(id: string, kept: Partial<Draft>): Promise<void>
  del(id: string): Promise<void>
  clear(): Promise<void>
}

/**
 * What is being written in each session. It survives a reload and a look
 * elsewhere: the text at once, pictures a moment later. A device that keeps
 * nothing still holds it while the page is open.
 */
export class Drafts {
  private readonly held = new Map<string, Draft>()
  private readonly asked = new Set<string>()
  private readonly listeners = new Set<() => void>()

  constructor(
    private readonly texts: Storage | null,
    private readonly shelf: Shelf | null,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  get(id: string): Draft {
    let draft = this.held.get(id)
    if (!draft) this.held.set(id, (draft = { ...none, text: this.textOf(id) }))
    return draft
  }

  /** Brings back what was attached before the page was loaded. What has been attached meanwhile stays behind it. */
  async load(id: string): Promise<void> {
    if (this.asked.has(id)) return
    this.asked.add(id)
    const kept = await this.shelf?.get(id).catch(() => undefined)
    if (!kept) return
    const now = this.get(id)
    this.hold(id, { ...now, pictures: [...(kept.pictures ?? []), ...now.pictures], files: [...(kept.files ?? []), ...now.files] })
  }

  change(id: string, change: Partial<Draft>): void {
    const next = { ...this.get(id), ...change }
    this.hold(id, next)
    try {
      if (next.text === '') this.texts?.removeItem(prefix + id)
      else this.texts?.setItem(prefix + id, next.text)
    } catch {
      // It holds while the page is open, then.
    }
    if (change.pictures || change.files) void this.keep(id, next).catch(() => {})
  }

  /** Puts a prompt that was withdrawn in front of what is being written. */
  restore(id: string, text: string, pictures: readonly Picture[]): void {
    const now = this.get(id)
    this.change(id, { text: [text, now.text].filter((t) => t.trim() !== '').join('\n\n'), pictures: [...pictures, ...now.pictures] })
  }

  clear(id: string): void {
    this.change(id, none)
  }

  /** Forgets all, on this device too: who wrote it has signed out. */
  forget(): void {
    this.held.clear()
    this.asked.clear()
    void this.shelf?.clear().catch(() => {})
    for (const l of this.listeners) l()
  }

  private textOf(id: string): string {
    try {
      return this.texts?.getItem(prefix + id) ?? ''
    } catch {
      return ''
    }
  }

  private hold(id: string, draft: Draft): void {
    this.held.set(id, draft)
    for (const l of this.listeners) l()
  }

  private async keep(id: string, draft: Draft): Promise<void> {
    const size = draft.pictures.reduce((n, p) => n + p.data.length, 0)
    if (draft.pictures.length + draft.files.length === 0) return this.shelf?.del(id)
    await this.shelf?.set(id, { pictures: size <= maxKeptChars ? draft.pictures : [], files: draft.files })
  }
}

function pageShelf(): Shelf | null {
  if (typeof indexedDB === 'undefined') return null
  const store = createStore('carrel-drafts', 'attached')
  return { get: (id) => get(id, store), set: (id, kept) => set(id, kept, store), del: (id) => del(id, store), clear: () => clear(store) }
}

function pageTexts(): Storage | null {
  try {
    return window.localStorage
  } catch {
    return null
  }
}

export const drafts = new Drafts(typeof window === 'undefined' ? null : pageTexts(), pageShelf())

export function useDraft(id: string): [Draft, (change: Partial<Draft>) => void] {
  const draft = useSyncExternalStore(drafts.subscribe, () => drafts.get(id))
  useEffect(() => void drafts.load(id), [id])
  return [draft, useCallback((change: Partial<Draft>) => drafts.change(id, change), [id])]
}
