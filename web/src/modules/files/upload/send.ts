import { DetailedError, Upload as Tus } from 'tus-js-client'
import { api } from '@/api/client'
import { getLocale } from '@/i18n/locale'

/** What the name of an upload that is taken means. */
export type Exists = 'refuse' | 'replace' | 'keep'

export interface Wish {
  file: File
  path: string
  exists: Exists
  /** Where the server has a part of it already. */
  url?: string
}

export interface Trouble {
  /** The name is taken; or the server has no such upload any more. */
  kind: 'exists' | 'gone' | 'other'
  code: string
  detail: string
}

export interface Listener {
  onUrl: (url: string) => void
  onProgress: (sent: number) => void
  /** So much the server has for sure. */
  onPiece: (sent: number) => void
  onDone: () => void
  onTrouble: (trouble: Trouble) => void
}

const endpoint = '/api/v1/files/uploads'
const chunk = 16 * 1024 * 1024
/** What is shorter goes with the request that begins it; of what is longer the address is known before the first byte. */
const short = 256 * 1024
const retryAfter = [0, 1000, 3000, 5000, 10_000, 20_000]

/** Sends a file, or the rest of it, by tus; the answer stops it. */
export function send({ file, path, exists, url }: Wish, on: Listener): () => void {
  const tus = new Tus(file, {
    endpoint: url === undefined ? location.origin + endpoint : null,
    uploadUrl: url === undefined ? null : location.origin + url,
    metadata: { path, exists },
    headers: { 'Accept-Language': getLocale() },
    chunkSize: chunk,
    retryDelays: retryAfter,
    uploadDataDuringCreation: file.size <= short,
    storeFingerprintForResuming: false,
    onShouldRetry: (e) => {
      const status = e.originalResponse?.getStatus() ?? 0
      return status === 0 || status === 423 || status === 429 || (status >= 500 && status !== 507) || (status === 409 && e.originalRequest?.getMethod() === 'PATCH')
    },
    onUploadUrlAvailable: () => {
      tus.options.endpoint = null // from here on a server that is away for a moment is no reason to begin anew
      on.onUrl(new URL(tus.url!).pathname)
    },
    onProgress: (sent) => on.onProgress(sent),
    onChunkComplete: (_, sent) => on.onPiece(sent),
    onSuccess: () => on.onDone(),
    onError: (e) => on.onTrouble(troubleOf(e)),
  })
  tus.start()
  return () => void tus.abort()
}

/** Ends an upload on the server. What could not be told is removed after a day. */
export async function end(url: string): Promise<void> {
  await Tus.terminate(location.origin + url, { headers: { 'Accept-Language': getLocale() } }).catch(() => {})
}

/** How much of an upload the server has; null: it does not say. */
export async function reached(url: string): Promise<number | 'gone' | null> {
  const res = await fetch(url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } }).catch(() => null)
  if (res?.status === 404) return 'gone'
  const offset = Number.parseInt(res?.ok ? (res.headers.get('Upload-Offset') ?? '') : '', 10)
  return Number.isNaN(offset) ? null : offset
}

/** Whether a file of that size is there: its last byte may have come while nobody was left to hear of it. */
export async function arrived(path: string, size: number): Promise<boolean> {
  const { data } = await api.GET('/files', { params: { query: { path, limit: 1 } } }).catch(() => ({ data: undefined }))
  return data?.type === 'file' && data.size_bytes === size
}

function troubleOf(e: Error): Trouble {
  const res = e instanceof DetailedError ? e.originalResponse : null
  const method = e instanceof DetailedError ? e.originalRequest?.getMethod() : undefined
  if (!res || res.getStatus() === 0) return { kind: 'other', code: 'unreachable', detail: '' }
  if (res.getStatus() === 404 && method !== 'POST') return { kind: 'gone', code: 'not_found', detail: detailOf(res.getBody()).detail }
  const { code = res.getStatus() === 413 ? 'too_large' : 'unreachable', detail } = detailOf(res.getBody())
  return { kind: code === 'conflict' && method === 'POST' ? 'exists' : 'other', code, detail }
}

function detailOf(body: string | undefined): { code?: string; detail: string } {
  try {
    const p = JSON.parse(body ?? '') as { code?: unknown; detail?: unknown }
    if (typeof p.code === 'string') return { code: p.code, detail: typeof p.detail === 'string' ? p.detail : '' }
  } catch {
    // A proxy in between answered, or it was a HEAD.
  }
  return { detail: '' }
}
