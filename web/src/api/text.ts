import { m } from '@/i18n/paraglide/messages.js'
import { answered, api, ApiError } from './client'

/** A file as it is edited. */
export interface FileText {
  /** null: its bytes are no text. */
  text: string | null
  etag: string
  /** How its lines end; in `text` they end with a line feed alone. */
  crlf: boolean
}

/** What is longer is not opened in the editor. */
export const maxTextBytes = 2 * 1024 * 1024

export const contentUrl = (path: string, inline = false) => `/api/v1/files/content?path=${encodeURIComponent(path)}${inline ? '&inline=1' : ''}`
export const archiveUrl = (path: string) => `/api/v1/files/archive?path=${encodeURIComponent(path || '.')}`

export async function readText(path: string, signal?: AbortSignal): Promise<FileText> {
  const { data, response } = await answered(api.GET('/files/content', { params: { query: { path } }, parseAs: 'arrayBuffer', signal, cache: 'no-cache' }))
  const bytes = (data as unknown as ArrayBuffer | undefined) ?? new ArrayBuffer(0) // nothing is made of an empty answer
  if (bytes.byteLength > maxTextBytes) throw new ApiError({ status: 413, code: 'too_large', detail: m.file_large() })
  return { ...decode(bytes), etag: response.headers.get('ETag') ?? '' }
}

export function decode(bytes: ArrayBuffer): { text: string | null; crlf: boolean } {
  if (new Uint8Array(bytes, 0, Math.min(bytes.byteLength, 8000)).includes(0)) return { text: null, crlf: false }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return { text: null, crlf: false }
  }
  // Only where every line ends so: a mixture is left as it is.
  const crlf = text.includes('\r\n') && !/(^|[^\r])\n|\r(?!\n)/.test(text)
  return { text: crlf ? text.replaceAll('\r\n', '\n') : text, crlf }
}

/** Saves a text whole. `over` is the version that it replaces; null: there must be none. */
export async function writeText(path: string, text: string, crlf: boolean, over: string | null): Promise<string> {
  const { response } = await answered(
    api.PUT('/files/content', {
      params: { query: { path }, header: over === null ? { 'If-None-Match': '*' } : { 'If-Match': over } },
      headers: { 'Content-Type': 'application/octet-stream' },
      body: (crlf ? text.replaceAll('\n', '\r\n') : text) as never,
      bodySerializer: (body: unknown) => body as string,
    }),
  )
  return response.headers.get('ETag') ?? ''
}
