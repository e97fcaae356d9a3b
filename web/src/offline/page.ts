import type { QueryClient } from '@tanstack/react-query'
import { clear, createStore, del, entries, get, set } from 'idb-keyval'
import { useSyncExternalStore } from 'react'
import { noteKnown } from '@/api/early'
import { queries } from '@/api/queries'
import { m } from '@/i18n/paraglide/messages.js'
import type { Todos } from '@/conversation/model'
import type { Event } from '@/conversation/reduce'
import { Kept, type KeptConversation, type Shelf } from './kept'
import { lean } from './lean'

/** What this device keeps of the person who is signed in. */
export const kept = new Kept(pageShelf())

function pageShelf(): Shelf | null {
  if (typeof indexedDB === 'undefined') return null
  const store = createStore('carrel-kept', 'kept')
  return { get: (key) => get(key, store), set: (key, v) => set(key, v, store), del: (key) => del(key, store), clear: () => clear(store), entries: () => entries<string, unknown>(store) }
}

// As of when the lists are that are shown without a server; null: the server was asked.
let asOf: number | null = null
const listeners = new Set<() => void>()

function become(next: number | null): void {
  if (asOf === next) return
  asOf = next
  for (const l of listeners) l()
}

export function useAsOf(): number | null {
  return useSyncExternalStore((l) => {
    listeners.add(l)
    return () => listeners.delete(l)
  }, () => asOf)
}

/** The server is there: what is shown is asked for anew. */
export function backOnline(): void {
  become(null)
}

/** Puts what is kept where the answers of the server would be, and tells whether there was anything. */
export async function bringBack(client: QueryClient): Promise<boolean> {
  const lists = await kept.lists()
  if (!lists) return false
  const was = { updatedAt: lists.at }
  client.setQueryData(queries.me().queryKey, lists.me, was)
  client.setQueryData(queries.sessions().queryKey, lists.sessions, was)
  if (lists.projects) client.setQueryData(queries.projects().queryKey, lists.projects, was)
  for (const s of lists.sessions) client.setQueryData(queries.session(s.id).queryKey, s, was)
  become(lists.at)
  return true
}

const soonMs = 2_000

/** Keeps the lists as they change. What was itself brought back is not written again. */
export function keepLists(client: QueryClient): void {
  const read = () => {
    const me = client.getQueryState(queries.me().queryKey)
    const sessions = client.getQueryState(queries.sessions().queryKey)
    const projects = client.getQueryData(queries.projects().queryKey)
    if (!me?.data || !sessions?.data || asOf !== null) return
    void kept.keepLists({ at: Math.max(me.dataUpdatedAt, sessions.dataUpdatedAt), me: me.data, sessions: sessions.data, projects })
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  const keys = new Set<unknown>([queries.me(), queries.sessions(), queries.projects()].map((q) => q.queryKey[0]))
  client.getQueryCache().subscribe((e) => {
    if (e.type !== 'updated' || e.action.type !== 'success' || !keys.has(e.query.queryKey[0])) return
    timer ??= setTimeout(() => {
      timer = undefined
      read()
    }, soonMs)
  })
}

const waiting = new Map<string, { events: readonly Event[]; todos: Todos }>()
let timer: ReturnType<typeof setTimeout> | undefined

function write(): void {
  clearTimeout(timer)
  timer = undefined
  for (const [id, { events, todos }] of waiting) void kept.keepConversation(id, { at: Date.now(), events: lean(events, m.offline_not_kept()), todos })
  waiting.clear()
}

const leaving = new Set<() => void>()

/** What else is to stop when nobody is signed in any more. */
export function onForget(call: () => void): void {
  leaving.add(call)
}

/** Nobody is signed in any more: nothing is kept of whom it was. */
export function forgetKept(): Promise<void> {
  noteKnown(null)
  waiting.clear()
  for (const call of leaving) call()
  return kept.forget()
}

/** The conversations that are being read, for the stream. */
export const keptConversations = {
  read: (id: string): Promise<KeptConversation | undefined> => kept.conversation(id),
  write: (id: string, events: readonly Event[], todos: Todos): void => {
    waiting.set(id, { events, todos })
    timer ??= setTimeout(write, soonMs)
  },
}

if (typeof document !== 'undefined') document.addEventListener('visibilitychange', () => document.hidden && write())
