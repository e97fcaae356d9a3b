import { isObj, num, str } from '@/conversation/json'

/** What a push message says. */
export interface Told {
  kind: string
  sessionId: string
  requestId: string
  title: string
  body: string
  /** A path of the page. */
  url: string
  tag: string
  waiting: number
  canAnswer: boolean
  language: 'en' | 'zh-CN'
}

/** Reads a message of the server's, leniently: a newer one may say more, or less. */
export function readTold(data: unknown): Told | null {
  if (!isObj(data)) return null
  const url = str(data.url) ?? '/'
  return {
    kind: str(data.kind) ?? '',
    sessionId: str(data.session_id) ?? '',
    requestId: str(data.request_id) ?? '',
    title: str(data.title) ?? 'Carrel',
    body: str(data.body) ?? '',
    url: /^\/(?![/\\])/.test(url) ? url : '/',
    tag: str(data.tag) ?? '',
    waiting: num(data.waiting) ?? 0,
    canAnswer: data.can_answer === true,
    language: data.language === 'zh-CN' ? 'zh-CN' : 'en',
  }
}
