import type { ClientFrame, ServerFrame, Session } from '@/api/wire'
import { isObj, num, str } from '@/conversation/json'

export function encode(frame: ClientFrame): string {
  return JSON.stringify(frame)
}

/** Reads a frame of the server. A kind that is not known comes back as `other`: a newer server may say more. */
export function decode(text: string): ServerFrame {
  let v: unknown
  try {
    v = JSON.parse(text)
  } catch {
    return { type: 'other' }
  }
  if (!isObj(v)) return { type: 'other' }
  switch (v.type) {
    case 'hello':
      return { type: 'hello', user: v.user, version: str(v.version) }
    case 'event': {
      const seq = num(v.seq)
      const id = str(v.session_id)
      if (seq === undefined || id === undefined) return { type: 'other' }
      return { type: 'event', session_id: id, seq, at: str(v.at) ?? '', event: v.event }
    }
    case 'ack':
      return { type: 'ack', id: str(v.id) ?? '', seq: num(v.seq) }
    case 'error':
      return { type: 'error', id: str(v.id), session_id: str(v.session_id), request_id: str(v.request_id), code: str(v.code) ?? 'internal', detail: str(v.detail) ?? '' }
    case 'notice':
      return { type: 'notice', kind: str(v.kind) ?? '', session: isObj(v.session) ? (v.session as unknown as Session) : undefined, instance: v.instance }
  }
  return { type: 'other' }
}
