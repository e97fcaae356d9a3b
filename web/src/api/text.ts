import { m } from '@/i18n/paraglide/messages.js'
import type { FileEntry } from './wire'
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

/** What names a file to the server: its path, or where that is no UTF-8 the bytes of it, percent-encoded. */
export type Named = string | Pick<FileEntry, 'path' | 'encoded_path'>

const inQuery = (file: Named) => `path=${typeof file === 'string' ? encodeURIComponent(file || '.') : (file.encoded_path ?? encodeURIComponent(file.path || '.'))}`

export const contentUrl = (file: Named, inline = false) => `/api/v1/files/content?${inQuery(file)}${inline ? '&inline=1' : ''}`
export const archiveUrl = (file: Named) => `/api/v1/files/archive?${inQuery(file)}`

/** The same for a query of a typed call, which would encode it once more. */
export const querying = (file: Named) => ({ querySerializer: () => inQuery(file) })

/** And for a body, where a path stands under a name of its own. */
export const naming = (file: Exclude<Named, string>) => ({ path: file.encoded_path ?? file.path, ...(file.encoded_path !== undefined && { encoded: true }) })

async function content(path: string, signal?: AbortSignal): Promise<{ bytes: ArrayBuffer; response: Response }> {
  const { data, response } = await answered(api.GET('/files/content', { params: { query: { path } }, parseAs: 'arrayBuffer', signal, cache: 'no-cache' }))
  return { bytes: (data as unknown as ArrayBuffer | undefined) ?? new ArrayBuffer(0), response } // nothing is made of an empty answer
}

export async function readBytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (await content(path, signal)).bytes
}

export async function readText(path: string, signal?: AbortSignal): Promise<FileText> {
  const { bytes, response } = await content(path, signal)
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
