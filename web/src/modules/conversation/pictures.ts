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

export function isPicture(file: File): boolean {
  return accepted.test(file.type) && file.size <= maxPictureBytes
}

export function readPicture(file: File): Promise<Picture> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onerror = () => reject(reader.error ?? new Error('read'))
    reader.onload = () => resolve({ name: file.name, mediaType: file.type, data: String(reader.result).replace(/^data:[^,]*,/, '') })
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
