import { QueryClient } from '@tanstack/react-query'
import { createMemoryHistory } from '@tanstack/react-router'
import { afterEach, expect, it, vi } from 'vitest'
import type { Me } from './api/wire'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('waits for nothing once it is known who is there: without a server one still goes from view to view', { timeout: 30_000 }, async () => {
  vi.stubGlobal('location', { origin: 'http://carrel.test', pathname: '/' })
  // A browser's addresses may be relative; and this network swallows what is asked.
  const NodeRequest = Request
  vi.stubGlobal('Request', class extends NodeRequest {
    constructor(input: string | Request, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, 'http://carrel.test') : input, init)
    }
  })
  vi.stubGlobal('fetch', () => new Promise(() => {}))
  vi.resetModules() // what asks the server takes the browser's means when it is loaded
  const [{ makeRouter }, { queries }] = await Promise.all([import('./router'), import('./api/queries')])
  vi.useFakeTimers()
  const client = new QueryClient()
  client.setQueryData(queries.me().queryKey, { id: 7, language: 'en' } as Me)
  const router = makeRouter(client)
  router.update({ ...router.options, history: createMemoryHistory({ initialEntries: ['/'] }) })
  await router.load()
  expect(router.state.matches.map((match) => match.status)).toEqual(['success', 'success', 'success'])
  client.clear()
})

it('has the views of those who govern for nobody else', async () => {
  vi.stubGlobal('location', { origin: 'http://carrel.test', pathname: '/' })
  vi.resetModules()
  const [{ makeRouter }, { queries }] = await Promise.all([import('./router'), import('./api/queries')])
  const seen = async (role: Me['role']) => {
    const client = new QueryClient()
    client.setQueryData(queries.me().queryKey, { id: 7, language: 'en', role } as Me)
    client.setQueryData(queries.config().queryKey, {} as never)
    const router = makeRouter(client)
    const paths = ['/admin/users', '/admin/users/invitations', '/admin/instances', '/admin/server', '/admin/audit']
    const there = []
    for (const path of paths) {
      router.update({ ...router.options, history: createMemoryHistory({ initialEntries: [path] }) })
      await router.load()
      if (router.state.matches.every((match) => match.status === 'success')) there.push(path)
    }
    client.clear()
    return there
  }
  expect(await seen('user')).toEqual([])
  expect(await seen('moderator')).toEqual(['/admin/users/invitations'])
  expect(await seen('admin')).toHaveLength(5)
})
