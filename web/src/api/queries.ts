import { infiniteQueryOptions, queryOptions, type QueryClient } from '@tanstack/react-query'
import { api, call } from './client'
import type { Page, Session } from './wire'

/** The keys of all that is fetched, and how each is fetched. Nobody writes a key by hand. */
export const queries = {
  config: () => queryOptions({ queryKey: ['config'], queryFn: () => call(api.GET('/config', {})), staleTime: 60_000 }),
  me: () => queryOptions({ queryKey: ['me'], queryFn: () => call(api.GET('/me', {})), staleTime: 60_000, retry: false }),
  tokens: () => queryOptions({ queryKey: ['tokens'], queryFn: () => call(api.GET('/me/tokens', {})) }),
  users: () => queryOptions({ queryKey: ['users'], queryFn: () => all((cursor) => call(api.GET('/users', { params: { query: { limit: 200, cursor } } }))) }),
  instances: () => queryOptions({ queryKey: ['instances'], queryFn: () => all((cursor) => call(api.GET('/instances', { params: { query: { limit: 200, cursor } } }))), refetchInterval: 5_000 }),
  projects: () => queryOptions({ queryKey: ['projects'], queryFn: () => all((cursor) => call(api.GET('/projects', { params: { query: { limit: 200, cursor } } }))) }),
  sessions: () => queryOptions({ queryKey: ['sessions'], queryFn: () => all((cursor) => call(api.GET('/sessions', { params: { query: { limit: 200, cursor } } })), 5), staleTime: 30_000 }),
  terminals: () => queryOptions({ queryKey: ['terminals'], queryFn: () => all((cursor) => call(api.GET('/terminals', { params: { query: { limit: 200, cursor } } }))), refetchInterval: 10_000 }),
  search: (q: string) =>
    infiniteQueryOptions({
      queryKey: ['search', q],
      queryFn: ({ pageParam, signal }) => call(api.GET('/search', { params: { query: { q, limit: 30, cursor: pageParam } }, signal })),
      initialPageParam: undefined as string | undefined,
      getNextPageParam: (page) => page.next_cursor ?? undefined,
    }),
  session: (id: string) => queryOptions({ queryKey: ['session', id], queryFn: () => call(api.GET('/sessions/{id}', { params: { path: { id } } })), staleTime: 30_000 }),
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
