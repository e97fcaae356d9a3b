import { QueryClient } from '@tanstack/react-query'
import { afterEach, expect, it, vi } from 'vitest'
import { api } from '@/api/client'
import { queries } from '@/api/queries'
import type { Session } from '@/api/wire'
import { isNews, see } from './seen'

const session = (state: string, at: string, seen?: string) => ({ id: `of ${at}`, state, last_activity_at: at, seen_at: seen }) as Session

afterEach(() => vi.restoreAllMocks())

it('has news where something came to its end since it was seen', () => {
  expect(isNews(session('ready', '2026-02-01T11:00:00Z', '2026-02-01T10:00:00Z'))).toBe(true)
  expect(isNews(session('dormant', '2026-02-01T11:00:00.12Z', '2026-02-01T11:00:00.1Z'))).toBe(true)
  expect(isNews(session('ready', '2026-02-01T11:00:00Z', '2026-02-01T11:00:00Z'))).toBe(false)
  expect(isNews(session('running', '2026-02-01T11:00:00Z', '2026-02-01T10:00:00Z'))).toBe(false)
  expect(isNews(session('waiting', '2026-02-01T11:00:00Z', '2026-02-01T10:00:00Z'))).toBe(false)
  expect(isNews(session('ready', '2026-02-01T11:00:00Z'))).toBe(false) // kept by a page of before
})

it('tells the server what is news alone, and shows it as seen at once', async () => {
  const ask = vi.spyOn(api, 'PATCH').mockRejectedValue(new TypeError('no network'))
  const client = new QueryClient()
  const all = [session('ready', '2026-02-01T11:00:00Z', '2026-02-01T10:00:00Z'), session('ready', '2026-02-01T12:00:00Z', '2026-02-01T12:00:00Z')]
  client.setQueryData(queries.sessions().queryKey, all)
  const told = see(client, all)
  expect(client.getQueryData(queries.sessions().queryKey)?.map(isNews)).toEqual([false, false])
  await told
  expect(ask.mock.calls).toEqual([['/sessions/{id}', { params: { path: { id: 'of 2026-02-01T11:00:00Z' } }, body: { seen_at: '2026-02-01T11:00:00Z' } }]])
})
