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
  /** The encoding it is written in, where that is not UTF-8: what is saved is. */
  encoding?: string
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

export function decode(buffer: ArrayBuffer): Omit<FileText, 'etag'> {
  const bytes = new Uint8Array(buffer)
  const encoding = encodingOf(bytes)
  let text: string
  try {
    if (encoding === null) throw new TypeError('no text')
    text = new TextDecoder(encoding, { fatal: true, ignoreBOM: encoding === 'utf-8' }).decode(bytes)
  } catch {
    return { text: null, crlf: false }
  }
  // Only where every line ends so: a mixture is left as it is.
  const crlf = text.includes('\r\n') && !/(^|[^\r])\n|\r(?!\n)/.test(text)
  return { text: crlf ? text.replaceAll('\r\n', '\n') : text, crlf, ...(encoding !== 'utf-8' && { encoding: encoding!.toUpperCase() }) }
}

/** As far as it can be told. Much of what was written on Windows in China is in GBK, and what its programs call Unicode begins with a mark. */
function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' | 'gb18030' | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  if (bytes.subarray(0, 8000).includes(0)) return null
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return 'utf-8'
  } catch {
    return likeChinese(bytes) ? 'gb18030' : null
  }
}

/** Whether what is not ASCII comes in the pairs of Chinese letters. Of European ones mostly one stands alone. */
function likeChinese(bytes: Uint8Array): boolean {
  let [all, paired] = [0, 0]
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i]! < 0x80) continue
    all++
    if (bytes[++i]! >= 0xa1) paired++
  }
  return paired >= 0.9 * all
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
