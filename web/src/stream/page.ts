import { useCallback, useSyncExternalStore } from 'react'
import { api, call, reading } from '@/api/client'
import { newId } from '@/api/newId'
import { getLocale, onLocale } from '@/i18n/locale'
import { whenIdle } from '@/idle'
import { keptConversations } from '@/offline/page'
import type { Link, Socket } from './connection'
import type { SessionView } from './held'
import { Stream } from './stream'
import { onWake } from './wake'

/** The page's one stream. */
export const stream = new Stream({
  open: () => {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
    return new WebSocket(`${scheme}//${location.host}/api/v1/ws?lang=${getLocale()}`) as unknown as Socket
  },
  storage: storageOrNull(),
  newId,
  page: async (id, before, limit) => {
    const list = await call(api.GET('/sessions/{id}/events', { params: { path: { id }, query: { before, limit } } }))
    return { events: list.items, more: list.next_cursor !== null }
  },
  kept: keptConversations,
  idle: whenIdle,
  schedule: (f) => {
    // A hidden page paints no frames, but its title and lamp still follow.
    if (document.hidden) setTimeout(f, 250)
    else requestAnimationFrame(f)
  },
})

function storageOrNull() {
  try {
    return window.localStorage
  } catch {
    return null
  }
}

/** Starts the stream and keeps it honest: a page that was away distrusts its connection. */
export function keepStream(): () => void {
  let stood = false
  const follow = stream.subscribeLink(() => {
    if (stream.getLink().status !== 'open') return
    if (stood) reading.doubt()
    stood = true
  })
  stream.start()
  const ends = [follow, onLocale(() => stream.reopen()), onWake((left) => stream.wake(left))]
  return () => ends.forEach((end) => end())
}

export function useSessionView(id: string): SessionView {
  const subscribe = useCallback((listener: () => void) => stream.subscribe(id, listener), [id])
  return useSyncExternalStore(subscribe, () => stream.view(id))
}

export function useLink(): Link {
  return useSyncExternalStore(stream.subscribeLink, stream.getLink)
}
