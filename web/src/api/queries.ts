import { infiniteQueryOptions, queryOptions, type QueryClient } from '@tanstack/react-query'
import { byName } from '@/i18n/byName'
import { api, ApiError, call } from './client'
import { readText } from './text'
import type { AuditChoice, FileEntry, Page, Session, Span, TaskOutput } from './wire'

/** The keys of all that is fetched, and how each is fetched. Nobody writes a key by hand. */
export const queries = {
  config: () => queryOptions({ queryKey: ['config'], queryFn: () => call(api.GET('/config', {})), staleTime: 60_000 }),
  me: () => queryOptions({ queryKey: ['me'], queryFn: () => call(api.GET('/me', {})), staleTime: 60_000, retry: false }),
  signIns: () => queryOptions({ queryKey: ['sign-ins'], queryFn: () => call(api.GET('/me/sign-ins', {})) }),
  tokens: () => queryOptions({ queryKey: ['tokens'], queryFn: () => call(api.GET('/me/tokens', {})) }),
  snapshots: () => queryOptions({ queryKey: ['snapshots'], queryFn: () => all((cursor) => call(api.GET('/snapshots', { params: { query: { limit: 200, cursor } } }))) }),
  push: () => queryOptions({ queryKey: ['push', 'settings'], queryFn: () => call(api.GET('/me/push', {})), retry: false }),
  users: () => queryOptions({ queryKey: ['users'], queryFn: () => all((cursor) => call(api.GET('/users', { params: { query: { limit: 200, cursor } } }))) }),
  invitations: () =>
    infiniteQueryOptions({
      queryKey: ['invitations'],
      queryFn: ({ pageParam, signal }) => call(api.GET('/invitations', { params: { query: { limit: 50, cursor: pageParam } }, signal })),
      ...paged,
    }),
  /** What others do is noted, too: it is asked for whenever somebody comes to look, once. */
  audit: (chosen: AuditChoice) =>
    infiniteQueryOptions({
      queryKey: ['audit', chosen],
      queryFn: ({ pageParam, signal }) => call(api.GET('/audit', { params: { query: { limit: 50, cursor: pageParam, ...chosen } }, signal })),
      ...paged,
      staleTime: 1_000,
    }),
  instances: () => queryOptions({ queryKey: ['instances'], queryFn: () => all((cursor) => call(api.GET('/instances', { params: { query: { limit: 200, cursor } } }))), refetchInterval: 5_000 }),
  /** One's own; null where there is none. */
  instance: () => queryOptions({ queryKey: ['instance'], queryFn: () => call(api.GET('/instance', {})).catch(nullWhereNone), refetchInterval: 15_000 }),
  server: () => queryOptions({ queryKey: ['server'], queryFn: () => call(api.GET('/server', {})), refetchInterval: 15_000 }),
  serverHistory: (range: Span) => queryOptions({ queryKey: ['server', 'history', range], queryFn: () => call(api.GET('/server/history', { params: { query: { range } } })), refetchInterval: 15_000 }),
  instanceHistory: (userId: number, range: Span) =>
    queryOptions({ queryKey: ['history', String(userId), range], queryFn: () => call(api.GET('/instances/{user_id}/history', { params: { path: { user_id: userId }, query: { range } } })), refetchInterval: 15_000 }),
  /** The last hour of everybody's, for a line beside each. */
  recentFigures: () => queryOptions({ queryKey: ['history', 'recent'], queryFn: () => call(api.GET('/instances/history', {})), refetchInterval: 60_000, retry: false }),
  projects: () => queryOptions({ queryKey: ['projects'], queryFn: async () => byName(await all((cursor) => call(api.GET('/projects', { params: { query: { limit: 200, cursor } } })))) }),
  sessions: () => queryOptions({ queryKey: ['sessions'], queryFn: () => all((cursor) => call(api.GET('/sessions', { params: { query: { limit: 200, cursor } } })), 5), staleTime: 30_000 }),
  terminals: () => queryOptions({ queryKey: ['terminals'], queryFn: () => all((cursor) => call(api.GET('/terminals', { params: { query: { limit: 200, cursor } } }))), refetchInterval: 10_000 }),
  search: (q: string) =>
    infiniteQueryOptions({
      queryKey: ['search', q],
      queryFn: ({ pageParam, signal }) => call(api.GET('/search', { params: { query: { q, limit: 30, cursor: pageParam } }, signal })),
      ...paged,
    }),
  /** All that shows files: what to ask anew when something changed them. */
  files: () => ['files'] as const,
  folder: (path: string) => queryOptions({ queryKey: ['files', 'folder', path], queryFn: ({ signal }) => readFolder(path, signal), ...watched }),
  trash: () => queryOptions({ queryKey: ['files', 'trash'], queryFn: ({ signal }) => all((cursor) => call(api.GET('/files/trash', { params: { query: { limit: 1000, cursor } }, signal })), 3), ...watched }),
  fileText: (path: string) => queryOptions({ queryKey: ['files', 'text', path], queryFn: ({ signal }) => readText(path, signal), ...watched }),
  filesNamed: (q: string, path: string) => queryOptions({ queryKey: ['files', 'named', path, q], queryFn: ({ signal }) => call(api.GET('/files/search', { params: { query: { q, path } }, signal })) }),
  linesWith: (q: string, path: string, regexp: boolean) => queryOptions({ queryKey: ['files', 'lines', path, q, regexp], queryFn: ({ signal }) => call(api.GET('/files/grep', { params: { query: { q, path, regexp } }, signal })) }),
  /** What is asked of sessions one by one. */
  eachSession: () => ['session'] as const,
  session: (id: string) => queryOptions({ queryKey: ['session', id], queryFn: () => call(api.GET('/sessions/{id}', { params: { path: { id } } })), staleTime: 30_000 }),
  /** What a command has written so far. One that has just ended has nothing any more: then what was there stays. */
  taskOutput: (id: string, task: string) =>
    queryOptions({
      queryKey: ['task', id, task],
      queryFn: ({ signal }) => call(api.GET('/sessions/{id}/tasks/{task_id}/output', { params: { path: { id, task_id: task } }, signal })),
      structuralSharing: (was, now) => ((was as TaskOutput | undefined)?.total_bytes ?? 0) > (now as TaskOutput).total_bytes ? was : now,
      refetchInterval: (query) => (query.state.status === 'error' ? 10_000 : 1_000),
      retry: false,
      gcTime: 0,
    }),
}

