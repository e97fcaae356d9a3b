import type { Block } from '@/conversation/line'
import { m } from '@/i18n/paraglide/messages.js'

export interface Picture {
  name: string
  mediaType: string
  data: string
}

const accepted = /^image\/(png|jpeg|gif|webp)$/

/** What the Messages API takes of one picture. */
export const maxPictureBytes = 5 << 20

/** How the files of each kind begin. */
const beginnings: [string, RegExp][] = [
  ['image/png', /^\x89PNG/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8[79]a/],
  ['image/webp', /^RIFF[^]{4}WEBP/],
]

/**
 * What kind of picture the model can be shown of a file; undefined: it is none. The name alone says nothing: a picture of
 * another kind is refused, and with it all that is said later in its conversation.
 */
export async function pictureType(file: File): Promise<string | undefined> {
  if (!accepted.test(file.type) || file.size > maxPictureBytes) return undefined
  const head = await file.slice(0, 12).arrayBuffer().catch(() => new ArrayBuffer(0)) // what cannot be read is told where it is uploaded
  const begins = String.fromCharCode(...new Uint8Array(head))
  return beginnings.find(([, pattern]) => pattern.test(begins))?.[0]
}

export function readPicture(file: File, mediaType: string): Promise<Picture> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onerror = () => reject(reader.error ?? new Error('read'))
    reader.onload = () => resolve({ name: file.name, mediaType, data: String(reader.result).replace(/^data:[^,]*,/, '') })
    reader.readAsDataURL(file)
  })
}

/** The pictures of a prompt that was sent. */
export function picturesOf(blocks: readonly Block[]): Picture[] {
  return blocks.flatMap((b) => (b.type === 'image' && b.data !== undefined ? [{ name: m.attached_picture(), mediaType: b.mediaType, data: b.data }] : []))
}

/** The content of a prompt: plain text, or blocks when pictures go with it. */
export function contentOf(text: string, pictures: readonly Picture[]): string | Record<string, unknown>[] {
  if (pictures.length === 0) return text
  const blocks: Record<string, unknown>[] = pictures.map((p) => ({ type: 'image', source: { type: 'base64', media_type: p.mediaType, data: p.data } }))
  if (text !== '') blocks.push({ type: 'text', text })
  return blocks
}
