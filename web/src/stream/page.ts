import { useCallback, useSyncExternalStore } from 'react'
import { api, call } from '@/api/client'
import { newId } from '@/api/newId'
import { getLocale, onLocale } from '@/i18n/locale'
import { keptConversations } from '@/offline/page'
import type { Link, Socket } from './connection'
import type { SessionView } from './held'
import { Stream } from './stream'

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
  idle: (f) => {
    if ('requestIdleCallback' in window) requestIdleCallback(f, { timeout: 2000 })
    else setTimeout(f, 500)
  },
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

/** Starts the stream and keeps it honest: a page that slept distrusts its connection. */
export function keepStream(): () => void {
  const wake = () => {
    if (!document.hidden) stream.wake()
  }
  stream.start()
  const unfollow = onLocale(() => stream.reopen())
  document.addEventListener('visibilitychange', wake)
  window.addEventListener('online', wake)
  window.addEventListener('focus', wake)
  window.addEventListener('pageshow', wake)
  document.addEventListener('resume', wake)
  return () => {
    unfollow()
    document.removeEventListener('visibilitychange', wake)
    window.removeEventListener('online', wake)
    window.removeEventListener('focus', wake)
    window.removeEventListener('pageshow', wake)
    document.removeEventListener('resume', wake)
  }
}

export function useSessionView(id: string): SessionView {
  const subscribe = useCallback((listener: () => void) => stream.subscribe(id, listener), [id])
  return useSyncExternalStore(subscribe, () => stream.view(id))
}

export function useLink(): Link {
  return useSyncExternalStore(stream.subscribeLink, stream.getLink)
}
