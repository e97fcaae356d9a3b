import { clear, createStore, del, get, set } from 'idb-keyval'
import { useCallback, useEffect, useSyncExternalStore } from 'react'
import type { Picture } from './pictures'

/** A file that was put into the project, to be named in the prompt. Its path is within the project. */
export interface Attached {
  name: string
  path: string
}

interface Written {
  text: string
  pictures: readonly Picture[]
  files: readonly Attached[]
}

export interface Draft extends Written {
  /** What was being written when a prompt that waits came to be edited. It comes back after that, the last first. */
  aside: readonly Written[]
}

const empty: Written = { text: '', pictures: [], files: [] }
const none: Draft = { ...empty, aside: [] }

const isEmpty = (w: Written) => w.text.trim() === '' && w.pictures.length + w.files.length === 0
const prefix = 'carrel.draft.'
/** Who wrote what is kept on the device. */
const ownerKey = 'carrel.drafts-of'
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
  private owner: number | null = null

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
    this.hold(id, { ...now, pictures: [...(kept.pictures ?? []), ...now.pictures], files: [...(kept.files ?? []), ...now.files], aside: [...(kept.aside ?? []), ...now.aside] })
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
    if (change.pictures || change.files || change.aside) void this.keep(id, next).catch(() => {})
  }

  /** Puts what came from elsewhere in front of what is being written. */
  restore(id: string, text: string, pictures: readonly Picture[]): void {
    const now = this.get(id)
    this.change(id, { text: [text, now.text].filter((t) => t.trim() !== '').join('\n\n'), pictures: [...pictures, ...now.pictures] })
  }

  /** Takes a prompt that was withdrawn to be edited. What was being written is kept until `done`. */
  edit(id: string, text: string, pictures: readonly Picture[]): void {
    const { aside, ...now } = this.get(id)
    this.change(id, { text, pictures, files: [], aside: isEmpty(now) ? aside : [...aside, now] })
  }

  /** What was written has been sent, or dropped: what was put aside for it comes back. */
  done(id: string): void {
    const { aside } = this.get(id)
    this.change(id, { ...(aside.at(-1) ?? empty), aside: aside.slice(0, -1) })
  }

  clear(id: string): void {
    this.change(id, none)
  }

  /** Another tab wrote a text. This one follows, so that neither writes over the other's with an older one. */
  follow(key: string | null, text: string | null): void {
    const id = key?.startsWith(prefix) ? key.slice(prefix.length) : ''
    if (this.held.has(id)) this.hold(id, { ...this.get(id), text: text ?? '' })
  }

  /**
   * Somebody is signed in. What another was writing here, whose sign-in ended by
   * itself, goes; tells whether there was another.
   */
  belongTo(owner: number): boolean {
    const inPage = this.owner !== null && this.owner !== owner
    this.owner = owner
    if (inPage) this.forgetPage()
    try {
      const of = this.texts?.getItem(ownerKey) ?? null
      if (of === String(owner)) return inPage
      if (of !== null) this.forgetDevice()
      this.texts?.setItem(ownerKey, String(owner))
      return inPage || of !== null
    } catch {
      return inPage // It holds while the page is open, then.
    }
  }

  /** Whether another tab's change of the device says that somebody else has signed in there. */
  passedOn(key: string | null, value: string | null): boolean {
    return key === ownerKey && value !== null && this.owner !== null && value !== String(this.owner)
  }

  /** Forgets all, on this device too: who wrote it has signed out. */
  forget(): void {
    this.owner = null
    this.forgetPage()
    try {
      this.forgetDevice()
    } catch {
      // Then nothing was kept there either.
    }
  }

  private forgetPage(): void {
    this.held.clear()
    this.asked.clear()
    for (const l of this.listeners) l()
  }

  private forgetDevice(): void {
    void this.shelf?.clear().catch(() => {})
    const { texts } = this
    if (!texts) return
    for (const key of Array.from({ length: texts.length }, (_, i) => texts.key(i))) if (key === ownerKey || key?.startsWith(prefix)) texts.removeItem(key)
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
    const size = [draft, ...draft.aside].flatMap((w) => w.pictures).reduce((n, p) => n + p.data.length, 0)
    const bounded = <W extends Written>(w: W): W => (size <= maxKeptChars ? w : { ...w, pictures: [] })
    if (draft.pictures.length + draft.files.length + draft.aside.length === 0) return this.shelf?.del(id)
    await this.shelf?.set(id, { pictures: bounded(draft).pictures, files: draft.files, aside: draft.aside.map(bounded) })
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
if (typeof window !== 'undefined') window.addEventListener('storage', (e) => drafts.follow(e.key, e.newValue))

export function useDraft(id: string): [Draft, (change: Partial<Draft>) => void] {
  const draft = useSyncExternalStore(drafts.subscribe, () => drafts.get(id))
  useEffect(() => void drafts.load(id), [id])
  return [draft, useCallback((change: Partial<Draft>) => drafts.change(id, change), [id])]
}