/** How one goes from page to page of a list. */
const paged = {
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page: { next_cursor: string | null }) => page.next_cursor ?? undefined,
}

/** Claude, a terminal or another device may have changed it: it is asked for whenever somebody looks. */
const watched = { staleTime: 1_000, refetchOnWindowFocus: 'always' } as const

/** What is at a path, and what is in it when that is a folder. */
export interface Folder {
  entry: FileEntry
  items: FileEntry[]
  /** There are more than a page shows. */
  more: boolean
}

async function readFolder(path: string, signal: AbortSignal): Promise<Folder> {
  const items: FileEntry[] = []
  let cursor: string | undefined
  for (let n = 0; ; n++) {
    const page = await call(api.GET('/files', { params: { query: { path, limit: 1000, cursor } }, signal }))
    items.push(...page.items)
    if (!page.next_cursor || n === 2) return { entry: page, items, more: page.next_cursor !== null }
    cursor = page.next_cursor
  }
}

function nullWhereNone(e: unknown): null {
  if (e instanceof ApiError && e.status === 404) return null
  throw e
}

/** Every page of a list, up to a number of pages that no view outgrows. */
async function all<T>(fetchPage: (cursor?: string) => Promise<Page<T>>, maxPages = 20): Promise<T[]> {
  const items: T[] = []
  let cursor: string | undefined
  for (let n = 0; n < maxPages; n++) {
    const page = await fetchPage(cursor)
    items.push(...page.items)
    if (!page.next_cursor) break
    cursor = page.next_cursor
  }
  return items
}

/** Puts what the server says of a session into every list that shows it. */
export function noteSession(client: QueryClient, session: Session): void {
  client.setQueryData(queries.session(session.id).queryKey, session)
  client.setQueryData(queries.sessions().queryKey, (list) => {
    if (!list) return list
    const at = list.findIndex((s) => s.id === session.id)
    return at < 0 ? [session, ...list] : list.with(at, session)
  })
}

export function forgetSession(client: QueryClient, id: string): void {
  client.removeQueries({ queryKey: queries.session(id).queryKey })
  client.setQueryData(queries.sessions().queryKey, (list) => list?.filter((s) => s.id !== id))
}
