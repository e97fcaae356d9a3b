import { useSyncExternalStore } from 'react'
import { DetailedError, Upload as Tus } from 'tus-js-client'
import { getLocale } from '@/i18n/locale'

export type UploadState = 'queued' | 'sending' | 'done' | 'exists' | 'failed'

export interface Upload {
  id: number
  path: string
  size: number
  sent: number
  state: UploadState
  /** Why it failed: the code, and the server's words. */
  code?: string
  detail?: string
}

/** What the name of an upload that is taken means. */
export type Exists = 'refuse' | 'replace' | 'keep'

const atOnce = 3
const chunk = 16 * 1024 * 1024
const retryAfter = [0, 1000, 3000, 5000, 10_000, 20_000]

/**
 * The uploads of a page. They speak tus: a connection that was lost goes on
 * where it stood, and so does a file that is chosen again after a reload.
 */
export class Uploads {
  #all: readonly Upload[] = []
  #files = new Map<number, { file: File; exists: Exists; tus?: Tus }>()
  #listeners = new Set<() => void>()
  #last = 0
  #onDone: (path: string) => void = () => {}

  constructor(private userId: number) {}

  get = () => this.#all
  subscribe = (l: () => void): (() => void) => {
    this.#listeners.add(l)
    return () => this.#listeners.delete(l)
  }
  onDone(call: (path: string) => void): void {
    this.#onDone = call
  }

  add(files: readonly { file: File; path: string }[]): void {
    const added = files.map(({ file, path }) => {
      const id = ++this.#last
      this.#files.set(id, { file, exists: 'refuse' })
      return { id, path, size: file.size, sent: 0, state: 'queued' as const }
    })
    this.#become([...this.#all, ...added])
    this.#next()
  }

  /** Again, after it failed or with a word on what is there. */
  retry(id: number, exists?: Exists): void {
    const kept = this.#files.get(id)
    if (!kept) return
    if (exists) kept.exists = exists
    this.#change(id, { state: 'queued', code: undefined, detail: undefined })
    this.#next()
  }

  /** Ends one, and what the server has of it. */
  cancel(id: number): void {
    const tus = this.#files.get(id)?.tus
    this.#files.delete(id)
    this.#become(this.#all.filter((u) => u.id !== id))
    void tus?.abort(true).catch(() => {}) // what could not be told is removed after a day
    this.#next()
  }

  clear(): void {
    this.#become(this.#all.filter((u) => u.state !== 'done'))
  }

  #become(next: readonly Upload[]): void {
    this.#all = next
    for (const l of this.#listeners) l()
  }

  #change(id: number, change: Partial<Upload>): void {
    this.#become(this.#all.map((u) => (u.id === id ? { ...u, ...change } : u)))
  }

  #next(): void {
    const free = atOnce - this.#all.filter((u) => u.state === 'sending').length
    for (const u of this.#all.filter((x) => x.state === 'queued').slice(0, Math.max(0, free))) void this.#start(u)
  }

  async #start(u: Upload): Promise<void> {
    const kept = this.#files.get(u.id)
    if (!kept) return
    this.#change(u.id, { state: 'sending' })
    const tus = new Tus(kept.file, {
      endpoint: `${location.origin}/api/v1/files/uploads`,
      metadata: { path: u.path, exists: kept.exists },
      headers: { 'Accept-Language': getLocale() },
      chunkSize: chunk,
      retryDelays: retryAfter,
      uploadDataDuringCreation: true,
      removeFingerprintOnSuccess: true,
      fingerprint: () => Promise.resolve(`carrel-${this.userId}-${u.path}-${u.size}-${kept.file.lastModified}`),
      onShouldRetry: (e) => {
        const status = e.originalResponse?.getStatus() ?? 0
        return status === 0 || status === 423 || (status >= 500 && status !== 507) || (status === 409 && e.originalRequest?.getMethod() === 'PATCH')
      },
      onProgress: (sent) => this.#change(u.id, { sent }),
      onSuccess: () => {
        this.#files.delete(u.id)
        this.#change(u.id, { state: 'done', sent: u.size })
        this.#onDone(u.path)
        this.#next()
      },
      onError: (e) => {
        const { code, detail } = problem(e)
        const exists = code === 'conflict' && e instanceof DetailedError && e.originalRequest?.getMethod() === 'POST'
        this.#change(u.id, { state: exists ? 'exists' : 'failed', code, detail })
        this.#next()
      },
    })
    kept.tus = tus
    const before = (await tus.findPreviousUploads().catch(() => [])).at(-1)
    if (before) tus.resumeFromPreviousUpload(before)
    if (this.#files.has(u.id)) tus.start()
  }
}

function problem(e: unknown): { code: string; detail: string } {
  const res = e instanceof DetailedError ? e.originalResponse : null
  if (!res || res.getStatus() === 0) return { code: 'unreachable', detail: '' }
  try {
    const p = JSON.parse(res.getBody() ?? '') as { code?: unknown; detail?: unknown }
    if (typeof p.code === 'string') return { code: p.code, detail: typeof p.detail === 'string' ? p.detail : '' }
  } catch {
    // A proxy in between answered.
  }
  return { code: res.getStatus() === 413 ? 'too_large' : 'unreachable', detail: '' }
}

const all = new Map<number, Uploads>()

export function uploadsOf(userId: number): Uploads {
  let u = all.get(userId)
  if (!u) all.set(userId, (u = new Uploads(userId)))
  return u
}

export function useUploads(userId: number): readonly Upload[] {
  const uploads = uploadsOf(userId)
  return useSyncExternalStore(uploads.subscribe, uploads.get)
}
