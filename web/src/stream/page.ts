import { clear, createStore, del, get, keys, set } from 'idb-keyval'
import { useCallback, useSyncExternalStore } from 'react'
import { api, call, reading } from '@/api/client'
import { newId } from '@/api/newId'
import { getLocale, onLocale } from '@/i18n/locale'
import { whenIdle } from '@/idle'
import { keptConversations } from '@/offline/page'
import type { Link, Socket } from './connection'
import type { SessionView } from './held'
import type { Shelf } from './outbox'
import { Stream } from './stream'
import { onWake } from './wake'

/** The page's one stream. */
export const stream = new Stream({
  open: () => {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
    return new WebSocket(`${scheme}//${location.host}/api/v1/ws?lang=${getLocale()}`) as unknown as Socket
  },
  storage: storageOrNull(),
  shelf: pageShelf(),
  newId,
  page: async (id, before, limit) => {
    const list = await call(api.GET('/sessions/{id}/events', { params: { path: { id }, query: { before, limit } } }))
    return { events: list.items, more: list.next_cursor !== null, todos: list.todos }
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

function pageShelf(): Shelf | undefined {
  if (typeof indexedDB === 'undefined') return undefined
  const store = createStore('carrel-outbox', 'contents')
  return { get: (id) => get(id, store), set: (id, content) => set(id, content, store), del: (id) => del(id, store), clear: () => clear(store), keys: () => keys<string>(store) }
}

/** Starts the stream of who is signed in and keeps it honest: a page that was away distrusts its connection. */
export function keepStream(owner: number): () => void {
  let stood = false
  const follow = stream.subscribeLink(() => {
    if (stream.getLink().status !== 'open') return
    if (stood) reading.doubt()
    stood = true
  })
  stream.belongTo(owner)
  stream.start()
  const elsewhere = (e: StorageEvent) => stream.follow(e.key, e.newValue)
  window.addEventListener('storage', elsewhere)
  const ends = [follow, onLocale(() => stream.reopen()), onWake((left) => stream.wake(left)), () => window.removeEventListener('storage', elsewhere)]
  return () => ends.forEach((end) => end())
}

export function useSessionView(id: string): SessionView {
  const subscribe = useCallback((listener: () => void) => stream.subscribe(id, listener), [id])
  return useSyncExternalStore(subscribe, () => stream.view(id))
}

export function useLink(): Link {
  return useSyncExternalStore(stream.subscribeLink, stream.getLink)
}
